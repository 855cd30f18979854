"""The status table of a sweep: live on a terminal, changes elsewhere."""

import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from enas.experiments.jobs import Job
from enas.experiments.run_state import RunState, read_state

SECONDS_BETWEEN = 2.0
LINE = "{:<32} {:<34} {:>11} {:>10} {:>7}"


def status_lines(states: Sequence[RunState]) -> list[str]:
    """Returns a line for each run, the header first."""
    header = ("run", "state", "valid error", "test error", "minutes")
    return [LINE.format(*header), *map(_line, states)]


def _line(state: RunState) -> str:
    text = state.text
    if not state.finished and state.notes.get("state") == "running":
        text = f"running, epoch {state.epochs} of {state.num_epochs}"
    found = (state.error("valid_acc"), state.error("test_acc"))
    errors = ("" if e is None else f"{e:.2f} %" for e in found)
    minutes = f"{state.seconds / 60:.1f}"
    return LINE.format(state.job.name, text, *errors, minutes)


class StatusTable:
    """Shows the runs of a sweep again and again, on stdout by default."""

    def __init__(
        self, jobs: Sequence[Job], stream: TextIO | None = None
    ) -> None:
        self._jobs = jobs
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._next = 0.0
        self._shown: list[str] = []

    def __call__(self, now: bool = False) -> None:
        """Shows what has changed, at most every 2 seconds unless `now`."""
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN
        lines = status_lines(list(map(read_state, self._jobs)))
        if self._live:
            self._redraw(lines)
        else:
            for line in lines:
                if line not in self._shown:
                    print(line, file=self._stream, flush=True)
        self._shown = lines

    def _redraw(self, lines: list[str]) -> None:
        """Writes over the table shown before; what is too long is cut."""
        width, height = shutil.get_terminal_size()
        if len(lines) >= height:
            hidden = len(lines) - height + 2
            runs = sorted(lines[1:], key=lambda line: " running," not in line)
            lines = [lines[0], *runs][: height - 2]
            lines.append(f"and {hidden} more runs")
        if self._shown:
            up = min(len(self._shown), height - 1)
            self._stream.write(f"\x1b[{up}A")
        for line in lines:
            self._stream.write(f"\x1b[2K{line[: width - 1]}\n")
        self._stream.flush()
