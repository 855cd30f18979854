"""What ends a program with one sentence. No TensorFlow here."""

import contextlib
import os
from collections.abc import Iterator

# What a file of JSON that somebody changed may raise when it is read.
UNREADABLE = AttributeError, LookupError, RecursionError, TypeError, ValueError


class UserError(ValueError):
    """A mistake in flags, files or arcs, which ends a program with code 2.

    The message says what was wrong, what is legal, what was received and what
    to do; it is printed without a traceback.
    """


class DamagedError(UserError):
    """A checkpoint that cannot be read whole."""


class NonFiniteError(RuntimeError):
    """A loss, reward or weight is not finite: programs exit with code 1."""


class WriteError(OSError):
    """A file cannot be written: no space, no permission, a broken disk."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}")


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end; `saved` is whether all done is."""

    def __init__(self, number: int, saved: bool = False) -> None:
        super().__init__(number)
        self.number = number
        self.saved = saved


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes a failure to write in the `with` block say which file it was.

    Raises:
      WriteError: an OSError came; many of them name no file.
      BrokenPipeError: who read it has ended, which is no failure to write.
    """
    try:
        yield
    except (WriteError, BrokenPipeError):
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise WriteError(path, reason) from error
