"""The comparison program: finds the verb, then runs its module.

That has `add_arguments(parser)` and `run(arguments)`, which returns the exit
code. It is imported when its verb is called, so that help needs no TensorFlow.
"""

import importlib
import sys
from collections.abc import Sequence

from enas.errors import UserError
from enas.parser import Parser
from enas.tools.command import exit_code
from enas.utils import columns

PROGRAM = "bash scripts/diff_enas.sh"
ABOUT = "Compares this project with the original. Verbs:"
MORE = f"`{PROGRAM} VERB --help` lists a verb's arguments."

# Verb -> its module and what it does.
VERBS = {
    "recordings": (
        "enas.parity.recordings",
        "compares the port with recordings of the original",
    ),
    "logs": (
        "enas.parity.logs",
        "compares two training logs, number by number and as curves",
    ),
    "checkpoint": (
        "enas.parity.checkpoint_diff",
        "compares a checkpoint of the original with the port's",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb, by words without the program's name.

    Returns:
      The exit code: that of the verb, 0 for help, 1 if a file cannot be read
      or written, 2 for a mistake of the user, 130 when interrupted.
    """
    words = sys.argv[1:] if argv is None else argv
    return exit_code(lambda: _run(words))


def _run(argv: Sequence[str]) -> int:
    if argv and argv[0] in ("--help", "-h"):
        verbs = columns([(f"  {v}", t) for v, (_, t) in VERBS.items()], "<<")
        print(
            f"usage: {PROGRAM} VERB ...", "", ABOUT, *verbs, "", MORE, sep="\n"
        )
        return 0
    if not argv or argv[0] not in VERBS:
        received = f"received {argv[0]!r}" if argv else "received none"
        raise UserError(
            f"the first argument is a verb, one of {', '.join(VERBS)}; "
            f"{received}. `{PROGRAM} --help` says what they do."
        )
    verb, *words = argv
    place, summary = VERBS[verb]
    module = importlib.import_module(place)
    about = f"Verb {verb}: {summary}."
    parser = Parser(f"{PROGRAM} {verb}", description=about, allow_abbrev=False)
    module.add_arguments(parser)
    return module.run(parser.parse_words(words))


if __name__ == "__main__":
    sys.exit(main())
