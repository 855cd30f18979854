"""One run as a process of the ordinary search program."""

import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import enas
from enas.experiments.jobs import Job
from enas.experiments.run_state import note, read_state
from enas.run.lock import open_locked

MAX_ATTEMPTS = 2  # A failed run is retried once.
SEARCH = (sys.executable, "-m", "enas.cifar10.main")
SECONDS_TO_STOP = 30
_PR_SET_PDEATHSIG = 1
_THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
)


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
        self._lock: int | None = _lock(job, sweep_dir)
        self._log_path = os.path.join(sweep_dir, "logs", f"{job.name}.log")
        os.makedirs(os.path.dirname(self._log_path), exist_ok=True)
        state = read_state(job, sweep_dir)
        starts = [*state.notes.get("started_from_epochs", []), state.epochs]
        self._note(
            "running", host=socket.gethostname(), started_from_epochs=starts
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
        self._note("stopped")

    def _end(self, code: int) -> int:
        if self._lock is not None:
            lines = self._last_lines() if code else []
            name = "failed" if code else "finished"
            self._note(name, exit_code=code, last_lines=lines)
            self._release()
        return code

    def _last_lines(self) -> list[str]:
        """Returns the last five lines of this attempt that are not blank."""
        with open(self._log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self._log_start)
            return [line.rstrip() for line in log if line.strip()][-5:]

    def _note(self, name: str, **facts: Any) -> None:
        note(self.job, self.sweep_dir, state=name, **facts)

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
            descriptor = _lock(job, sweep_dir)
        except BusyError:
            continue
        note(job, sweep_dir, state="stopped")
        os.close(descriptor)


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


def _lock(job: Job, sweep_dir: str) -> int:
    """Returns a locked file descriptor."""
    path = os.path.join(sweep_dir, "jobs", f"{job.name}.lock")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        return open_locked(path)
    except BlockingIOError:
        text = f"{job.name} is being run by another process"
        raise BusyError(text) from None


def _environment(threads: int | None) -> dict[str, str]:
    """Returns the environment of a search: these sources, its threads."""
    source = str(pathlib.Path(enas.__file__).resolve().parents[1])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    # Searches side by side on one GPU must not each take all its memory.
    extra = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} | os.environ
    extra["PYTHONPATH"] = os.pathsep.join(paths)
    for name in _THREADS if threads is not None else ():
        extra[name] = str(threads)
    return extra


def _die_with_parent() -> None:
    # Linux: a sweep that is killed takes its searches with it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
