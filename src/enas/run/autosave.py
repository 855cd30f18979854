"""Saves a search between its steps: every so often, and when told to stop."""

import contextlib
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from enas.errors import Stopped

if TYPE_CHECKING:
    from enas.cifar10.search import Search
    from enas.run.run_dir import RunDir


class StopSignals(contextlib.ExitStack):
    """A context in which SIGTERM and SIGINT wait for the end of a step.

    A second signal ends the program at once.

    Attributes:
      pending: number of the signal that came, or None.
      patient: whether the first waits, since something can be saved.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pending: int | None = None
        self.patient = False

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGTERM, signal.SIGINT):
            # What a script starts in the background ignores Ctrl-C.
            if signal.getsignal(number) != signal.SIG_IGN:
                before = signal.signal(number, self._receive)
                self.callback(signal.signal, number, before)
        return self

    def _receive(self, number: int, frame: object) -> None:
        if not self.patient or self.pending is not None:
            raise Stopped(number)
        self.pending = number


def autosave(
    search: "Search", run_dir: "RunDir", signals: StopSignals
) -> Callable[[], None]:
    """Returns what is to be called whenever a search could be saved.

    It saves when due and raises `Stopped` after a signal; signals now wait.
    """
    signals.patient = True
    saved = search.global_step + search.train_step

    def save_if_due() -> None:
        nonlocal saved
        number, every = signals.pending, search.config.checkpoint_every_steps
        steps = search.global_step + search.train_step
        due = number is not None or (every and steps - saved >= every)
        if due and steps != saved and search.progress.has_begun:
            run_dir.save(search)
            saved = steps
        if number is not None:
            search.log("Stopped by a signal; what was done is saved")
            raise Stopped(number, saved=True)

    return save_if_due
