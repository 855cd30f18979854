"""Starts workers and whole searches, and reads what they measure."""

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from enas import tf_settings
from enas.bench.machine import describe
from enas.bench.spaces import BareArc
from enas.cifar10.flags import make_flags, read_flags
from enas.errors import UserError

# A search that does all that a search does, once.
SEARCH = (
    "--num_epochs=1",
    "--controller_train_steps=1",
    "--log_every=1",
    "--readings=printed",
)
SPAWN = multiprocessing.get_context("spawn")
_of_this_process: list[Any] = []


class Worker(concurrent.futures.ProcessPoolExecutor):
    """A process with a search in it that is asked for measurements.

    Args:
      first: an arc to be trained first.

    Attributes:
      start: seconds from the start of the process to the end of its first
        child step, if there was one.
    """

    def __init__(self, search: Sequence[str], first: BareArc | None) -> None:
        start = time.perf_counter()
        super().__init__(1, SPAWN)
        self.submit(_begin, search)
        if first:
            self.ask("child", first)
        self.start = time.perf_counter() - start

    def ask(self, method: str, *arguments: Any) -> Any:
        """Returns the answer of a method of `TimedSearch`."""
        return self.submit(_answer, method, *arguments).result()


def _begin(search: Sequence[str]) -> None:
    tf_settings.start_tensorflow()
    from enas.bench.timed_search import TimedSearch

    config, _ = read_flags(make_flags(), ["bench", *search])
    _of_this_process.append(TimedSearch(config))


def _answer(method: str, *arguments: Any) -> Any:
    return getattr(_of_this_process[0], method)(*arguments)


@contextlib.contextmanager
def start_workers(
    searches: Sequence[Sequence[str]], firsts: Sequence[BareArc] = ()
) -> Iterator[list[Worker]]:
    """Starts a worker for the flags of each search, and ends them at last.

    Args:
      firsts: an arc that each trains first; workers then start one after the
        other, and the time is taken.
    """
    with contextlib.ExitStack() as stack:
        pairs = itertools.zip_longest(searches, firsts)
        yield [stack.enter_context(Worker(*pair)) for pair in pairs]


def run_search(search: Sequence[str]) -> tuple[float, float]:
    """Runs a search of one short epoch from its command line.

    Returns:
      (seconds from the start of the program to the end of the first child
      step, largest resident memory until its end in GB).

    Raises:
      UserError: the search failed.
    """
    command = [sys.executable, "-m", "enas.cifar10.main", *search, *SEARCH]
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


def machine() -> dict[str, Any]:
    """Asks a new process, because NumPy counts its threads when imported."""
    with concurrent.futures.ProcessPoolExecutor(1, SPAWN) as pool:
        return pool.submit(describe).result()
