"""lr_schedule.npz, preprocessing.npz, and values.npz beside a checkpoint."""

import os

import numpy as np

from enas.cifar10 import batches, build
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.parity.checkpoint_sizes import read_sizes
from enas.parity.comparison import Case
from enas.run import checkpoint
from enas.schedules import learning_rate
from enas.tf1.files import find_prefix
from enas.tf1.load import restart_state
from enas.tf1.names import kind_of

__all__ = ["checkpoint_case", "preprocessing_case", "schedule_case"]


def schedule_case(arrays):
    """Returns the `Case` of lr_schedule.npz.

    Args:
      arrays: dict, name -> array.

    Source: row 17 of profile enas.
    """
    config, epochs = Config(), range(len(arrays["lr_rest"]))
    steps = int(arrays["num_train_batches"])
    names = ("lr_first_step", "lr_rest", "T_i", "last_reset")
    every = [name for name in arrays if name.startswith("lr_all_steps")]

    def compute():
        first = [learning_rate(config, epoch, 0) for epoch in epochs]
        rest = [learning_rate(config, epoch, 1) for epoch in epochs]
        states = [restart_state(config, epoch + 1) for epoch in epochs]
        ours = {
            "lr_first_step": first,
            "lr_rest": rest,
            "T_i": [state["T_i"] for state in states],
            "last_reset": [state["last_reset"] for state in states],
        }
        all_steps = np.repeat(rest, steps)
        all_steps[::steps] = first
        ours |= dict.fromkeys(every, all_steps)
        return {key: {key: np.array(value)} for key, value in ours.items()}

    recorded = {name: {name: arrays[name]} for name in (*names, *every)}
    used = frozenset({*names, *every, "num_train_batches"})
    return Case(recorded, compute, None, (), used)


def preprocessing_case(arrays):
    """Returns the `Case` of preprocessing.npz.

    Args:
      arrays: dict, name -> array.

    Source: row 29 of profile enas.
    """
    splits = ("train", "valid", "test")

    def compute():
        images = {split: _images(arrays[f"raw_{split}"]) for split in splits}
        mean, std = batches.channel_statistics(images["train"])
        ours = {"mean": mean, "std": std}
        for split in splits:
            ours[f"{split}_first4"] = batches.standardize(
                images[split][:4], mean, std
            )
        return {key: {key: value} for key, value in ours.items()}

    compared = ("mean", "std", *(f"{split}_first4" for split in splits))
    recorded = {name: {name: arrays[name]} for name in compared}
    inputs = [
        f"{kind}_{split}" for kind in ("raw", "labels") for split in splits
    ]
    return Case(recorded, compute, None, (), frozenset({*compared, *inputs}))


def _images(raw):
    """Returns uint8 `[n, 32, 32, 3]` of rows as the CIFAR-10 files have."""
    return np.ascontiguousarray(
        raw.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    )


def checkpoint_case(arrays, path):
    """Returns the `Case` of values.npz beside a TensorFlow 1 checkpoint.

    Args:
      arrays: dict, name -> array, the checkpoint's tensors.
      path: str, of the file.

    Source: every tensor goes through the port's models and slots; counters are
    compared as read.
    """
    prefix = find_prefix(os.path.dirname(path))

    def compute():
        tensors = checkpoint.read_tensors(prefix)
        compiled = _compiled_for(tensors, prefix)
        checkpoint.assign(compiled, tensors)
        variables = checkpoint.search_variables(compiled)
        held = {name: v.numpy() for name, v in variables.items()}
        counters = {n: t for n, t in tensors.items() if n not in variables}
        return _by_kind({**held, **counters})

    return Case(_by_kind(arrays), compute, None, (), frozenset(arrays))


def _compiled_for(tensors, prefix):
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    sizes = read_sizes(shapes, prefix)
    config = Config(
        child_num_layers=sizes.num_layers,
        child_out_filters=sizes.filters,
        controller_lstm_size=sizes.lstm_size,
        controller_lstm_num_layers=sizes.lstm_layers,
    )
    space = SearchSpace(CANDIDATE_OPS["enas6"][: sizes.num_ops])
    return Compiled(
        build.build_child(config, space),
        build.build_controller(config, space),
        config,
    )


def _by_kind(arrays):
    kinds = {}
    for name, array in arrays.items():
        kinds.setdefault(f"{kind_of(name)}s", {})[name] = array
    return kinds
