"""The verb logs: compares two training logs. docs/DIFF_LOGS.md explains it."""

import os

from enas.errors import UserError
from enas.parity.log_align import align
from enas.parity.log_events import check_directory, write_events
from enas.parity.log_file import read_log
from enas.parity.log_records import aggregate, records, series
from enas.parity.log_report import check_csv, describe, table, write_csv
from enas.parity.log_spread import summarize
from enas.parity.log_steps import common_steps
from enas.parity.log_texts import legend

__all__ = ["add_arguments", "run"]


def add_arguments(parser):
    """Adds the verb's arguments.

    Args:
      parser: `argparse.ArgumentParser`.
    """
    log = "a log file, or a run directory with stdout and metrics.csv"
    parser.add_argument("a", metavar="A", help=log)
    parser.add_argument("b", metavar="B", help=log)
    parser.add_argument(
        "--again",
        metavar="LOG",
        action="append",
        default=[],
        help="a further run of A's program, with another seed, to tell noise "
        "from a difference; may be given several times",
    )
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        default=os.path.join("diff_enas", "logs"),
        help="directory for both logs as curves, emptied of earlier ones; "
        "none writes none (default: %(default)s)",
    )
    parser.add_argument(
        "--csv", metavar="FILE", help="file for the aligned points"
    )


def run(arguments):
    """Compares the logs and prints what it found.

    Args:
      arguments: namespace with a, b, again, tensorboard, csv.

    Returns:
      int, the exit code 0.

    Raises:
      UserError: a log cannot be read, a file or directory not be written, or
        the logs have nothing in common.
    """
    wants_curves = arguments.tensorboard != "none"
    if wants_curves:
        check_directory(arguments.tensorboard)
    if arguments.csv:
        check_csv(arguments.csv)
    logs = _read(arguments)
    steps = common_steps(logs)
    placed = [records(log, n) for log, n in zip(logs, steps, strict=True)]
    for letter, log, n, found in zip(
        ["A", "B", *["again"] * len(arguments.again)],
        *(logs, steps, placed),
        strict=True,
    ):
        print("\n".join(describe(letter, log, n, *found)))
    points = _compare(logs, steps, [found for found, _ in placed])
    if arguments.csv:
        write_csv(arguments.csv, points, aggregate(logs[0]))
        print(f"Aligned points: {arguments.csv}")
    if wants_curves:
        names = f"a_{logs[0].name}", f"b_{logs[1].name}"
        runs = {name: placed[i][0] for i, name in enumerate(names)}
        write_events(arguments.tensorboard, runs)
        print(f"Curves: tensorboard --logdir {arguments.tensorboard}")
    return 0


def _read(arguments):
    """Returns the logs A, B and again, all of them checked."""
    logs = [
        read_log(path) for path in (arguments.a, arguments.b, *arguments.again)
    ]
    first = logs[0]
    for log in logs[2:]:
        if log.dialect != first.dialect:
            raise UserError(
                f"--again={log.path} is not of the program that printed A, "
                f"{first.path}. Legal are further runs of that program with "
                "other seeds."
            )
        if os.path.realpath(log.path) == os.path.realpath(first.path):
            raise UserError(
                f"--again={log.path} is A itself, which tells nothing of how "
                "its runs differ. Name a run with another seed."
            )
    return logs


def _compare(logs, steps, all_records):
    """Prints the table; returns the aligned points."""
    a, b, *again = map(series, all_records)
    aligned = align(a, b, steps[0] == steps[1])
    if not aligned:
        raise UserError(
            f"{logs[0].path} and {logs[1].path} have no number of the same "
            "phase and epoch in common. Legal are two logs of the same part "
            "of a search; their epochs are listed above."
        )
    rows = {
        key: summarize(points, a, b, again) for key, points in aligned.items()
    }
    print()
    print("\n".join(table(rows, aggregate(logs[0]))))
    print()
    for line in legend(logs, steps, aligned):
        print(line)
    return [point for points in aligned.values() for point in points]
