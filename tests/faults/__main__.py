"""The fault harness: finds the verb, then runs its module.

A verb's module has `add_arguments(parser)` and `run(arguments)`, which returns
the exit code.
"""

import importlib
import sys

from enas.errors import UserError
from enas.parser import Parser

__all__ = ["VERBS", "main"]

PROGRAM = "bash scripts/faults.sh"

# Verb, which is also the name of its module here -> what it does.
VERBS = {
    "kills": "kills searches at random moments and compares what they end with",
    "soak": "runs a tiny search for 300 epochs and measures its process",
    "inputs": "gives hostile input to everything that reads input",
}


def main(argv=None):
    """Runs one verb.

    Args:
      argv: list of str without the program's name; sys.argv by default.

    Returns:
      int, exit code: 0 if nothing was found, 1 if something was; 2 for a
      mistake in the arguments.
    """
    parser = Parser(prog=PROGRAM, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    modules = {}
    for verb, text in VERBS.items():
        modules[verb] = importlib.import_module(f"faults.{verb}")
        modules[verb].add_arguments(verbs.add_parser(verb, help=text))
    try:
        arguments = parser.parse_words(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return modules[arguments.verb].run(arguments)


if __name__ == "__main__":
    sys.exit(main())
