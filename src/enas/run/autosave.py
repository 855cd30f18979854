"""Saves a search between its steps: every so often, and when told to stop."""

from typing import TYPE_CHECKING

from enas.errors import Stopped
from enas.run.stop_signals import StopSignals

if TYPE_CHECKING:
    from enas.cifar10.search import Search
    from enas.run.run_dir import RunDir


class Autosave:
    """Called whenever a search could be saved.

    Args:
      run_dir: opened.
      signals: entered; from now on they wait for a step's end.
    """

    def __init__(
        self, search: "Search", run_dir: "RunDir", signals: StopSignals
    ) -> None:
        self._search = search
        self._run_dir = run_dir
        self._signals = signals
        self._every = search.config.checkpoint_every_steps
        self._saved = self._steps()
        signals.wait_for_steps()

    def _steps(self) -> int:
        return self._search.global_step + self._search.train_step

    def __call__(self) -> None:
        """Saves if it is time to.

        Raises:
          Stopped: a signal came; the state is saved.
        """
        try:
            self._signals.check()
        except Stopped:
            self._save()
            self._search.log("Stopped by a signal; what was done is saved")
            raise
        if self._every and self._steps() - self._saved >= self._every:
            self._save()

    def _save(self) -> None:
        search = self._search
        if search.progress.has_begun and self._steps() > self._saved:
            self._run_dir.save(search)
            self._saved = self._steps()
