"""One architecture as a plain network, without any switch, to compare with."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.compiled import Compiled, CompiledStep
from enas.cifar10.macro_child import MacroChild, classify
from enas.cifar10.train_steps import Draw, child_step


class StaticNetwork(keras.Model):
    """One arc of a `MacroChild`, its ops and skips known when it is traced.

    It is made of the child's own layers and has only the weights of the arc.

    Args:
      child: built, its skip sum is "new".
      op_ids: `[L]`.

    Call arguments: those of `MacroChild`; `arc` is not looked at.
    """

    def __init__(
        self, child: MacroChild, op_ids: Sequence[int], skips: Sequence[int]
    ) -> None:
        super().__init__(name="static")
        self.options = child.options
        self.stem_conv, self.fc = child.stem_conv, child.fc
        self.copies = [child.copy_of[op_id] for op_id in op_ids]
        layers = child.enas_layers
        self.ops: list[Any] = [
            layer.branches[child.branch_of[op_id]]
            for layer, op_id in zip(layers, op_ids, strict=True)
        ]
        self.norms: list[Any] = [each.skip and each.skip.bn for each in layers]
        self.pools: list[Any] = [layer.pool for layer in layers]
        bits = iter(skips)
        self.chosen = [
            np.flatnonzero(list(itertools.islice(bits, k))).tolist()
            for k in range(len(op_ids))
        ]
        self.built = True

    def call(
        self,
        images: tf.Tensor,
        arc: Any,
        training: bool = False,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        cache = [self.stem_conv(images, training=training)]
        for k, op in enumerate(self.ops):
            copy = self.copies[k]
            out = op(cache[-1], copy=copy, training=training, seed=seed)
            out.set_shape(self.options.feature_shape)
            out = sum((cache[i] for i in self.chosen[k]), start=out)
            if self.norms[k] is not None:
                out = self.norms[k](out, training=training)
            cache = [*cache, out]
            if self.pools[k] is not None:
                cache = self.pools[k](cache, training=training)
        place = len(self.ops)
        return classify(cache[-1], self.fc, self.options, training, seed, place)


def static_step(
    compiled: Compiled, arc: tuple[Sequence[int], Sequence[int]], example: tuple
) -> CompiledStep:
    """Returns the training step of one arc as a network of its own.

    Args:
      example: what it will be called with: images, labels, rate, seed.

    Returns:
      (images, labels, rate, seed) -> (loss, norm, logits).
    """
    static = StaticNetwork(compiled.child, *arc)
    optimizer = ChildOptimizer(static, compiled.child_optimizer.rules)

    def step(images: tf.Tensor, labels: tf.Tensor, *draw: tf.Tensor) -> tuple:
        batch = images, labels
        return child_step(static, optimizer, batch, None, Draw(*draw))[:3]

    signature = [tf.type_spec_from_value(value) for value in example]
    return CompiledStep(step, signature, rewritten=False)
