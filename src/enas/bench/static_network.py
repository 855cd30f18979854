"""One architecture as a plain network, without any switch, to compare with."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from enas.cifar10.arc import Arc
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.compiled import Compiled, CompiledStep
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.train_steps import Draw, child_step
from enas.final.final_child import FinalChild


class StaticNetwork(keras.Model):
    """One arc of a `MacroChild`, its ops and skips known when it is traced.

    It is made of the child's own layers and has only the weights of the arc.

    Call arguments: those of `MacroChild`; `arc` is not looked at.
    """

    def __init__(
        self, child: MacroChild, op_ids: Sequence[int], skips: Sequence[int]
    ) -> None:
        super().__init__(name="static")
        self.options = child.options
        self.num_layers = child.num_layers
        arc = Arc(tuple(op_ids), tuple(skips))
        self.steps = list(child.steps_of(arc, whole=True))
        self.built = True

    call = FinalChild.call


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
