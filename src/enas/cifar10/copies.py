"""Momentum of the weights that every copy of a poisoning has of its own.

With hundreds of copies a step cannot go over the weights of all. The gradient
of one that the arc does not pick is that of l2 alone, a multiple f w of the
weight, and what `Momentum` does is then linear in the weight and its slot:

    a <- .9 a + f w
    w <- w - lr f w - lr .9 a  =  (1 - 1.9 lr f) w - .81 lr (the old a)

So the product of these matrices is kept for each copy since its weights last
moved. They move when an arc picks the copy again, and all of them before
anything but a training step reads them.
"""

import dataclasses

import numpy as np
import tensorflow as tf

__all__ = ["Copies", "CopiesStep", "Idle"]

IDENTITY = np.eye(2)


@dataclasses.dataclass(frozen=True)
class Idle:
    """Rows that a step does not pick: what one copy has of one weight each.

    Attributes:
      squares: float32 `[rows]`, the sum of squares of each; 0 for rows that
        the step picks.
      decays: float32 `[rows]`, factors on l2.
    """

    squares: tf.Tensor
    decays: tf.Tensor


class Copies:
    """The weights of a child that are stacked by copy, and their momentum.

    Args:
      child: a built `MacroChild` that has such weights.

    Attributes:
      child: the child.
      variables: list of keras variables `[copies, ..]`.
      slots: dict, TensorFlow 1 name of a slot -> tf.Variable.
      pairs: list of (tf.Variable, tf.Variable), each weight and its slot.
      starts: int32 `[weights]`, the first row of each.
      matrices: tf.Variable float64 `[rows, 2, 2]`, what (w, a) of each row is
        still to be multiplied with.
      squares: tf.Variable float64 `[rows, 3]`, sums of w w, w a and a a of
        each row as it is stored.

    Source: rows 14 and 15; same result, different form.
    """

    def __init__(self, child):
        self.child = child
        self.variables = child.copied
        slots = [tf.Variable(tf.zeros(v.shape)) for v in self.variables]
        names = [f"{v.path}/Momentum" for v in self.variables]
        self.slots = dict(zip(names, slots, strict=True))
        weights = [v.value for v in self.variables]
        self.pairs = list(zip(weights, slots, strict=True))
        self._counts = [v.shape[0] for v in self.variables]
        self.starts = np.cumsum([0, *self._counts[:-1]]).astype(np.int32)
        rows = sum(self._counts)
        self.matrices = tf.Variable(np.tile(IDENTITY, [rows, 1, 1]))
        self.squares = tf.Variable(tf.zeros([rows, 3], tf.float64))
        self.measure()

    @property
    def state(self):
        """What checkpoints hold besides weights and slots, name -> variable."""
        return {
            "child/copies/matrices": self.matrices,
            "child/copies/squares": self.squares,
        }

    def measure(self):
        """Sums up the squares of all rows, as they are stored."""
        sums = [
            tf.stack(_sums(w, a, range(1, w.shape.rank)), axis=1)
            for w, a in self.pairs
        ]
        self.squares.assign(tf.concat(sums, axis=0))

    def settle(self):
        """Moves all rows to where training has brought them."""
        matrices = tf.split(self.matrices, self._counts)
        for pair, matrix in zip(self.pairs, matrices, strict=True):
            ones = [1] * (pair[0].shape.rank - 1)
            matrix = tf.reshape(
                tf.transpose(matrix, [1, 2, 0]), [2, 2, -1, *ones]
            )
            for variable, value in zip(
                pair, _product(matrix, *pair), strict=True
            ):
                variable.assign(value)
        self.matrices.assign(np.tile(IDENTITY, [sum(self._counts), 1, 1]))
        self.measure()


class CopiesStep:
    """What a training step does to `Copies`; first the picked rows move.

    Of a branch that does not run some row is picked too; its gradient is zero.

    Args:
      copies: `Copies`.
      arc: pair of int32 tensors, as `MacroChild` takes it.

    Attributes:
      idle: `Idle`, once `narrow` was called.
    """

    def __init__(self, copies, arc):
        self._copies = copies
        trained = copies.child.trainable_variables
        places = {id(variable): i for i, variable in enumerate(trained)}
        self._places = [places[id(v)] for v in copies.variables]
        self._rows = copies.child.rows(arc)
        self._at = tf.stack(self._rows) + copies.starts
        matrices = tf.unstack(tf.gather(copies.matrices, self._at))
        for i, matrix in enumerate(matrices):
            self._set(i, _product(matrix, *self._of(i)))

    def _of(self, i):
        """Returns the picked row of a weight and of its slot."""
        return [tf.gather(v, self._rows[i]) for v in self._copies.pairs[i]]

    def _set(self, i, values):
        for variable, value in zip(self._copies.pairs[i], values, strict=True):
            variable.scatter_update(tf.IndexedSlices(value, self._rows[i]))

    def narrow(self, weights, gradients, decays):
        """Puts picked rows in the places of whole weights.

        Args:
          weights: list, one for each trainable variable of the child.
          gradients: list of tensors, sparse ones for the weights of copies, or
            None for zero.
          decays: list of float32 tensors that broadcast to the variables, or
            None for ones.

        Returns:
          (weights, gradients, decays).
        """
        weights, gradients = list(weights), list(gradients)
        self.idle = self._idle(decays)
        decays = decays and list(decays)
        for i, place in enumerate(self._places):
            weights[place], _ = self._of(i)
            if gradients[place] is not None:
                gradients[place] = tf.squeeze(gradients[place].values, axis=0)
            if decays:
                decays[place] = self._factor(decays[place], i)
        return weights, gradients, decays

    def _factor(self, factors, i):
        """Returns what `[copies, 1, ..]` is for the picked row, a scalar."""
        return tf.gather(tf.reshape(factors, [-1]), self._rows[i])

    def _idle(self, decays):
        keeps, from_slot = tf.unstack(self._copies.matrices[:, 0], axis=1)
        ww, wa, aa = tf.unstack(self._copies.squares, axis=1)
        squares = keeps**2 * ww + 2 * keeps * from_slot * wa + from_slot**2 * aa
        squares = tf.tensor_scatter_nd_update(
            tf.cast(squares, tf.float32),
            self._at[:, tf.newaxis],
            tf.zeros(self._at.shape),
        )
        if decays is None:
            return Idle(squares, tf.ones_like(squares))
        parts = [tf.reshape(decays[place], [-1]) for place in self._places]
        return Idle(squares, tf.concat(parts, axis=0))

    def apply(self, gradients, factors, rate, moves=None):
        """Moves the picked rows, and keeps how the idle ones move.

        Args:
          gradients: list of float32 tensors, one for each trainable variable.
          factors: float32 `[rows]`, f of the idle rows.
          rate: float32 scalar, learning rate.
          moves: None; or list of float32 tensors as `Momentum.apply_where`
            takes it, and idle rows stay.

        Returns:
          (gradients, moves): those of all other weights.
        """
        sums = []
        for i, place in enumerate(self._places):
            old = self._of(i)
            new = _momentum_step(*old, gradients[place], rate)
            if moves is not None:
                moved = self._factor(moves[place], i) > 0
                new = [
                    tf.where(moved, *pair)
                    for pair in zip(new, old, strict=True)
                ]
            self._set(i, new)
            sums.append(tf.stack(_sums(*new, None)))
        if moves is None:
            self._keep(factors, rate)
        slices = tf.IndexedSlices(tf.stack(sums), self._at)
        self._copies.squares.scatter_update(slices)
        return self._others(gradients), moves and self._others(moves)

    def _keep(self, factors, rate):
        """Multiplies the matrices of idle rows with that of this step."""
        matrices = self._copies.matrices
        to_w, to_a = tf.unstack(matrices, axis=1)
        f = tf.cast(factors, tf.float64)[:, tf.newaxis]
        rate = tf.cast(rate, tf.float64)
        new = (
            (1 - 1.9 * rate * f) * to_w - 0.81 * rate * to_a,
            f * to_w + 0.9 * to_a,
        )
        matrices.assign(tf.stack(new, axis=1))
        identities = np.tile(IDENTITY, [len(self._rows), 1, 1])
        matrices.scatter_update(tf.IndexedSlices(identities, self._at))

    def _others(self, items):
        places = set(self._places)
        return [item for i, item in enumerate(items) if i not in places]


def _momentum_step(w, a, gradient, rate):
    """Returns weight and slot after a step of `Momentum`."""
    a = 0.9 * a + gradient
    return w - (rate * gradient + rate * (0.9 * a)), a


def _product(matrix, w, a):
    """Returns a 2x2 matrix times (w, a)."""
    m = tf.cast(matrix, w.dtype)
    return m[0, 0] * w + m[0, 1] * a, m[1, 0] * w + m[1, 1] * a


def _sums(w, a, axes):
    """Returns the sums of w w, w a and a a, float64."""
    products = (w * w, w * a, a * a)
    return [tf.cast(tf.reduce_sum(p, axes), tf.float64) for p in products]
