"""Pairs the numbers of two logs and tells how they differ. No TensorFlow."""

import csv
import math
import statistics
from typing import NamedTuple

from enas.errors import naming
from enas.parity.log_records import Series
from enas.paths import check_free

_TITLES = "quantity,points,mean A,mean B,B - A,largest,where,last,spread"


class Point(NamedTuple):
    """Two numbers for one moment; without a position, means over the epoch."""

    phase: str
    quantity: str
    epoch: int
    position: int | None
    a: float
    b: float


_HEADER = ",".join(Point._fields)


def align(a: Series, b: Series, same_steps: bool) -> dict[tuple, list[Point]]:
    """Pairs the numbers of two logs; returns (phase, quantity) -> points.

    In an epoch in which at least half of the numbers of the sparser log have
    a partner at the same position, those pairs are the points. In others, the
    two means over the epoch are one point. Where an epoch does not have the
    same number of child steps in both, child steps have no partner.
    """
    found: dict[tuple, list[Point]] = {}
    for key in [key for key in a if key in b]:
        exact = same_steps or key[0] != "child"
        for epoch in sorted(a[key].keys() & b[key].keys()):
            for pair in _pairs(a[key][epoch], b[key][epoch], exact):
                found.setdefault(key, []).append(Point(*key, epoch, *pair))
    return found


def _pairs(a: dict, b: dict, exact: bool) -> list[tuple]:
    common = sorted(a.keys() & b.keys()) if exact else []
    if 2 * len(common) >= min(len(a), len(b)):
        return [(place, a[place], b[place]) for place in common]
    return [(None, *(statistics.fmean(log.values()) for log in (a, b)))]


def spread(points: list[Point], again: list[Point]) -> float | None:
    """Returns the standard deviation to judge differences by, or None.

    That of a number from run to run, by the points of A and further runs of
    its program if there are any, else that of B - A.
    """
    if again:
        return math.sqrt(statistics.fmean((p.b - p.a) ** 2 / 2 for p in again))
    differences = [p.b - p.a for p in points]
    return statistics.stdev(differences) if len(points) > 1 else None


def table(rows: list[tuple[list[Point], float | None]]) -> list[str]:
    """Returns the lines of the table from points and spreads."""
    cells = [_TITLES.split(","), *(_cells(*row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    pairs = zip("<<>>>><>>", widths, strict=True)
    form = "  ".join(f"{{:{side}{width}}}" for side, width in pairs)
    return [form.format(*line) for line in cells]


def _cells(points: list[Point], spread: float | None) -> list[str]:
    far, last = max(points, key=lambda p: abs(p.b - p.a)), points[-1]
    mean_a = statistics.fmean(p.a for p in points)
    mean_b = statistics.fmean(p.b for p in points)
    means = sum(p.position is None for p in points)
    counts = (len(points) - means, "lines"), (means, "means")
    return [
        f"{far.phase} {far.quantity}",
        ", ".join(f"{n} {what}" for n, what in counts if n),
        *(f"{mean_a:.5g}", f"{mean_b:.5g}", _signed(mean_b - mean_a)),
        *(_signed(far.b - far.a), _where(far), _signed(last.b - last.a)),
        "-" if spread is None else f"{spread:.3g}",
    ]


def _signed(difference: float) -> str:
    """Without what float arithmetic adds far behind the printed digits."""
    return f"{round(difference, 12) + 0.0:+.3g}"


def _where(point: Point) -> str:
    words = {"child": " step ", "controller": " arc ", "arc_accuracy": " arc "}
    word = words.get(point.phase) or words.get(point.quantity)
    exact = word and point.position is not None
    return f"epoch {point.epoch}" + (f"{word}{point.position}" if exact else "")


def check_csv(path: str, overwrite: bool) -> None:
    """Refuses a file that is no table of points, with a UserError."""
    check_free(path, "--csv", overwrite, mark=_HEADER)


def write_csv(path: str, points: list[Point]) -> None:
    """Writes points, one a line."""
    with naming(path), open(path, "w", encoding="utf-8") as stream:
        stream.write(_HEADER + "\n")
        csv.writer(stream, lineterminator="\n").writerows(points)
