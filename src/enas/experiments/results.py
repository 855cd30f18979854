"""The runs of a sweep, gathered by row and variant over the seeds."""

import dataclasses
import json
import os

from enas.cifar10.behaviours import PROFILES, make_profile
from enas.cifar10.metrics import READINGS
from enas.experiments.estimates import Estimate, estimate
from enas.experiments.jobs import read_config
from enas.experiments.plan import load_jobs
from enas.experiments.rows import BASELINE, all_rows, search_space_of
from enas.experiments.run_state import read_state
from enas.experiments.summary import Errors
from enas.run import versions

__all__ = ["Group", "Sweep", "mean_curve", "read_sweep", "reading_columns"]


@dataclasses.dataclass(frozen=True)
class Group:
    """One row of the report: the runs of a row and variant, over seeds.

    Attributes:
      row: `Row`.
      variant: str, as of `Job`.
      states: list of `RunState`, one per seed.
      space: `SearchSpace`.
      config: `Config` of the first seed.
    """

    row: object
    variant: str
    states: list
    space: object
    config: object

    @property
    def name(self):
        """Returns what a reader calls it, str."""
        return f"{self.row.name} {self.variant}".strip()

    @property
    def finished(self):
        """Returns the states that have finished, a list."""
        return [state for state in self.states if state.finished]

    @property
    def state_text(self):
        """Returns the state of all seeds in a few words, str."""
        if len(self.finished) == len(self.states):
            return "finished"
        return "; ".join(
            f"seed {state.job.seed} {state.text}"
            for state in self.states
            if not state.finished
        )

    def estimate(self, column) -> Estimate:
        """Returns the `Estimate` of the final errors of a column."""
        return estimate(list(self.by_seed(column).values()))

    def by_seed(self, column):
        """Returns the final errors of a column, dict seed -> per cent."""
        found = {s.job.seed: s.error(column) for s in self.finished}
        return {seed: e for seed, e in found.items() if e is not None}

    def error(self, column):
        """Returns the mean of the final errors in per cent, or None."""
        found = self.estimate(column)
        return found.mean if found.n else None

    def curve(self, column):
        """Returns `mean_curve` of a column over the seeds."""
        rows = [row for state in self.states for row in state.rows]
        return mean_curve(rows, column)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Everything a report is about.

    Attributes:
      directory: str.
      shared: dict, scale, profile, override and flags of all runs.
      groups: dict, (row name, variant) -> `Group`, in the paper's order.
    """

    directory: str
    shared: dict
    groups: dict

    @property
    def table(self):
        """Returns the groups that are rows of Table 1, a list."""
        return [group for group in self.groups.values() if not group.variant]

    @property
    def baseline(self):
        """Returns the `Group` without poison, or None."""
        return self.groups.get((BASELINE, ""))

    def errors(self, split, arcs, mode=None) -> Errors:
        """Returns the final errors of the rows of Table 1.

        Args:
          split: "valid" or "test".
          arcs: "best" of 10, or the mean of "sampled" arcs.
          mode: "train" or "eval"; by default the profile's.
        """
        column = reading_columns(split)[arcs, mode or self.printed[1]]
        return {group.row.name: group.by_seed(column) for group in self.table}

    def primary(self, split) -> Errors:
        """Returns the errors that count: the mean over sampled arcs."""
        return self.errors(split, "sampled")

    @property
    def profile(self):
        """Returns the `Profile` of all runs but the ablations."""
        return make_profile(
            self.shared["override"], PROFILES[self.shared["profile"]]
        )

    @property
    def printed(self):
        """Returns the reading behind valid_acc and test_acc."""
        resampled = self.profile.evaluation == "resampled"
        return "sampled" if resampled else "best", self.profile.evaluation_mode

    def facts(self, name):
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

    def versions(self):
        """Returns what every start of every run ran on, list of dicts."""
        return [
            each
            for folder in self._directories()
            for each in versions.read(folder)
        ]

    def _directories(self):
        groups = self.groups.values()
        return [state.job.directory for g in groups for state in g.states]


def mean_curve(rows, column):
    """Returns [(epoch, mean), ..] of a column over rows of metrics.csv."""
    sums = {}
    for row in rows:
        if column in row:
            sums.setdefault(int(row["epoch"]), []).append(row[column])
    return [(e, sum(v) / len(v)) for e, v in sorted(sums.items())]


def reading_columns(split):
    """Returns dict, reading -> column of metrics.csv, for "valid" or "test"."""
    return {key: column.format(split) for key, column in READINGS.items()}


def read_sweep(directory):
    """Returns the `Sweep` in a directory.

    Raises:
      UserError: there is none.
    """
    shared, jobs = load_jobs(directory)
    rows = {row.name: row for row in all_rows()}
    order = list(rows)
    keys = dict.fromkeys((job.row, job.variant) for job in jobs)
    keys = sorted(keys, key=lambda key: (key[1] != "", order.index(key[0])))
    groups = {}
    for row, variant in keys:
        mine = [job for job in jobs if (job.row, job.variant) == (row, variant)]
        states = [read_state(job, directory) for job in mine]
        config = read_config(mine[0].arguments)
        space = search_space_of(config.poison, config.q, config)
        groups[row, variant] = Group(rows[row], variant, states, space, config)
    return Sweep(directory, shared, groups)
