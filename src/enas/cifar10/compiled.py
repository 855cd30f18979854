"""The compiled steps of a search: the only place that applies tf.function."""

import tensorflow as tf

from enas.cifar10.macro_controller import Sample
from enas.optimizers import Adam, Momentum, add_l2

__all__ = ["Compiled", "child_gradients", "controller_gradients"]


def child_gradients(child, images, labels, arc, seed, l2_reg):
    """Computes loss and gradients of one child step.

    Args:
      child: a built `MacroChild`.
      images: float32 `[batch, 32, 32, 3]`.
      labels: int32 `[batch]`.
      arc: pair of int32 tensors, as `MacroChild` takes it.
      seed: int32 `[2]`.
      l2_reg: float.

    Returns:
      (loss, gradients, logits): float32 scalar, mean cross-entropy without
      l2; list of tensors with l2; float32 `[batch, 10]`.

    Source: row 14, ENAS general_child.py `_build_train`; same.
    """
    variables = [variable.value for variable in child.trainable_variables]
    with tf.GradientTape() as tape:
        logits = child(images, arc, training=True, seed=seed)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        )
    gradients = tape.gradient(loss, variables)
    return loss, add_l2(gradients, variables, l2_reg), logits


def controller_gradients(
    controller, op_ids, skips, advantages, skip_weight, l2_reg
):
    """Computes the losses of n arcs and the gradient of their mean.

    Args:
      controller: a built `MacroController`.
      op_ids: int32 `[n, L]`.
      skips: int32 `[n, L (L - 1) / 2]`.
      advantages: float32 `[n]`, reward minus the updated baseline.
      skip_weight: float.
      l2_reg: float.

    Returns:
      (losses, gradients, norm): float32 `[n]`; list of tensors with l2;
      float32 scalar, without l2, in which a row of the embedding that was
      looked up twice counts twice, as in the original's log.

    Source: row 26, ENAS general_controller.py `build_trainer`; same.
    """
    variables = [variable.value for variable in controller.trainable_variables]
    with tf.GradientTape() as tape:
        sample = controller.score(op_ids, skips)
        losses = (
            sample.neg_log_prob * advantages + skip_weight * sample.skip_penalty
        )
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, variables)
    norm = tf.linalg.global_norm(gradients)
    return losses, add_l2(gradients, variables, l2_reg), norm


class Compiled:
    """All steps of one search, traced once each whatever the arc.

    Args:
      child: a built `MacroChild`.
      controller: a built `MacroController`.
      config: `Config`.

    Attributes:
      child_optimizer: `Momentum` over the child.
      controller_optimizer: `Adam` over the controller.
    """

    def __init__(self, child, controller, config):
        self.child = child
        self.controller = controller
        self.config = config
        self.child_optimizer = Momentum(child)
        self.controller_optimizer = Adam(controller)
        layers = config.child_num_layers
        ids = tf.TensorSpec([layers], tf.int32)
        bits = tf.TensorSpec([layers * (layers - 1) // 2], tf.int32)
        images = tf.TensorSpec([None, 32, 32, 3], tf.float32)
        labels = tf.TensorSpec([None], tf.int32)
        pair = tf.TensorSpec([2], tf.int32)
        rate = tf.TensorSpec([], tf.float32)
        self.train_child = _as_traced(
            _compile(self._train_child, images, labels, ids, bits, rate, pair)
        )
        self.count_correct = _compile(
            self._count_correct, images, labels, ids, bits
        )
        self.sample = _compile(self._sample, tf.TensorSpec([], tf.int32), pair)
        arcs = [
            tf.TensorSpec([None, *spec.shape], tf.int32) for spec in (ids, bits)
        ]
        self.score_arcs = _compile(
            self._score_arcs, *arcs, tf.TensorSpec([None], tf.float32)
        )
        gradients = [
            tf.TensorSpec(variable.shape, tf.float32)
            for variable in self.controller_optimizer.variables
        ]
        self.update_controller = _compile(
            self.controller_optimizer.apply, gradients, rate
        )

    def _train_child(self, images, labels, op_ids, skips, rate, seed):
        """Returns (loss, gradient norm, right answers) of one step."""
        loss, gradients, logits = child_gradients(
            self.child,
            images,
            labels,
            (op_ids, skips),
            seed,
            self.config.child_l2_reg,
        )
        self.child_optimizer.apply(gradients, rate)
        return loss, tf.linalg.global_norm(gradients), _correct(logits, labels)

    def _count_correct(self, images, labels, op_ids, skips):
        """Returns the right answers of an arc in evaluation, int32."""
        return _correct(self.child(images, (op_ids, skips)), labels)

    def _sample(self, n, seed):
        """Returns a `Sample` of n arcs, without the logits."""
        sample = self.controller.sample(n, seed)
        return Sample(*sample[:-2], op_logits=None, skip_logits=None)

    def _score_arcs(self, op_ids, skips, advantages):
        """Returns what `controller_gradients` does."""
        return controller_gradients(
            self.controller,
            op_ids,
            skips,
            advantages,
            self.config.controller_skip_weight,
            self.config.controller_l2_reg,
        )


def _compile(function, *signature):
    return tf.function(function, input_signature=signature, autograph=False)


def _as_traced(function):
    """Returns the function, run without TensorFlow's rewriting of its graph.

    For the training step, rewriting costs 8 s at the start and gains nothing;
    evaluation gains 3 to 8 % from it (docs/EXPERIMENTS.md).
    """
    options = tf.config.optimizer.set_experimental_options

    def call(*arguments):
        options({"disable_meta_optimizer": True})
        try:
            return function(*arguments)
        finally:
            options({"disable_meta_optimizer": False})

    return call


def _correct(logits, labels):
    answers = tf.argmax(logits, axis=1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(tf.equal(answers, labels), tf.int32))
