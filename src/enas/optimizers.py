"""Momentum and Adam as TensorFlow 1 applies them, by its kernels.

Counterpart of `get_train_ops` in ENAS's src/utils.py. Keras's own SGD puts the
learning rate inside the momentum slot and its Adam corrects epsilon, so both
walk elsewhere when the rate changes.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class GradientRules:
    """What happens to a gradient between the loss and the optimizer.

    Attributes:
      l2: "in_loss", l2_reg * sum(w ** 2) is part of the loss, without 1/2, so
        its gradient is 2 * l2_reg * w and counts in norm and clipping; or
        "weight_decay", l2_reg * w is added after them; l2_reg is at least 0.
      clip: "none"; "global", one factor for all gradients; "norm", one each.
      bound: largest norm after clipping.

    Source: rows 14 and 16; same result, different form: the sum of squares is
    never built.
    """

    l2_reg: float = 0.0
    l2: str = "in_loss"
    clip: str = "none"
    bound: float = 5.0

    def apply(
        self,
        gradients: Sequence[tf.Tensor | tf.IndexedSlices | None],
        variables: Sequence[tf.Variable | tf.Tensor],
        decays: Sequence[tf.Tensor] | None = None,
        idle: Any = None,
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Turns the gradients of a loss into what an optimizer applies.

        Args:
          gradients: None is zero. Unless they are clipped, a row of a sparse
            one looked up twice counts twice in the norm, as in ENAS's log.
          decays: factors on l2, broadcast to the variables; None for ones.
          idle: `Idle`, weights that count in the norm but are not variables.

        Returns:
          (gradients, their global norm before clipping, float32 scalar).
        """
        gradients = [
            tf.zeros_like(variable) if gradient is None else gradient
            for gradient, variable in zip(gradients, variables, strict=True)
        ]
        if self.l2 == "in_loss":
            gradients = _add_l2(gradients, variables, 2 * self.l2_reg, decays)
        if self.clip != "none":
            gradients = list(map(tf.convert_to_tensor, gradients))
        norm = tf.linalg.global_norm(gradients)
        if idle is not None and self.l2 == "in_loss":
            factors = 2 * self.l2_reg * idle.decays
            rest = tf.reduce_sum(factors**2 * idle.squares)
            norm = tf.sqrt(norm**2 + rest)
        if self.clip == "global":
            factor = self._global_factor(norm)
            gradients = [gradient * factor for gradient in gradients]
        elif self.clip == "norm":
            gradients = [tf.clip_by_norm(g, self.bound) for g in gradients]
        if self.l2 == "weight_decay":
            gradients = _add_l2(gradients, variables, self.l2_reg, decays)
        return list(map(tf.convert_to_tensor, gradients)), norm

    def idle_factors(self, idle: Any, norm: tf.Tensor) -> tf.Tensor:
        """Returns how many times itself the gradient of an idle weight is.

        After clipping, float32 `[rows]`; arguments as of `apply`.
        """
        if self.l2 == "weight_decay":
            return self.l2_reg * idle.decays
        factors = 2 * self.l2_reg * idle.decays
        if self.clip == "global":
            factors *= self._global_factor(norm)
        elif self.clip == "norm":
            norms = factors * tf.sqrt(idle.squares)
            factors *= self.bound / tf.maximum(norms, self.bound)
        return factors

    def _global_factor(self, norm: tf.Tensor) -> tf.Tensor:
        """As PyTorch's, which adds 1e-6 to the norm."""
        return tf.minimum(1.0, self.bound / (norm + 1e-6))


def _add_l2(
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Tensor],
    factor: float,
    decays: Sequence[tf.Tensor] | None,
) -> Sequence[tf.Tensor]:
    if not factor:
        return gradients
    decays = decays or [1.0] * len(variables)
    terms = zip(gradients, decays, variables, strict=True)
    return [g + factor * decay * variable for g, decay, variable in terms]


class Momentum:
    """Nesterov momentum: a <- .9 a + g, then w <- w - lr g - lr .9 a.

    Trains the trainable variables of a built keras model, `without` some.

    Attributes:
      variables: what is trained.
      slots: TensorFlow 1 name of a slot -> tf.Variable.

    Source: row 15, TensorFlow 1 MomentumOptimizer(use_nesterov=True), and
    torch.optim.SGD(nesterov=True); same.
    """

    def __init__(self, model: Any, without: Sequence[Any] = ()) -> None:
        left = set(map(id, without))
        trained = [v for v in model.trainable_variables if id(v) not in left]
        self.variables = [v.value for v in trained]
        self.slots = {
            f"{v.path}/Momentum": tf.Variable(tf.zeros(v.shape))
            for v in trained
        }

    def apply(
        self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor
    ) -> None:
        for variable, slot, gradient in zip(
            self.variables, self.slots.values(), gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=slot.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=0.9,
                use_nesterov=True,
            )

    def apply_where(
        self,
        moves: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> None:
        """Applies one step to weights whose `moves` are 1, and not 0.

        The others and their slots stay; `moves` broadcast to the variables.

        Source: row 12, torch.optim.SGD where gradients of unused weights are
        None in every step, which is PyTorch's default since 2.0; same.
        """
        for variable, slot, gradient, move in zip(
            self.variables, self.slots.values(), gradients, moves, strict=True
        ):
            moved, step = nesterov(slot, gradient, learning_rate)
            slot.assign(tf.where(move > 0, moved, slot))
            variable.assign_sub(move * step)


def nesterov(
    slot: tf.Tensor | tf.Variable, gradient: tf.Tensor, learning_rate: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (the slot after a step, what to subtract from the weight).

    Source: row 15; same.
    """
    moved = 0.9 * slot + gradient
    return moved, learning_rate * gradient + learning_rate * (0.9 * moved)


class Adam:
    """Adam with beta1 0, beta2 .999 and epsilon 1e-3.

    lr_t = lr sqrt(1 - .999 ** t); v <- .999 v + .001 g g;
    w <- w - lr_t g / (sqrt(v) + e), where e is 1e-3 if epsilon is "outside" the
    bias correction, as in TensorFlow 1, and 1e-3 sqrt(1 - .999 ** t) if it is
    "inside", as in PyTorch. Trains the trainable variables of a built model.

    Attributes:
      rules: who computes gradients applies them before `apply`.
      variables: what is trained.
      slots: TensorFlow 1 name -> tf.Variable: both moments of every weight,
        and `beta1_power`, `beta2_power`.

    Source: row 27, TensorFlow 1 AdamOptimizer and torch.optim.Adam; same.
    """

    BETA1, BETA2, EPSILON = 0.0, 0.999, 1e-3

    def __init__(
        self,
        model: Any,
        epsilon: str = "outside",
        rules: GradientRules | None = None,
    ) -> None:
        self._inside = epsilon == "inside"
        self.rules = rules or GradientRules()
        trained = model.trainable_variables
        self.variables = [v.value for v in trained]
        self.slots = {
            f"{v.path}/{moment}": tf.Variable(tf.zeros(v.shape))
            for moment in ("Adam", "Adam_1")
            for v in trained
        }
        self.slots["beta1_power"] = tf.Variable(self.BETA1)
        self.slots["beta2_power"] = tf.Variable(self.BETA2)

    def apply(
        self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor
    ) -> None:
        *moments, beta1_power, beta2_power = self.slots.values()
        count = len(self.variables)
        first, second = moments[:count], moments[count:]
        epsilon = tf.constant(self.EPSILON)
        if self._inside:
            epsilon *= tf.sqrt(1.0 - beta2_power)
        for variable, m, v, gradient in zip(
            self.variables, first, second, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=beta1_power,
                beta2_power=beta2_power,
                lr=learning_rate,
                beta1=self.BETA1,
                beta2=self.BETA2,
                epsilon=epsilon,
                grad=gradient,
            )
        beta1_power.assign(beta1_power * self.BETA1)
        beta2_power.assign(beta2_power * self.BETA2)
