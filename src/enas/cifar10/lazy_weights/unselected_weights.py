"""Which weights an arc uses, and which any arc has used so far.

PyTorch 1.8 leaves a weight alone until the first arc that uses it, and from
then on decays it at every step (row 12 of profile paper); since PyTorch 2.0 an
unused weight does not change in any step.
"""

import re
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

from enas import common_ops
from enas.cifar10.lazy_weights.lookup import Arc


class WeightUse:
    """Remembers which weights of a child some arc has used.

    A weight belongs to a part of the child: a set of weights of a branch (each
    copy has its own where copies are unique), a factorized reduction, or the
    rest, which every arc uses.

    Attributes:
      used: tf.Variable float32 `[parts]`, 1 for parts that some arc used.

    Source: row 12, torch 1.8.1 `zero_grad` and SGD; same.
    """

    def __init__(self, child: Any) -> None:
        self._child = child
        space, layers = child.search_space, child.num_layers
        copies = [space.weight_copies(b) for b in range(len(space.branches))]
        starts = [sum(copies[:b]) for b in range(len(copies))]
        self._num_sets = sum(copies)
        self._set_of = [
            starts[branch] + (copy if copies[branch] > 1 else 0)
            for branch, copy in zip(child.branch_of, child.copy_of, strict=True)
        ]
        parts = {
            f"layer_{k}/branch_{b}": (k * self._num_sets + starts[b], copies[b])
            for k in range(layers)
            for b in range(len(copies))
        }
        count = layers * self._num_sets
        for layer in child.enas_layers:
            for reduction in layer.pool.reductions if layer.pool else ():
                scope = f"{layer.name}/{layer.pool.name}/{reduction.name}"
                parts[scope] = count, 1
                count += 1
        part = r"child/(layer_\d+/(branch_\d+|pool_at_\d+/from_\d+))/"
        found = [re.match(part, v.path) for v in child.trainable_variables]
        rest = count, 1
        self._parts = [parts[each[1]] if each else rest for each in found]
        self.used = tf.Variable(tf.zeros([count + 1]))

    def add(self, arc: Arc) -> list[Tensor]:
        """Adds an arc, as `MacroChild` takes it, to those seen.

        Returns:
          A float32 tensor per trainable variable that broadcasts to it: 1 for
          weights that this or an earlier arc used, else 0.
        """
        used = tf.maximum(self.used, self.parts_of(arc))
        self.used.assign(used)
        return self._factors(used)

    def of(self, arc: Arc) -> list[Tensor]:
        """Returns the same of this arc alone."""
        return self._factors(self.parts_of(arc))

    def _factors(self, used: Tensor) -> list[Tensor]:
        pairs = zip(self._parts, self._child.trainable_variables, strict=True)
        return [_factor(used, *pair) for pair in pairs]

    def parts_of(self, arc: Arc) -> Tensor:
        """Returns float32 `[parts]`, 1 for the parts that an arc uses."""
        op_ids, skips = arc
        sets = tf.one_hot(tf.gather(self._set_of, op_ids), self._num_sets)
        reductions = self._reductions(skips)
        return tf.concat([tf.reshape(sets, [-1]), reductions, [1.0]], 0)

    def _reductions(self, skips: Tensor) -> Tensor:
        """Returns float32, 1 for each reduction that leads to the logits.

        Goes backwards: `needed` says of each cached output whether anything
        after it reads it.
        """
        bits = tf.cast(skips, tf.float32)
        stages: list[Tensor] = []
        needed: list[Any] = []
        stem = 0 if self._child.enas_layers[0].drops_stem else 1
        for k, layer in reversed(list(enumerate(self._child.enas_layers))):
            # One for each output that is cached behind the layer.
            needed = needed or [0.0] * (k + 1 + stem)
            needed[-1] = 1.0
            if layer.pool is not None:
                stages.insert(0, tf.stack([1.0 * part for part in needed]))
            needed = needed[:-1] or [1.0]
            for i in range(k):
                needed[i] = tf.maximum(needed[i], bits[k * (k - 1) // 2 + i])
        return tf.concat([*stages, tf.zeros([0])], 0)


def _factor(
    used: Tensor, part: tuple[int, int], variable: tf.Variable
) -> Tensor:
    start, count = part
    if count == 1:
        return used[start]
    if not common_ops.is_copied(variable):
        # Of an op whose copies share it all the same: any of them uses it.
        return tf.reduce_max(used[start : start + count])
    ones = [1] * (len(variable.shape) - 1)
    return tf.reshape(used[start : start + count], [count, *ones])
