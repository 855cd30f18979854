"""SIGTERM and SIGINT: the step ends, the state is saved, the program ends."""

import signal
import types
from typing import Any

from enas.errors import Stopped

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """A context in which the two signals wait for the end of a step.

    At first, while nothing can be saved, a signal ends the program at once.
    A second signal always does.

    Attributes:
      pending: number of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._patient = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in _SIGNALS:
            before = signal.getsignal(number)
            # What a script starts in the background ignores Ctrl-C.
            if before != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *unused: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def wait_for_steps(self) -> None:
        """From now on the first signal waits for `check`."""
        self._patient = True

    def check(self) -> None:
        """Ends the program if a signal came.

        Raises:
          Stopped: one came.
        """
        if self.pending is not None:
            raise Stopped(self.pending)

    def _receive(self, number: int, frame: types.FrameType | None) -> None:
        if not self._patient or self.pending is not None:
            raise Stopped(number)
        self.pending = number
