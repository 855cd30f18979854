"""How far a run is, read from its run directory. No TensorFlow here."""

import csv
import dataclasses
import functools
import json
import os
import re

from enas.experiments.files import write_whole
from enas.experiments.jobs import read_config

__all__ = ["RunState", "note", "notes_path", "read_state"]


@dataclasses.dataclass(frozen=True)
class RunState:
    """One run of a sweep as its files show it.

    Attributes:
      job: `Job`.
      num_epochs: int, wanted.
      rows: list of dicts, column of metrics.csv -> float, one per epoch that
        has a checkpoint.
      notes: dict, what the engine noted: state, exit_code, attempts, lines.
    """

    job: object
    num_epochs: int
    rows: list
    notes: dict

    @property
    def epochs(self):
        """Returns the number of epochs that are safe, int."""
        return len(self.rows)

    @property
    def finished(self):
        """Returns whether nothing is left to do, bool."""
        return self.epochs >= self.num_epochs

    @property
    def failed(self):
        """Returns whether the engine gave the run up, bool."""
        return not self.finished and self.notes.get("state") == "failed"

    @property
    def text(self):
        """Returns the state in a few words."""
        if self.finished:
            return "finished"
        where = f"epoch {self.epochs} of {self.num_epochs}"
        if self.failed:
            code = self.notes["exit_code"]
            return f"FAILED at {where}, exit code {code}"
        return f"unfinished, {where}" if self.notes else "not started"

    @property
    def seconds(self):
        """Returns the wall time of all safe epochs, float."""
        return sum(
            number
            for row in self.rows
            for column, number in row.items()
            if column.startswith("seconds_")
        )

    def error(self, column, row=-1):
        """Returns an accuracy column as error in per cent, or None.

        Args:
          column: str, of metrics.csv.
          row: int, index of the epoch; the last by default.
        """
        if not self.rows or column not in self.rows[row]:
            return None
        return 100 * (1 - self.rows[row][column])


def read_state(job, sweep_dir):
    """Returns the `RunState` of a `Job`.

    Args:
      job: `Job`.
      sweep_dir: str, where the engine's notes are.
    """
    safe = _last_checkpoint(job.directory)
    rows = [r for r in _read_rows(job.directory) if r["epoch"] <= safe]
    return RunState(
        job, _num_epochs(job.arguments), rows, _read_notes(job, sweep_dir)
    )


@functools.cache
def _num_epochs(arguments):
    return read_config(arguments).num_epochs


def _last_checkpoint(directory):
    folder = os.path.join(directory, "checkpoints")
    if not os.path.isdir(folder):
        return 0
    found = [re.fullmatch(r"epoch-(\d+)", name) for name in os.listdir(folder)]
    return max((int(match[1]) for match in found if match), default=0)


def _read_rows(directory):
    path = os.path.join(directory, "metrics.csv")
    if not os.path.isfile(path):
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return [
            {column: float(cell) for column, cell in row.items() if cell}
            for row in csv.DictReader(stream)
        ]


def notes_path(job, sweep_dir):
    """Returns where the engine notes how a job went, str."""
    return os.path.join(sweep_dir, "jobs", f"{job.name}.json")


def _read_notes(job, sweep_dir):
    path = notes_path(job, sweep_dir)
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def note(job, sweep_dir, **facts):
    """Adds facts to the notes of a job.

    Args:
      job: `Job`.
      sweep_dir: str.
      **facts: what JSON can hold.
    """
    path = notes_path(job, sweep_dir)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    value = _read_notes(job, sweep_dir) | facts
    write_whole(path, json.dumps(value, indent=1) + "\n")
