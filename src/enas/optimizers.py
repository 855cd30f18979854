"""Momentum and Adam as TensorFlow 1 applies them.

Counterpart of `get_train_ops` in ENAS's src/utils.py. Keras's own SGD puts the
learning rate inside the momentum slot and its Adam corrects epsilon, so both
walk elsewhere when the rate changes; these two use the kernels of TensorFlow 1.
"""

import tensorflow as tf

__all__ = ["Adam", "Momentum", "add_l2"]


def add_l2(gradients, variables, l2_reg):
    """Adds the gradient of l2_reg * sum(w ** 2) of every weight.

    Args:
      gradients: list of float32 tensors; None stands for zero.
      variables: list of tf.Variable, of the same length.
      l2_reg: float, >= 0.

    Returns:
      List of float32 tensors.

    Source: row 14: no 1/2, so the gradient is 2 * l2_reg * w; same result,
    different form: the sum of squares is never built.
    """
    zeroed = (
        tf.zeros_like(variable) if gradient is None else gradient
        for gradient, variable in zip(gradients, variables, strict=True)
    )
    if not l2_reg:
        return [tf.convert_to_tensor(gradient) for gradient in zeroed]
    return [
        gradient + 2.0 * l2_reg * variable
        for gradient, variable in zip(zeroed, variables, strict=True)
    ]


class Momentum:
    """Nesterov momentum: a <- .9 a + g, then w <- w - lr g - lr .9 a.

    Args:
      model: a built keras layer or model; its trainable variables are trained.

    Attributes:
      variables: list of tf.Variable, what is trained.
      slots: dict, TensorFlow 1 name of a slot -> tf.Variable.

    Source: row 15, TensorFlow 1 MomentumOptimizer(use_nesterov=True); same.
    """

    def __init__(self, model):
        self.variables = [v.value for v in model.trainable_variables]
        self.slots = {
            f"{v.path}/Momentum": tf.Variable(tf.zeros(v.shape))
            for v in model.trainable_variables
        }

    def apply(self, gradients, learning_rate):
        """Applies one step.

        Args:
          gradients: list of float32 tensors, one per variable.
          learning_rate: float32 scalar.
        """
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


class Adam:
    """Adam with beta1 0, beta2 .999 and epsilon 1e-3 outside the correction.

    lr_t = lr sqrt(1 - .999 ** t); v <- .999 v + .001 g g;
    w <- w - lr_t g / (sqrt(v) + 1e-3).

    Args:
      model: a built keras layer or model; its trainable variables are trained.

    Attributes:
      variables: list of tf.Variable, what is trained.
      slots: dict, TensorFlow 1 name -> tf.Variable: both moments of every
        weight, and `beta1_power`, `beta2_power`.

    Source: row 27, TensorFlow 1 AdamOptimizer; same.
    """

    BETA1, BETA2, EPSILON = 0.0, 0.999, 1e-3

    def __init__(self, model):
        trained = model.trainable_variables
        self.variables = [v.value for v in trained]
        self._m = {
            f"{v.path}/Adam": tf.Variable(tf.zeros(v.shape)) for v in trained
        }
        self._v = {
            f"{v.path}/Adam_1": tf.Variable(tf.zeros(v.shape)) for v in trained
        }
        self._beta1_power = tf.Variable(self.BETA1)
        self._beta2_power = tf.Variable(self.BETA2)
        self.slots = {
            **self._m,
            **self._v,
            "beta1_power": self._beta1_power,
            "beta2_power": self._beta2_power,
        }

    def apply(self, gradients, learning_rate):
        """Applies one step.

        Args:
          gradients: list of float32 tensors, one per variable.
          learning_rate: float32 scalar.
        """
        for variable, m, v, gradient in zip(
            self.variables,
            self._m.values(),
            self._v.values(),
            gradients,
            strict=True,
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=self._beta1_power,
                beta2_power=self._beta2_power,
                lr=learning_rate,
                beta1=self.BETA1,
                beta2=self.BETA2,
                epsilon=self.EPSILON,
                grad=gradient,
            )
        self._beta1_power.assign(self._beta1_power * self.BETA1)
        self._beta2_power.assign(self._beta2_power * self.BETA2)
