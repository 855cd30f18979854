"""Skips: the same sums and gradients as adding what was chosen."""

import itertools
import random

import numpy as np
import pytest
import tensorflow as tf

from enas.bench.timed_search import StaticNetwork
from enas.cifar10.arc import Arc
from enas.cifar10.compiled import CompiledStep
from enas.cifar10.layers.skip_connections import _readers, _total
from enas.cifar10.lazy_weights.graph_rewriting import rewrite
from enas.optimizers import GradientRules
from helpers import child_gradients, small_child

IMAGES = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])
LABELS = tf.constant([0, 1])
SEED = tf.constant([3, 4])


def scalars(bits):
    return [tf.constant(bit) for bit in bits]


@pytest.mark.parametrize(
    "bits", list(itertools.product([0, 1], repeat=3)), ids=str
)
def test_a_sum_holds_what_is_chosen_and_nothing_else(bits):
    candidates = [tf.constant([2.0**i]) for i in range(len(bits))]
    total = _total(tf.constant([0.5]), scalars(bits), candidates)
    expected = 0.5 + sum(2.0**i for i, bit in enumerate(bits) if bit)
    assert float(total[0]) == expected


@pytest.mark.parametrize(
    "bits", list(itertools.product([0, 1], repeat=3)), ids=str
)
def test_gradients_of_readers_that_did_not_choose_are_left_out(bits):
    x = tf.constant([1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        *parts, rest = _readers(x, scalars(bits))
        # nan: what comes back from those who did not choose is not even read.
        factors = [2.0**i if bit else np.nan for i, bit in enumerate(bits)]
        chosen = map(tf.multiply, factors, parts)
        y = 0.5 * rest + sum(chosen)
    expected = 0.5 + sum(2.0**i for i, bit in enumerate(bits) if bit)
    assert float(tape.gradient(y, x)[0]) == expected


@pytest.mark.parametrize("layers", [5, 14])
def test_gradients_are_those_of_the_network_without_switches(layers):
    # 14 layers: sums of up to 13 candidates, stages of 4 and 6 layers.
    rng = random.Random(layers)
    ops = [rng.randrange(6) for _ in range(layers)]
    skips = [rng.randrange(2) for _ in range(layers * (layers - 1) // 2)]
    child = small_child(layers=layers, filters=2)
    arc = np.int32(ops), np.int32(skips)
    static = StaticNetwork(child, Arc(tuple(ops), tuple(skips)))
    rules = GradientRules()
    wanted, expected, *_ = child_gradients(
        static, IMAGES, LABELS, None, SEED, rules
    )
    loss, gradients, *_ = child_gradients(
        child, IMAGES, LABELS, arc, SEED, rules
    )
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    found = {
        v.path: gradient
        for v, gradient in zip(
            child.trainable_variables, gradients, strict=True
        )
    }
    for variable, gradient in zip(
        static.trainable_variables, expected, strict=True
    ):
        # Sums of float32 in another order, through 14 batch norms.
        np.testing.assert_allclose(
            found.pop(variable.path), gradient, rtol=1e-3, atol=1e-4
        )
    assert not any(np.any(rest) for rest in found.values())


def test_rewriting_is_as_each_step_wants_it():
    def wanted():
        options = tf.config.optimizer.get_experimental_options()
        return not options.get("disable_meta_optimizer", False)

    spec = [tf.TensorSpec([], tf.float32)]
    training = CompiledStep(lambda x: x + 1, spec, rewritten=False)
    evaluation = CompiledStep(lambda x: x + 2, spec)
    try:
        for step, state in ((training, False), (evaluation, True)) * 2:
            step(np.float32(1))
            assert wanted() is state
    finally:
        rewrite(True)
