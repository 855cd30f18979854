"""The tables of a run: metrics.csv, arcs.jsonl, ops.jsonl. No TensorFlow."""

import csv
import itertools
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enas.cifar10.metrics import COLUMNS, EpochNumbers
from enas.errors import UserError
from enas.run import files

if TYPE_CHECKING:  # It needs TensorFlow.
    from enas.cifar10.search import Search

Row = dict[str, Any]


class RunRows:
    """One row per epoch, the architectures shown in it, and the ops it ran."""

    def __init__(self, path: str) -> None:
        self._metrics = os.path.join(path, "metrics.csv")
        self.arcs = files.RunLines(os.path.join(path, "arcs.jsonl"), "arc")
        self.ops = files.RunLines(os.path.join(path, "ops.jsonl"), "counts")

    def repair(self) -> None:
        """Cuts off lines that a kill left half written."""
        for path in (self._metrics, self.arcs.path, self.ops.path):
            files.cut_torn_line(path)

    def rows(self) -> list[Row]:
        """Returns the rows of metrics.csv, or raises UserError if damaged."""
        lines = files.read_lines(self._metrics)
        try:
            rows = list(map(_numbers, csv.DictReader(lines, strict=True)))
            epochs = [row["epoch"] for row in rows]
            if any(b - a != 1 for a, b in itertools.pairwise(epochs)):
                text = f"the epochs {str(epochs)[:80]}, not one by one"
                raise ValueError(text)
        except (csv.Error, ValueError) as error:
            raise UserError(
                f"{self._metrics} is a table of numbers, an epoch in a row; "
                f"received {error}. {files.ADVICE}"
            ) from None
        return rows

    def keep(self, epochs: int) -> None:
        """Drops what was written of later epochs."""
        # All are read first: what is refused changes nothing.
        rows, *_ = self.rows(), self.arcs.read(), self.ops.read()
        kept = [row for row in rows if row["epoch"] <= epochs]
        if len(kept) < len(rows):
            files.write_whole(self._metrics, files.table_text(kept, COLUMNS))
        self.arcs.keep(epochs)
        self.ops.keep(epochs)

    def add(
        self, search: "Search", numbers: EpochNumbers, reports: Sequence[dict]
    ) -> list[Row]:
        """Writes what an epoch adds to the tables; returns all rows."""
        rows = [*self.rows(), numbers.measured()]
        files.write_whole(self._metrics, files.table_text(rows, COLUMNS))
        self.arcs.add(r | {"arc": str(r["arc"])} for r in reports)
        if counts := search.op_counts:
            ops = search.search_space.kinds
            self.ops.add(
                [{"epoch": search.epoch, "ops": ops, "counts": counts}]
            )
        return rows


def _numbers(row: dict[str, str]) -> Row:
    if None in row or None in row.values():
        raise ValueError("a row of another length than the first line's")
    numbers: Row = {
        column: int(cell) if column == "epoch" else float(cell)
        for column, cell in row.items()
        if cell
    }
    if "epoch" not in numbers or not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"the row {','.join(row.values())[:80]!r}")
    return numbers
