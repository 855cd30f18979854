"""How far two logs are apart, and how much of it is noise. No TensorFlow.

docs/DIFF_LOGS.md explains the formulas.
"""

import math
import statistics
from typing import NamedTuple

from enas.parity.log_align import QUANTITIES, value_at

__all__ = ["Row", "summarize"]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
      points: list of `Point`.
      mean_a: float, over the points.
      mean_b: float.
      difference: float, mean_b - mean_a.
      farthest: `Point` with the largest |b - a|.
      spread: float, standard deviation of one point of one run, or None if
        nothing in the logs tells it.
      noise: float, standard deviation that `difference` would have if both
        were runs of the same program; or None.
      ratio: float, |difference| / noise; or None.
    """

    points: list
    mean_a: float
    mean_b: float
    difference: float
    farthest: object
    spread: float | None
    noise: float | None
    ratio: float | None


def summarize(points, series_a, series_b, again):
    """Computes the line of the table for one quantity.

    Args:
      points: list of `Point` of that quantity.
      series_a: dict, as `log_records.series` returns it.
      series_b: dict.
      again: list of such dicts, of further runs of A's program.

    Returns:
      A `Row`.
    """
    key = points[0].phase, points[0].quantity
    mean_a = statistics.fmean(p.a for p in points)
    mean_b = statistics.fmean(p.b for p in points)
    if again:
        spread, noise = _between_runs(points, again)
    else:
        spread, noise = _within_logs(points, series_a[key], series_b[key])
    ratio = None
    if noise is not None:
        noise = max(noise, QUANTITIES[key])
        ratio = abs(mean_b - mean_a) / noise
    farthest = max(points, key=lambda p: abs(p.b - p.a))
    return Row(
        points,
        mean_a,
        mean_b,
        mean_b - mean_a,
        farthest,
        spread,
        noise,
        ratio,
    )


def _between_runs(points, again):
    """Returns (spread, noise) from A and further runs of its program.

    Points of one run are not independent: a run that is ahead early stays
    ahead. So the runs' means are compared as well, and the larger counts.
    """
    table = [[p.a, *(value_at(run, p) for run in again)] for p in points]
    table = [values for values in table if None not in values]
    if not table:
        return None, None
    spread = _root_mean(statistics.variance(values) for values in table)
    means = [statistics.fmean(column) for column in zip(*table, strict=True)]
    noise = math.sqrt(2) * max(
        spread / math.sqrt(len(table)), statistics.stdev(means)
    )
    return spread, noise


def _within_logs(points, epochs_a, epochs_b):
    """Returns (spread, noise) from the scatter of lines within each log."""
    epochs = sorted({point.epoch for point in points})
    a, b = (
        _scatter([list(log[epoch].values()) for epoch in epochs])
        for log in (epochs_a, epochs_b)
    )
    if a is None or b is None:
        return None, None
    variance = sum(a**2 / p.lines_a + b**2 / p.lines_b for p in points)
    return _root_mean([a**2, b**2]), math.sqrt(variance) / len(points)


def _scatter(epochs):
    """Returns the standard deviation of lines about a local mean, or None.

    Args:
      epochs: list of lists of floats, the numbers of each epoch.
    """
    epochs = [numbers for numbers in epochs if numbers]
    several = [numbers for numbers in epochs if len(numbers) > 1]
    if several:
        squares = sum(
            (len(numbers) - 1) * statistics.variance(numbers)
            for numbers in several
        )
        return math.sqrt(squares / sum(len(n) - 1 for n in several))
    # One number an epoch: neighbouring epochs differ by sqrt(2) spreads.
    firsts = [numbers[0] for numbers in epochs]
    steps = [b - a for a, b in zip(firsts, firsts[1:], strict=False)]
    return _root_mean(step**2 / 2 for step in steps) if steps else None


def _root_mean(squares):
    return math.sqrt(statistics.fmean(squares))
