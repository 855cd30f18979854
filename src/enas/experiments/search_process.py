"""One run as a process of the ordinary search program."""

import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import enas
from enas.experiments.files import last_lines
from enas.experiments.jobs import Job
from enas.experiments.run_state import note, read_state

__all__ = ["MAX_ATTEMPTS", "SearchProcess", "BusyError", "forget_the_dead"]

MAX_ATTEMPTS = 2  # A failed run is retried once.
SEARCH = (sys.executable, "-m", "enas.cifar10.main")
SECONDS_TO_STOP = 30
_PR_SET_PDEATHSIG = 1


class BusyError(RuntimeError):
    """Another process is at work in the run directory."""


class SearchProcess:
    """A running search.

    A lock that the search inherits keeps a second one out of its run
    directory, also where the sweep was killed and its search lives on.

    Args:
      threads: threads of TensorFlow, or None to leave it alone.
      program: the command in front of the search's flags.

    Raises:
      BusyError: another process runs the job.
    """

    def __init__(
        self,
        job: Job,
        sweep_dir: str,
        threads: int | None,
        program: Sequence[str] = SEARCH,
    ) -> None:
        self.job = job
        self.sweep_dir = sweep_dir
        self._lock: int | None = _lock(
            os.path.join(sweep_dir, "jobs"), job.name
        )
        self._log_path = os.path.join(sweep_dir, "logs", f"{job.name}.log")
        os.makedirs(os.path.dirname(self._log_path), exist_ok=True)
        state = read_state(job, sweep_dir)
        earlier = state.notes.get("started_from_epochs", [])
        note(
            job,
            sweep_dir,
            state="running",
            host=socket.gethostname(),
            started_from_epochs=[*earlier, state.epochs],
        )
        with open(self._log_path, "ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*program, *job.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(threads),
                pass_fds=[self._lock],
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
        """Asks the search to stop.

        Not by SIGINT, which programs that were started in the background of
        a script ignore, and their children with them.
        """
        self._process.terminate()

    def stop(self) -> None:
        """Waits for an interrupted search, and kills one that does not end."""
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._release()
        note(self.job, self.sweep_dir, state="stopped")

    def _end(self, code: int) -> int:
        if self._lock is not None:
            facts: dict[str, Any] = {
                "state": "finished" if code == 0 else "failed"
            }
            lines: list[str] = []
            if code:
                lines = last_lines(self._log_path, 5, self._log_start)
            facts |= {"exit_code": code, "last_lines": lines}
            note(self.job, self.sweep_dir, **facts)
            self._release()
        return code

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def forget_the_dead(jobs: Sequence[Job], sweep_dir: str) -> None:
    """Notes that runs are stopped whose sweep was killed."""
    for job in jobs:
        if read_state(job, sweep_dir).notes.get("state") != "running":
            continue
        try:
            descriptor = _lock(os.path.join(sweep_dir, "jobs"), job.name)
        except BusyError:
            continue
        note(job, sweep_dir, state="stopped")
        os.close(descriptor)


def _lock(folder: str, name: str) -> int:
    """Returns a locked file descriptor."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(f"{name} is being run by another process") from None
    return descriptor


def _environment(threads: int | None) -> dict[str, str]:
    """Returns the environment of a search: these sources, its threads."""
    source = str(pathlib.Path(enas.__file__).resolve().parents[1])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    # Searches side by side on one GPU must not each take all its memory.
    extra = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} | os.environ
    extra["PYTHONPATH"] = os.pathsep.join(paths)
    if threads is not None:
        extra["TF_NUM_INTRAOP_THREADS"] = str(threads)
        extra["TF_NUM_INTEROP_THREADS"] = str(threads)
        extra["OMP_NUM_THREADS"] = str(threads)
    return extra


def _die_with_parent() -> None:
    # Linux: a sweep that is killed takes its searches with it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
