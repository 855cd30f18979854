"""Starts workers and whole searches, and reads what they measure."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from enas.errors import UserError

__all__ = ["Worker", "run_search", "start_workers"]

# A search that does all that a search does, once.
SEARCH = (
    "--num_epochs=1",
    "--controller_train_steps=1",
    "--log_every=1",
    "--readings=printed",
)
FIRST_STEP = "ch_step=1 "


class Worker:
    """A process with a search in it that is asked for measurements.

    Args:
      flags: list of str, of the search.

    Attributes:
      seconds_to_first_step: float, from the start of the process to the end of
        its first child step, once that was asked for.
    """

    def __init__(self, flags):
        self.seconds_to_first_step = None
        self._start = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "enas.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._send(flags)

    def ask(self, method, *arguments):
        """Returns the answer of a method of `Subject`."""
        self._send([method, *arguments])
        line = self._process.stdout.readline()
        if not line:
            raise UserError(
                f"A worker ended with exit code {self._process.wait()} when "
                f"asked for {method}; what it printed is above."
            )
        return json.loads(line)

    def train_first(self, arc):
        """Does the first child step and takes the time."""
        self.ask("child", arc)
        self.seconds_to_first_step = time.perf_counter() - self._start

    def _send(self, message):
        # A worker that ended says why by itself.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def close(self):
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def start_workers(all_flags, *arcs):
    """Starts workers, and ends them with the block.

    Args:
      all_flags: list of lists of str, the flags of each.
      *arcs: (op ids, skip bits), one of each worker that it trains first;
        workers then start one after the other, and the time is taken.

    Yields:
      List of `Worker`.
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for i, flags in enumerate(all_flags):
            workers.append(Worker(flags))
            stack.callback(workers[-1].close)
            if arcs:
                workers[-1].train_first(arcs[i])
        yield workers


def run_search(flags):
    """Runs a search of one short epoch from its command line.

    Args:
      flags: list of str; the epoch's length is among them.

    Returns:
      (first_step, peak): seconds from the start of the program to the end of
      the first child step; largest resident memory until its end, GB.

    Raises:
      UserError: the search failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "enas.cifar10.main", *flags, *SEARCH]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, f"--output_dir={folder}/run"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            first_step = _seconds_to_first_step(process, start)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or first_step is None:
        raise UserError(
            f"The search ended with exit code {process.returncode}; what it "
            "printed is above."
        )
    return first_step, usage.ru_maxrss / 1e6


def _seconds_to_first_step(process, start):
    """Reads all that a search prints; None if it did no step."""
    seconds = None
    for line in process.stdout:
        if FIRST_STEP in line and seconds is None:
            seconds = time.perf_counter() - start
    return seconds
