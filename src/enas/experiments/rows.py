"""The 17 experiments of the paper's Table 1. No TensorFlow here."""

import csv
import dataclasses
import pathlib

from enas.cifar10.search_space import expand, file_ops, make_search_space
from enas.errors import UserError

__all__ = ["BASELINE", "Row", "choose_rows", "read_rows", "search_space_of"]

BASELINE = "baseline"
_TABLE = pathlib.Path(__file__).with_name("table1.csv")


@dataclasses.dataclass(frozen=True)
class Row:
    """One experiment of Table 1.

    Attributes:
      name: str, the paper's: baseline, 1a .. 4d.
      set: str, "none" or the number of the poisoning set.
      poison: str, as --poison takes it.
      q: int, copies of every op of the poisoning.
      paper_valid_error: float, per cent, final validation error.
      paper_test_error: float, per cent, final test error.

    Source: Table 1 of the paper.
    """

    name: str
    set: str
    poison: str
    q: int
    paper_valid_error: float
    paper_test_error: float

    @property
    def flags(self):
        """Returns the search flags that make this row, a tuple of str."""
        if self.poison == "none":
            return ()
        return f"--poison={self.poison}", f"--q={self.q}"


def read_rows():
    """Returns the 17 `Row`s in the paper's order."""
    with open(_TABLE, newline="", encoding="utf-8") as stream:
        return [
            Row(
                line["row"],
                line["set"],
                line["poison"],
                int(line["q"]),
                float(line["paper_valid_error"]),
                float(line["paper_test_error"]),
            )
            for line in csv.DictReader(stream)
        ]


def choose_rows(names):
    """Returns the `Row`s of some names in the order of the names.

    Args:
      names: list of str, or empty for all 17.

    Raises:
      UserError: a name is unknown or named twice.
    """
    rows = {row.name: row for row in read_rows()}
    for name in names:
        if name not in rows or names.count(name) > 1:
            raise UserError(
                f"--only is a comma list of {', '.join(rows)}, each once; "
                f"received {','.join(names)!r}. Leave it out for all."
            )
    return [rows[name] for name in names or rows]


def search_space_of(poison, q, config):
    """Returns the `SearchSpace` of a run.

    Args:
      poison: str, as --poison takes it.
      q: int or None, as --q takes it.
      config: `Config`, its poison_sharing and candidate_ops.
    """
    # Names that users registered are checked by the search itself.
    return make_search_space(
        poison,
        q,
        config.poison_sharing,
        config.candidate_ops,
        [*expand(poison, {}), *(name for _, _, name in file_ops(config))],
    )
