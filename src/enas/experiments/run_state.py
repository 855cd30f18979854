"""How far runs are, by their run directories, and the table that shows it.

No TensorFlow here.
"""

import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from enas.experiments.jobs import Job, read_config
from enas.run.checkpoint_names import last_whole_epoch
from enas.run.files import write_whole
from enas.run.rows import RunRows

SECONDS_BETWEEN = 2.0


@dataclasses.dataclass(frozen=True)
class RunState:
    """One run of a sweep as its files show it.

    Attributes:
      num_epochs: wanted.
      epochs: those that a checkpoint has made safe.
      rows: of metrics.csv, of these epochs; a run that began with another's
        checkpoint has none of that one's.
      notes: what the engine noted: state, exit_code, attempts, lines.
    """

    job: Job
    num_epochs: int
    epochs: int
    rows: list[dict[str, float]]
    notes: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.epochs >= self.num_epochs

    @property
    def failed(self) -> bool:
        """Whether the engine gave the run up."""
        return not self.finished and self.notes.get("state") == "failed"

    @property
    def text(self) -> str:
        """The state in a few words."""
        if self.finished:
            return "finished"
        where = f"epoch {self.epochs} of {self.num_epochs}"
        if self.failed:
            return f"FAILED at {where}, exit code {self.notes['exit_code']}"
        return f"unfinished, {where}" if self.notes else "not started"

    @property
    def seconds(self) -> float:
        """Wall time of all safe epochs."""
        cells = (cell for row in self.rows for cell in row.items())
        return sum(n for column, n in cells if column.startswith("seconds_"))

    @property
    def minutes(self) -> str:
        """The wall time in minutes, as text."""
        return f"{self.seconds / 60:.1f}"

    def error(self, column: str) -> float | None:
        """Returns the last accuracy as error in per cent, or None."""
        # The last epoch need not be one that is evaluated.
        found = [row[column] for row in self.rows if column in row]
        return 100 * (1 - found[-1]) if found else None


def read_state(job: Job) -> RunState:
    """Returns how far a job is, by its run and by the engine's notes.

    Raises:
      UserError: its metrics.csv is not as a run writes it.
    """
    safe = last_whole_epoch(job.directory)
    rows = [r for r in RunRows(job.directory).rows() if r["epoch"] <= safe]
    wanted = read_config(job.arguments).num_epochs
    return RunState(job, wanted, safe, rows, _read_notes(job))


def _read_notes(job: Job) -> dict[str, Any]:
    path = job.file("jobs", ".json")
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def note(job: Job, **facts: Any) -> None:
    """Adds facts, which JSON can hold, to the notes of how a job went."""
    path = job.file("jobs", ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_read_notes(job) | facts, indent=1) + "\n"
    write_whole(str(path), text, shared=True)


def status_lines(states: Sequence[RunState]) -> list[str]:
    """Returns a line for each run, the header first."""
    form = "{:<32} {:<34} {:>11} {:>10} {:>7}".format
    lines = [form("run", "state", "valid error", "test error", "minutes")]
    for state in states:
        text = state.text
        if not state.finished and state.notes.get("state") == "running":
            text = f"running, epoch {state.epochs} of {state.num_epochs}"
        found = (state.error("valid_acc"), state.error("test_acc"))
        errors = ("" if e is None else f"{e:.2f} %" for e in found)
        lines.append(form(state.job.name, text, *errors, state.minutes))
    return lines


@dataclasses.dataclass
class StatusTable:
    """Shows runs again and again: live on a terminal, changes elsewhere."""

    jobs: Sequence[Job]
    stream: TextIO = dataclasses.field(default_factory=lambda: sys.stdout)
    _next: float = 0.0
    _shown: Sequence[str] = ()

    def __call__(self, now: bool = False) -> None:
        """Shows what has changed, at most every 2 seconds unless `now`."""
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN
        lines = status_lines(list(map(read_state, self.jobs)))
        if self.stream.isatty():
            self._redraw(lines)
        else:
            for line in lines:
                if line not in self._shown:
                    print(line, file=self.stream, flush=True)
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
            self.stream.write(f"\x1b[{up}A")
        for line in lines:
            self.stream.write(f"\x1b[2K{line[: width - 1]}\n")
        self.stream.flush()
