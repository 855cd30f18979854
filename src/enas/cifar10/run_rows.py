"""The tables of a run: metrics.csv, arcs.jsonl, and result.json from them."""

import csv
import dataclasses
import json
import math
import os

from enas.cifar10.final import result_of
from enas.cifar10.metrics import COLUMNS
from enas.cifar10.run_files import (
    append,
    cut_torn_line,
    read_lines,
    write_whole,
)
from enas.errors import UserError

__all__ = ["RunRows"]

ADVICE = "It was changed from outside; mend it, or take another --output_dir."


class RunRows:
    """One row per epoch, and the architectures shown in it.

    Args:
      path: str, the run directory.
    """

    def __init__(self, path):
        self._metrics = os.path.join(path, "metrics.csv")
        self._arcs = os.path.join(path, "arcs.jsonl")
        self._result = os.path.join(path, "result.json")
        self._best_arc = os.path.join(path, "best_arc.txt")

    def mend(self):
        """Cuts off lines that a kill left half written."""
        cut_torn_line(self._metrics)
        cut_torn_line(self._arcs)

    def rows(self):
        """Returns the rows of metrics.csv, dicts column -> number.

        Raises:
          UserError: it is not a table as a run writes it.
        """
        lines = read_lines(self._metrics)
        try:
            rows = [_numbers(row) for row in csv.DictReader(lines, strict=True)]
            _check_order([row["epoch"] for row in rows])
        except (csv.Error, ValueError) as error:
            raise UserError(
                f"{self._metrics} is a table of numbers, an epoch in a row; "
                f"received {error}. {ADVICE}"
            ) from None
        return rows

    def reports(self):
        """Returns the lines of arcs.jsonl, dicts.

        Raises:
          UserError: it is not as a run writes it.
        """
        lines = read_lines(self._arcs)
        return [self._report(n, line) for n, line in enumerate(lines, 1)]

    def _report(self, number, line):
        try:
            report = json.loads(line)
            if isinstance(report["epoch"], int) and report["arc"]:
                return report
        # Among them RecursionError: brackets in brackets.
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise UserError(
            f"{self._arcs}, line {number}, is not JSON with the keys epoch and "
            f"arc: {line[:80]!r}. {ADVICE}"
        ) from None

    def keep(self, epochs):
        """Drops what was written of later epochs."""
        rows, reports = self.rows(), self.reports()
        kept = [row for row in rows if row["epoch"] <= epochs]
        if len(kept) < len(rows):
            self._write(kept)
        kept = [report for report in reports if report["epoch"] <= epochs]
        if len(kept) < len(reports):
            write_whole(self._arcs, "".join(map(_json_line, kept)))

    def add(self, search, row, reports):
        """Writes the row of an epoch and everything that follows from it.

        Args:
          search: `Search`, after the epoch.
          row: dict column -> number, as `Search.run_epoch` returns it.
          reports: list of dicts of arcs, likewise.
        """
        rows = [*self.rows(), row]
        self._write(rows)
        texts = (report | {"arc": str(report["arc"])} for report in reports)
        append(self._arcs, "".join(map(_json_line, texts)))
        self._write_result(search, rows)

    def _write(self, rows):
        lines = [",".join(COLUMNS)]
        for row in rows:
            cells = (row.get(column, "") for column in COLUMNS)
            lines.append(",".join(map(_cell, cells)))
        write_whole(self._metrics, "\n".join(lines) + "\n")

    def _write_result(self, search, rows):
        result = self._result_of(search, rows)
        if result is not None:
            write_whole(self._result, json.dumps(result, indent=2) + "\n")
            write_whole(self._best_arc, result["arc"] + "\n")

    def _result_of(self, search, rows):
        """Returns what result.json says, a dict, or None before it has."""
        if search.config.child_from_scratch:
            return result_of(search, rows)
        measured = [row for row in rows if "best_valid_acc" in row]
        if not measured:
            return None
        best = max(measured, key=lambda row: row["best_valid_acc"])
        arc, config = self._best(best["epoch"]), search.config
        return {
            "finished": search.epoch >= config.num_epochs,
            "epochs": search.epoch,
            "last": rows[-1],
            "best": best,
            "arc": arc,
            "protocol": _protocol(config),
            "settings": dataclasses.asdict(config),
            "behaviours": dataclasses.asdict(config.behaviour),
            "images": {
                name: len(getattr(search.data, name))
                for name in ("train", "valid", "test")
            },
            "op_ids": search.search_space.num_ops,
            "branches": search.search_space.branches,
        }

    def _best(self, epoch):
        """Returns the text of the arc that was best of its epoch's 10."""
        for report in self.reports():
            if report["epoch"] == epoch and "valid_acc" in report:
                return report["arc"]
        raise UserError(
            f"{self._arcs} has no measured arc of epoch {epoch}. {ADVICE}"
        )


def _numbers(row):
    """Returns a row of cells as numbers, without the empty cells."""
    if None in row or None in row.values():
        raise ValueError("a row of another length than the first line's")
    numbers = {
        column: int(cell) if column == "epoch" else float(cell)
        for column, cell in row.items()
        if cell
    }
    if "epoch" not in numbers or not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"the row {','.join(row.values())[:80]!r}")
    return numbers


def _check_order(epochs):
    if epochs and epochs != list(range(epochs[0], epochs[0] + len(epochs))):
        raise ValueError(f"the epochs {str(epochs)[:80]}, not one by one")


def _protocol(config):
    """Returns in words what the accuracies of a run are."""
    profile = config.behaviour
    mode = {"eval": "evaluation", "train": "training"}[profile.evaluation_mode]
    printed = "a fresh arc sampled for every batch of 100"
    if profile.evaluation == "best_of_10":
        printed = (
            "10 arcs sampled, the best on one validation batch measured in "
            f"batches of {config.batch_size}"
        )
    return (
        f"valid_acc and test_acc: {printed}, under the shared weights, in "
        f"{mode} mode. best_valid_acc and best_test_acc: 10 arcs sampled, the "
        "best on one validation batch measured on the whole validation and "
        "test sets, in evaluation mode. Validation images are "
        f"{profile.valid_images}. best: the epoch with the highest "
        "best_valid_acc; arc: that epoch's best arc."
    )


def _json_line(value):
    return json.dumps(value) + "\n"


def _cell(value):
    return repr(value) if isinstance(value, float) else str(value)
