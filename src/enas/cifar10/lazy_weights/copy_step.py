"""A training step for weights that every copy of a poisoning has of its own.

See `copy_momentum.py`.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from enas.cifar10.lazy_weights.copy_momentum import (
    CopyMomentum,
    identities,
    product,
    spread,
    sums,
)
from enas.optimizers import nesterov


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


class CopyStep:
    """What a training step does to the weights of `CopyMomentum`.

    Of a branch that does not run some row is picked too; its gradient is zero.

    Args:
      arc: pair of int32 tensors, as `MacroChild` takes it.

    Attributes:
      weights: list of float32 tensors, the picked rows, where training has
        brought them.
      idle: `Idle`, once `narrow` was called.
    """

    def __init__(
        self, copies: CopyMomentum, arc: tuple[tf.Tensor, tf.Tensor]
    ) -> None:
        self._copies = copies
        trained = copies.child.trainable_variables
        places = {id(variable): i for i, variable in enumerate(trained)}
        self._places = [places[id(v)] for v in copies.variables]
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

    def _read(self, family: slice) -> list[tf.Tensor]:
        """Returns the rows as stored, of weights and of slots."""
        pairs, rows = self._copies.pairs[family], self._rows[family]
        return [
            tf.stack(list(map(tf.gather, variables, rows)))
            for variables in zip(*pairs, strict=True)
        ]

    def _write(self, family: slice, values: Sequence[tf.Tensor]) -> None:
        pairs, rows = self._copies.pairs[family], self._rows[family]
        for variables, value in zip(
            zip(*pairs, strict=True), values, strict=True
        ):
            parts = tf.unstack(value)
            for variable, row, part in zip(variables, rows, parts, strict=True):
                variable.scatter_update(tf.IndexedSlices(part, row))

    def narrow(
        self, weights: Sequence[tf.Variable], decays: Sequence[tf.Tensor] | None
    ) -> tuple[Sequence[tf.Tensor], Sequence[tf.Tensor] | None]:
        """Puts picked rows in the places of whole weights.

        Args:
          weights: list, one for each trainable variable of the child.
          decays: list of float32 tensors that broadcast to the variables, or
            None for ones.
        """
        self.idle = self._idle(decays)
        weights = self._replace(weights, self.weights)
        if decays is not None:
            decays = self._replace(decays, self._factors(decays))
        return weights, decays

    def _replace(
        self, items: Sequence[tf.Tensor], own: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        items = list(items)
        for place, item in zip(self._places, own, strict=True):
            items[place] = item
        return items

    def _factors(self, factors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the scalars that tensors `[copies, 1, ..]` have for rows."""
        return [
            tf.gather(tf.reshape(factors[place], [-1]), row)
            for place, row in zip(self._places, self._rows, strict=True)
        ]

    def _idle(self, decays: Sequence[tf.Tensor] | None) -> Idle:
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
        gradients: Sequence[tf.Tensor],
        factors: tf.Tensor,
        rate: tf.Tensor,
        moves: Sequence[tf.Tensor] | None = None,
    ) -> tuple[Sequence[tf.Tensor], Sequence[tf.Tensor] | None]:
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
        own = [gradients[place] for place in self._places]
        moved = None if moves is None else tf.stack(self._factors(moves))
        new_sums = []
        for family, old in zip(self._copies.families, self._pairs, strict=True):
            w, a = old
            a, step = nesterov(a, tf.stack(own[family]), rate)
            new = w - step, a
            if moved is not None:
                where = spread(moved[family] > 0, old[0])
                new = tuple(
                    tf.where(where, *pair)
                    for pair in zip(new, old, strict=True)
                )
            self._write(family, new)
            new_sums.append(sums(*new))
        if moves is None:
            self._keep(factors, rate)
        slices = tf.IndexedSlices(tf.concat(new_sums, axis=0), self._at)
        self._copies.squares.scatter_update(slices)
        return self._others(gradients), moves and self._others(moves)

    def _keep(self, factors: tf.Tensor, rate: tf.Tensor) -> None:
        """Multiplies the matrices of idle rows with that of this step."""
        matrices = self._copies.matrices
        to_w, to_a = tf.unstack(matrices, axis=1)
        f = tf.cast(factors, tf.float64)[:, tf.newaxis]
        rate = tf.cast(rate, tf.float64)
        new_w = (1 - 1.9 * rate * f) * to_w - 0.81 * rate * to_a
        matrices.assign(tf.stack([new_w, f * to_w + 0.9 * to_a], axis=1))
        fresh = identities(len(self._rows))
        matrices.scatter_update(tf.IndexedSlices(fresh, self._at))

    def _others(self, items: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        places = set(self._places)
        return [item for i, item in enumerate(items) if i not in places]
