"""The compiled steps of a search: the only place that applies tf.function."""

import tensorflow as tf

from enas.cifar10.image_ops import FROZEN
from enas.cifar10.lazy_weights.copy_momentum import Copies
from enas.cifar10.lazy_weights.copy_step import CopiesStep
from enas.cifar10.macro_controller import Sample
from enas.cifar10.unselected_weights import WeightUse
from enas.optimizers import Adam, GradientRules, Momentum

__all__ = [
    "Compiled",
    "CompiledStep",
    "child_gradients",
    "child_step",
    "controller_gradients",
    "rewrite",
]


def child_gradients(
    child, images, labels, arc, seed, rules, decays=None, copies=None
):
    """Computes loss and gradients of one child step.

    Args:
      child: a built `MacroChild`.
      images: float32 `[batch, 32, 32, 3]`.
      labels: int32 `[batch]`.
      arc: pair of int32 tensors, as `MacroChild` takes it.
      seed: int32 `[2]`.
      rules: `GradientRules`.
      decays: as `GradientRules.apply` takes them.
      copies: `CopiesStep`, or None where all weights have whole gradients.

    Returns:
      (loss, gradients, norm, logits): float32 scalar, mean cross-entropy
      without l2; list of tensors and float32 scalar, as `GradientRules.apply`
      returns them, of copied weights those of the picked rows; float32
      `[batch, 10]`.

    Source: row 14, ENAS general_child.py `_build_train`; same.
    """
    weights = [variable.value for variable in child.trainable_variables]
    parts = idle = None
    if copies is not None:
        weights, decays = copies.narrow(weights, decays)
        parts, idle = copies.weights, copies.idle
    with tf.GradientTape() as tape, child.picked(arc, parts):
        tape.watch(parts or [])
        logits = child(images, arc, training=True, seed=seed)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        )
    gradients = tape.gradient(loss, weights)
    return loss, *rules.apply(gradients, weights, decays, idle), logits


def child_step(
    child,
    optimizer,
    images,
    labels,
    arc,
    rate,
    seed,
    rules,
    weight_use=None,
    copies=None,
):
    """Trains the child on one batch.

    Args:
      child: a built `MacroChild`.
      optimizer: its `Momentum`.
      images: float32 `[batch, 32, 32, 3]`.
      labels: int32 `[batch]`.
      arc: pair of int32 tensors, as `MacroChild` takes it.
      rate: float32 scalar, learning rate.
      seed: int32 `[2]`.
      rules: `GradientRules`.
      weight_use: `WeightUse`, or None where unused weights decay.
      copies: `Copies`, of the weights that the optimizer leaves out.

    Returns:
      (loss, norm, logits), as `child_gradients` returns them.

    Source: rows 12 and 14 to 16; same.
    """
    decays = weight_use.add(arc) if weight_use else None
    step = CopiesStep(copies, arc) if copies else None
    loss, gradients, norm, logits = child_gradients(
        child, images, labels, arc, seed, rules, decays, step
    )
    stay = child.options.profile.unselected_weights == "stay"
    moves = weight_use.of(arc) if weight_use and stay else None
    if step:
        factors = rules.idle_factors(step.idle, norm)
        gradients, moves = step.apply(gradients, factors, rate, moves)
    if moves:
        optimizer.apply_where(moves, gradients, rate)
    else:
        optimizer.apply(gradients, rate)
    return loss, norm, logits


def controller_gradients(controller, op_ids, skips, advantages, weights, rules):
    """Computes the losses of n arcs and the gradient of their mean.

    Args:
      controller: a built `MacroController`.
      op_ids: int32 `[n, L]`.
      skips: int32 `[n, L (L - 1) / 2]`.
      advantages: float32 `[n]`, reward minus the updated baseline.
      weights: (float, float), of the skip penalty in the loss and of the
        entropy in the reward; the latter matters where the entropy has a
        gradient (row 22).
      rules: `GradientRules`.

    Returns:
      (losses, gradients, norm): float32 `[n]`; list of tensors and float32
      scalar, as `GradientRules.apply` returns them.

    Source: row 26, ENAS general_controller.py `build_trainer`; same.
    """
    skip_weight, entropy_weight = weights
    variables = [variable.value for variable in controller.trainable_variables]
    with tf.GradientTape() as tape:
        sample = controller.score(op_ids, skips)
        # Zero, with the gradient that the entropy in the reward has.
        entropy = sample.entropy - tf.stop_gradient(sample.entropy)
        losses = (
            sample.neg_log_prob * (advantages + entropy_weight * entropy)
            + skip_weight * sample.skip_penalty
        )
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, variables)
    return losses, *rules.apply(gradients, variables)


class Compiled:
    """All steps of one search, traced once each whatever the arc.

    Args:
      child: a built `MacroChild` or `FinalChild`.
      controller: a built `MacroController`.
      config: `Config`.

    Attributes:
      child_optimizer: `Momentum` over the child.
      copies: `Copies`, or None where no copy has weights of its own.
      controller_optimizer: `Adam` over the controller.
      weight_use: `WeightUse`, or None where unused weights decay as well.
    """

    def __init__(self, child, controller, config):
        self.child = child
        self.controller = controller
        self.config = config
        profile = config.behaviour
        shared = not config.child_from_scratch
        self.copies = Copies(child) if shared and child.copied else None
        left_out = self.copies.variables if self.copies else ()
        self.child_optimizer = Momentum(child, left_out)
        self.controller_optimizer = Adam(controller, profile.adam_epsilon)
        self.weight_use = None
        if shared and profile.unselected_weights != "decay":
            self.weight_use = WeightUse(child)
        clipping = {"clip": profile.clip, "bound": config.child_grad_bound}
        self._child_rules = GradientRules(
            config.child_l2_reg, profile.l2, **clipping
        )
        # The paper's code has no weight decay on the controller.
        self._controller_rules = GradientRules(
            config.controller_l2_reg, "in_loss", **clipping
        )
        layers = config.child_num_layers
        ids = tf.TensorSpec([layers], tf.int32)
        bits = tf.TensorSpec([layers * (layers - 1) // 2], tf.int32)
        images = tf.TensorSpec([None, 32, 32, 3], tf.float32)
        labels = tf.TensorSpec([None], tf.int32)
        pair = tf.TensorSpec([2], tf.int32)
        rate = tf.TensorSpec([], tf.float32)
        self.train_child = CompiledStep(
            self._train_child, [images, labels, ids, bits, rate, pair], False
        )
        self.count_correct = CompiledStep(
            self._count_correct, [images, labels, ids, bits]
        )
        self.count_correct_in_training = CompiledStep(
            self._count_correct_in_training,
            [images, labels, ids, bits, pair],
        )
        self.logits = CompiledStep(self._logits, [images, ids, bits])
        self.logits_in_training = CompiledStep(
            self._logits_in_training, [images, ids, bits, pair]
        )
        number = tf.TensorSpec([], tf.int32)
        self.sample = CompiledStep(self._sample, [number, pair])
        arcs = [
            tf.TensorSpec([None, *spec.shape], tf.int32) for spec in (ids, bits)
        ]
        self.score_arcs = CompiledStep(
            self._score_arcs, [*arcs, tf.TensorSpec([None], tf.float32)]
        )
        gradients = [
            tf.TensorSpec(variable.shape, tf.float32)
            for variable in self.controller_optimizer.variables
        ]
        self.update_controller = CompiledStep(
            self.controller_optimizer.apply, [gradients, rate]
        )

    def settle(self):
        """Ends a phase of training steps: all weights are what they are."""
        if self.copies:
            self.copies.settle()

    def graph(self):
        """Returns the child in evaluation as a GraphDef, to look at."""
        graph = self.count_correct.get_concrete_function().graph.as_graph_def()
        # TensorBoard would lay out every branch of every layer beside it.
        graph.ClearField("library")
        return graph

    def _train_child(self, images, labels, op_ids, skips, rate, seed):
        """Returns (loss, gradient norm, right answers) of one step."""
        loss, norm, logits = child_step(
            self.child,
            self.child_optimizer,
            images,
            labels,
            (op_ids, skips),
            rate,
            seed,
            self._child_rules,
            self.weight_use,
            self.copies,
        )
        return loss, norm, _correct(logits, labels)

    def _logits(self, images, op_ids, skips):
        """Returns the logits of an arc in evaluation."""
        return self.child(images, (op_ids, skips))

    def _logits_in_training(self, images, op_ids, skips, seed):
        """Returns the same in training mode: dropout and noise are on."""
        arc = op_ids, skips
        return self.child(images, arc, training=FROZEN, seed=seed)

    def _count_correct(self, images, labels, op_ids, skips):
        """Returns the right answers of an arc in evaluation, int32."""
        return _correct(self._logits(images, op_ids, skips), labels)

    def _count_correct_in_training(self, images, labels, op_ids, skips, seed):
        """Returns the same in training mode: dropout and noise are on."""
        logits = self._logits_in_training(images, op_ids, skips, seed)
        return _correct(logits, labels)

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
            (
                self.config.controller_skip_weight,
                self.config.controller_entropy_weight,
            ),
            self._controller_rules,
        )


class CompiledStep:
    """A function of tensors, traced once, at its first call.

    A training step runs without TensorFlow's rewriting of its graph, which
    costs it 8 s at the start and gains nothing; evaluation gains 3 to 8 % from
    it (docs/EXPERIMENTS.md).

    Args:
      function: of tensors.
      signature: list of `tf.TensorSpec`, or nests of them, of each.
      rewritten: bool, whether TensorFlow rewrites the graph.
    """

    def __init__(self, function, signature, rewritten=True):
        self._function = tf.function(
            function, input_signature=signature, autograph=False
        )
        self._rewritten = rewritten

    def get_concrete_function(self):
        """Returns the traced function."""
        return self._function.get_concrete_function()

    def __call__(self, *arguments):
        rewrite(self._rewritten)
        # Called directly, what it reads and writes, hundreds of variables, is
        # looked through less often.
        return self.get_concrete_function()(*arguments)


def rewrite(wanted):
    """Has TensorFlow rewrite graphs from now on, or not.

    Nothing happens if it does so already: a change costs 1 ms.

    Args:
      wanted: bool.
    """
    key, options = "disable_meta_optimizer", tf.config.optimizer
    if options.get_experimental_options().get(key, False) is wanted:
        options.set_experimental_options({key: not wanted})


def _correct(logits, labels):
    answers = tf.argmax(logits, axis=1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(tf.equal(answers, labels), tf.int32))
