"""Momentum, Adam and the gradient rules against hand numbers."""

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10.lazy_weights.copy_step import Idle
from enas.optimizers import Adam, GradientRules, Momentum


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


@pytest.mark.parametrize("clip", ["none", "global", "norm"])
@pytest.mark.parametrize("l2", ["in_loss", "weight_decay"])
def test_rules_by_their_formulas(l2, clip):
    # By the formulas of the class, weight by weight in float64; 1e-5 relative.
    rng = np.random.default_rng(0)
    weights, gradients = (
        [tf.constant(rng.normal(size=s), tf.float32) for s in ((3,), (2, 2))]
        for _ in range(2)
    )
    rules = GradientRules(0.01, l2, clip, bound=2.0)
    found, norm = rules.apply(gradients, weights)
    w = [np.float64(each) for each in weights]
    g = [np.float64(each) for each in gradients]
    if l2 == "in_loss":
        g = [a + 0.02 * b for a, b in zip(g, w, strict=True)]
    expected_norm = np.sqrt(sum(np.sum(a**2) for a in g))
    if clip == "global":
        g = [a * min(1, 2.0 / (expected_norm + 1e-6)) for a in g]
    if clip == "norm":
        g = [a * min(1, 2.0 / np.linalg.norm(a)) for a in g]
    if l2 == "weight_decay":
        g = [a + 0.01 * b for a, b in zip(g, w, strict=True)]
    np.testing.assert_allclose(norm, expected_norm, rtol=1e-5)
    for ours, expected in zip(found, g, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
