"""Starts a search from a checkpoint of the original TensorFlow 1 program."""

import pathlib
from collections.abc import Sequence
from typing import cast

import numpy as np

from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.search import Search
from enas.errors import UserError
from enas.run import checkpoint
from enas.run.checkpoint_names import positions
from enas.tf1.files import find_prefix
from enas.tf1.names import OTHER, PORT, STATISTIC, WEIGHT, Entry, Shape, compare
from enas.utils import Say

NAMES_SHOWN = 5


def start(search: Search, log: Say) -> None:
    """Initialises a run without a checkpoint of its own by --init_checkpoint.

    Raises:
      UserError: the checkpoint is not one, or not one of such a search.
    """
    config = search.config
    if config.init_checkpoint is None:
        if config.init_slots or not config.init_controller:
            raise UserError(
                "--init_slots and --noinit_controller say what to take from "
                "--init_checkpoint; received one of them without a checkpoint. "
                "Name it, or leave them out."
            )
        return
    own = positions(config.output_dir)
    if own and not config.reset_output_dir:
        log(
            "--init_checkpoint is not read: the run resumes from its own "
            f"checkpoint {own[-1]}"
        )
        return
    path = pathlib.Path(config.init_checkpoint).resolve()
    inside = path.is_relative_to(pathlib.Path(config.output_dir).resolve())
    if config.reset_output_dir and inside:
        raise UserError(
            f"--reset_output_dir would delete the --init_checkpoint="
            f"{config.init_checkpoint} in {config.output_dir}. Name another "
            "--output_dir, or copy the checkpoint first."
        )
    initialise(search, log)


def initialise(search: Search, log: Say) -> None:
    """Sets a search to a checkpoint, as far as its --init_* flags ask.

    Raises:
      UserError: the checkpoint cannot be read, has other tensors, poisonings
        apart, or counters that no search with these flags has.
    """
    config = search.config
    prefix = find_prefix(cast(str, config.init_checkpoint))
    tensors = checkpoint.read_tensors(prefix)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    entries = compare(shapes, wanted_shapes(search.compiled, config))
    asked = [entry for entry in entries if _is_asked(entry, config)]
    _check(asked, prefix, len(search.search_space.candidate_ops))
    if config.init_slots:
        _set_counters(search, tensors, prefix)
    loaded = {e.name: tensors[e.name] for e in asked if e.verdict == "matched"}
    checkpoint.assign(search.compiled, loaded)
    log(f"Starting from the checkpoint {prefix}, {len(tensors)} tensors")
    log(f"Loaded: {len(loaded)}")
    unmatched = {"missing": "Missing, as initialised", "left over": "Left over"}
    for verdict, title in unmatched.items():
        names = [e.name for e in asked if e.verdict == verdict]
        told = f" ({_first(names)})" if names else ""
        log(f"{title}: {len(names)}{told}")
    unread = sum(e.found is not None for e in entries if e not in asked)
    log(f"Not asked for by --init_slots and --init_controller: {unread}")


def wanted_shapes(compiled: Compiled, config: Config) -> dict[str, Shape]:
    """Returns the shapes of what the port has, by TensorFlow 1's names."""
    variables = checkpoint.search_variables(compiled)
    counters = ["global_step", "train_step", "Variable"]
    counters += ["last_reset", "T_i"] if config.restarts else []
    shapes = {name: tuple(v.shape) for name, v in variables.items()}
    return shapes | dict.fromkeys(counters, ())


def restart_state(config: Config, epochs: int) -> dict[str, int]:
    """Returns the original's schedule variables after some epochs.

    last_reset is the epoch of the last restart, T_i the epochs of the period.
    Both move in an epoch's first step: one that has not begun is not in them.

    Source: row 17, ENAS utils.py `get_train_ops`; same.
    """
    last, period = 0, config.child_lr_T_0
    while epochs - 1 - last >= period:
        last, period = last + period, period * config.child_lr_T_mul
    return {"last_reset": last, "T_i": period}


def _is_asked(entry: Entry, config: Config) -> bool:
    if entry.is_of_controller and not config.init_controller:
        return False
    return config.init_slots or entry.kind in (WEIGHT, STATISTIC, OTHER)


def _check(entries: Sequence[Entry], prefix: str, num_candidates: int) -> None:
    """Refuses another network: only poisonings may be missing or extra."""
    both = [e for e in entries if None not in (e.found, e.wanted)]
    if not any(e.kind == WEIGHT and e.name.startswith("child/") for e in both):
        raise UserError(
            f"{prefix} holds none of the child's weights, such as "
            "child/stem_conv/w. It is not a checkpoint of ENAS macro search; "
            "name another."
        )
    wrong = [
        f"{entry.name} has {list(entry.found or ())}, needed "
        f"{list(entry.wanted or ())}"
        for entry in entries
        if entry.verdict == "shape differs" and entry.kind != PORT
    ]
    if wrong:
        raise UserError(
            f"{prefix} has other shapes than this search in {len(wrong)} "
            f"tensors: {_first(wrong)}. Give --child_out_filters, "
            "--controller_lstm_size and the ops that it was trained with; for "
            "a search space with more op ids, --noinit_controller loads the "
            "child alone."
        )
    wrong = [
        f"{entry.name} is {entry.verdict}"
        for entry in entries
        if entry.verdict != "matched"
        and entry.kind not in (OTHER, PORT)
        and (entry.branch or 0) < num_candidates
        # Without them there is nothing to check the schedule by.
        and entry.name not in ("last_reset", "T_i")
    ]
    if wrong:
        raise UserError(
            f"{prefix} is of another network, or not whole: {len(wrong)} "
            f"tensors differ: {_first(wrong)}. Give --child_num_layers and the "
            "ops that it was trained with; leave out --init_slots if it has no "
            "slots, add --noinit_controller if it has no controller."
        )


def _set_counters(
    search: Search, tensors: checkpoint.Tensors, prefix: str
) -> None:
    """Sets what is counted, if it is where a search could be."""
    config = search.config
    step = int(tensors["global_step"])
    epoch, rest = divmod(step, search.steps_per_epoch)
    if rest or epoch >= config.num_epochs:
        raise UserError(
            f"{prefix} was written after {step} child steps; it can continue "
            f"only after whole epochs, of {search.steps_per_epoch} steps here, "
            f"and before the last, {config.num_epochs}. Give its --batch_size, "
            "number of images, more --num_epochs, or leave out --init_slots."
        )
    expected = restart_state(config, epoch) if config.restarts else {}
    for name, value in expected.items():
        if name in tensors and int(tensors[name]) != value:
            raise UserError(
                f"{prefix} has {name}={int(tensors[name])} after {epoch} "
                f"epochs; the learning rate of these flags has {value}. Give "
                "its --child_lr_T_0, --child_lr_T_mul, --batch_size and number "
                "of images, or leave out --init_slots."
            )
    search.global_step, search.whole_epochs = step, epoch
    if config.init_controller:
        search.train_step = int(tensors["train_step"])
        search.baseline = np.float32(tensors["Variable"])


def _first(names: Sequence[str]) -> str:
    more = ", .." if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
