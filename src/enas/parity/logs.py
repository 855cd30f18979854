"""The verb logs: compares two training logs. docs/DIFF_LOGS.md explains it."""

import argparse
import math
import os
import pathlib
import re
import shutil
import statistics
from typing import NamedTuple

from enas import tf_settings
from enas.errors import UserError, naming
from enas.parity.log_file import (
    Log,
    Series,
    file_of,
    place,
    read_log,
    step_bounds,
)
from enas.paths import check_free
from enas.run.files import table_text
from enas.utils import columns

_TITLES = "quantity,points,mean A,mean B,B - A,largest,where,last,spread"
_LEGEND = """
where:  epochs and arcs count from 0, steps from 1. Means over an epoch are
        compared where the two logged at different steps or epochs
last:   B - A at the last point
spread: standard deviation """
_OF_POINTS = "of B - A over the points; --again LOG measures chance"
_DIALECTS = """
The two programs print some different quantities under the same names, although
they do the same: docs/DIFF_LOGS.md lists them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    add = parser.add_argument
    log = "a log file, or a run directory with stdout and metrics.csv"
    add("a", metavar="A", help=log)
    add("b", metavar="B", help=log)
    again = "another run of A's program, with another seed, to tell chance "
    again += "from a difference; may be given several times"
    add("--again", metavar="LOG", action="append", default=[], help=again)
    curves = "directory for both logs as TensorBoard curves, which replace "
    curves += "earlier ones; none for no curves (default: %(default)s)"
    add("--tensorboard", default="diff_enas/logs", help=curves)
    add("--csv", metavar="FILE", help="file for the points")
    over = "replace a --csv that is not such a file"
    add("--overwrite", action="store_true", help=over)


def run(arguments: argparse.Namespace) -> int:
    """Compares the logs and prints what it found; returns the exit code 0.

    Raises:
      UserError: a log cannot be read, a file or directory not be written, or
        the logs have nothing in common.
    """
    path = arguments.csv
    if path:
        header = ",".join(Point._fields)
        check_free(path, "--csv", arguments.overwrite, mark=header)
    logs = _read([arguments.a, arguments.b, *arguments.again])
    steps, placed = _place(logs)
    pairs = zip(placed[1:], steps[1:], strict=True)
    points, *again = (align(placed[0], s, n == steps[0]) for s, n in pairs)
    if not points:
        raise UserError(
            f"{arguments.a} and {arguments.b} have no number of the same phase "
            "and epoch in common. Legal are two logs of the same part of a "
            "search; their epochs are listed above."
        )
    cells = [_TITLES.split(",")]
    for key, some in points.items():
        chance = [point for found in again for point in found.get(key, ())]
        cells.append(_cells(some, spread(some, chance)))
    of = f"from run to run, by A and {len(again)} --again"
    table = columns(cells, "<<>>>><>>")
    print("", *table, _LEGEND + (of if again else _OF_POINTS), sep="\n")
    if logs[0].dialect != logs[1].dialect:
        print(_DIALECTS)
    if path:
        found = (p._asdict() for some in points.values() for p in some)
        with naming(path), open(path, "w", encoding="utf-8") as stream:
            stream.write(table_text(found, Point._fields))
        print(f"Aligned points: {path}")
    if arguments.tensorboard != "none":
        names = f"a_{_name(arguments.a)}", f"b_{_name(arguments.b)}"
        curves = zip(names, placed, steps, strict=False)
        _write_curves(arguments.tensorboard, list(curves))
        print(f"Curves: tensorboard --logdir {arguments.tensorboard}")
    return 0


def _read(paths: list[str]) -> list[Log]:
    logs = [read_log(path) for path in paths]
    files = [os.path.realpath(file_of(path)) for path in paths]
    for i, log in enumerate(logs[2:], 2):
        if log.dialect != logs[0].dialect:
            what = "not of the program that printed A"
        elif files[i] in files[:i]:
            what = (
                f"{('A', 'B', 'another')[min(files.index(files[i]), 2)]} itself"
            )
        else:
            continue
        raise UserError(
            f"--again={log.path} is {what} (A is {paths[0]}). Legal are "
            "further runs of A's program with other seeds, each once."
        )
    return logs


def _place(logs: list[Log]) -> tuple[list[int], list[Series]]:
    """Returns steps per epoch and numbers of each log, and says what it is.

    If one number of steps is possible for all, it is the smallest such.
    """
    bounds = [step_bounds(log) for log in logs]
    low = max(low for low, _ in bounds)
    fits = all(low <= high for _, high in bounds)
    steps, placed = [low if fits else own for own, _ in bounds], []
    for i, (log, n) in enumerate(zip(logs, steps, strict=True)):
        (low, high), (series, remarks) = bounds[i], place(log, n)
        epochs = {epoch for numbers in series.values() for epoch in numbers}
        program = {"enas": "original's format", "paper": "paper's code"}
        allowed = "" if low == high else f" (the log allows {low} to {high})"
        print(
            f"{('A', 'B', 'again')[min(i, 2)]}: {log.path}\n"
            f"   {program[log.dialect]}, epochs {min(epochs)} to {max(epochs)},"
            f" {n} child steps in an epoch{allowed}\n"
            f"   {'; '.join([*log.remarks, *remarks])}"
        )
        placed.append(series)
    return steps, placed


def _name(path: str) -> str:
    """Returns that of a log or its folder, of letters, digits and -_. only."""
    folder, name = os.path.split(os.path.abspath(path))
    name = os.path.basename(folder) if name.startswith("stdout") else name
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:100]


def _write_curves(path: str, runs: list[tuple[str, Series, int]]) -> None:
    """Writes a TensorBoard run for each (name, numbers, steps per epoch)."""
    folder = pathlib.Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / ".enas_diff_logs"
        if any(folder.iterdir()) and not marker.exists():
            raise OSError("it holds something other than curves of two logs")
        marker.touch()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--tensorboard={path} is left alone: {error}. Name a new or empty "
            "directory, or none to write no curves."
        ) from None
    for earlier in [*folder.glob("a_*"), *folder.glob("b_*")]:
        shutil.rmtree(earlier)
    tf_settings.start_tensorflow()
    import tensorflow as tf

    for name, series, steps in runs:
        with tf.summary.create_file_writer(str(folder / name)).as_default():
            for key, epochs in series.items():
                for epoch, numbers in sorted(epochs.items()):
                    # Between two child steps: at the last one of its epoch.
                    if key[0] != "child" and numbers:
                        numbers = {steps: statistics.fmean(numbers.values())}
                    for position, value in sorted(numbers.items()):
                        step = epoch * steps + position
                        tf.summary.scalar("/".join(key), value, step=step)


class Point(NamedTuple):
    """Two numbers for one moment; without a position, means over the epoch."""

    phase: str
    quantity: str
    epoch: int
    position: int | None
    a: float
    b: float


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
    return [(None, statistics.fmean(a.values()), statistics.fmean(b.values()))]


def spread(points: list[Point], again: list[Point]) -> float | None:
    """Returns the standard deviation to judge differences by, or None.

    That of a number from run to run, by the points of A and further runs of
    its program if there are any, else that of B - A.
    """
    if again:
        return math.sqrt(statistics.fmean((p.b - p.a) ** 2 / 2 for p in again))
    differences = [p.b - p.a for p in points]
    return statistics.stdev(differences) if len(points) > 1 else None


def _cells(points: list[Point], spread: float | None) -> list[str]:
    far, last = max(points, key=lambda p: abs(p.b - p.a)), points[-1]
    a = statistics.fmean(p.a for p in points)
    b = statistics.fmean(p.b for p in points)
    # Rounded: float arithmetic adds something far beyond the printed digits.
    differences = (b - a, far.b - far.a, last.b - last.a)
    signed = [f"{round(each, 12) + 0.0:+.3g}" for each in differences]
    means = sum(p.position is None for p in points)
    counts = (len(points) - means, "lines"), (means, "means")
    return [
        f"{far.phase} {far.quantity}",
        ", ".join(f"{n} {what}" for n, what in counts if n),
        *(f"{a:.5g}", f"{b:.5g}", *signed[:2], _where(far), signed[2]),
        "-" if spread is None else f"{spread:.3g}",
    ]


def _where(point: Point) -> str:
    words = {"child": " step ", "controller": " arc ", "arc_accuracy": " arc "}
    word = words.get(point.phase) or words.get(point.quantity)
    exact = word and point.position is not None
    return f"epoch {point.epoch}" + (f"{word}{point.position}" if exact else "")
