"""Saves a search between its steps: every so often, and when told to stop."""

import signal
from typing import TYPE_CHECKING, Any

from enas.errors import Stopped

if TYPE_CHECKING:
    from enas.cifar10.search import Search
    from enas.run.run_dir import RunDir


class StopSignals:
    """A context in which the two signals wait for the end of a step.

    A second signal ends the program at once.

    Attributes:
      pending: number of the signal that came, or None.
      patient: whether the first waits; at first, while nothing can be saved,
        it ends the program at once as well.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self.patient = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            # What a script starts in the background ignores Ctrl-C.
            if before != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *unused: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _receive(self, number: int, frame: object) -> None:
        if not self.patient or self.pending is not None:
            raise Stopped(number)
        self.pending = number


class Autosave:
    """Called whenever a search could be saved; from now on signals wait."""

    def __init__(
        self, search: "Search", run_dir: "RunDir", signals: StopSignals
    ) -> None:
        self._search = search
        self._run_dir = run_dir
        self._signals = signals
        self._saved = self._steps()
        signals.patient = True

    def _steps(self) -> int:
        return self._search.global_step + self._search.train_step

    def __call__(self) -> None:
        """Saves if it is time to.

        Raises:
          Stopped: a signal came; the state is saved.
        """
        search, number = self._search, self._signals.pending
        every = search.config.checkpoint_every_steps
        new = self._steps() - self._saved
        due = number is not None or (every and new >= every)
        if due and new and search.progress.has_begun:
            self._run_dir.save(search)
            self._saved = self._steps()
        if number is not None:
            search.log("Stopped by a signal; what was done is saved")
            raise Stopped(number)
