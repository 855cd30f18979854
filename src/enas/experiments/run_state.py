"""How far a run is, read from its run directory. No TensorFlow here."""

import dataclasses
import functools
import json
import os
from typing import Any

from enas.experiments.jobs import Job, read_config
from enas.run.checkpoint_names import last_whole_epoch
from enas.run.files import write_whole
from enas.run.rows import RunRows


@dataclasses.dataclass(frozen=True)
class RunState:
    """One run of a sweep as its files show it.

    Attributes:
      num_epochs: wanted.
      rows: column of metrics.csv -> number, one per epoch that
        has a checkpoint.
      notes: what the engine noted: state, exit_code, attempts, lines.
    """

    job: Job
    num_epochs: int
    rows: list[dict[str, float]]
    notes: dict[str, Any]

    @property
    def epochs(self) -> int:
        """Those that a checkpoint has made safe."""
        return len(self.rows)

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
        return sum(
            number
            for row in self.rows
            for column, number in row.items()
            if column.startswith("seconds_")
        )

    def error(self, column: str) -> float | None:
        """Returns the last accuracy as error in per cent, or None."""
        if not self.rows or column not in self.rows[-1]:
            return None
        return 100 * (1 - self.rows[-1][column])


def read_state(job: Job, sweep_dir: str) -> RunState:
    """Returns how far a job is, by its run and by the engine's notes.

    Raises:
      UserError: its metrics.csv is not as a run writes it.
    """
    safe = last_whole_epoch(os.path.join(job.directory, "checkpoints"))
    rows = [r for r in RunRows(job.directory).rows() if r["epoch"] <= safe]
    notes = _read_notes(job, sweep_dir)
    return RunState(job, _num_epochs(job.arguments), rows, notes)


@functools.cache
def _num_epochs(arguments: tuple[str, ...]) -> int:
    return read_config(arguments).num_epochs


def _notes_path(job: Job, sweep_dir: str) -> str:
    return os.path.join(sweep_dir, "jobs", f"{job.name}.json")


def _read_notes(job: Job, sweep_dir: str) -> dict[str, Any]:
    path = _notes_path(job, sweep_dir)
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def note(job: Job, sweep_dir: str, **facts: Any) -> None:
    """Adds facts, which JSON can hold, to the notes of how a job went."""
    path = _notes_path(job, sweep_dir)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    value = _read_notes(job, sweep_dir) | facts
    write_whole(path, json.dumps(value, indent=1) + "\n", shared=True)
