"""The 17 experiments of the paper's Table 1, and some more. No TensorFlow."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterable

from enas.cifar10.config import Config
from enas.cifar10.search_space import (
    SearchSpace,
    expand,
    file_ops,
    make_search_space,
)
from enas.errors import UserError
from enas.run.files import Line, read_table

BASELINE = "baseline"
_TABLE = pathlib.Path(__file__).with_name("table1.csv")


@dataclasses.dataclass(frozen=True)
class Row:
    """One experiment.

    Attributes:
      name: the paper's: baseline, 1a .. 4d; 5a of its authors' second paper
        (arXiv 2111.07138); mixed, the attacker who knows the defences;
        identity24 and the like, as many op ids as 4b or 4c of one poison.
      set: "none", the number of the poisoning set, "mixed" or "grouping".
      poison: as --poison takes it; q: copies of every op of it.
      paper_valid_error: per cent, final; None where the paper has no such row.
      paper_test_error: likewise.
      more: further search flags.

    Source: Table 1 of the paper.
    """

    name: str
    set: str
    poison: str
    q: int
    paper_valid_error: float | None
    paper_test_error: float | None
    more: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The search flags that make this row."""
        return (*poison_flags(self.poison, self.q), *self.more)


def poison_flags(poison: str, q: int | str) -> tuple[str, ...]:
    """Returns the search flags of a poisoning, none for "none"."""
    return () if poison == "none" else (f"--poison={poison}", f"--q={q}")


@functools.cache
def all_rows() -> dict[str, Row]:
    """Returns rows by name: the 17 of Table 1, then those it does not have."""
    rows = {}
    for line in read_table(str(_TABLE)):
        name, of_set, poison = line["row"], line["set"], line["poison"]
        papers = (line[f"paper_{split}_error"] for split in ("valid", "test"))
        valid, test = (float(error) if error else None for error in papers)
        q, more = line["q"], tuple(line["flags"].split())
        rows[name] = Row(name, of_set, poison, int(q), valid, test, more)
    return rows


def matching(lines: Iterable[Line], **cells: str) -> list[Line]:
    """Returns the lines of a table that have these cells."""
    return [line for line in lines if cells.items() <= line.items()]


def floats(lines: Iterable[Line], column: str, **cells: str) -> list[float]:
    """Returns the numbers in a column, of the lines that have these cells."""
    found = (line[column] for line in matching(lines, **cells))
    return [float(cell) for cell in found if cell]


def place(name: str) -> tuple[int, str]:
    """Returns a key that sorts rows as the table does, others after them."""
    names = list(all_rows())
    return names.index(name) if name in names else len(names), name


def read_rows() -> list[Row]:
    """Returns the 17 `Row`s of Table 1 in the paper's order."""
    rows = all_rows().values()
    return [row for row in rows if row.paper_test_error is not None]


def choose_rows(names: list[str]) -> list[Row]:
    """Returns the rows of some names in their order, without any the 17.

    Raises:
      UserError: a name is unknown or named twice.
    """
    rows = all_rows()
    if not rows.keys() >= set(names) or len(set(names)) < len(names):
        raise UserError(
            f"--only is a comma list of {', '.join(rows)}, each once; received "
            f"{','.join(names)!r}. Leave it out for the 17 of Table 1."
        )
    return [rows[name] for name in names] or read_rows()


def space_of(config: Config, row: Row | None = None) -> SearchSpace:
    """Returns the space of a run, or of a row with the run's other flags."""
    poison, q = config.poison, config.q
    if row:
        poison, q = row.poison, row.q or None
    # Names that users registered are checked by the search itself.
    named = [*expand(poison, {}), *(name for _, _, name in file_ops(config))]
    return make_search_space(
        poison, q, config.poison_sharing, config.candidate_ops, named
    )
