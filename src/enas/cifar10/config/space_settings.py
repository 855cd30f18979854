"""The candidate ops and what poisons them. No TensorFlow here."""

import dataclasses
from typing import ClassVar

from enas.cifar10.config.values import setting


@dataclasses.dataclass(frozen=True)
class SpaceSettings:
    """The candidate ops and what poisons them."""

    GROUP: ClassVar[str] = "Search space"

    poison: str = setting(
        "none",
        "Poisoning: none, or a comma list of the sets identity,"
        " transposed_conv, dropout, grouped, relative_gaussian and"
        " stretched_conv, of registered op names, and of ops from files of"
        " your own, path/to/my_ops.py:Name, which runs that file"
        " (docs/POISON.md).",
        path="ops",
    )
    q: int | None = setting(None, "Copies of every poisoning op.", lower=0)
    poison_sharing: str = setting(
        "shared",
        "Whether the copies of a poisoning in a layer share their weights"
        " (the paper's code) or each have their own (the paper's text).",
        choices=("shared", "unique"),
    )
    candidate_ops: str = setting(
        "enas6",
        "The unpoisoned ops: a comma list of the sets enas6, ENAS's six, and"
        " paper5, the five of the paper's section 3.1.1, of names of ops, and"
        " of ops from files of your own, as in --poison.",
        path="ops",
    )
    op_setting: tuple[str, ...] = setting(
        (),
        "Value of a setting that an op of your own declares, name=value; may be"
        " given several times (docs/POISON.md).",
    )
    child_num_branches: int | None = setting(
        None,
        "Number of unpoisoned ops, as the original names it; must agree with"
        " --candidate_ops. With --child_from_scratch and no poison, 4 and 5 are"
        " the first so many of enas6, as the original's final script has it.",
        lower=1,
    )
