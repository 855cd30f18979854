"""Runs jobs in parallel on this machine, each as the search program."""

import collections
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import enas
from enas.experiments.jobs import Job
from enas.experiments.run_state import note, read_state
from enas.run.lock import open_locked

POLL_SECONDS = 0.5
MAX_ATTEMPTS = 2  # A failed run is retried once.
SEARCH = (sys.executable, "-m", "enas.cifar10.main")
SECONDS_TO_STOP = 30
_PR_SET_PDEATHSIG = 1


class BusyError(RuntimeError):
    """Another process is at work in the run directory."""


class SearchProcess:
    """A running search, in a process of its own.

    A lock that the search inherits keeps a second one out of its run
    directory, also where the sweep was killed and its search lives on.

    Raises:
      BusyError: another process runs the job.
    """

    def __init__(self, job: Job, threads: int, program: Sequence[str]) -> None:
        self.job = job
        self._lock = _lock(job)
        self._log_path = job.file("logs", ".log")
        self._log_path.parent.mkdir(exist_ok=True)
        state, host = read_state(job), socket.gethostname()
        starts = [*state.notes.get("started_from_epochs", []), state.epochs]
        note(job, state="running", host=host, started_from_epochs=starts)
        with open(self._log_path, "ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*program, *job.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(threads),
                pass_fds=[self._lock.fileno()],
                # Ctrl-C on the terminal is for the sweep, which passes it on.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def poll(self) -> int | None:
        """Returns the exit code, or None while the search runs."""
        code = self._process.poll()
        return code if code is None else self._end(code)

    def wait(self) -> int:
        """Waits for the search and returns its exit code."""
        return self._end(self._process.wait())

    def interrupt(self) -> None:
        """Asks the search to stop."""
        # Not by SIGINT, which programs that were started in the background of
        # a script ignore, and their children with them.
        self._process.terminate()

    def stop(self) -> None:
        """Waits for an interrupted search, and kills one that does not end."""
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._lock.close()
        note(self.job, state="stopped")

    def _end(self, code: int) -> int:
        if self._lock.closed:
            return code
        lines = []
        if code:
            with self._log_path.open(encoding="utf-8", errors="replace") as log:
                log.seek(self._log_start)
                lines = [line.rstrip() for line in log if line.strip()]
        state = "failed" if code else "finished"
        note(self.job, state=state, exit_code=code, last_lines=lines[-5:])
        self._lock.close()
        return code


def run_local(
    jobs: Sequence[Job],
    processes: int,
    show: Callable[[], None],
    program: Sequence[str] = SEARCH,
) -> None:
    """Runs jobs until every one has finished or failed twice.

    Args:
      jobs: in the order to start them.
      processes: >= 1, how many at a time; they share the machine's threads.
      show: called again and again.

    Raises:
      KeyboardInterrupt: SIGINT or SIGTERM came; the searches are stopped.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    todo = [job for job in jobs if not read_state(job).finished]
    attempts: collections.Counter[str] = collections.Counter()
    running: list[SearchProcess] = []

    def fill() -> None:
        """Fills the free places, and leaves jobs that others run for later."""
        for job in list(todo):
            if len(running) >= processes:
                return
            todo.remove(job)
            # Another sweep may have run it in the meantime.
            if read_state(job).finished:
                continue
            try:
                running.append(SearchProcess(job, threads, program))
            except BusyError:
                todo.append(job)

    with terminate_as_interrupt():
        try:
            while todo or running:
                fill()
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


def forget_the_dead(jobs: Sequence[Job]) -> None:
    """Notes that runs are stopped whose sweep was killed."""
    for job in jobs:
        if read_state(job).notes.get("state") == "running":
            with contextlib.suppress(BusyError), _lock(job):
                note(job, state="stopped")


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Lets SIGTERM end the sweep as Ctrl-C does."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _lock(job: Job) -> BinaryIO:
    """Returns an open file that is locked."""
    path = job.file("jobs", ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.fdopen(open_locked(str(path)), "rb")
    except BlockingIOError:
        text = f"{job.name} is being run by another process"
        raise BusyError(text) from None


def _environment(threads: int) -> dict[str, str]:
    """Returns the environment of a search: these sources, its threads."""
    source = str(pathlib.Path(enas.__file__).resolve().parents[1])
    paths = source, os.environ.get("PYTHONPATH")
    return {
        # Searches side by side on one GPU must not each take all its memory.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
    }


def _die_with_parent() -> None:
    # Linux: a sweep that is killed takes its searches with it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
