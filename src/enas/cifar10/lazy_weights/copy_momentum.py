"""Momentum of the weights that every copy of a poisoning has of its own.

With hundreds of copies a step cannot go over the weights of all. The gradient
of one that the arc does not pick is that of l2 alone, a multiple f w of the
weight, and what `Momentum` does is then linear in the weight and its slot:

    a <- .9 a + f w
    w <- w - lr f w - lr .9 a  =  (1 - 1.9 lr f) w - .81 lr (the old a)

So the product of these matrices is kept for each copy since its weights last
moved. They move when an arc picks the copy again, and all of them before
anything but a training step reads them. `copy_step.py` is the training step.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from enas.cifar10.lazy_weights.lookup import Lookup


class CopyMomentum:
    """The weights of a built child that are stacked by copy, with momentum.

    Attributes:
      variables: keras variables `[copies, ..]`, those weights.
      slots: TensorFlow 1 name of a slot -> tf.Variable.
      pairs: (tf.Variable, tf.Variable), each weight and its slot.
      starts: int32 `[weights]`, the first row of each.
      families: slices of the weights, of one shape each.
      matrices: tf.Variable float64 `[rows, 2, 2]`, what (w, a) of each row is
        still to be multiplied with.
      squares: tf.Variable float64 `[rows, 3]`, sums of w w, w a and a a of
        each row as it is stored.

    Source: rows 14 and 15; same result, different form.
    """

    def __init__(self, child: Any, lookup: Lookup) -> None:
        self.child = child
        self.lookup = lookup
        self.variables = lookup.copied
        slots = [tf.Variable(tf.zeros(v.shape)) for v in self.variables]
        names = [f"{v.path}/Momentum" for v in self.variables]
        self.slots = dict(zip(names, slots, strict=True))
        weights = [v.value for v in self.variables]
        self.pairs = list(zip(weights, slots, strict=True))
        self._counts = [v.shape[0] for v in self.variables]
        self.starts = np.cumsum([0, *self._counts[:-1]]).astype(np.int32)
        self.families = _slices([v.shape for v in self.variables])
        rows = sum(self._counts)
        self.matrices = tf.Variable(identities(rows))
        self.squares = tf.Variable(tf.zeros([rows, 3], tf.float64))
        self.reset()

    @property
    def state(self) -> dict[str, tf.Variable]:
        """What checkpoints hold besides weights and slots, name -> variable."""
        return {
            "child/copies/matrices": self.matrices,
            "child/copies/squares": self.squares,
        }

    def settle(self) -> None:
        """Moves all rows to where training has brought them."""
        matrices = tf.split(self.matrices, self._counts)
        for pair, part in zip(self.pairs, matrices, strict=True):
            moved = product(part, *pair)
            for variable, value in zip(pair, moved, strict=True):
                variable.assign(value)
        self.reset()

    def reset(self) -> None:
        """Takes all rows to be where they are stored."""
        self.matrices.assign(identities(sum(self._counts)))
        rows = [sums(*pair) for pair in self.pairs]
        self.squares.assign(tf.concat(rows, axis=0))


def _slices(shapes: Sequence[Any]) -> list[slice]:
    """Returns a slice for each run of equal shapes."""
    ends = [i for i in range(1, len(shapes)) if shapes[i] != shapes[i - 1]]
    return list(map(slice, [0, *ends], [*ends, len(shapes)]))


def identities(count: int) -> np.ndarray:
    """Returns float64 `[count, 2, 2]`."""
    return np.tile(np.eye(2), [count, 1, 1])


def spread(x: Tensor, like: Tensor) -> Tensor:
    """Returns `[n]` as `[n, 1, ..]`, to be multiplied with `like`."""
    return tf.reshape(x, [-1, *[1] * (like.shape.rank - 1)])


def product(matrices: Tensor, w: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Returns matrices `[n, 2, 2]` times (w, a), both `[n, ..]`."""
    m = tf.cast(matrices, w.dtype)
    to_w, from_a, w_to_a, keep_a = (
        spread(m[:, i, j], w) for i in range(2) for j in range(2)
    )
    return to_w * w + from_a * a, w_to_a * w + keep_a * a


def sums(w: Tensor, a: Tensor) -> Tensor:
    """Returns float64 `[n, 3]`, sums of w w, w a and a a, both `[n, ..]`."""
    axes = range(1, w.shape.rank)
    sums = [tf.reduce_sum(x, axes) for x in (w * w, w * a, a * a)]
    return tf.cast(tf.stack(sums, axis=1), tf.float64)
