"""Checkpoints of a search, in TensorFlow 1's form and under its names.

One holds what the original's does: weights and batch norm statistics with their
zero-debias shadows, slots, counters and baseline; and, within an epoch, its
measurements so far. The format keeps a checksum of every tensor.
"""

import contextlib
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.compiled import Compiled
from enas.cifar10.epoch_progress import EpochProgress, is_progress
from enas.cifar10.search import Search
from enas.errors import (
    DamagedError,
    NonFiniteError,
    UserError,
    WriteError,
    naming,
)
from enas.paths import has_pattern
from enas.run.checkpoint_names import epochs_of
from enas.run.files import rename, sync_directory

PREFIX = "model.ckpt"
Tensors = dict[str, np.ndarray]
_STATISTICS = re.compile(r"(.*/bn)/(moving|statistics)")


class Part:
    """A part of a variable, read, assigned and saved as a tf.Variable is.

    `place` is its index. A batch norm holds all moving statistics in one
    variable; checkpoints name each.
    """

    def __init__(self, whole: tf.Variable, place: tuple) -> None:
        self._whole, self._place = whole, place
        self.dtype = whole.dtype
        example = np.broadcast_to(0, whole.shape)
        self.shape = tf.TensorShape(example[place].shape)

    def numpy(self) -> np.ndarray:
        return self._whole.numpy()[self._place]

    def assign(self, value: np.ndarray | tf.Tensor) -> None:
        self._whole[self._place].assign(value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> tf.Tensor:
        return tf.convert_to_tensor(self._whole[self._place], dtype, name=name)


Variables = dict[str, tf.Variable | Part]


def model_variables(*models: Any) -> Variables:
    """Returns what built models hold, by its name in TensorFlow 1."""
    found: Variables = {}
    for variable in (v for model in models for v in model.variables):
        if statistics := _STATISTICS.fullmatch(variable.path):
            found |= _parts(statistics[1], statistics[2], variable.value)
        else:
            found[variable.path] = variable.value
    return found


def _parts(scope: str, name: str, variable: tf.Variable) -> Variables:
    width = variable.shape[-1]
    forms = {"{0}/{1}": slice(0, width)}
    if name == "statistics":
        channels = (width - 1) // 2
        # The shadows are under the scope's name twice.
        forms = {
            "{0}/{1}": slice(0, channels),
            "{0}/{0}/{1}/biased": slice(channels, 2 * channels),
            "{0}/{0}/{1}/local_step": 2 * channels,
        }
    return {
        form.format(scope, statistic): Part(variable, (..., i, place))
        for form, place in forms.items()
        for i, statistic in enumerate(("moving_mean", "moving_variance"))
    }


def search_variables(compiled: Compiled) -> Variables:
    """Returns what models and slots hold, by name."""
    models = model_variables(compiled.child, compiled.controller)
    slots = compiled.controller_optimizer.slots
    return models | compiled.child_optimizer.variables | slots


def search_tensors(search: Search) -> tuple[Variables, dict[str, Any]]:
    """Returns what a checkpoint holds, by name: variables, and numbers."""
    variables = search_variables(search.compiled) | search.defence.variables
    counters = {
        "global_step": np.int32(search.global_step),
        "train_step": np.int32(search.train_step),
        "Variable": np.float32(search.baseline),
    }
    return variables, counters | search.progress.tensors()


def write(search: Search, folder: str) -> None:
    """Writes a checkpoint, which appears whole or not at all.

    Raises:
      NonFiniteError: a tensor holds a number that is not finite.
      WriteError: it cannot be written; the others are untouched.
    """
    bad = [
        name
        for name, tensor in search_tensors(search)[0].items()
        if tensor.dtype.is_floating
        and not tf.reduce_all(tf.math.is_finite(tensor))
    ]
    if bad:
        raise NonFiniteError(
            f"{len(bad)} tensors hold numbers that are not finite after child "
            f"step {search.global_step}, controller step {search.train_step}: "
            f"{', '.join(bad[:5])}. Training stops here; the last checkpoint "
            "is good. Try a smaller --child_lr_max."
        )
    name = f"epoch-{search.whole_epochs}"
    if search.progress.has_begun:
        name += f"-step-{search.global_step}-{search.train_step}"
    write_unchecked(search, os.path.join(folder, name))


def write_unchecked(search: Search, directory: str) -> None:
    """Writes a state of whatever numbers to a directory, which it replaces."""
    variables, counters = search_tensors(search)
    aside = f"{directory}.part"
    with naming(aside):
        shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(aside)
        try:
            save(os.path.join(aside, PREFIX), {**variables, **counters})
            for name in os.listdir(aside):
                with open(os.path.join(aside, name), "rb+") as stream:
                    os.fsync(stream.fileno())
            sync_directory(aside)
            shutil.rmtree(directory, ignore_errors=True)
            rename(aside, directory)
        except OSError:
            # What is half written would take the room that is missing.
            shutil.rmtree(aside, ignore_errors=True)
            raise


def save(prefix: str, tensors: dict[str, Any]) -> None:
    """Writes `prefix`.index and .data-00000-of-00001, or raises WriteError."""
    for tensor in tensors.values():
        if isinstance(tensor, tf.Variable):
            # Whose rows were set one by one would be copied to be read.
            tf.raw_ops.DisableCopyOnRead(resource=tensor.handle)
    with writing(prefix):
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=list(tensors),
            shape_and_slices=[""] * len(tensors),
            tensors=list(map(tf.convert_to_tensor, tensors.values())),
        )


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Makes what TensorFlow cannot write a WriteError that names the file."""
    try:
        with naming(path):
            yield
    except tf.errors.OpError as error:
        # Without the names of TensorFlow's own operations.
        text = re.sub(r"\{\{.*?\}\} ?| ?\[Op:\w*\]", "", error.message)
        raise WriteError(path, " ".join(text.split())) from error


def assign(compiled: Compiled, tensors: Tensors) -> None:
    """Sets the variables that have a tensor."""
    variables = search_variables(compiled)
    found = tensors.keys() & variables.keys()
    for name in found:
        variables[name].assign(tensors[name])
    compiled.child_optimizer.assigned(found)


def read(directory: str) -> Tensors:
    """Returns the `read_tensors` of a checkpoint's directory."""
    return read_tensors(os.path.join(directory, PREFIX))


def read_tensors(prefix: str) -> Tensors:
    """Returns all tensors of a checkpoint by name, or raises DamagedError."""
    try:
        with _plain_name(prefix) as same:
            reader = tf.train.load_checkpoint(same)
            return {
                name: reader.get_tensor(name)
                for name in reader.get_variable_to_shape_map()
            }
    # What a damaged file raises has no common kind: OpError, IndexError, ..
    except Exception as error:
        raise DamagedError(
            f"The checkpoint {prefix} cannot be read: {error}. It needs "
            "its .index and .data files, both undamaged; copy it again, or use "
            "another."
        ) from error


@contextlib.contextmanager
def _plain_name(prefix: str) -> Iterator[str]:
    """Yields a prefix of the same files that TensorFlow finds."""
    if not has_pattern(prefix):
        yield prefix
        return
    full = os.path.abspath(prefix)
    with tempfile.TemporaryDirectory() as folder:
        same = os.path.join(folder, PREFIX)
        for path in glob.glob(f"{glob.escape(full)}.*"):
            os.symlink(path, same + path.removeprefix(full))
        yield same


def restore(search: Search, directory: str) -> None:
    """Sets a search to where a checkpoint left it.

    Raises:
      DamagedError: it cannot be read.
      UserError: it holds other tensors than the search.
    """
    tensors = read(directory)
    search.progress = EpochProgress()
    variables, counters = search_tensors(search)
    optimizer = search.compiled.child_optimizer
    for name in optimizer.may_lack() - tensors.keys():
        del variables[name]
    _check_same(tensors, {**variables, **counters}, directory)
    for name, variable in variables.items():
        variable.assign(tensors[name])
    optimizer.assigned(variables)
    search.global_step = int(tensors["global_step"])
    search.train_step = int(tensors["train_step"])
    search.baseline = np.float32(tensors["Variable"])
    search.progress = EpochProgress.of(tensors)
    # Not from the steps: an epoch may have more of them than it had.
    search.whole_epochs = epochs_of(directory)


def _check_same(found: Tensors, wanted: dict[str, Any], directory: str) -> None:
    wrong = sorted({n for n in found if not is_progress(n)} ^ wanted.keys())
    wrong += [
        name
        for name in found.keys() & wanted.keys()
        if tuple(found[name].shape) != tuple(wanted[name].shape)
        or tf.as_dtype(found[name].dtype) != wanted[name].dtype
    ]
    if wrong:
        raise UserError(
            f"The checkpoint {directory} holds {len(found)} tensors and this "
            f"search {len(wanted)}; they differ in {', '.join(wrong[:5])}. It "
            "is of another search: give that search's flags (flags.txt next to "
            "it), or another --output_dir."
        )
