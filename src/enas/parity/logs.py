"""The verb logs: compares two training logs. docs/DIFF_LOGS.md explains it."""

import argparse
import os
import pathlib
import re
import shutil
import statistics
from collections.abc import Iterator

from enas import tf_settings
from enas.errors import UserError
from enas.parity.log_file import Log, read_log
from enas.parity.log_records import Series, place, step_bounds
from enas.parity.log_table import align, check_csv, spread, table, write_csv

_LEGEND = """
where:  epochs and arcs count from 0, steps from 1. Means over an epoch are
        compared where the two logged at other steps or have other epochs
last:   B - A at the last point
spread: standard deviation """
_OF_POINTS = "of B - A over the points; --again LOG measures chance"
_DIALECTS = """
The two programs print other quantities by the same names, which is no
difference in what they do: docs/DIFF_LOGS.md lists them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    log = "a log file, or a run directory with stdout and metrics.csv"
    parser.add_argument("a", metavar="A", help=log)
    parser.add_argument("b", metavar="B", help=log)
    again = "a further run of A's program, with another seed, to tell chance "
    again += "from a difference; may be given several times"
    parser.add_argument(
        "--again", metavar="LOG", action="append", default=[], help=again
    )
    curves = "directory for both logs as TensorBoard curves, emptied of "
    curves += "earlier ones; none writes none (default: %(default)s)"
    parser.add_argument("--tensorboard", default="diff_enas/logs", help=curves)
    parser.add_argument("--csv", metavar="FILE", help="file for the points")
    over = "replace a --csv that is no such file"
    parser.add_argument("--overwrite", action="store_true", help=over)


def run(arguments: argparse.Namespace) -> int:
    """Compares the logs and prints what it found; returns the exit code 0.

    Raises:
      UserError: a log cannot be read, a file or directory not be written, or
        the logs have nothing in common.
    """
    if arguments.csv:
        check_csv(arguments.csv, arguments.overwrite)
    logs = _read([arguments.a, arguments.b, *arguments.again])
    steps, placed = _place(logs)
    points, *again = (
        align(placed[0], placed[i], steps[0] == steps[i])
        for i in range(1, len(logs))
    )
    if not points:
        raise UserError(
            f"{arguments.a} and {arguments.b} have no number of the same phase "
            "and epoch in common. Legal are two logs of the same part of a "
            "search; their epochs are listed above."
        )
    rows = [
        (some, spread(some, [p for found in again for p in found.get(key, ())]))
        for key, some in points.items()
    ]
    of = f"from run to run, by A and {len(again)} --again"
    print("", *table(rows), _LEGEND + (of if again else _OF_POINTS), sep="\n")
    if logs[0].dialect != logs[1].dialect:
        print(_DIALECTS)
    if arguments.csv:
        write_csv(arguments.csv, [p for some, _ in rows for p in some])
        print(f"Aligned points: {arguments.csv}")
    if arguments.tensorboard != "none":
        names = f"a_{_name(arguments.a)}", f"b_{_name(arguments.b)}"
        curves = zip(names, placed, steps, strict=False)
        _write_curves(arguments.tensorboard, list(curves))
        print(f"Curves: tensorboard --logdir {arguments.tensorboard}")
    return 0


def _read(paths: list[str]) -> list[Log]:
    logs = [read_log(path) for path in paths]
    for log in logs[2:]:
        same = os.path.realpath(log.path) == os.path.realpath(paths[0])
        if same or log.dialect != logs[0].dialect:
            what = "A itself" if same else "not of the program that printed A"
            raise UserError(
                f"--again={log.path} is {what} ({paths[0]}). Legal are further "
                "runs of that program with other seeds."
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
    for i, (log, n, (low, high)) in enumerate(
        zip(logs, steps, bounds, strict=True)
    ):
        series, remarks = place(log, n)
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
            raise OSError("it holds something else than curves of two logs")
        marker.touch()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--tensorboard={path} is left alone: {error}. Name a new or empty "
            "directory, or none to write no curves."
        ) from None
    for earlier in [*folder.glob("a_*"), *folder.glob("b_*")]:
        shutil.rmtree(earlier)
    with tf_settings.quiet_import():
        import tensorflow as tf

        tf.config.list_logical_devices()
    for name, series, steps in runs:
        with tf.summary.create_file_writer(str(folder / name)).as_default():
            for tag, step, value in _curves(series, steps):
                tf.summary.scalar(tag, value, step=step)


def _curves(series: Series, steps: int) -> Iterator[tuple[str, int, float]]:
    """Yields (phase/quantity, global child step, number).

    What happens between two child steps stands at the last one of its epoch.
    """
    for key, epochs in series.items():
        for epoch, numbers in sorted(epochs.items()):
            if key[0] != "child" and numbers:
                numbers = {steps: statistics.fmean(numbers.values())}
            for position, value in sorted(numbers.items()):
                yield "/".join(key), epoch * steps + position, value
