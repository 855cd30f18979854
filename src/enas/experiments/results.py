"""The runs of a sweep, gathered by row and variant over the seeds."""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from enas.cifar10.behaviours import PROFILES, Profile, make_profile
from enas.cifar10.metrics import READINGS
from enas.cifar10.search_space import SearchSpace
from enas.experiments.estimates import Estimate, estimate
from enas.experiments.jobs import read_config
from enas.experiments.plan import load_jobs
from enas.experiments.rows import BASELINE, Row, all_rows, search_space_of
from enas.experiments.run_state import RunState, read_state
from enas.experiments.summary import Errors
from enas.run import versions

if TYPE_CHECKING:  # It needs TensorFlow.
    from enas.cifar10.config import Config

__all__ = ["Group", "Sweep", "mean_curve", "read_sweep", "reading_columns"]


@dataclasses.dataclass(frozen=True)
class Group:
    """One row of the report: the runs of a row and variant, over seeds.

    Attributes:
      variant: as of `Job`.
      states: one per seed.
      config: `Config` of the first seed.
    """

    row: Row
    variant: str
    states: list[RunState]
    space: SearchSpace
    config: "Config"

    @property
    def name(self) -> str:
        """Returns what a reader calls it."""
        return f"{self.row.name} {self.variant}".strip()

    @property
    def finished(self) -> list[RunState]:
        """Returns the states that have finished."""
        return [state for state in self.states if state.finished]

    @property
    def state_text(self) -> str:
        """Returns the state of all seeds in a few words."""
        if len(self.finished) == len(self.states):
            return "finished"
        return "; ".join(
            f"seed {state.job.seed} {state.text}"
            for state in self.states
            if not state.finished
        )

    def estimate(self, column: str) -> Estimate:
        """Returns the `Estimate` of the final errors of a column."""
        return estimate(list(self.by_seed(column).values()))

    def by_seed(self, column: str) -> dict[int, float]:
        """Returns the final errors of a column, dict seed -> per cent."""
        found = {s.job.seed: s.error(column) for s in self.finished}
        return {seed: e for seed, e in found.items() if e is not None}

    def error(self, column: str) -> float | None:
        """Returns the mean of the final errors in per cent, or None."""
        found = self.estimate(column)
        return found.mean if found.n else None

    def curve(self, column: str) -> list[tuple[int, float]]:
        """Returns `mean_curve` of a column over the seeds."""
        rows = [row for state in self.states for row in state.rows]
        return mean_curve(rows, column)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Everything a report is about.

    Attributes:
      shared: scale, profile, override and flags of all runs.
      groups: (row name, variant) -> `Group`, in the paper's order.
    """

    directory: str
    shared: dict[str, Any]
    groups: dict[tuple[str, str], Group]

    @property
    def table(self) -> list[Group]:
        """Returns the groups that are rows of Table 1."""
        return [group for group in self.groups.values() if not group.variant]

    @property
    def config(self) -> "Config":
        """What all runs share is the same in this of the first row."""
        return next(iter(self.groups.values())).config

    @property
    def baseline(self) -> Group | None:
        """Returns the `Group` without poison, or None."""
        return self.groups.get((BASELINE, ""))

    def errors(
        self,
        split: str,
        arcs: str,
        mode: str | None = None,
        variant: str = "",
    ) -> Errors:
        """Returns the final errors of the rows, or of a variant of them.

        Args:
          split: "valid" or "test".
          arcs: "best" of 10, or the mean of "sampled" arcs.
          mode: "train" or "eval"; by default the profile's.
          variant: "" for the rows themselves, or as of `Job`.
        """
        column = reading_columns(split)[arcs, mode or self.printed[1]]
        return {
            row: group.by_seed(column)
            for (row, name), group in self.groups.items()
            if name == variant
        }

    def primary(self, split: str, variant: str = "") -> Errors:
        """Returns the errors that count: the mean over sampled arcs."""
        return self.errors(split, "sampled", variant=variant)

    @property
    def profile(self) -> Profile:
        """Returns the `Profile` of all runs but the ablations."""
        return make_profile(
            self.shared["override"], PROFILES[self.shared["profile"]]
        )

    @property
    def printed(self) -> tuple[str, str]:
        """Returns the reading that valid_acc and test_acc hold."""
        resampled = self.profile.evaluation == "resampled"
        return "sampled" if resampled else "best", self.profile.evaluation_mode

    def facts(self, name: str) -> list[dict[str, Any]]:
        """Returns the contents of a JSON file of each run that has it.

        Args:
          name: str, such as result.json.
        """
        found = []
        for directory in self._directories():
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as stream:
                    found.append(json.load(stream))
        return found

    def versions(self) -> list[dict[str, Any]]:
        """Returns what every start of every run ran on, list of dicts."""
        return [
            each
            for folder in self._directories()
            for each in versions.read(folder)
        ]

    def _directories(self) -> list[str]:
        groups = self.groups.values()
        return [state.job.directory for g in groups for state in g.states]


def mean_curve(
    rows: Iterable[Mapping[str, float]], column: str
) -> list[tuple[int, float]]:
    """Returns [(epoch, mean), ..] of a column over rows of metrics.csv."""
    sums: dict[int, list[float]] = {}
    for row in rows:
        if column in row:
            sums.setdefault(int(row["epoch"]), []).append(row[column])
    return [(e, sum(v) / len(v)) for e, v in sorted(sums.items())]


def reading_columns(split: str) -> dict[tuple[str, str], str]:
    """Returns dict, reading -> column of metrics.csv, for "valid" or "test"."""
    return {key: column.format(split) for key, column in READINGS.items()}


def read_sweep(directory: str) -> Sweep:
    """Returns the `Sweep` in a directory.

    Raises:
      UserError: there is none.
    """
    shared, jobs = load_jobs(directory)
    rows = {row.name: row for row in all_rows()}
    order = list(rows)
    found = {(job.row, job.variant) for job in jobs}
    keys = sorted(found, key=lambda key: (key[1] != "", order.index(key[0])))
    groups = {}
    for row, variant in keys:
        mine = [job for job in jobs if (job.row, job.variant) == (row, variant)]
        states = [read_state(job, directory) for job in mine]
        config = read_config(mine[0].arguments)
        space = search_space_of(config.poison, config.q, config)
        groups[row, variant] = Group(rows[row], variant, states, space, config)
    return Sweep(directory, shared, groups)
