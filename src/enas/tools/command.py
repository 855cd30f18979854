"""How a small program prints its lines and tells mistakes. No TensorFlow."""

import os
import sys

from enas.errors import UserError

__all__ = ["run_tool"]


def run_tool(lines_of, argv=None):
    """Prints what a tool says, line by line.

    Args:
      lines_of: function of the command line, a list of str, that returns or
        yields lines.
      argv: list of str, the program's name first; sys.argv by default.

    Returns:
      int, exit code: 0, or 2 for a mistake of the user.
    """
    try:
        for line in lines_of(list(sys.argv if argv is None else argv)):
            print(line, flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever reads, such as `head`, has had enough. What is left in the
        # buffer would be written, and fail, at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
