"""The yardstick: one architecture as a plain network, without any switch."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.compiled import CompiledStep
from enas.cifar10.macro_child import classify
from enas.cifar10.train_steps import Draw, child_step
from enas.optimizers import GradientRules

__all__ = ["StaticChild", "static_step"]


class StaticChild(keras.Model):
    """One arc of a `MacroChild`, its ops and skips known when it is traced.

    It is made of the child's own layers and has only the weights of the arc.

    Args:
      child: a built `MacroChild` whose skip sum is "new".
      op_ids: list of int.
      skips: list of int, skip bits.

    Call arguments: those of `MacroChild`; `arc` is not looked at.
    """

    def __init__(self, child, op_ids, skips):
        super().__init__(name="static")
        self.options = child.options
        self.stem_conv = child.stem_conv
        self.fc = child.fc
        self.copies = [child.copy_of[op_id] for op_id in op_ids]
        self.ops, self.norms, self.pools = [], [], []
        for layer, op_id in zip(child.enas_layers, op_ids, strict=True):
            self.ops.append(layer.branches[child.branch_of[op_id]])
            self.norms.append(layer.skip and layer.skip.bn)
            self.pools.append(layer.pool)
        bits = iter(skips)
        self.chosen = [
            np.flatnonzero(list(itertools.islice(bits, k))).tolist()
            for k in range(len(op_ids))
        ]
        self.built = True

    def call(self, images, arc, training=False, seed=None):
        cache = [self.stem_conv(images, training=training)]
        for k, op in enumerate(self.ops):
            out = op(
                cache[-1], copy=self.copies[k], training=training, seed=seed
            )
            out.set_shape(self.options.feature_shape)
            for i in self.chosen[k]:
                out += cache[i]
            if self.norms[k] is not None:
                out = self.norms[k](out, training=training)
            cache = [*cache, out]
            if self.pools[k] is not None:
                cache = self.pools[k](cache, training=training)
        place = len(self.ops)
        return classify(cache[-1], self.fc, self.options, training, seed, place)


def static_step(child, op_ids, skips, config):
    """Returns the training step of one arc as a network of its own.

    Args:
      child: as `StaticChild` takes it.
      op_ids: list of int.
      skips: list of int.
      config: `Config`.

    Returns:
      Function (images, labels, rate, seed) -> (loss, norm, logits).
    """
    static = StaticChild(child, op_ids, skips)
    rules = GradientRules(
        config.child_l2_reg,
        config.behaviour.l2,
        config.behaviour.clip,
        config.child_grad_bound,
    )

    optimizer = ChildOptimizer(static, rules)

    def step(images, labels, rate, seed):
        draw = Draw(rate, seed)
        step = child_step(static, optimizer, (images, labels), None, draw)
        return step.loss, step.norm, step.logits

    signature = [
        tf.TensorSpec([None, 32, 32, 3], tf.float32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([2], tf.int32),
    ]
    return CompiledStep(step, signature, rewritten=False)
