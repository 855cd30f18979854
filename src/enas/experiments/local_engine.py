"""Runs jobs in parallel on this machine."""

import collections
import os
import time
from collections.abc import Callable, Sequence

from enas.experiments.jobs import Job
from enas.experiments.run_state import read_state
from enas.experiments.search_process import (
    MAX_ATTEMPTS,
    SEARCH,
    BusyError,
    SearchProcess,
    terminate_as_interrupt,
)

POLL_SECONDS = 0.5


def run_local(
    jobs: Sequence[Job],
    processes: int,
    show: Callable[[], None],
    program: Sequence[str] = SEARCH,
) -> None:
    """Runs jobs until every one has finished or failed twice.

    Args:
      jobs: in the order to start them.
      processes: >= 1, how many at a time; they share the threads of the
        machine.
      show: called again and again.

    Raises:
      KeyboardInterrupt: SIGINT or SIGTERM came; the searches are stopped.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // processes)

    def start(job: Job) -> SearchProcess:
        return SearchProcess(job, threads, program)

    todo = [job for job in jobs if not read_state(job).finished]
    attempts: collections.Counter[str] = collections.Counter()
    running: list[SearchProcess] = []
    with terminate_as_interrupt():
        try:
            while todo or running:
                _fill(todo, running, processes, start)
                show()
                time.sleep(POLL_SECONDS)
                for ended in [r for r in running if r.poll() is not None]:
                    running.remove(ended)
                    attempts[ended.job.name] += 1
                    # The first failure of a job comes last.
                    if ended.poll() and attempts[ended.job.name] < MAX_ATTEMPTS:
                        todo.append(ended.job)
        finally:
            for search in running:
                search.interrupt()
            for search in running:
                search.stop()


def _fill(
    todo: list[Job],
    running: list[SearchProcess],
    processes: int,
    start: Callable[[Job], SearchProcess],
) -> None:
    """Fills the free places, and leaves jobs that others run for later."""
    for job in list(todo):
        if len(running) >= processes:
            return
        todo.remove(job)
        # Another sweep may have run it in the meantime.
        if read_state(job).finished:
            continue
        try:
            running.append(start(job))
        except BusyError:
            todo.append(job)
