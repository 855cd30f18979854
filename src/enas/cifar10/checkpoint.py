"""Checkpoints of a search, in TensorFlow 1's form and under its names.

A checkpoint holds the tensors that a checkpoint of the original holds, by the
same names: child weights and batch norm statistics with their zero-debias
shadows, momentum and Adam slots, counters and baseline. The format (a tensor
bundle) keeps a checksum of every tensor.
"""

import os
import re
import shutil

import numpy as np
import tensorflow as tf

from enas.errors import UserError

__all__ = ["PREFIX", "read", "restore", "search_tensors", "tf1_name", "write"]

PREFIX = "model.ckpt"
_SHADOW = re.compile(r"^(.*/bn)/(moving_\w+)/(biased|local_step)$")


def tf1_name(path):
    """Returns TensorFlow 1's name of a variable path.

    They are the same, except that TensorFlow 1 puts the zero-debias shadows
    under the scope's name twice.
    """
    return _SHADOW.sub(r"\1/\1/\2/\3", path)


def model_variables(*models):
    """Returns dict, TensorFlow 1 name -> tf.Variable, of built models."""
    return {
        tf1_name(variable.path): variable.value
        for model in models
        for variable in model.variables
    }


def search_tensors(search):
    """Returns what a checkpoint of a search holds.

    Args:
      search: `Search`.

    Returns:
      (variables, counters): dict name -> tf.Variable; dict name -> number.
    """
    compiled = search.compiled
    variables = {
        **model_variables(compiled.child, compiled.controller),
        **compiled.child_optimizer.slots,
        **compiled.controller_optimizer.slots,
    }
    if compiled.weight_use is not None:
        variables["child/weight_use"] = compiled.weight_use.used
    counters = {
        "global_step": np.int32(search.global_step),
        "train_step": np.int32(search.train_step),
        "Variable": np.float32(search.baseline),
    }
    return variables, counters


def write(search, directory):
    """Writes a checkpoint; `directory` appears whole or not at all.

    Args:
      search: `Search`.
      directory: str, the checkpoint's own directory.
    """
    variables, counters = search_tensors(search)
    names = [*variables, *counters]
    aside = f"{directory}.part"
    shutil.rmtree(aside, ignore_errors=True)
    os.makedirs(aside)
    tf.raw_ops.SaveV2(
        prefix=os.path.join(aside, PREFIX),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[*variables.values(), *counters.values()],
    )
    os.rename(aside, directory)


def read(directory):
    """Returns all tensors of a checkpoint, dict name -> NumPy array.

    Raises:
      UserError: it cannot be read whole.
    """
    try:
        reader = tf.train.load_checkpoint(os.path.join(directory, PREFIX))
        return {
            name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
        }
    # What a damaged file raises has no common kind: OpError, IndexError, ..
    except Exception as error:
        raise UserError(
            f"The checkpoint {directory} cannot be read: {error}"
        ) from error


def restore(search, directory):
    """Sets a search to where a checkpoint left it.

    Args:
      search: `Search`, its models built.
      directory: str, the checkpoint's own directory.

    Raises:
      UserError: it cannot be read, or holds other tensors than the search.
    """
    tensors = read(directory)
    variables, counters = search_tensors(search)
    _check_same(tensors, {**variables, **counters}, directory)
    for name, variable in variables.items():
        variable.assign(tensors[name])
    search.global_step = int(tensors["global_step"])
    search.train_step = int(tensors["train_step"])
    search.baseline = np.float32(tensors["Variable"])
    search.epoch = search.global_step // search.steps_per_epoch


def _check_same(found, wanted, directory):
    wrong = sorted(set(found) ^ set(wanted))
    wrong += [
        name
        for name in set(found) & set(wanted)
        if tuple(found[name].shape) != tuple(wanted[name].shape)
    ]
    if wrong:
        raise UserError(
            f"The checkpoint {directory} holds {len(found)} tensors and this "
            f"search {len(wanted)}; they differ in {', '.join(wrong[:5])}. It "
            "is of another search: give that search's flags (flags.txt beside "
            "it), or another --output_dir."
        )
