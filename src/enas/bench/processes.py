"""Starts workers and whole searches, and reads what they measure."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from enas import tf_settings
from enas.bench.options import read_config
from enas.bench.spaces import BareArc
from enas.errors import UserError

__all__ = ["Worker", "run_search", "start_workers"]

# A search that does all that a search does, once.
SEARCH = (
    "--num_epochs=1",
    "--controller_train_steps=1",
    "--log_every=1",
    "--readings=printed",
)
_of_this_process: list[Any] = []


class Worker:
    """A process with a search in it that is asked for measurements.

    Attributes:
      start: seconds from the start of the process to the end of its first
        child step, once `train_first` was called.
    """

    def __init__(self, flags: Sequence[str]) -> None:
        self.start, self._from = 0.0, time.perf_counter()
        context = multiprocessing.get_context("spawn")
        self._pool = concurrent.futures.ProcessPoolExecutor(1, context)
        self._pool.submit(_begin, flags)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Returns the answer of a method of `TimedSearch`."""
        return self._pool.submit(_answer, method, *arguments).result()

    def train_first(self, arc: BareArc) -> None:
        """Does the first child step and takes the time."""
        self.ask("child", arc)
        self.start = time.perf_counter() - self._from

    def close(self) -> None:
        """Ends the process."""
        self._pool.shutdown()


def _begin(flags: Sequence[str]) -> None:
    with tf_settings.quiet_import():
        from enas.bench.timed_search import TimedSearch
        from enas.devices import find_devices

        find_devices()
    _of_this_process.append(TimedSearch(read_config(flags)))


def _answer(method: str, *arguments: Any) -> Any:
    return getattr(_of_this_process[0], method)(*arguments)


@contextlib.contextmanager
def start_workers(
    searches: Sequence[Sequence[str]], firsts: Sequence[BareArc] = ()
) -> Iterator[list[Worker]]:
    """Starts a worker for the flags of each search, and ends them at last.

    Args:
      searches: the flags of each.
      firsts: an arc that each trains first; workers then start one after the
        other, and the time is taken.
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for i, flags in enumerate(searches):
            workers.append(Worker(flags))
            stack.callback(workers[-1].close)
            if firsts:
                workers[-1].train_first(firsts[i])
        yield workers


def run_search(flags: Sequence[str]) -> tuple[float, float]:
    """Runs a search of one short epoch from its command line.

    Returns:
      (seconds from the start of the program to the end of the first child
      step, largest resident memory until its end in GB).

    Raises:
      UserError: the search failed.
    """
    command = [sys.executable, "-m", "enas.cifar10.main", *flags, *SEARCH]
    with tempfile.TemporaryDirectory() as folder:
        command.append(f"--output_dir={folder}/run")
        start, times = time.perf_counter(), []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout or ():
                if "ch_step=1 " in line:
                    times.append(time.perf_counter() - start)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not times:
        raise UserError(
            f"The search ended with {process.returncode}; what it printed is "
            "above."
        )
    return times[0], usage.ru_maxrss / 1e6
