"""Momentum and Adam against recordings and hand numbers."""

import re

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.lazy_weights.copy_step import Idle
from enas.cifar10.train_steps import Draw, child_step
from enas.optimizers import Adam, GradientRules, Momentum
from enas.run.checkpoint import model_variables
from helpers import arc_arrays

SEED = tf.constant([0, 0])
RULES = GradientRules(l2_reg=0.00025)


def test_three_child_steps_equal_the_recorded_ones():
    # 1e-5: gradients are summed in another order when oneDNN is on; with it
    # off the largest difference is 7e-7.
    recording = helpers.load("enas/train_step.npz")
    child = helpers.small_child()
    variables = model_variables(child)
    optimizer = ChildOptimizer(child, RULES)
    helpers.assign(variables, recording, "step0/")
    helpers.assign(optimizer.variables, recording, "step0/")
    always = None
    for t in range(3):
        op_ids, skips = arc_arrays(recording["_arcs"][t])
        batch = recording["_images"][t], recording["_labels"][t]
        draw = Draw(recording["_lr"][t], SEED)
        step = child_step(child, optimizer, batch, (op_ids, skips), draw)
        close(step.loss, recording["_loss"][t])
        close(step.logits, recording["_train_logits"][t], 1e-4)
        close(step.norm, recording["_grad_norm"][t])
        chosen = {f"layer_{k}/branch_{op}" for k, op in enumerate(op_ids)}
        always = chosen if always is None else always & chosen
        for name, variable in {**variables, **optimizer.variables}.items():
            if comparable(name, always):
                close(variable, recording[f"step{t + 1}/{name}"], name=name)


def comparable(name, always):
    """Whether the port computes this variable as the original (row 12).

    Batch norm statistics of an op that was once not chosen are left out: the
    original runs all ops, the port the chosen one.
    """
    branch = re.search(r"layer_\d+/branch_\d+", name)
    return "moving_" not in name or branch is None or branch[0] in always


def close(ours, recorded, atol=1e-5, name=""):
    np.testing.assert_allclose(ours, recorded, rtol=0, atol=atol, err_msg=name)


def test_recorded_gradients_of_the_first_step():
    recording = helpers.load("enas/train_step.npz")
    child = helpers.small_child()
    helpers.assign(model_variables(child), recording, "step0/")
    batch = recording["_images"][0], recording["_labels"][0]
    arc, optimizer = (
        arc_arrays(recording["_arcs"][0]),
        ChildOptimizer(child, RULES),
    )
    step = child_step(child, optimizer, batch, arc, Draw(0.0, SEED))
    for variable, gradient in zip(
        child.trainable_variables, step.gradients, strict=True
    ):
        close(gradient, recording[f"grad1/{variable.path}"])


class OneWeight:
    """The least that an optimizer needs of a model."""

    def __init__(self, value):
        self.weight = tf.Variable(value)
        variable = type("V", (), {})()
        variable.value, variable.path = self.weight, "w"
        variable.shape = self.weight.shape
        self.trainable_variables = [variable]


def test_momentum_by_hand_with_a_changing_rate():
    # a: 1, 1.9, 2.71; w -= lr (g + .9 a).
    model = OneWeight([10.0])
    optimizer = Momentum(model)
    for rate, expected in ((0.1, 9.81), (0.2, 9.268), (0.5, 7.5485)):
        optimizer.apply([tf.constant([1.0])], rate)
        np.testing.assert_allclose(model.weight, [expected], rtol=1e-6)


def test_l2_has_no_half():
    weights = [tf.Variable([3.0]), tf.Variable([-1.0])]
    gradients, _ = GradientRules(l2_reg=0.1).apply(
        [tf.constant([1.0]), None], weights
    )
    np.testing.assert_allclose(gradients[0], [1.6], rtol=1e-6)
    np.testing.assert_allclose(gradients[1], [-0.2], rtol=1e-6)


def test_weight_decay_is_added_behind_clipping_and_without_a_two():
    weights = [tf.Variable([3.0]), tf.Variable([4.0])]
    rules = GradientRules(0.1, "weight_decay", "global", bound=1.0)
    gradients, norm = rules.apply([tf.constant([3.0]), None], weights)
    # Clipped to norm 1 (3 / 3.000001), then 0.1 w.
    np.testing.assert_allclose(norm, 3.0)
    np.testing.assert_allclose(gradients[0], [1.0 + 0.3], rtol=1e-6)
    np.testing.assert_allclose(gradients[1], [0.4], rtol=1e-6)


def test_l2_in_the_loss_counts_in_norm_and_clipping():
    weights = [tf.Variable([2.0])]
    rules = GradientRules(0.5, "in_loss", "norm", bound=1.0)
    gradients, norm = rules.apply([tf.constant([1.0])], weights)
    np.testing.assert_allclose(norm, 3.0)
    np.testing.assert_allclose(gradients[0], [1.0], rtol=1e-6)


def test_clipping_weight_by_weight_leaves_small_gradients():
    weights = [tf.Variable([0.0]), tf.Variable([0.0])]
    gradients = [tf.constant([3.0]), tf.constant([0.5])]
    clipped, _ = GradientRules(clip="norm", bound=1.0).apply(gradients, weights)
    np.testing.assert_allclose(clipped, [[1.0], [0.5]], rtol=1e-6)


def test_decays_are_factors_on_l2():
    weights = [tf.Variable([[1.0], [1.0]])]
    decays = [tf.constant([[1.0], [0.0]])]
    rules = GradientRules(0.1, "weight_decay")
    gradients, _ = rules.apply([None], weights, decays)
    np.testing.assert_allclose(gradients[0], [[0.1], [0.0]])


def test_momentum_where_leaves_weight_and_slot_of_the_others():
    model = OneWeight([10.0, 10.0])
    optimizer = Momentum(model)
    move = tf.constant([1.0, 0.0])
    for rate, expected in ((0.1, 9.81), (0.2, 9.268)):
        optimizer.apply_where([move], [tf.constant([1.0, 1.0])], rate)
        np.testing.assert_allclose(model.weight, [expected, 10.0], rtol=1e-6)
    np.testing.assert_allclose(list(optimizer.slots.values())[0], [1.9, 0.0])


@pytest.mark.parametrize("epsilon", ["outside", "inside"])
def test_adam_by_hand(epsilon):
    # v: .001, .001999; correction c = sqrt(1 - .999 ** t).
    model = OneWeight([1.0])
    adam = Adam(model, epsilon)
    w, v = 1.0, 0.0
    for t in (1, 2):
        adam.apply([tf.constant([1.0])], 0.1)
        v = 0.999 * v + 0.001
        c = np.sqrt(1 - 0.999**t)
        small = 1e-3 * (c if epsilon == "inside" else 1.0)
        w -= 0.1 * c / (np.sqrt(v) + small)
        # 1e-5: float32 powers of .999.
        np.testing.assert_allclose(model.weight, [w], rtol=1e-5)


@pytest.mark.parametrize("l2", ["in_loss", "weight_decay"])
@pytest.mark.parametrize("clip", ["none", "global", "norm"])
def test_idle_weights_count_and_move_as_weights_without_gradient(l2, clip):
    rng = np.random.default_rng(0)
    weights = [tf.constant(rng.normal(size=(5,)), tf.float32) for _ in range(3)]
    gradient = tf.constant(rng.normal(size=(5,)), tf.float32)
    decays = [tf.constant(1.0), tf.constant(1.0), tf.constant(0.0)]
    rules = GradientRules(0.3, l2, clip, 0.5)
    wanted, wanted_norm = rules.apply([gradient, None, None], weights, decays)
    idle = Idle(
        squares=tf.stack([tf.reduce_sum(w**2) for w in weights[1:]]),
        decays=tf.stack(decays[1:]),
    )
    found, norm = rules.apply([gradient], weights[:1], decays[:1], idle)
    np.testing.assert_allclose(norm, wanted_norm, rtol=1e-6)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
    factors = rules.idle_factors(idle, norm)
    for factor, weight, moved in zip(
        factors, weights[1:], wanted[1:], strict=True
    ):
        np.testing.assert_allclose(factor * weight, moved, rtol=1e-6)
