"""What a run has come to so far: result.json, and best_arc.txt."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

from enas.cifar10.config import Config
from enas.cifar10.search import Search
from enas.errors import UserError
from enas.final.training import result_of
from enas.run import data_record
from enas.run.files import ADVICE, RunLines, write_whole
from enas.run.rows import Row

FILE = "result.json"


def keep(search: Search, rows: Sequence[Row], arcs: RunLines) -> None:
    """Writes what the rows and architectures of a run so far come to.

    Raises:
      UserError: the best epoch's architecture is missing.
      WriteError: a file cannot be written.
    """
    config, space = search.config, search.search_space
    final = config.child_from_scratch
    found = result_of(search) if final else _best(search, rows, arcs)
    if not found:
        return
    folder, defence = config.output_dir, search.defence.report()
    result = {
        "finished": search.epoch >= config.num_epochs,
        "epochs": search.epoch,
        "last": rows[-1],
        **found,
        "settings": dataclasses.asdict(config),
        "behaviours": dataclasses.asdict(config.behaviour),
        "op_ids": space.num_ops,
        "branches": space.branches,
        **({"defence": defence} if defence else {}),
        "data": data_record.summary(folder),
    }
    write_whole(os.path.join(folder, FILE), json.dumps(result, indent=2) + "\n")
    write_whole(os.path.join(folder, "best_arc.txt"), result["arc"] + "\n")


def _best(
    search: Search, rows: Sequence[Row], reports: RunLines
) -> dict[str, Any]:
    """Returns what a search found so far; {} before it was measured."""
    measured = [row for row in rows if "best_valid_acc" in row]
    if not measured:
        return {}
    best = max(measured, key=lambda row: row["best_valid_acc"])
    of_epoch = [r for r in reports.read() if r["epoch"] == best["epoch"]]
    arcs = [report["arc"] for report in of_epoch if "valid_acc" in report]
    if not arcs:
        raise UserError(
            f"{reports.path} has no measured arc of epoch {best['epoch']}. "
            f"{ADVICE}"
        )
    splits = ("train", "valid", "test")
    return {
        "best": best,
        "arc": arcs[0],
        "protocol": _protocol(search.config),
        "images": {name: len(getattr(search.data, name)) for name in splits},
    }


def _protocol(config: Config) -> str:
    profile = config.behaviour
    mode = {"eval": "evaluation", "train": "training"}[profile.evaluation_mode]
    size = config.eval_batch_size
    images = f"Validation images are {profile.valid_images}."
    if config.child_fixed_arc is not None:
        return (
            "valid_acc and test_acc: the fixed arc, under weights that were "
            f"trained for it alone, in {mode} mode. best_valid_acc and "
            f"best_test_acc: the same in evaluation mode. {images} best: the "
            "epoch with the highest best_valid_acc."
        )
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
        f"test sets, in evaluation mode. {images} best: the epoch with the "
        "highest best_valid_acc; arc: that epoch's best arc."
    )
