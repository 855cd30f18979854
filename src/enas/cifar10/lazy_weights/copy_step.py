"""A training step for weights that every copy of a poisoning has of its own.

See `copy_momentum.py`.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf
from tensorflow import Tensor

from enas.cifar10.lazy_weights.copy_momentum import (
    CopyMomentum,
    identities,
    product,
    spread,
    sums,
)
from enas.cifar10.lazy_weights.lookup import Arc
from enas.optimizers import nesterov


@dataclasses.dataclass(frozen=True)
class Idle:
    """Rows that a step does not pick: what one copy has of one weight each.

    They have sums of squares, 0 for rows that the step picks, and factors on
    l2, float32 `[rows]`.
    """

    squares: Tensor
    decays: Tensor


class CopyStep:
    """What a training step does to the weights of `CopyMomentum`.

    Of a branch that does not run some row is picked too; its gradient is zero.

    Attributes:
      weights: float32, the picked rows, where training has brought them.
      idle: `Idle`, once `narrow` was called.
    """

    def __init__(self, copies: CopyMomentum, arc: Arc) -> None:
        self._copies = copies
        trained = list(map(id, copies.child.trainable_variables))
        self._places = [trained.index(id(v)) for v in copies.variables]
        rows = copies.lookup.rows(arc)
        self._rows = tf.unstack(rows)
        self._at = rows + copies.starts
        matrices = tf.gather(copies.matrices, self._at)
        # One entry for each family: `[weights, ..]`, rows of weights and slots.
        self._pairs = [
            product(matrices[family], *self._read(family))
            for family in copies.families
        ]
        self.weights = [row for w, _ in self._pairs for row in tf.unstack(w)]

    def _read(self, family: slice) -> list[Tensor]:
        """Returns the rows as stored, of weights and of slots."""
        pairs, rows = self._copies.pairs[family], self._rows[family]
        return [
            tf.stack(list(map(tf.gather, variables, rows)))
            for variables in zip(*pairs, strict=True)
        ]

    def _write(self, family: slice, values: Sequence[Tensor]) -> None:
        pairs, rows = self._copies.pairs[family], self._rows[family]
        parts = zip(*map(tf.unstack, values), strict=True)
        for pair, row, new in zip(pairs, rows, parts, strict=True):
            for variable, part in zip(pair, new, strict=True):
                variable.scatter_update(tf.IndexedSlices(part, row))

    def narrow(
        self, weights: Sequence[tf.Variable], decays: Sequence[Tensor] | None
    ) -> tuple[Sequence[Tensor], Sequence[Tensor] | None]:
        """Puts picked rows in the places of whole weights.

        There is one of each for each trainable variable of the child; `decays`
        are float32 and broadcast to them, None stands for ones.
        """
        self.idle = self._idle(decays)
        weights = self._replace(weights, self.weights)
        if decays is not None:
            decays = self._replace(decays, self._factors(decays))
        return weights, decays

    def _replace(
        self, items: Sequence[Tensor], own: Sequence[Tensor]
    ) -> list[Tensor]:
        replaced = dict(zip(self._places, own, strict=True))
        return [replaced.get(i, item) for i, item in enumerate(items)]

    def _factors(self, factors: Sequence[Tensor]) -> list[Tensor]:
        """Returns the scalars that tensors `[copies, 1, ..]` have for rows."""
        return [
            tf.gather(tf.reshape(factors[place], [-1]), row)
            for place, row in zip(self._places, self._rows, strict=True)
        ]

    def _idle(self, decays: Sequence[Tensor] | None) -> Idle:
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

    def apply(
        self,
        gradients: Sequence[Tensor],
        factors: Tensor,
        rate: Tensor,
        moves: Sequence[Tensor] | None = None,
    ) -> tuple[Sequence[Tensor], Sequence[Tensor] | None]:
        """Moves the picked rows, and keeps how the idle ones move.

        There is a gradient for each trainable variable; factors, float32
        `[rows]`, are f of the idle rows, which stay where moves are given, as
        `Momentum.apply_where` takes them.

        Returns:
          (gradients, moves): those of all other weights.
        """
        own = [gradients[place] for place in self._places]
        moved = None if moves is None else tf.stack(self._factors(moves))
        new_sums = []
        for family, old in zip(self._copies.families, self._pairs, strict=True):
            w, a = old
            next_a, step = nesterov(a, tf.stack(own[family]), rate)
            new = w - step, next_a
            if moved is not None:
                where = spread(moved[family] > 0, w)
                new = tf.where(where, new[0], w), tf.where(where, new[1], a)
            self._write(family, new)
            new_sums.append(sums(*new))
        if moves is None:
            self._keep(factors, rate)
        slices = tf.IndexedSlices(tf.concat(new_sums, axis=0), self._at)
        self._copies.squares.scatter_update(slices)
        return self._others(gradients), moves and self._others(moves)

    def _keep(self, factors: Tensor, rate: Tensor) -> None:
        """Multiplies the matrices of idle rows with that of this step."""
        matrices = self._copies.matrices
        to_w, to_a = tf.unstack(matrices, axis=1)
        f = tf.cast(factors, tf.float64)[:, tf.newaxis]
        rate = tf.cast(rate, tf.float64)
        new_w = (1 - 1.9 * rate * f) * to_w - 0.81 * rate * to_a
        matrices.assign(tf.stack([new_w, f * to_w + 0.9 * to_a], axis=1))
        fresh = identities(len(self._rows))
        matrices.scatter_update(tf.IndexedSlices(fresh, self._at))

    def _others(self, items: Sequence[Tensor]) -> list[Tensor]:
        return [x for i, x in enumerate(items) if i not in self._places]
