"""The weights of the branches that run, looked up before the switches.

Left to TensorFlow, every branch of a switch has a gradient of zeros for each
weight of the other branches: thousands of nodes, which cost memory and time at
the start. So weights with a counterpart in other branches, such as their 1x1
convolutions, are looked up in a stack, and all branches of a layer read what
was found there: the one that runs reads its own. Of weights that every copy has
of its own, they read the picked copy's part.
"""

import collections

import keras
import tensorflow as tf

from enas import common_ops

__all__ = ["Picked"]


class Picked:
    """Which weights of a child are counterparts, and the look-up.

    The n-th weight of a shape in a branch is a counterpart of the n-th of that
    shape in every other branch.

    Args:
      layers: list of built `EnasLayer`, with the same branches each.

    Attributes:
      copied: list of keras variables `[copies, ..]`, the weights that are
        stacked by copy.
    """

    def __init__(self, layers):
        families = collections.defaultdict(dict)
        copied = {}
        for k, layer in enumerate(layers):
            for b, branch in enumerate(layer.branches):
                for key, variable in _numbered(branch):
                    if common_ops.is_copied(variable):
                        copied[variable.path] = k, b, variable
                    else:
                        families[key][k, b] = variable
        self._copied = list(copied.values())
        self.copied = [variable for _, _, variable in self._copied]
        self._families = [
            (members, _rows(members, len(layers), len(layers[0].branches)))
            for members in families.values()
        ]

    def scope(self, branches, copies):
        """Returns a scope in which the layers read what is picked.

        Args:
          branches: int32 `[layers]`, the branch that runs in each.
          copies: int32 `[layers]`, and its copy.
        """
        scope = keras.StatelessScope(
            pair
            for members, rows in self._families
            for pair in _pick(members, rows, branches)
        )
        rows = self.rows(branches, copies)
        for variable, row in zip(self.copied, rows, strict=True):
            # A part, which the constructor would not take for the whole.
            scope.add_update((variable, tf.gather(variable.value, row)))
        return scope

    def rows(self, branches, copies):
        """Returns the copy whose part of each copied weight is read.

        Args:
          branches: as `scope` takes it.
          copies: as `scope` takes it.

        Returns:
          List of int32 scalars, one for each of `copied`; 0 where the branch
          does not run.
        """
        return [
            tf.where(branches[k] == b, copies[k], 0) for k, b, _ in self._copied
        ]


def _numbered(branch):
    """Yields ((shape, number among those of this shape), keras variable)."""
    counts = collections.Counter()
    for variable in branch.trainable_variables:
        shape = tuple(variable.shape)
        yield (shape, counts[shape]), variable
        counts[shape] += 1


def _rows(members, layers, branches):
    """Returns int `[layers][branches]`, the place of each among the members.

    A branch without a counterpart does not read what is found, so that any
    place will do for it.
    """
    places = {place: row for row, place in enumerate(members)}
    return [
        [places.get((k, b), 0) for b in range(branches)] for k in range(layers)
    ]


def _pick(members, rows, branches):
    """Returns pairs of a keras variable and a tensor, its value in the scope.

    Args:
      members: dict, (layer, branch) -> keras variable of a family.
      rows: what `_rows` returns of them.
      branches: int32 `[layers]`.
    """
    values = [tf.convert_to_tensor(v.value) for v in members.values()]
    if len({b for _, b in members}) > 1:
        places = tf.gather(rows, branches, batch_dims=1)
        picked = tf.unstack(tf.gather(tf.stack(values), places))
        values = [picked[k] for k, _ in members]
    return zip(members.values(), values, strict=True)
