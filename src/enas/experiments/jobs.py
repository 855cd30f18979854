"""What a sweep runs, as command lines: searches, or trainings from scratch.

No TensorFlow here: everything is checked before anything is touched.
"""

import functools
import hashlib
import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from enas.cifar10.arc import Arc, num_decisions
from enas.cifar10.behaviours import PROFILES, Profile, make_profile
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags, read_flags
from enas.cifar10.search_space import POISON_SETS, expand
from enas.errors import UserError
from enas.experiments import table1_rows
from enas.experiments.table1_rows import BASELINE, Row, space_of
from enas.paths import full_path
from enas.run.files import Line, read_table

if TYPE_CHECKING:
    from enas.experiments.plan import Plan

# Folder of a sweep that holds the run directories.
RUNS = "runs"
CONTROLS = ("uniform", "poison_only", "poison_all_skips")
# Choices that only say which reading is printed: every run records them all.
READING_CHOICES = ("evaluation", "evaluation_mode")


class Job(NamedTuple):
    """One search of a sweep.

    Attributes:
      row: name of the row of Table 1 it belongs to.
      variant: "" for the row itself; a control; a defence, several joined by
        +; "choice=value", the behaviour that is flipped; or the arc that is
        trained from scratch, best_arc or random_arc_1.
      arguments: flags of the search, output_dir the last.
    """

    row: str
    variant: str
    seed: int
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """Returns a name that is unique in a sweep and legal for a folder."""
        middle = f"_{self.variant.replace('=', '-')}" if self.variant else ""
        row = self.row
        if "/" in row:  # The path of a user's file of ops.
            digest = hashlib.sha256(row.encode()).hexdigest()[:8]
            row = f"{os.path.basename(row)}-{digest}"
        return f"{row}{middle}_seed{self.seed}"

    @property
    def directory(self) -> str:
        return self.arguments[-1].removeprefix("--output_dir=")

    def file(self, folder: str, suffix: str) -> pathlib.Path:
        """Returns a file of this job in another folder of the sweep."""
        sweep = pathlib.Path(self.directory).parents[1]
        return sweep / folder / (self.name + suffix)

    def placed(self, sweep: str) -> "Job":
        """Returns the same job with its run directory in a sweep's."""
        place = f"--output_dir={os.path.join(sweep, RUNS, self.name)}"
        return self._replace(arguments=(*self.arguments[:-1], place))


def make_jobs(plan: "Plan", directory: str) -> list[Job]:
    """Returns the `Job`s of a `Plan`, and checks every command line.

    Rows come seed by seed; controls and ablations follow the rows.

    Raises:
      UserError: a row, control, choice or search flag is not legal.
    """
    rows = table1_rows.choose_rows(list(plan.only))
    variants: list[tuple[Row, str, str]] = [(row, "", "") for row in rows]
    for control in plan.controls:
        variants += _control(control, rows, plan)
    # Without a defence every row runs as it is.
    for defence in (name for name in plan.defences if name != "none"):
        flag = f"--defence={defence.replace('+', ',')}"
        variants += [(row, defence, flag) for row in rows]
    for flip in flips(plan):
        if flip.split("=")[0] not in READING_CHOICES:
            variants += [(row, flip, f"--override={flip}") for row in rows]
    jobs = [
        Job(row.name, variant, seed, (*row.flags, extra))
        for seed in plan.seeds
        for row, variant, extra in variants
    ]
    return [_complete(job, plan, directory) for job in jobs]


def _complete(job: Job, plan: "Plan", directory: str) -> Job:
    """Returns a job that has flags of its own alone with all, checked."""
    own = (*filter(None, job.arguments), f"--seed={job.seed}", "")
    arguments = (*plan.search_flags(), *own)
    job = job._replace(arguments=arguments).placed(directory)
    read_config(job.arguments)
    return job


@functools.cache
def read_config(arguments: tuple[str, ...]) -> Config:
    """Returns the `Config` of a search's flags.

    Raises:
      UserError: a flag is not legal, or poison and q contradict each other.
    """
    config, _ = read_flags(make_flags(), ["search", *arguments])
    space_of(config)
    return config


def _control(
    control: str, rows: Sequence[Row], plan: "Plan"
) -> list[tuple[Row, str, str]]:
    """Returns (row, variant, flag) of a control on the rows it applies to."""
    if control not in CONTROLS:
        raise UserError(
            f"--controls is none, all or a comma list of "
            f"{', '.join(CONTROLS)}; received {control!r}."
        )
    if control == "uniform":
        return [(row, control, "--nocontroller_training") for row in rows]
    # An arc of poison alone is the same child whatever q: once per poisoning.
    firsts = {r.poison: r for r in reversed(rows) if r.name != BASELINE}
    skip = int(control == "poison_all_skips")
    return [
        (row, control, f"--child_fixed_arc={_poison_arc(row, plan, skip)}")
        for row in reversed(firsts.values())
    ]


def _poison_arc(row: Row, plan: "Plan", skip: int) -> str:
    config = read_config((*plan.search_flags(), *row.flags))
    good = len(space_of(config).candidate_ops)
    return str(
        poison_arc(row.poison, row.q, good, config.child_num_layers, skip)
    )


def poison_arc(poison: str, q: int, good: int, layers: int, skip: int) -> Arc:
    """Returns an arc of a poisoning's ops in turn, all skips alike.

    `good` are the candidate ops of its space.
    """
    ops = len(expand(poison, POISON_SETS))
    # Of the copies of `mixed` each is another op than the next.
    ids = range(q) if poison == "mixed" else range(0, ops * q, q)
    turns = itertools.islice(itertools.cycle(ids), layers)
    skips = [skip] * (num_decisions(layers) - layers)
    return Arc(tuple(good + each for each in turns), tuple(skips))


def flips(plan: "Plan") -> list[str]:
    """Returns the behaviours that --ablate names, each "choice=value".

    A choice without a value takes the value of the other program, or where
    both programs agree and there are two values, the other one.

    Raises:
      UserError: a choice does not exist, or its value must be named.
    """
    if plan.ablate != ("all",):
        return [_flip(choice, plan) for choice in plan.ablate]
    overridden = {each.partition("=")[0] for each in plan.override}
    enas, paper = map(vars, (PROFILES["enas"], PROFILES["paper"]))
    differ = [name for name in enas if enas[name] != paper[name]]
    left = [name for name in differ if name not in overridden]
    return [_flip(choice, plan) for choice in left]


def _flip(choice: str, plan: "Plan") -> str:
    mine = vars(make_profile(plan.override, PROFILES[plan.profile]))
    other = vars(PROFILES["enas" if plan.profile == "paper" else "paper"])
    name, _, value = choice.partition("=")
    if name not in mine:
        raise UserError(
            f"--ablate is all or a comma list of {', '.join(mine)}, with or "
            f"without =value; received {choice!r}."
        )
    legal = Profile.__dataclass_fields__[name].metadata["legal"]
    new = [each for each in (other[name], *legal) if each != mine[name]]
    value = value or new[0]
    if value not in new:
        raise UserError(
            f"--ablate={choice} must change {name}={mine[name]} of the sweep "
            f"to another of {', '.join(legal)}; received {value!r}."
        )
    return f"{name}={value}"


def retrain_jobs(
    plan: "Plan", directory: str, table: str, random_arcs: int
) -> list[Job]:
    """Returns the trainings from scratch of a `Plan`: of each search, its arcs.

    What the damage is worth once the weights are no longer shared: the best
    arc of every finished search in the table, and random arcs of the same
    space, by the final trainer and with the budget of presets/retrain.flags.
    A search that is in the table twice, from two machines, counts once.

    Args:
      plan: its rows (empty: all of the table) and defences (empty: none).
      table: runs.csv of `collect`.
      random_arcs: random arcs of each space besides its best arc, >= 0.

    Raises:
      UserError: the table has none of these searches, or a flag is not legal.
    """
    lines = read_table(full_path(table))
    columns = {"row", "seed", "defence", "variant", "poison", "q", "best_arc"}
    if not (lines and lines[0].keys() >= columns):
        raise UserError(
            f"--retrain={table} has no line of a runs.csv as "
            "`python -m enas.experiments.collect` writes it. Name one that has."
        )
    seeds = list(map(str, plan.seeds))
    known = set(table1_rows.all_rows()) | {run["row"] for run in lines}
    if not known >= set(plan.only):
        raise UserError(
            f"--only is a comma list of {', '.join(sorted(known))}; received "
            f"{','.join(plan.only)!r}."
        )
    runs = {
        (run["row"], run["seed"], run["defence"]): run
        for run in lines
        if run["best_arc"]
        and not run["variant"]
        and run["seed"] in seeds
        and (not plan.only or run["row"] in plan.only)
        and run["defence"].replace(",", "+") in (plan.defences or ("none",))
    }
    if not runs:
        raise UserError(
            f"--retrain={table} has no finished search with an architecture "
            f"of --seeds={','.join(seeds)} and the rows of --only that has the "
            "settings of these rows, so no variant. `python -m "
            "enas.experiments.collect` adds those of a sweep to a table."
        )
    rows = list(plan.only) or sorted({row for row, _, _ in runs})
    jobs = [
        _training(plan, runs[key], number)
        for key in sorted(runs, key=lambda key: (key[1], rows.index(key[0])))
        # A space is the same with every defence, and so are its random arcs.
        for number in range(1 + random_arcs * (key[2] == "none"))
    ]
    return [_complete(job, plan, directory) for job in jobs]


def _training(plan: "Plan", run: Line, number: int) -> Job:
    """Returns the training of a search's best arc, or of a random one."""
    row = table1_rows.all_rows().get(run["row"])
    if row:
        poison = row.flags
    else:
        poison = table1_rows.poison_flags(run["poison"], run["q"])
    config = read_config((*plan.search_flags(), *poison))
    space, layers = space_of(config), config.child_num_layers
    seed, arc, variant = int(run["seed"]), run["best_arc"], "best_arc"
    if number:
        # As a controller draws it before it has learned.
        rng = np.random.default_rng([seed, number, space.num_ops])
        op_ids = rng.integers(space.num_ops, size=layers)
        arc = str(with_random_skips(op_ids, rng))
        variant = f"random_arc_{number}"
    if run["defence"] != "none":
        variant += f"_{run['defence'].replace(',', '+')}"
    Arc.parse(arc, layers, space.num_ops)
    chosen = (*poison, f"--child_fixed_arc={arc}")
    return Job(run["row"], variant, seed, chosen)


def with_random_skips(op_ids: np.ndarray, rng: np.random.Generator) -> Arc:
    """Returns an arc of some op ids, every skip with odds of a half."""
    layers = len(op_ids)
    skips = rng.integers(2, size=num_decisions(layers) - layers)
    return Arc(tuple(op_ids.tolist()), tuple(skips.tolist()))
