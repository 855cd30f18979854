"""What docs/table1 holds: the runs behind every number of the documents."""

import collections
import functools
import operator
import os
import re

from enas.experiments.estimates import Curve, Estimate, mean_curve
from enas.experiments.figures import Measured, draw_defences, draw_figures
from enas.experiments.jobs import read_config
from enas.experiments.summary import Errors, difference
from enas.experiments.sweep import READING_NAMES
from enas.experiments.table1_rows import BASELINE, all_rows, floats, matching
from enas.run.files import Line, read_table

# The mean over sampled arcs in the mode in which the paper's code measures.
PRIMARY, SECOND = "sampled_train", "best_train"
ATTACKS = ("1d", "2d", "3d", "4d", "mixed")
SCALE = "scale small, profile paper"
EPOCHS = 12
# Two runs are one search if both readings of sampled arcs are equal.
_SEARCH = operator.itemgetter(
    "test_error_sampled_train", "test_error_sampled_eval"
)


class Evidence:
    """The runs of docs/table1.

    A row and seed that ran on several machines counts once: the run of the
    machine that ran most rows of that seed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.config = read_config(())

        def table(name: str) -> list[Line]:
            return read_table(os.path.join(folder, f"{name}.csv"))

        self.runs, self.epochs = table("runs"), table("epochs")
        self.ablation, trained = table("ablation"), table("retrained")
        self.arc_errors = table("arc_errors")
        self.paper_code = table("paper_code")
        self.paper_size = table("paper_size")
        # The ranking of random arcs has a budget of its own.
        self.ranked = matching(trained, epochs="1")
        self.retrained = [line for line in trained if line["epochs"] != "1"]

    def chosen(self, defence: str = "none") -> list[Line]:
        """Returns the runs without a variant, one for each row and seed."""
        rows = collections.Counter((r["seed"], r["machine"]) for r in self.runs)
        runs = matching(self.runs, defence=defence, variant="")
        runs.sort(key=lambda run: rows[run["seed"], run["machine"]])
        return list({(run["row"], run["seed"]): run for run in runs}.values())

    def by_seed(
        self, reading: str, defence: str = "none", split: str = "test"
    ) -> dict[str, dict[int, float]]:
        """Returns final errors of a reading, per cent by row and seed."""
        found: dict[str, dict[int, float]] = {name: {} for name in all_rows()}
        for run in self.chosen(defence):
            error = float(run[f"{split}_error_{reading}"])
            # Not only rows that have a name: `collect` knows others too.
            found.setdefault(run["row"], {})[int(run["seed"])] = error
        return found

    def errors(self, reading: str, split: str = "test") -> Errors:
        """Returns the same with all clean searches in the row baseline."""
        found = self.by_seed(reading, split=split)
        clean = floats(self.clean, f"{split}_error_{reading}")
        return found | {BASELINE: dict(enumerate(clean))}

    @functools.cached_property
    def clean(self) -> list[Line]:
        """Lines of all searches among the candidate ops alone.

        `discard` left nothing else in any space measured here; `prune` may drop
        one of them. Runs that are one search, to the last digit of both
        readings of sampled arcs, count once.
        """
        runs = [
            run
            for run in matching(self.runs, variant="")
            if run["defence"] == "discard"
            or (run["row"], run["defence"]) == (BASELINE, "none")
        ]
        return list({_SEARCH(run): run for run in runs}.values())

    def clean_beside(self, row: str, defence: str) -> list[float]:
        """Returns errors of the clean searches that are no run of a cell."""
        own = set(map(_SEARCH, matching(self.chosen(defence), row=row)))
        others = (run for run in self.clean if _SEARCH(run) not in own)
        return floats(others, f"test_error_{PRIMARY}")

    def damage(self, row: str) -> Estimate:
        """Returns the error of a row minus that of all clean searches."""
        return difference(self.errors(PRIMARY), row, BASELINE)

    @functools.cached_property
    def by_defence(self) -> dict[str, Errors]:
        """Test errors, primary reading, by defence, none first."""
        names = {run["defence"] for run in self.runs} - {"none"}
        defended = {name: self.by_seed(PRIMARY, name) for name in sorted(names)}
        return {"none": self.errors(PRIMARY), **defended}

    @functools.cached_property
    def poison_alone(self) -> dict[str, float]:
        """Errors of searches whose only op is the poison, by its set."""
        found = {run["variant"]: run for run in self.runs}
        return {
            row.set: float(run[f"test_error_{PRIMARY}"])
            for row in all_rows().values()
            if (run := found.get(f"uniform candidate_ops={row.poison}"))
        }

    def curve(self, row: str, column: str) -> Curve:
        """Returns the means of a column over the seeds."""
        lines = self.epochs_of(row, column)
        return mean_curve((line["epoch"], line[column]) for line in lines)

    def epochs_of(self, row: str, column: str) -> list[Line]:
        """Returns lines of epochs.csv of one search a seed of a row.

        Of a seed that ran several times one that has the column counts.
        """
        mine = matching(self.epochs, row=row, variant="", defence="none")
        mine = [line for line in mine if line[column]]
        run = operator.itemgetter("machine", "commit")
        chosen = {line["seed"]: run(line) for line in mine}
        return [line for line in mine if run(line) == chosen[line["seed"]]]

    def trained(self, row: str, kind: str, defence: str = "none") -> list[Line]:
        """Returns lines of retrained.csv, kind a pattern for theirs."""
        mine = matching(self.retrained, row=row, defence=defence)
        return [line for line in mine if re.fullmatch(kind, line["kind"])]

    def draw(self, directory: str) -> list[str]:
        """Draws all figures; returns the paths."""
        errors = {s: self.errors(PRIMARY, split=s) for s in ("valid", "test")}
        words = SCALE, READING_NAMES[SECOND]
        about = self.curve, EPOCHS, *words, self.config, self.poison_alone
        paths = draw_figures(Measured(errors, *about), directory)
        caption = (
            f"{SCALE}, mean of sampled arcs; bars: 95 % t-interval, where n > 1"
        )
        paths += draw_defences(self.by_defence, ATTACKS, caption, directory)
        return paths
