"""Settings that contradict each other. No TensorFlow here."""

import re
from typing import Any

from enas.cifar10.behaviours import make_profile
from enas.cifar10.search_space import CANDIDATE_OPS, expand
from enas.errors import UserError

# Those of `enas.defences`, which this package may not import; a test compares.
DEFENCES = ("deduplicate", "reweight", "discard", "prune")
DATA_SETS = ("cifar10", "cifar100", "shapes")


def check_combinations(config: Any) -> None:
    """Refuses values that contradict each other, with a UserError."""
    folder = re.match(r"folder:.", config.dataset)
    if config.dataset not in DATA_SETS and not folder:
        raise UserError(
            f"--dataset is one of {', '.join(DATA_SETS)}, or folder:PATH; "
            f"received {config.dataset!r}. For your own images give the "
            "folder that holds one sub-folder for each class."
        )
    if config.image_size % 4:
        raise UserError(
            "--image_size is a multiple of 4, because it is halved twice; "
            f"received {config.image_size}. Try {config.image_size // 4 * 4}."
        )
    if config.child_cutout_size > config.image_size:
        raise UserError(
            "--child_cutout_size is at most --image_size; received "
            f"{config.child_cutout_size} and {config.image_size}."
        )
    if config.child_out_filters % 2:
        raise UserError(
            "--child_out_filters must be even, because the factorized reduction"
            " halves the channels between its two paths; received"
            f" {config.child_out_filters}. Try {config.child_out_filters + 1}."
        )
    if config.child_lr_min > config.child_lr_max:
        raise UserError(
            "--child_lr_min must not be above --child_lr_max; received "
            f"{config.child_lr_min} and {config.child_lr_max}. Swap them."
        )
    if config.search_for != "macro":
        raise UserError(
            "--search_for is macro, or a number of epochs; received "
            f"{config.search_for!r}. Only macro search exists here."
        )
    checkpoints = config.init_checkpoint or config.export_tf1_checkpoint
    if config.child_from_scratch and checkpoints:
        raise UserError(
            "--child_from_scratch excludes --init_checkpoint and "
            "--export_tf1_checkpoint, which are for a search's child; received "
            f"{checkpoints!r}. Leave them out."
        )
    make_profile(config.override)
    _check_defence(config)
    ops = len(expand(config.candidate_ops, CANDIDATE_OPS))
    number = config.child_num_branches
    if number not in (None, ops):
        first = ",".join(CANDIDATE_OPS["enas6"][:number])
        raise UserError(
            f"--candidate_ops={config.candidate_ops} has {ops} ops; received "
            f"--child_num_branches={number}. Leave it out, or choose the ops "
            f"by --candidate_ops: the original's first are {first}."
        )


def _check_defence(config: Any) -> None:
    text, names = config.defence, config.defence.split(",")
    known = set(names) <= set(DEFENCES) and len(set(names)) == len(names)
    if text != "none" and not known:
        raise UserError(
            "--defence is none, or a comma list without blanks of "
            f"{', '.join(DEFENCES)}, each at most once; received {text!r}. "
            "For example --defence=deduplicate,prune."
        )
    if "prune" in names and not config.controller_training:
        raise UserError(
            "--defence=prune learns from the controller's updates; received "
            "--nocontroller_training, which has none. Leave one out."
        )
    if "prune" in names and config.controller_num_aggregate < 2:
        raise UserError(
            "--defence=prune compares the arcs of an update with each other, "
            "so --controller_num_aggregate must be at least 2; received "
            f"{config.controller_num_aggregate}."
        )
