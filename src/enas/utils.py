"""The log format of the original, and small helpers. No TensorFlow here.

Counterpart of the printing parts of ENAS's src/utils.py and main.py. Tools
that read the original's logs read these lines, so blanks matter.
"""

import contextlib
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO, TypeVar

import numpy as np
import tqdm

from enas.errors import naming

DASHES = "-" * 80
T = TypeVar("T")
# What takes a line: a `Log`, print, or `quiet`.
Say = Callable[[str], None]


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


def child_line(
    epoch: int,
    step: int,
    loss: float,
    lr: float | np.float32,
    norm: float,
    correct: int,
    batch_size: int,
    minutes: float,
) -> str:
    """Returns the log line of one child step.

    Args:
      epoch: global step // steps per epoch, so the last step of epoch e (from
        0) is printed as e + 1.
      step: global step, counted after the step.
      norm: gradient norm with l2.
      minutes: since the start.

    Source: ENAS main.py `train`; same, blank for blank.
    """
    return (
        f"epoch={epoch:<6d}ch_step={step:<6d} loss={loss:<8.6f} lr={lr:<8.4f}"
        f" |g|={norm:<8.4f} tr_acc={correct:<3d}/{batch_size:>3d}"
        f" mins={minutes:<10.2f}"
    )


def controller_line(
    step: int,
    loss: float,
    entropy: float,
    lr: float,
    norm: float,
    accuracy: float,
    baseline: float,
    minutes: float,
) -> str:
    """Returns the log line of one arc in the controller phase.

    Args:
      step: updates done before.
      loss: of this arc.
      entropy: nats, of this arc's decisions.
      norm: gradient norm of this arc's loss alone.
      accuracy: in [0, 1], of this arc on its validation batch.
      baseline: after this arc.
      minutes: since the start.

    Source: ENAS main.py `train`; same, blank for blank.
    """
    return (
        f"ctrl_step={step:<6d} loss={loss:<7.3f} ent={entropy:<5.2f}"
        f" lr={lr:<6.4f} |g|={norm:<8.4f} acc={accuracy:<6.4f}"
        f" bl={baseline:<5.2f} mins={minutes:<.2f}"
    )


class Log:
    """Prints lines, and writes them to a file once there is one.

    Lines from before the run directory exists are kept and written first.
    """

    def __init__(self) -> None:
        self._early: list[str] = []
        self._file: TextIO | None = None

    def __call__(self, line: object = "") -> None:
        """Prints and records one line."""
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
    """Wraps an iterable in a progress bar, shown on a terminal only.

    Args:
      total: how many, with those done.
      done: how many were done before.
    """
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

    Args:
      number: which draw of it, such as the global step.

    Returns:
      Pair in [0, 2^31).
    """
    return (seed ^ zlib.crc32(stream.encode())) & 0x7FFFFFFF, number
