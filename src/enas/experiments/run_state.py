"""How far a run is, read from its run directory. No TensorFlow here."""

import dataclasses
import functools
import json
import os
import re
from typing import Any

from enas.experiments.files import read_table, write_whole
from enas.experiments.jobs import Job, read_config

__all__ = ["RunState", "note", "notes_path", "read_state"]


@dataclasses.dataclass(frozen=True)
class RunState:
    """One run of a sweep as its files show it.

    Attributes:
      num_epochs: wanted.
      rows: column of metrics.csv -> float, one per epoch that
        has a checkpoint.
      notes: what the engine noted: state, exit_code, attempts, lines.
    """

    job: Job
    num_epochs: int
    rows: list[dict[str, float]]
    notes: dict[str, Any]

    @property
    def epochs(self) -> int:
        """Returns the number of epochs that are safe."""
        return len(self.rows)

    @property
    def finished(self) -> bool:
        """Returns whether nothing is left to do."""
        return self.epochs >= self.num_epochs

    @property
    def failed(self) -> bool:
        """Returns whether the engine gave the run up."""
        return not self.finished and self.notes.get("state") == "failed"

    @property
    def text(self) -> str:
        """Returns the state in a few words."""
        if self.finished:
            return "finished"
        where = f"epoch {self.epochs} of {self.num_epochs}"
        if self.failed:
            code = self.notes["exit_code"]
            return f"FAILED at {where}, exit code {code}"
        return f"unfinished, {where}" if self.notes else "not started"

    @property
    def seconds(self) -> float:
        """Returns the wall time of all safe epochs."""
        return sum(
            number
            for row in self.rows
            for column, number in row.items()
            if column.startswith("seconds_")
        )

    def error(self, column: str, row: int = -1) -> float | None:
        """Returns an accuracy column as error in per cent, or None.

        Args:
          column: str, of metrics.csv.
          row: int, index of the epoch; the last by default.
        """
        if not self.rows or column not in self.rows[row]:
            return None
        return 100 * (1 - self.rows[row][column])


def read_state(job: Job, sweep_dir: str) -> RunState:
    """Returns the `RunState` of a `Job`.

    Args:
      sweep_dir: where the engine's notes are.
    """
    safe = _last_checkpoint(job.directory)
    rows = [r for r in _read_rows(job.directory) if r["epoch"] <= safe]
    return RunState(
        job, _num_epochs(job.arguments), rows, _read_notes(job, sweep_dir)
    )


@functools.cache
def _num_epochs(arguments: tuple[str, ...]) -> int:
    return read_config(arguments).num_epochs


def _last_checkpoint(directory: str) -> int:
    folder = os.path.join(directory, "checkpoints")
    if not os.path.isdir(folder):
        return 0
    found = [re.fullmatch(r"epoch-(\d+)", name) for name in os.listdir(folder)]
    return max((int(match[1]) for match in found if match), default=0)


def _read_rows(directory: str) -> list[dict[str, float]]:
    path = os.path.join(directory, "metrics.csv")
    return [
        {column: float(cell) for column, cell in row.items() if cell}
        for row in read_table(path)
    ]


def notes_path(job: Job, sweep_dir: str) -> str:
    """Returns where the engine notes how a job went."""
    return os.path.join(sweep_dir, "jobs", f"{job.name}.json")


def _read_notes(job: Job, sweep_dir: str) -> dict[str, Any]:
    path = notes_path(job, sweep_dir)
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def note(job: Job, sweep_dir: str, **facts: Any) -> None:
    """Adds facts to the notes of a job.

    Args:
      **facts: what JSON can hold.
    """
    path = notes_path(job, sweep_dir)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    value = _read_notes(job, sweep_dir) | facts
    write_whole(path, json.dumps(value, indent=1) + "\n")
