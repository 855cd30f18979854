"""Max pooling: the numbers of TensorFlow, forward and backward."""

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10.branches import ChildOptions
from enas.cifar10.layers import max_pool
from enas.cifar10.layers.max_pool import max_pool_3x3
from enas.cifar10.ops import OPS, make_branch


def both(function, x, dy):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x, dy)


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (3, 8, 8, 4), (1, 1, 1, 2)])
@pytest.mark.parametrize("levels", [3, 1_000_000])
def test_values_and_gradients_are_tensorflows_bit_for_bit(shape, levels):
    # With three levels nearly every window has equal maxima.
    rng = np.random.default_rng(0)
    x = tf.constant(rng.integers(-1, levels, shape), tf.float32)
    dy = tf.constant(rng.normal(size=shape), tf.float32)
    ours = both(max_pool_3x3, x, dy)
    original = both(lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME"), x, dy)
    for mine, theirs in zip(ours, original, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_it_works_within_a_graph_of_unknown_sizes():
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 2])], autograph=False
    )
    def gradient(x):
        return both(max_pool_3x3, x, tf.ones_like(x))[1]

    for batch, side in ((1, 4), (5, 8)):
        x = tf.random.stateless_normal([batch, side, side, 2], [1, batch])
        # Every window sends one.
        assert float(tf.reduce_sum(gradient(x))) == batch * side * side * 2


@pytest.mark.parametrize("gpus", [0, 1])
def test_with_a_gpu_tensorflows_own_kernel_runs(monkeypatch, gpus):
    calls = []

    @tf.custom_gradient
    def fused(x):
        calls.append("fused")
        return tf.identity(x), lambda dy: dy

    monkeypatch.setattr(max_pool, "max_pool_3x3", fused)
    cards = [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")] * gpus
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: cards)
    options = ChildOptions(filters=4)
    branch = make_branch(OPS["max_pool_3x3"], 5, options, 1)
    branch.build(options.feature_shape)
    # What was chosen when the layer was built stays.
    monkeypatch.undo()
    branch(tf.ones([1, 4, 4, 4]), copy=0, training=True, seed=[0, 0])
    assert calls == ["fused"] * (1 - gpus)
