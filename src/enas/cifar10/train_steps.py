"""ONE step of the child and ONE update of the controller.

Plain functions of (model, optimizer, batch); `compiled.py` puts tf.function
around them. Rows are those of docs/PORT.md.
"""

import typing

import tensorflow as tf
from tensorflow import Tensor

from enas.cifar10.child_optimizer import ChildOptimizer, Update
from enas.cifar10.macro_controller import MacroController
from enas.optimizers import Adam

Arcs = tuple[Tensor, Tensor]


class StepInput(typing.NamedTuple):
    """Learning rate, float32 scalar, and seed of the step, int32 `[2]`."""

    rate: Tensor
    seed: Tensor


class ChildStep(typing.NamedTuple):
    """What a child step measured.

    Attributes:
      loss: float32 scalar, mean cross-entropy, nats, without l2.
      norm: float32 scalar, of all gradients, before clipping.
      logits: float32 `[batch, classes]`.
      gradients: float32, what was applied.
    """

    loss: Tensor
    norm: Tensor
    logits: Tensor
    gradients: list[Tensor]


class ControllerStep(typing.NamedTuple):
    """What a controller update measured.

    Attributes:
      losses: float32 `[n]`, one for each arc.
      norm: float32 scalar, of all gradients, before clipping.
      gradients: float32, of the mean loss, after the rules.
    """

    losses: Tensor
    norm: Tensor
    gradients: list[Tensor]


def child_step(
    child: tf.Module,
    optimizer: ChildOptimizer,
    batch: tuple[Tensor, Tensor],
    arc: Arcs | None,
    given: StepInput,
) -> ChildStep:
    """Trains the child on one batch.

    Args:
      batch: images float32 `[batch, height, width, 3]`, labels int32 `[batch]`.
      arc: as `MacroChild` takes it; None for a network without switches.

    Source: rows 12 and 14 to 16, ENAS general_child.py `_build_train`; same.
    """
    images, labels = batch
    update = Update(optimizer, arc)
    with tf.GradientTape() as tape, update.reading(tape):
        logits = child(images, arc, training=True, seed=given.seed)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        )
    gradients, norm = update.regularise(tape.gradient(loss, update.weights))
    update.apply(gradients, given.rate)
    return ChildStep(loss, norm, logits, gradients)


def controller_step(
    controller: MacroController,
    optimizer: Adam,
    arcs: Arcs,
    advantages: Tensor,
    rate: Tensor,
) -> ControllerStep:
    """Updates the controller by REINFORCE, if all numbers are finite.

    Args:
      arcs: op ids int32 `[n, L]`, skip bits int32 `[n, L (L - 1) / 2]`.
      advantages: float32 `[n]`, reward minus the updated baseline.
      rate: float32 scalar, learning rate.

    Source: rows 26 and 27, ENAS general_controller.py `build_trainer`; same,
    with the plain mean over the arcs.
    """
    step = controller_gradients(controller, optimizer, arcs, advantages)
    finite = tf.math.is_finite(tf.reduce_sum(step.losses) + step.norm)
    tf.cond(finite, lambda: optimizer.apply(step.gradients, rate), lambda: None)
    return step


def controller_gradients(
    controller: MacroController, optimizer: Adam, arcs: Arcs, advantages: Tensor
) -> ControllerStep:
    """Computes what `controller_step` applies; arguments as it takes them."""
    weights = optimizer.variables
    with tf.GradientTape() as tape:
        losses = controller.loss(*arcs, advantages)
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, weights)
    gradients, norm = optimizer.rules.apply(gradients, weights)
    return ControllerStep(losses, norm, gradients)
