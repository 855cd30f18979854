"""The tables of a run: metrics.csv, arcs.jsonl, ops.jsonl; and result.json."""

import csv
import dataclasses
import json
import math
import os

from enas.cifar10.metrics import COLUMNS
from enas.errors import UserError
from enas.final.training import result_of
from enas.run import data_record
from enas.run.files import cut_torn_line, read_lines, write_whole
from enas.run.lines import ADVICE, RunLines


class RunRows:
    """One row per epoch, the architectures shown in it, and the ops it ran."""

    def __init__(self, path):
        self._metrics = os.path.join(path, "metrics.csv")
        self.arcs = RunLines(os.path.join(path, "arcs.jsonl"), "arc")
        self.ops = RunLines(os.path.join(path, "ops.jsonl"), "counts")
        self._result = os.path.join(path, "result.json")
        self._best_arc = os.path.join(path, "best_arc.txt")

    def mend(self):
        """Cuts off lines that a kill left half written."""
        cut_torn_line(self._metrics)
        self.arcs.mend()
        self.ops.mend()

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

    def keep(self, epochs):
        """Drops what was written of later epochs."""
        # All are read first: what is refused changes nothing.
        rows, *_ = self.rows(), self.arcs.read(), self.ops.read()
        kept = [row for row in rows if row["epoch"] <= epochs]
        if len(kept) < len(rows):
            self._write(kept)
        self.arcs.keep(epochs)
        self.ops.keep(epochs)

    def add(self, search, numbers, reports):
        """Writes the row of an epoch and everything that follows from it."""
        rows = [*self.rows(), numbers.measured()]
        self._write(rows)
        self.arcs.add(r | {"arc": str(r["arc"])} for r in reports)
        if search.op_counts:
            self.ops.add([_ops_of(search)])
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
            result["data"] = data_record.summary(os.path.dirname(self._result))
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
            **_defence_of(search),
        }

    def _best(self, epoch):
        """Returns the text of the arc that was best of its epoch's 10."""
        for report in self.arcs.read():
            if report["epoch"] == epoch and "valid_acc" in report:
                return report["arc"]
        raise UserError(
            f"{self.arcs.path} has no measured arc of epoch {epoch}. {ADVICE}"
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


def _defence_of(search):
    report = search.defence.report()
    return {"defence": report} if report else {}


def _ops_of(search):
    """Returns what an epoch's child ran, a line of ops.jsonl."""
    return {
        "epoch": search.epoch,
        "ops": search.search_space.kinds,
        "counts": search.op_counts,
    }


def _cell(value):
    return repr(value) if isinstance(value, float) else str(value)
