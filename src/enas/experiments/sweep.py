"""The runs of a sweep, gathered by row and variant over the seeds."""

import dataclasses
import functools
import pathlib
from typing import Any

from enas.cifar10 import metrics
from enas.cifar10.behaviours import PROFILES, make_profile
from enas.cifar10.config import Config
from enas.cifar10.search_space import SearchSpace
from enas.errors import UserError
from enas.experiments.estimates import Curve, Estimate, estimate, mean_curve
from enas.experiments.jobs import read_config
from enas.experiments.plan import RETRAIN, load_jobs
from enas.experiments.run_state import RunState, read_state
from enas.experiments.summary import Errors
from enas.experiments.table1_rows import Row, all_rows, place, space_of
from enas.run import versions
from enas.run.files import read_result

# Column of a table, an error in per cent -> accuracy of metrics.csv.
READINGS = {
    f"{split}_error_{arcs}_{mode}": column.format(split)
    for split in ("valid", "test")
    for (arcs, mode), column in metrics.READINGS.items()
}
READING_NAMES = {
    "best_eval": "best of 10, evaluation mode",
    "best_train": "best of 10, training mode",
    "sampled_eval": "mean of sampled arcs, evaluation mode",
    "sampled_train": "mean of sampled arcs, training mode",
}


@dataclasses.dataclass(frozen=True)
class Group:
    """One row of the report: the runs of a row and a `Job`'s variant."""

    row: Row
    variant: str
    states: list[RunState]  # One per seed.
    config: Config  # Of the first seed.

    @functools.cached_property
    def space(self) -> SearchSpace:
        return space_of(self.config)

    @property
    def name(self) -> str:
        return f"{self.row.name} {self.variant}".strip()

    @property
    def finished(self) -> list[RunState]:
        return [state for state in self.states if state.finished]

    @property
    def state_text(self) -> str:
        """The state of all seeds in a few words."""
        left = (state for state in self.states if not state.finished)
        texts = (f"seed {state.job.seed} {state.text}" for state in left)
        return "; ".join(texts) or "finished"

    def estimate(self, column: str) -> Estimate:
        """Returns the `Estimate` of the final errors of a column."""
        return estimate(list(self.by_seed(column).values()))

    def by_seed(self, column: str = "test_acc") -> dict[int, float]:
        """Returns the final errors of a column, per cent by seed."""
        found = {s.job.seed: s.error(column) for s in self.finished}
        return {seed: e for seed, e in found.items() if e is not None}

    def curve(self, column: str) -> Curve:
        """Returns `mean_curve` of a column over the seeds."""
        rows = (row for state in self.states for row in state.rows)
        return mean_curve((r["epoch"], r[column]) for r in rows if column in r)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Everything a report is about.

    Attributes:
      shared: scale, profile, override and flags of all runs.
      groups: by row name and variant, in the paper's order.
    """

    directory: str
    shared: dict[str, Any]
    groups: dict[tuple[str, str], Group]

    @property
    def table(self) -> list[Group]:
        """The groups that are rows of Table 1."""
        return [group for group in self.groups.values() if not group.variant]

    @property
    def config(self) -> Config:
        """Of the first row: what all runs share is the same in it."""
        return next(iter(self.groups.values())).config

    def errors(self, column: str = "test_acc", variant: str = "") -> Errors:
        """Returns the final errors of the rows, or of a variant of them."""
        return {
            row: group.by_seed(column)
            for (row, name), group in self.groups.items()
            if name == variant
        }

    def primary(self, split: str, variant: str = "") -> Errors:
        """Returns the errors that count: the mean over sampled arcs."""
        reading = f"{split}_error_sampled_{self.printed[1]}"
        return self.errors(READINGS[reading], variant)

    @property
    def printed(self) -> tuple[str, str]:
        """The reading behind valid_acc, of `READING_NAMES`, in two parts.

        That of test_acc too. Ablations may have another.
        """
        profile = PROFILES[self.shared["profile"]]
        profile = make_profile(self.shared["override"], profile)
        arcs = "sampled" if profile.evaluation == "resampled" else "best"
        return arcs, profile.evaluation_mode

    @property
    def states(self) -> list[RunState]:
        return [s for group in self.groups.values() for s in group.states]

    def results(self) -> list[dict[str, Any]]:
        """Returns result.json of each run that has it."""
        folders = (pathlib.Path(state.job.directory) for state in self.states)
        files = (folder / "result.json" for folder in folders)
        return [read_result(file) for file in files if file.is_file()]

    def versions(self) -> list[dict[str, Any]]:
        """Returns what every start of every run ran on."""
        folders = [state.job.directory for state in self.states]
        return [each for folder in folders for each in versions.read(folder)]


def read_sweep(directory: str) -> Sweep:
    """Returns the `Sweep` in a directory.

    Raises:
      UserError: there is none, or one of trainings from scratch.
    """
    shared, jobs = load_jobs(directory)
    if shared["scale"] == RETRAIN:
        raise UserError(
            f"{directory} holds trainings from scratch, which have no report. "
            "`python -m enas.experiments.collect` adds them to a table."
        )
    jobs.sort(key=lambda job: (job.variant != "", place(job.row)))
    groups: dict[tuple[str, str], Group] = {}
    for job in jobs:
        if job.row not in all_rows():
            raise UserError(
                f"{directory} has a run of row {job.row!r}, and the rows here "
                f"are {', '.join(all_rows())}. Report it with the version of "
                "the program that ran it."
            )
        config = read_config(job.arguments)
        group = Group(all_rows()[job.row], job.variant, [], config)
        group = groups.setdefault((job.row, job.variant), group)
        group.states.append(read_state(job))
    return Sweep(directory, shared, groups)
