"""The verb recordings: what was recorded of the originals, and the port."""

import argparse
import pathlib

from enas import tf_settings
from enas.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    text = "a directory of recordings, with enas/*.npz and paper/*.npz; the "
    text += "script gives those of this project, tests/golden, if you name none"
    parser.add_argument("directory", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Prints the table; returns 1 if a quantity missed or was left out, else 0.

    Raises:
      UserError: there are no recordings, or one cannot be read.
    """
    # The recordings were made without oneDNN, whose sums have another order.
    tf_settings.start_tensorflow(onednn="0")
    paths = sorted(pathlib.Path(arguments.directory).rglob("*.npz"))
    if not paths:
        raise UserError(
            f"{arguments.directory} holds no recordings. Legal is a directory "
            "with enas/*.npz or paper/*.npz, such as tests/golden of this "
            "project."
        )
    missed = sum(map(_print_table, paths))
    print(f"{len(paths)} recordings, {missed} quantities missed")
    return int(missed > 0)


def _print_table(path: pathlib.Path) -> int:
    """Prints the lines of a recording; returns how many quantities missed."""
    from enas.parity.recorded_quantities import compare_file

    line = "  {:<34}{:>11}{:>11}{:>11}  {:<8}{}".format
    numbers = "difference", "magnitude", "tolerance"
    print(path)
    print(line("quantity", *numbers, "verdict", "the tolerance is"))
    verdicts = compare_file(path)
    for verdict in verdicts:
        shown = [f"{getattr(verdict, name):.1e}" for name in numbers]
        word, why = "ok", verdict.rule
        if not verdict.passes:
            word, why = "MISS", f"{verdict.rule}; {verdict.worst}"
        print(line(verdict.quantity, *shown, word, why), flush=True)
    return sum(not verdict.passes for verdict in verdicts)
