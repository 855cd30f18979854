"""The log format of the original, and small helpers. No TensorFlow here.

Tools that read the original's logs read these lines, so blanks matter.
"""

import contextlib
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO, TypeVar

import tqdm

from enas.errors import naming

DASHES = "-" * 80
T = TypeVar("T")
# What takes a line: a `Log`, print, or `quiet`.
Say = Callable[[str], None]


def open_output() -> None:
    """Lets every text be printed, and none where a stream is closed.

    What the encoding of a stream lacks is printed as its code.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # The first file that is opened takes the number of the closed one.
            setattr(sys, name, open(os.devnull, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def forget_reader() -> None:
    """Lets output go nowhere after who read it, such as `head`, has ended.

    What is left in the buffer would be written, and fail, at the end.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def quiet(line: str = "") -> None:
    """Is a log that nobody reads."""


def flag_lines(settings: Mapping[str, Any]) -> list[str]:
    """Returns the flag listing: name, dots, value, 80 columns wide.

    Source: ENAS utils.py `print_user_flags`; same.
    """
    return [
        name + str(value).rjust(80 - len(name), ".")
        for name, value in sorted(settings.items())
    ]


# The log lines of a child step and of an arc in the controller phase. Source:
# ENAS main.py `train`; same, blank for blank.
#
# Of the child: `epoch` is the number of whole epochs after the step, so that of
# the last step of epoch e (from 0) is e + 1; `ch_step` counts that step too;
# |g| has l2 in it; then come right answers and images.
child_line = (
    "epoch={:<6d}ch_step={:<6d} loss={:<8.6f} lr={:<8.4f} |g|={:<8.4f}"
    " tr_acc={:<3d}/{:>3d} mins={:<10.2f}"
).format
# Of the controller: `ctrl_step` counts the updates done before; loss, entropy
# (nats), |g| and accuracy in [0, 1] are of this arc, the baseline after it.
controller_line = (
    "ctrl_step={:<6d} loss={:<7.3f} ent={:<5.2f} lr={:<6.4f} |g|={:<8.4f}"
    " acc={:<6.4f} bl={:<5.2f} mins={:<.2f}"
).format


def columns(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Returns the lines of a table; `sides` has < or > for every column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = zip(sides, widths, strict=True)
    form = "  ".join(f"{{:{side}{width}}}" for side, width in cells)
    return [form.format(*row).rstrip() for row in rows]


class Log:
    """Prints lines, and writes them to a file once there is one.

    Lines from before the run directory exists are kept and written first.
    """

    def __init__(self) -> None:
        self._early: list[str] = []
        self._file: TextIO | None = None

    def __call__(self, line: object = "") -> None:
        with naming("Standard output"):
            tqdm.tqdm.write(str(line), file=sys.stdout)
            sys.stdout.flush()
        if self._file is None:
            self._early.append(str(line))
        else:
            with naming(self._file.name):
                self._file.write(f"{line}\n")
                self._file.flush()

    def attach(self, path: str) -> None:
        """Appends all lines, past and coming, to the file at `path`."""
        with naming(path):
            self._file = open(path, "a", encoding="utf-8")
            self._file.writelines(f"{line}\n" for line in self._early)
            self._file.flush()
        self._early = []

    def close(self) -> None:
        if self._file is not None:
            # On a full disk closing writes again what could not be written.
            with contextlib.suppress(OSError):
                self._file.close()


def progress(
    iterable: Iterable[T], text: str, total: int, done: int = 0
) -> Iterable[T]:
    """Shows a progress bar on a terminal; `total` counts those `done` too."""
    return tqdm.tqdm(
        iterable,
        desc=text,
        total=total,
        initial=done,
        leave=False,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
    )


def seed_pair(seed: int, stream: str, number: int) -> tuple[int, int]:
    """Returns the seed of one draw: everything random comes from these.

    `number` is which draw of the stream, such as the global step; the first
    number returned is in [0, 2^31).
    """
    return (seed ^ zlib.crc32(stream.encode())) & 0x7FFFFFFF, number
