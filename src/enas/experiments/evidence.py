"""What docs/table1 holds: the runs behind every number of the documents."""

import collections
import functools
import os
import pathlib
import re

from enas.experiments.estimates import Estimate, paired
from enas.experiments.figures import Measured, draw_defences, draw_figures
from enas.experiments.jobs import read_config
from enas.experiments.summary import Errors
from enas.experiments.sweep import mean_curve
from enas.experiments.table1_rows import BASELINE, all_rows
from enas.run.files import Line, read_table

# The mean over sampled arcs in the mode in which the paper's code measures.
PRIMARY, SECOND = "sampled_train", "best_train"
ATTACKS = ("1d", "2d", "3d", "4d", "mixed")
SCALE = "scale small, profile paper"
EPOCHS = 12
# Budget of the arcs that are ranked, from scratch.
RANKED_EPOCHS = "1"


class Evidence:
    """The runs of docs/table1.

    A row and seed that ran on several machines counts once: the run of the
    machine that ran most rows of that seed.

    Args:
      folder: of runs.csv, epochs.csv, retrained.csv, arc_errors.csv,
        paper_code.csv and ablation.csv.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = pathlib.Path(folder)
        self.runs = read_table(str(self.folder / "runs.csv"))
        self.config = read_config(())
        self.ablation = read_table(str(self.folder / "ablation.csv"))
        trained = read_table(str(self.folder / "retrained.csv"))
        # Of the ranking of random arcs, with a budget of its own.
        self.ranked = [t for t in trained if t["epochs"] == RANKED_EPOCHS]
        self.retrained = [t for t in trained if t["epochs"] != RANKED_EPOCHS]
        self.paper_code = read_table(str(self.folder / "paper_code.csv"))
        self.arc_errors = read_table(str(self.folder / "arc_errors.csv"))

    @functools.cached_property
    def _machines(self) -> dict[tuple[str, str], int]:
        """How many rows of a seed each machine ran."""
        return collections.Counter((r["seed"], r["machine"]) for r in self.runs)

    def chosen(self, defence: str = "none") -> list[Line]:
        """Returns the runs without a variant, one for each row and seed."""
        wanted = {"defence": defence, "variant": ""}.items()
        runs = [run for run in self.runs if wanted <= run.items()]
        runs.sort(key=lambda r: self._machines[r["seed"], r["machine"]])
        return list({(run["row"], run["seed"]): run for run in runs}.values())

    def errors(
        self, reading: str, defence: str = "none", split: str = "test"
    ) -> Errors:
        """Returns final errors of a reading, per cent by row and seed."""
        column = f"{split}_error_{reading}"
        found: dict[str, dict[int, float]] = {r.name: {} for r in all_rows()}
        for run in self.chosen(defence):
            found[run["row"]][int(run["seed"])] = float(run[column])
        return found

    @functools.cached_property
    def clean(self) -> dict[int, float]:
        """Test errors of the clean search, primary reading, by seed."""
        return dict(self.errors(PRIMARY)[BASELINE])

    def damage(self, row: str) -> Estimate:
        """Returns the error of a row minus the clean search's, by seed."""
        return paired(self.errors(PRIMARY)[row], self.clean)

    @functools.cached_property
    def by_defence(self) -> dict[str, Errors]:
        """Test errors, primary reading, by defence, none first."""
        names = {run["defence"] for run in self.runs} - {"none"}
        return {n: self.errors(PRIMARY, n) for n in ("none", *sorted(names))}

    @functools.cached_property
    def poison_alone(self) -> dict[str, float]:
        """Errors of searches whose only op is the poison, by its set."""
        return {
            row.set: float(run[f"test_error_{PRIMARY}"])
            for row in all_rows()
            for run in self.runs
            if run["variant"] == f"uniform candidate_ops={row.poison}"
        }

    def curve(self, row: str, column: str) -> list[tuple[int, float]]:
        """Returns [(epoch, mean over seeds), ..] of a column.

        Of a seed that ran on several machines one that kept its epochs counts.
        """
        wanted = {"row": row, "variant": "", "defence": "none"}.items()
        mine = [line for line in self._epochs if wanted <= line.items()]
        mine = [line for line in mine if line[column]]
        machine = {line["seed"]: line["machine"] for line in mine}
        lines = [
            {name: float(line[name]) for name in ("epoch", column)}
            for line in mine
            if line["machine"] == machine[line["seed"]]
        ]
        return mean_curve(lines, column)

    @functools.cached_property
    def _epochs(self) -> list[Line]:
        return read_table(str(self.folder / "epochs.csv"))

    def trained(self, row: str, kind: str, defence: str = "none") -> list[Line]:
        """Returns lines of retrained.csv, kind a pattern for theirs."""
        wanted = {"row": row, "defence": defence}.items()
        mine = [line for line in self.retrained if wanted <= line.items()]
        return [line for line in mine if re.fullmatch(kind, line["kind"])]

    def draw(self, directory: str) -> list[str]:
        """Draws all figures; returns the paths."""
        measured = Measured(
            {s: self.errors(PRIMARY, split=s) for s in ("valid", "test")},
            self.curve,
            EPOCHS,
            SCALE,
            self.config,
            self.poison_alone,
        )
        paths = draw_figures(measured, directory)
        caption = (
            f"{SCALE}, mean of sampled arcs; bars: 95 % t-interval, where n > 1"
        )
        return paths + draw_defences(
            self.by_defence, ATTACKS, caption, directory
        )
