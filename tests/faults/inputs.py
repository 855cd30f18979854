"""Gives hostile input to everything that reads input: the property tests."""

import os
import pathlib
import re
import subprocess
import sys

__all__ = ["add_arguments", "run"]

RUN = pathlib.Path(__file__).parents[1] / "run"
TESTS = sorted(map(str, RUN.glob("test_hostile_*.py")))


def add_arguments(parser):
    """Adds the verb's arguments.

    Args:
      parser: `argparse.ArgumentParser`.
    """
    parser.add_argument(
        "--cases",
        type=int,
        default=750,
        help="for each property (default: %(default)s)",
    )


def run(arguments):
    """Runs the properties and prints how many cases there were.

    Args:
      arguments: namespace as `add_arguments` makes it.

    Returns:
      int, 0 if every input was read or refused as it should, else 1.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", *TESTS],
        env=os.environ | {"ENAS_FAULT_CASES": str(arguments.cases)},
        stdout=subprocess.PIPE,
        text=True,
    )
    counts = re.findall(r"^(\d+) cases of (.*)$", done.stdout, re.MULTILINE)
    for number, what in counts:
        print(f"{number:>7} {what}")
    print(f"{sum(int(number) for number, _ in counts):>7} cases in all")
    if done.returncode:
        print(done.stdout)
    print(done.stdout.strip().splitlines()[-1])
    return 1 if done.returncode else 0
