"""What a sweep runs: rows, controls and ablations as search command lines.

No TensorFlow here: everything is checked before anything is touched.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from enas.cifar10.behaviours import PROFILES, Profile
from enas.cifar10.flags import define_flags, read_flags
from enas.errors import UserError
from enas.experiments.rows import BASELINE, Row, choose_rows, search_space_of

if TYPE_CHECKING:  # It needs TensorFlow.
    from enas.cifar10.config import Config
    from enas.experiments.plan import Plan

__all__ = [
    "CONTROLS",
    "READING_CHOICES",
    "Job",
    "flips",
    "make_jobs",
    "read_config",
]

CONTROLS = ("uniform", "poison_only", "poison_all_skips")
# Choices that only say which reading is printed: every run records them all.
READING_CHOICES = ("evaluation", "evaluation_mode")


@dataclasses.dataclass(frozen=True)
class Job:
    """One search of a sweep.

    Attributes:
      row: name of the row of Table 1 it belongs to.
      variant: "" for the row itself; a control; a defence, several
        joined by +; or the behaviour choice that is flipped, "choice=value".
      arguments: flags of the search, output_dir included.
    """

    row: str
    variant: str
    seed: int
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """Returns a name that is unique in a sweep and legal for a folder."""
        middle = f"_{self.variant.replace('=', '-')}" if self.variant else ""
        return f"{self.row}{middle}_seed{self.seed}"

    @property
    def directory(self) -> str:
        """Returns the run directory."""
        return self.arguments[-1].removeprefix("--output_dir=")


def make_jobs(plan: "Plan", runs_dir: str) -> list[Job]:
    """Returns the `Job`s of a `Plan`, and checks every command line.

    Rows come seed by seed; controls and ablations follow the rows.

    Args:
      runs_dir: the folder of run directories, absolute.

    Raises:
      UserError: a row, control, choice or search flag is not legal.
    """
    rows = choose_rows(list(plan.only))
    variants: list[tuple[Row, str, tuple[str, ...]]]
    variants = [(row, "", ()) for row in rows]
    for control in plan.controls:
        variants += _control(control, rows, plan)
    for defence in plan.defences:
        flag = (f"--defence={defence.replace('+', ',')}",)
        variants += [(row, defence, flag) for row in rows]
    for flip in flips(plan.ablate, plan.profile, plan.override):
        if flip.split("=")[0] not in READING_CHOICES:
            override = (f"--override={flip}",)
            variants += [(row, flip, override) for row in rows]
    return [
        _job(plan, runs_dir, seed, *variant)
        for seed in plan.seeds
        for variant in variants
    ]


def _job(
    plan: "Plan",
    runs_dir: str,
    seed: int,
    row: Row,
    variant: str,
    extra: Sequence[str],
) -> Job:
    named = Job(row.name, variant, seed, ())
    arguments = (
        *plan.search_flags(),
        *row.flags,
        *extra,
        f"--seed={seed}",
        f"--output_dir={os.path.join(runs_dir, named.name)}",
    )
    read_config(arguments)
    return dataclasses.replace(named, arguments=arguments)


def read_config(arguments: Sequence[str]) -> "Config":
    """Returns the `Config` of a search's flags.

    Raises:
      UserError: a flag is not legal, or poison and q contradict each other.
    """
    values = flags.FlagValues()
    define_flags(values)
    config, _ = read_flags(values, ["search", *arguments])
    search_space_of(config.poison, config.q, config)
    return config


def _control(
    control: str, rows: Sequence[Row], plan: "Plan"
) -> list[tuple[Row, str, tuple[str, ...]]]:
    """Returns (row, variant, flags) of a control on the rows it applies to."""
    if control not in CONTROLS:
        raise UserError(
            f"--controls is none, all or a comma list of "
            f"{', '.join(CONTROLS)}; received {control!r}."
        )
    if control == "uniform":
        return [(row, control, ("--nocontroller_training",)) for row in rows]
    # An arc of poison alone is the same child whatever q: once per set.
    firsts = {row.set: row for row in reversed(rows) if row.name != BASELINE}
    skip = int(control == "poison_all_skips")
    return [
        (row, control, (f"--child_fixed_arc={_poison_arc(row, plan, skip)}",))
        for row in reversed(firsts.values())
    ]


def _poison_arc(row: Row, plan: "Plan", skip: int) -> str:
    """Returns an arc of the set's ops in turn, all skips alike, as text."""
    config = read_config((*plan.search_flags(), *row.flags))
    space = search_space_of(row.poison, row.q, config)
    first = len(space.candidate_ops)
    ops = [first + row.q * i for i in range(len(space.poison_ops))]
    layers = range(config.child_num_layers)
    return "  ".join(
        " ".join([str(ops[layer % len(ops)]), *[str(skip)] * layer])
        for layer in layers
    )


def flips(
    choices: Sequence[str], profile: str, override: Sequence[str]
) -> list[str]:
    """Returns the behaviours that --ablate names, each "choice=value".

    A choice without a value takes the value of the other program, or where
    both programs agree and there are two values, the other one.

    Args:
      choices: sequence of str, "all" or names with or without "=value".
      profile: key of `PROFILES`.
      override: sequence of str, changes that hold in all runs.

    Raises:
      UserError: a choice does not exist, or its value must be named.
    """
    fields = {field.name: field for field in dataclasses.fields(Profile)}
    overridden = {each.partition("=")[0] for each in override}
    other = PROFILES["enas" if profile == "paper" else "paper"]
    if list(choices) == ["all"]:
        mine = PROFILES[profile]
        choices = [
            name
            for name in fields
            if getattr(mine, name) != getattr(other, name)
            and name not in overridden
        ]
    return [_flip(choice, fields, profile, other) for choice in choices]


def _flip(
    choice: str, fields: Mapping[str, Any], profile: str, other: Profile
) -> str:
    name, _, value = choice.partition("=")
    if name not in fields:
        raise UserError(
            f"--ablate is all or a comma list of {', '.join(fields)}, with or "
            f"without =value; received {choice!r}."
        )
    legal = fields[name].metadata["legal"]
    mine = getattr(PROFILES[profile], name)
    if not value:
        rest = [each for each in legal if each != mine]
        theirs = getattr(other, name)
        value = theirs if theirs != mine else rest[0]
    if value not in legal or value == mine:
        raise UserError(
            f"--ablate={choice} must change {name}={mine} of profile {profile}"
            f" to another of {', '.join(legal)}; received {value!r}."
        )
    return f"{name}={value}"
