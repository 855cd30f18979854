"""The weights of the branches that run, looked up before the switches.

Left to TensorFlow, every branch of a switch has a gradient of zeros for each
weight of the other branches: thousands of nodes, which cost memory and time at
the start. So weights with a counterpart in other branches, such as their 1x1
convolutions, are looked up in a stack, and all branches of a layer read what
was found there: the one that runs reads its own.
"""

import collections

import keras
import tensorflow as tf

__all__ = ["Picked"]


class Picked:
    """Which weights of a child are counterparts, and the look-up.

    The n-th weight of a shape in a branch is a counterpart of the n-th of that
    shape in every other branch.

    Args:
      layers: list of built `EnasLayer`, with the same branches each.
    """

    def __init__(self, layers):
        families = collections.defaultdict(dict)
        for k, layer in enumerate(layers):
            for b, branch in enumerate(layer.branches):
                if branch.copies == 1:
                    for key, variable in _numbered(branch):
                        families[key][k, b] = variable
        self._families = [
            (members, _rows(members, len(layers), len(layers[0].branches)))
            for members in families.values()
        ]

    def scope(self, branches):
        """Returns a scope in which the layers read what is picked.

        Args:
          branches: int32 `[layers]`, the branch that runs in each.
        """
        return keras.StatelessScope(
            pair
            for members, rows in self._families
            for pair in _pick(members, rows, branches)
        )


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
