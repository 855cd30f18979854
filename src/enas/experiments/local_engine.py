"""Runs jobs in parallel on this machine."""

import collections
import os
import time
from collections.abc import Callable, Sequence

from enas.experiments.interrupts import terminate_as_interrupt
from enas.experiments.jobs import Job
from enas.experiments.run_state import read_state
from enas.experiments.search_process import (
    MAX_ATTEMPTS,
    SEARCH,
    BusyError,
    SearchProcess,
)

__all__ = ["run_local"]

POLL_SECONDS = 0.5


def run_local(
    jobs: Sequence[Job],
    sweep_dir: str,
    processes: int,
    show: Callable[[], None],
    program: Sequence[str] = SEARCH,
) -> None:
    """Runs jobs until every one has finished or failed twice.

    Args:
      jobs: in the order to start them.
      processes: int >= 1, how many at a time; they share the threads of the
        machine.
      show: function without arguments, called again and again.
      program: the search program.

    Raises:
      KeyboardInterrupt: SIGINT or SIGTERM came; the searches are stopped.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    todo = collections.deque(
        job for job in jobs if not read_state(job, sweep_dir).finished
    )
    attempts: collections.Counter[str] = collections.Counter()
    running: list[SearchProcess] = []
    with terminate_as_interrupt():
        try:
            while todo or running:
                _start(todo, running, sweep_dir, processes, threads, program)
                show()
                time.sleep(POLL_SECONDS)
                _reap(todo, running, attempts)
        finally:
            _stop(running)


def _start(
    todo: collections.deque[Job],
    running: list[SearchProcess],
    sweep_dir: str,
    processes: int,
    threads: int | None,
    program: Sequence[str],
) -> None:
    """Fills the free places, and leaves jobs that others run for later."""
    for _ in range(len(todo)):
        if len(running) >= processes:
            return
        job = todo.popleft()
        if read_state(job, sweep_dir).finished:
            continue
        try:
            running.append(SearchProcess(job, sweep_dir, threads, program))
        except BusyError:
            todo.append(job)


def _reap(
    todo: collections.deque[Job],
    running: list[SearchProcess],
    attempts: collections.Counter[str],
) -> None:
    """Takes out what has ended; the first failure of a job comes last."""
    for attempt in list(running):
        code = attempt.poll()
        if code is None:
            continue
        running.remove(attempt)
        attempts[attempt.job.name] += 1
        if code != 0 and attempts[attempt.job.name] < MAX_ATTEMPTS:
            todo.append(attempt.job)


def _stop(running: list[SearchProcess]) -> None:
    for attempt in running:
        attempt.interrupt()
    for attempt in running:
        attempt.stop()
