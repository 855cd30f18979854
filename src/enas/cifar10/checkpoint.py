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

__all__ = [
    "PREFIX",
    "assign",
    "directories",
    "model_variables",
    "read",
    "read_tensors",
    "restore",
    "save",
    "search_tensors",
    "search_variables",
    "tf1_name",
    "write",
]

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


def search_variables(compiled):
    """Returns dict, name -> tf.Variable, of the models and slots.

    Args:
      compiled: `Compiled`.
    """
    variables = {
        **model_variables(compiled.child, compiled.controller),
        **compiled.child_optimizer.slots,
        **compiled.controller_optimizer.slots,
    }
    if compiled.weight_use is not None:
        variables["child/weight_use"] = compiled.weight_use.used
    return variables


def search_tensors(search):
    """Returns what a checkpoint of a search holds.

    Args:
      search: `Search`.

    Returns:
      (variables, counters): dict name -> tf.Variable; dict name -> number.
    """
    variables = search_variables(search.compiled)
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
    aside = f"{directory}.part"
    shutil.rmtree(aside, ignore_errors=True)
    os.makedirs(aside)
    save(os.path.join(aside, PREFIX), {**variables, **counters})
    os.rename(aside, directory)


def save(prefix, tensors):
    """Writes the files `prefix`.index and `prefix`.data-00000-of-00001.

    Args:
      prefix: str.
      tensors: dict, name -> tf.Variable or number.
    """
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )


def assign(compiled, tensors, names=None):
    """Sets variables of models and slots to tensors of the same name.

    Args:
      compiled: `Compiled`.
      tensors: dict, TensorFlow 1 name -> NumPy array.
      names: which ones, those that are no variable apart; None for all.
    """
    variables = search_variables(compiled)
    for name in tensors if names is None else names:
        if name in variables:
            variables[name].assign(tensors[name])


def directories(folder):
    """Returns the directories of whole checkpoints in it, oldest first."""
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = re.fullmatch(r"epoch-(\d+)", name)
        if match:
            found.append((int(match[1]), os.path.join(folder, name)))
    return [path for _, path in sorted(found)]


def read(directory):
    """Returns all tensors of a checkpoint, dict name -> NumPy array.

    Raises:
      UserError: it cannot be read whole.
    """
    return read_tensors(os.path.join(directory, PREFIX))


def read_tensors(prefix):
    """Returns all tensors of a checkpoint, dict name -> NumPy array.

    Args:
      prefix: str, the path of its files without their endings.

    Raises:
      UserError: it cannot be read whole.
    """
    try:
        reader = tf.train.load_checkpoint(prefix)
        return {
            name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
        }
    # What a damaged file raises has no common kind: OpError, IndexError, ..
    except Exception as error:
        raise UserError(
            f"The checkpoint {prefix} cannot be read: {error}. It is whole "
            "with its .index and .data files, both undamaged; copy it again, "
            "or take another."
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
