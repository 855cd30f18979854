"""How a small program prints its lines and reports mistakes. No TensorFlow."""

import sys
from collections.abc import Callable, Iterable, Sequence

from enas.errors import NonFiniteError, UserError
from enas.paths import command_words
from enas.utils import forget_reader, open_output


def run_tool(
    lines_of: Callable[[list[str]], Iterable[str]],
    argv: Sequence[str] | None = None,
    usage: str = "",
) -> int:
    """Prints what a tool says, line by line; returns its exit code.

    That is 0, 2 for a mistake of the user, or 1 for a file that cannot be
    written or read, or numbers that are not finite.

    Args:
      lines_of: returns or yields the lines, given the command line.
      argv: the program's name first; sys.argv by default.
      usage: what --help prints; "" if `lines_of` sees to that.
    """

    def run() -> int:
        words = command_words(sys.argv if argv is None else argv)
        helps = usage and {"--help", "-h"} & {*words}
        for line in usage.splitlines() if helps else lines_of(words):
            print(line, flush=True)
        return 0

    return exit_code(run)


def exit_code(run: Callable[[], int], interrupted: str = "Interrupted.") -> int:
    """Runs a program and tells mistakes on stderr; codes as of `run_tool`.

    Args:
      run: returns its exit code.
      interrupted: what is said after Ctrl-C, for which the code is 130.
    """
    open_output()
    try:
        code = run()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        forget_reader()
        return 0
    except SystemExit as leaving:  # argparse's way to end --help
        return int(leaving.code or 0)
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        return 130
    except (UserError, OSError, NonFiniteError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
