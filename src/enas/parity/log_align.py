"""Puts the numbers of two logs side by side. No TensorFlow here."""

from typing import NamedTuple

from enas.cifar10.metrics import COLUMNS

__all__ = ["QUANTITIES", "Point", "align", "value_at"]

# (phase, quantity) -> the last digit that the logs print of it. A difference
# of means below that is rounding.
QUANTITIES = {
    ("child", "loss"): 1e-6,
    ("child", "accuracy"): 1e-4,
    ("child", "lr"): 1e-4,
    ("child", "grad_norm"): 1e-4,
    ("controller", "loss"): 1e-3,
    ("controller", "accuracy"): 1e-4,
    ("controller", "lr"): 1e-4,
    ("controller", "grad_norm"): 1e-4,
    ("controller", "entropy"): 1e-2,
    ("controller", "baseline"): 1e-2,
    ("evaluation", "arc_accuracy"): 1e-4,
    ("evaluation", "valid_accuracy"): 1e-4,
    ("evaluation", "test_accuracy"): 1e-4,
}
# The log has the same; and a time is no property of the program.
_NOT_COMPARED = ("epoch", "valid_acc", "test_acc")
QUANTITIES |= {
    ("epoch", column): 1e-6
    for column in COLUMNS
    if column not in _NOT_COMPARED and not column.startswith("seconds_")
}


class Point(NamedTuple):
    """One number of each of two logs that stand for the same moment.

    Attributes:
      phase: str, as in `Record`.
      quantity: str.
      epoch: int, from 0.
      position: int as in `Record`, or None: a and b are the epoch's means.
      a: float.
      b: float.
      lines_a: int, numbers of the log behind a; 1 unless it is a mean.
      lines_b: int.
    """

    phase: str
    quantity: str
    epoch: int
    position: int | None
    a: float
    b: float
    lines_a: int
    lines_b: int


def align(series_a, series_b, same_steps):
    """Pairs the numbers of two logs, quantity by quantity, epoch by epoch.

    In an epoch in which at least half of the numbers of the sparser log have
    a partner at the same position, those pairs are the points. In others, the
    two means over the epoch are one point.

    Args:
      series_a: dict, as `log_records.series` returns it.
      series_b: dict.
      same_steps: bool, whether an epoch has the same number of child steps
        in both; if not, child positions are not comparable.

    Returns:
      dict (phase, quantity) -> list of `Point`, in the order of `QUANTITIES`,
      without quantities that have no point.
    """
    table = {}
    for key in QUANTITIES:
        ours, theirs = series_a.get(key, {}), series_b.get(key, {})
        exact = same_steps or key[0] != "child"
        points = [
            Point(*key, epoch, *pair)
            for epoch in sorted(ours.keys() & theirs.keys())
            for pair in _pairs(ours[epoch], theirs[epoch], exact)
        ]
        if points:
            table[key] = points
    return table


def value_at(series, point):
    """Returns what a further log has at a point, float, or None."""
    found = series.get((point.phase, point.quantity), {}).get(point.epoch, {})
    if point.position is not None:
        return found.get(point.position)
    return _mean(found) if found else None


def _pairs(a, b, exact):
    """Yields (position, a, b, lines of a, lines of b) of an epoch."""
    common = sorted(a.keys() & b.keys()) if exact else []
    if 2 * len(common) >= min(len(a), len(b)):
        for position in common:
            yield position, a[position], b[position], 1, 1
    else:
        yield None, _mean(a), _mean(b), len(a), len(b)


def _mean(numbers):
    return sum(numbers.values()) / len(numbers)
