"""Stacks of small variables: nothing is lost, nothing gets mixed up."""

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.optimizers import GradientRules, Momentum
from enas.run.checkpoint import model_variables, read_tensors, save
from enas.stacks import LARGE, Part, Stacks

SHAPES = [(3,), (2, 2), (3,), (LARGE,), (3,), (LARGE,)]


def tensors(seed=0):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=s), tf.float32) for s in SHAPES]


def test_what_goes_into_stacks_comes_out_again():
    stacks, values = Stacks(SHAPES), tensors()
    put = stacks.put(values)
    assert [tuple(stack.shape) for stack in put] == stacks.shapes
    # Large ones stay alone, though two have the same shape.
    assert stacks.shapes == [(3, 3), (2, 2), (LARGE,), (LARGE,)]
    for value, out in zip(values, stacks.take(put), strict=True):
        np.testing.assert_array_equal(value, out)


def test_scalars_become_factors_on_the_stacks():
    stacks, values = Stacks(SHAPES), tensors()
    factors = [tf.constant(float(i)) for i in range(len(SHAPES))]
    products = [
        factor * stack
        for factor, stack in zip(
            stacks.put(factors), stacks.put(values), strict=True
        )
    ]
    for i, out in enumerate(stacks.take(products)):
        np.testing.assert_array_equal(i * values[i], out)


def test_tensors_that_are_to_stay_alone_do():
    assert Stacks(SHAPES, alone={0, 2}).shapes[:3] == [(3,), (2, 2), (3,)]


@pytest.mark.parametrize("place", [(1,), (..., 1, slice(None)), (..., 1)])
def test_a_part_is_read_set_and_saved_as_a_variable(place, tmp_path):
    start = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    whole = tf.Variable(start)
    part = Part(whole, place)
    assert part.shape == start[place].shape and part.dtype == whole.dtype
    np.testing.assert_array_equal(np.asarray(part), start[place])
    part.assign(np.full(part.shape, 7.0, np.float32))
    start[place] = 7.0
    np.testing.assert_array_equal(whole, start)
    save(str(tmp_path / "x"), {"part": part})
    saved = read_tensors(str(tmp_path / "x"))["part"]
    np.testing.assert_array_equal(saved, start[place])


class Weights:
    """The least that an optimizer needs of a model."""

    def __init__(self, values):
        self.trainable_variables = []
        for i, value in enumerate(values):
            variable = type("V", (), {})()
            variable.value, variable.path = tf.Variable(value), f"w{i}"
            variable.shape = value.shape
            self.trainable_variables.append(variable)

    def numpy(self):
        return [v.value.numpy() for v in self.trainable_variables]


def test_momentum_of_many_weights_is_that_of_each():
    # 1e-6: the sums are rounded in another order.
    together = Weights(tensors())
    each = [Weights([value]) for value in tensors()]
    optimizers = [Momentum(one) for one in each]
    optimizer = Momentum(together)
    for step in range(1, 4):
        gradients, rate = tensors(step), 0.1 * step
        optimizer.apply(gradients, rate)
        for one, gradient in zip(optimizers, gradients, strict=True):
            one.apply([gradient], rate)
    for value, one in zip(together.numpy(), each, strict=True):
        np.testing.assert_allclose(value, one.numpy()[0], rtol=0, atol=1e-6)
    slots = [next(iter(one.slots.values())) for one in optimizers]
    for slot, one in zip(optimizer.slots.values(), slots, strict=True):
        np.testing.assert_allclose(slot, one, rtol=0, atol=1e-6)


def test_weights_of_one_shape_may_move_whole_or_copy_by_copy():
    ones = np.ones((3, 3), np.float32)
    weights = Weights([ones, ones])
    moves = [tf.constant(1.0), tf.constant([[1.0], [0.0], [0.0]])]
    Momentum(weights).apply_where(moves, [tf.constant(ones)] * 2, 0.1)
    whole, by_copy = weights.numpy()
    # w - lr (g + .9 a) = 1 - .1 (1 + .9).
    np.testing.assert_allclose(whole, 0.81 * ones, rtol=1e-6)
    np.testing.assert_allclose(by_copy[0], 0.81 * ones[0], rtol=1e-6)
    np.testing.assert_array_equal(by_copy[1:], ones[1:])


@pytest.mark.parametrize("clip", ["none", "global", "norm"])
@pytest.mark.parametrize("l2", ["in_loss", "weight_decay"])
def test_rules_on_stacks_mean_what_they_mean_on_weights(l2, clip):
    # By the formulas of the class, weight by weight in float64; 1e-5 relative.
    weights, gradients = tensors(1), tensors(2)
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


def test_a_step_hands_over_fewer_variables_than_a_checkpoint_has_names():
    child = helpers.small_child()
    optimizer = Momentum(child)
    assert len(optimizer.slots) == len(child.trainable_variables)
    assert len(optimizer._slots) < len(optimizer.slots) / 8
    moving = [v for v in child.variables if v.name in ("moving", "statistics")]
    names = [n for n in model_variables(child) if n.endswith("moving_mean")]
    assert len(moving) == len(names) > 0
