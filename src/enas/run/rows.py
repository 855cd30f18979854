"""The tables of a run: metrics.csv, arcs.jsonl, ops.jsonl; and result.json."""

import csv
import dataclasses
import io
import itertools
import json
import math
import os
from collections.abc import Sequence
from typing import Any

from enas.cifar10.config import Config
from enas.cifar10.metrics import COLUMNS, EpochNumbers
from enas.cifar10.search import Search
from enas.errors import UserError
from enas.final.training import result_of
from enas.run import data_record
from enas.run.files import (
    ADVICE,
    RunLines,
    cut_torn_line,
    read_lines,
    write_whole,
)

Row = dict[str, Any]


class RunRows:
    """One row per epoch, the architectures shown in it, and the ops it ran."""

    def __init__(self, path: str) -> None:
        self._metrics = os.path.join(path, "metrics.csv")
        self.arcs = RunLines(os.path.join(path, "arcs.jsonl"), "arc")
        self.ops = RunLines(os.path.join(path, "ops.jsonl"), "counts")
        self._result = os.path.join(path, "result.json")
        self._best_arc = os.path.join(path, "best_arc.txt")

    def mend(self) -> None:
        """Cuts off lines that a kill left half written."""
        for path in (self._metrics, self.arcs.path, self.ops.path):
            cut_torn_line(path)

    def rows(self) -> list[Row]:
        """Returns the rows of metrics.csv, column -> number.

        Raises:
          UserError: it is not a table as a run writes it.
        """
        lines = read_lines(self._metrics)
        try:
            rows = [_numbers(row) for row in csv.DictReader(lines, strict=True)]
            epochs = [row["epoch"] for row in rows]
            if any(b - a != 1 for a, b in itertools.pairwise(epochs)):
                told = str(epochs)[:80]
                raise ValueError(f"the epochs {told}, not one by one")
        except (csv.Error, ValueError) as error:
            raise UserError(
                f"{self._metrics} is a table of numbers, an epoch in a row; "
                f"received {error}. {ADVICE}"
            ) from None
        return rows

    def keep(self, epochs: int) -> None:
        """Drops what was written of later epochs."""
        # All are read first: what is refused changes nothing.
        rows, *_ = self.rows(), self.arcs.read(), self.ops.read()
        kept = [row for row in rows if row["epoch"] <= epochs]
        if len(kept) < len(rows):
            self._write(kept)
        self.arcs.keep(epochs)
        self.ops.keep(epochs)

    def add(
        self, search: Search, numbers: EpochNumbers, reports: list[dict]
    ) -> None:
        """Writes the row of an epoch and everything that follows from it."""
        rows = [*self.rows(), numbers.measured()]
        self._write(rows)
        self.arcs.add(r | {"arc": str(r["arc"])} for r in reports)
        if search.op_counts:
            kinds, counts = search.search_space.kinds, search.op_counts
            self.ops.add([dict(epoch=search.epoch, ops=kinds, counts=counts)])
        self._write_result(search, rows)

    def _write(self, rows: Sequence[Row]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(
            text, COLUMNS, extrasaction="ignore", lineterminator="\n"
        )
        table.writeheader()
        table.writerows(rows)
        write_whole(self._metrics, text.getvalue())

    def _write_result(self, search: Search, rows: Sequence[Row]) -> None:
        config, defence = search.config, search.defence.report()
        scratch = config.child_from_scratch
        found = result_of(search) if scratch else self._best(search, rows)
        if not found:
            return
        result = {
            "finished": search.epoch >= config.num_epochs,
            "epochs": search.epoch,
            "last": rows[-1],
            **found,
            "settings": dataclasses.asdict(config),
            "behaviours": dataclasses.asdict(config.behaviour),
            "op_ids": search.search_space.num_ops,
            "branches": search.search_space.branches,
            **({"defence": defence} if defence else {}),
            "data": data_record.summary(os.path.dirname(self._result)),
        }
        write_whole(self._result, json.dumps(result, indent=2) + "\n")
        write_whole(self._best_arc, result["arc"] + "\n")

    def _best(self, search: Search, rows: Sequence[Row]) -> dict[str, Any]:
        """Returns what a search found so far; {} before it was measured."""
        measured = [row for row in rows if "best_valid_acc" in row]
        if not measured:
            return {}
        best = max(measured, key=lambda row: row["best_valid_acc"])
        arcs = [
            report["arc"]
            for report in self.arcs.read()
            if report["epoch"] == best["epoch"] and "valid_acc" in report
        ]
        if not arcs:
            raise UserError(
                f"{self.arcs.path} has no measured arc of epoch "
                f"{best['epoch']}. {ADVICE}"
            )
        return {
            "best": best,
            "arc": arcs[0],
            "protocol": _protocol(search.config),
            "images": {
                name: len(getattr(search.data, name))
                for name in ("train", "valid", "test")
            },
        }


def _numbers(row: dict[str, str]) -> Row:
    """Returns a row of cells as numbers, without the empty cells."""
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


def _protocol(config: Config) -> str:
    """Returns in words what the accuracies of a run are."""
    profile = config.behaviour
    mode = {"eval": "evaluation", "train": "training"}[profile.evaluation_mode]
    size = config.eval_batch_size
    printed = f"a fresh arc sampled for every batch of {size or 100}"
    if profile.evaluation == "best_of_10":
        printed = (
            "10 arcs sampled, the best on one validation batch measured in "
            f"batches of {size or config.batch_size}"
        )
    return (
        f"valid_acc and test_acc: {printed}, under the shared weights, in "
        f"{mode} mode. best_valid_acc and best_test_acc: 10 arcs sampled, the "
        "best on one validation batch measured on the whole validation and "
        "test sets, in evaluation mode. Validation images are "
        f"{profile.valid_images}. best: the epoch with the highest "
        "best_valid_acc; arc: that epoch's best arc."
    )
