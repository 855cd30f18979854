"""The compiled steps of a search: the only place that compiles a step."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.config import Config
from enas.cifar10.layers.image_ops import FROZEN, BatchNorm
from enas.cifar10.lazy_weights.graph_rewriting import rewrite
from enas.cifar10.macro_controller import MacroController, Sample
from enas.cifar10.train_steps import (
    StepInput,
    child_step,
    controller_gradients,
    controller_step,
)
from enas.optimizers import Adam, GradientRules


class Compiled:
    """All steps of one search, traced once each whatever the arc.

    The child, a `MacroChild` or `FinalChild`, and the controller that it takes
    have been built.
    """

    def __init__(
        self, child: tf.Module, controller: MacroController, config: Config
    ) -> None:
        self.child = child
        self.controller = controller
        profile, bound = config.behaviour, config.child_grad_bound
        rules = GradientRules(
            config.child_l2_reg, profile.l2, profile.clip, bound
        )
        unselected = profile.unselected_weights
        if config.child_from_scratch:
            unselected = "decay"
        self.child_optimizer = ChildOptimizer(child, rules, unselected)
        # The paper's code has no weight decay on the controller.
        rules = GradientRules(
            config.controller_l2_reg, "in_loss", profile.clip, bound
        )
        self.controller_optimizer = Adam(
            controller, profile.adam_epsilon, rules
        )
        layers = config.child_num_layers
        links = layers * (layers - 1) // 2
        spec, side = tf.TensorSpec, config.image_size
        images = spec([None, side, side, 3], tf.float32)
        labels = spec([None], tf.int32)
        arc = spec([layers], tf.int32), spec([links], tf.int32)
        arcs = spec([None, layers], tf.int32), spec([None, links], tf.int32)
        advantages, rate = spec([None], tf.float32), spec([], tf.float32)
        number, seed = spec([], tf.int32), spec([2], tf.int32)
        self.child_step = CompiledStep(
            self._child_step, [images, labels, *arc, rate, seed], False
        )
        count = self._count_correct
        self.count_correct = CompiledStep(count, [images, labels, *arc])
        self.count_correct_in_training = CompiledStep(
            count, [images, labels, *arc, seed]
        )
        self.logits = CompiledStep(self._logits, [images, *arc])
        self.logits_in_training = CompiledStep(
            self._logits, [images, *arc, seed]
        )
        self.sample = CompiledStep(self._sample, [number, seed])
        self.score_arcs = CompiledStep(self._score_arcs, [*arcs, advantages])
        self.controller_step = CompiledStep(
            self._controller_step, [*arcs, advantages, rate]
        )

    def settle(self) -> None:
        """Ends a phase of training steps: all weights are what they are."""
        self.child_optimizer.settle()

    def graph(self) -> Any:
        """Returns the child in evaluation as a GraphDef, to look at."""
        graph = self.count_correct.get_concrete_function().graph.as_graph_def()
        # TensorBoard would lay out every branch of every layer as well.
        graph.ClearField("library")
        return graph

    def _child_step(
        self,
        images: Tensor,
        labels: Tensor,
        op_ids: Tensor,
        skips: Tensor,
        rate: Tensor,
        seed: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns (loss, gradient norm, right answers) of one step."""
        arc, given = (op_ids, skips), StepInput(rate, seed)
        batch, optimizer = (images, labels), self.child_optimizer
        step = child_step(self.child, optimizer, batch, arc, given)
        return step.loss, step.norm, _correct(step.logits, labels)

    def _logits(
        self, images: Tensor, op_ids: Tensor, skips: Tensor, *seed: Tensor
    ) -> Tensor:
        """Returns an arc's logits in evaluation; given a seed, in training.

        Measuring changes nothing: what an op of a user's moved is put back.
        """
        state = self._state_of_ops()
        before = [tf.identity(variable.value) for variable in state]
        mode = {"training": FROZEN, "seed": seed[0]} if seed else {}
        for number, variable in enumerate(state):
            if seed and variable.name == "seed_generator_state":
                # Keras's own random layers draw by the batch's seed.
                variable.assign(tf.cast(seed[0] + number, variable.dtype))
        logits = self.child(images, (op_ids, skips), **mode)
        for variable, old in zip(state, before, strict=True):
            variable.assign(old)
        return logits

    def _state_of_ops(self) -> list[Any]:
        """Returns what a call may move though FROZEN; [] for built-in ops."""
        layers = self.child._flatten_layers()
        norms = [each for each in layers if isinstance(each, BatchNorm)]
        kept = {id(v) for each in norms for v in each.variables}
        rest = self.child.non_trainable_variables
        return [variable for variable in rest if id(variable) not in kept]

    def _count_correct(
        self, images: Tensor, labels: Tensor, *choice: Tensor
    ) -> Tensor:
        """Returns the right answers of the same, int32; -1 if not finite."""
        logits = self._logits(images, *choice)
        finite = tf.reduce_all(tf.math.is_finite(logits))
        return tf.where(finite, _correct(logits, labels), -1)

    def _sample(self, n: Tensor, seed: Tensor) -> Sample:
        """Returns a `Sample` of n arcs, without the logits."""
        sample = self.controller.sample(n, seed)
        return sample._replace(op_logits=None, skip_logits=None)

    def _score_arcs(
        self, op_ids: Tensor, skips: Tensor, advantages: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns (losses, gradient norm) of arcs; nothing is applied."""
        model, optimizer = self.controller, self.controller_optimizer
        arcs = op_ids, skips
        return controller_gradients(model, optimizer, arcs, advantages)[:2]

    def _controller_step(
        self, op_ids: Tensor, skips: Tensor, advantages: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns (losses, gradient norm) of an update."""
        model, optimizer = self.controller, self.controller_optimizer
        arcs = op_ids, skips
        return controller_step(model, optimizer, arcs, advantages, rate)[:2]


class CompiledStep:
    """A function of tensors, traced once, at its first call.

    `signature` is a (nest of) `tf.TensorSpec` for each; `rewritten` says
    whether TensorFlow rewrites the graph, see `rewrite`.
    """

    def __init__(
        self, function: Callable, signature: Sequence, rewritten: bool = True
    ) -> None:
        self._function = tf.function(
            function, input_signature=signature, autograph=False
        )
        self._rewritten = rewritten

    def get_concrete_function(self) -> Any:
        return self._function.get_concrete_function()

    def __call__(self, *arguments: Any) -> Any:
        rewrite(self._rewritten)
        # Called directly, what it reads and writes, hundreds of variables, is
        # looked through less often.
        return self.get_concrete_function()(*arguments)


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    answers = tf.argmax(logits, axis=1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(tf.equal(answers, labels), tf.int32))
