"""The weights of the branches that run, looked up before the switches.

Left to TensorFlow, every branch of a switch has a gradient of zeros for each
weight of the other branches: thousands of nodes, which cost memory and time at
the start. So weights with a counterpart in other branches, such as their 1x1
convolutions, are looked up in a stack, and all branches of a layer read what
was found there: the one that runs reads its own. Of weights that every copy has
of its own, they read the picked copy's part.
"""

import collections
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from enas import common_ops

Arc = tuple[Tensor, Tensor]


class Lookup:
    """Which weights of a child are counterparts, and the look-up.

    The n-th weight of a shape in a branch is a counterpart of the n-th of that
    shape in every other branch.

    All weights of a child without `enas_layers`, so without switches, are read
    as they are.

    Attributes:
      copied: keras variables `[copies, ..]`, the weights that are stacked by
        copy, those of one shape side by side.
    """

    def __init__(self, child: Any) -> None:
        self._child = child
        layers = getattr(child, "enas_layers", [])
        families: dict = collections.defaultdict(dict)
        copied = []
        found = [
            (k, b, key, variable)
            for k, layer in enumerate(layers)
            for b, branch in enumerate(layer.branches)
            for key, variable in _numbered(branch)
        ]
        # What several of a user's layers share is read as it is.
        times = collections.Counter(id(variable) for *_, variable in found)
        for k, b, key, variable in found:
            if common_ops.is_copied(variable):
                copied.append((k, b, variable))
            elif times[id(variable)] == 1:
                families[key][k, b] = variable
        copied.sort(key=lambda member: tuple(member[2].shape))
        self._layers = np.array([k for k, _, _ in copied], np.int32)
        self._branches = np.array([b for _, b, _ in copied], np.int32)
        self.copied = [variable for _, _, variable in copied]
        self._families = [
            (members, _rows(members, len(layers), len(layers[0].branches)))
            for members in families.values()
        ]

    def scope(
        self, arc: Arc | None, parts: Iterable[Tensor] | None = None
    ) -> contextlib.AbstractContextManager:
        """Returns a scope in which the layers read what was looked up.

        `parts`, float32, are read instead of `copied`; by default, those of
        the copies that run.
        """
        if arc is None or not (self._families or self.copied):
            return contextlib.nullcontext()
        branches, _ = self._child.branches_and_copies(arc[0])
        scope = _Scope(
            pair
            for members, rows in self._families
            for pair in _pick(members, rows, branches)
        )
        if parts is None:
            rows = tf.unstack(self.rows(arc))
            values = [variable.value for variable in self.copied]
            parts = map(tf.gather, values, rows)
        for variable, part in zip(self.copied, parts, strict=True):
            # The constructor would not take a part for the whole.
            scope.state_mapping[id(variable)] = part
        return scope

    def rows(self, arc: Arc) -> Tensor:
        """Returns the copy of which each copied weight is read, int32.

        0 where the branch does not run.
        """
        branches, copies = self._child.branches_and_copies(arc[0])
        runs = tf.gather(branches, self._layers) == self._branches
        return tf.where(runs, tf.gather(copies, self._layers), 0)


def scope_of(branch: keras.layers.Layer, copy: Tensor) -> "_Scope":
    """Returns a scope like that of a step, for one branch that runs."""
    scope = _Scope()
    for variable in branch.trainable_variables:
        value = tf.convert_to_tensor(variable.value)
        copied = common_ops.is_copied(variable)
        part = tf.gather(value, copy) if copied else value
        scope.state_mapping[id(variable)] = part
    return scope


class _Scope(keras.StatelessScope):
    """Gives values to read; what a layer assigns, it assigns all the same."""

    def add_update(self, update: tuple[keras.Variable, Tensor]) -> None:
        variable, value = update
        # Its value is a cast copy where layers compute in another type.
        variable._value.assign(tf.cast(value, variable._value.dtype))


def _numbered(
    branch: keras.layers.Layer,
) -> Iterator[tuple[tuple[tuple[int, ...], int], keras.Variable]]:
    """Yields ((shape, number among those of this shape), keras variable)."""
    counts: collections.Counter = collections.Counter()
    for variable in branch.trainable_variables:
        shape = tuple(variable.shape)
        yield (shape, counts[shape]), variable
        counts[shape] += 1


def _rows(
    members: Iterable[tuple[int, int]], layers: int, branches: int
) -> list[list[int]]:
    """Returns int `[layers][branches]`, the place of each among the members.

    Any will do for one without a counterpart, which does not read it.
    """
    places = {place: row for row, place in enumerate(members)}
    return [
        [places.get((k, b), 0) for b in range(branches)] for k in range(layers)
    ]


def _pick(
    members: Mapping[tuple[int, int], keras.Variable],
    rows: list[list[int]],
    branches: Tensor,
) -> Iterable[tuple[keras.Variable, Tensor]]:
    """Returns the variables of a family by (layer, branch), and their values.

    `branches`, int32 `[layers]`, are those that run.
    """
    values = [tf.convert_to_tensor(v.value) for v in members.values()]
    if len({b for _, b in members}) > 1:
        places = tf.gather(rows, branches, batch_dims=1)
        picked = tf.unstack(tf.gather(tf.stack(values), places))
        values = [picked[k] for k, _ in members]
    return zip(members.values(), values, strict=True)
