"""The option for a GPU's narrow types, as far as a CPU can prove it."""

import keras
import numpy as np
import tensorflow as tf

from enas.cifar10 import build
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.search_space import make_search_space

POISON = "identity,transposed_conv,dropout,relative_gaussian,stretched_conv"
POISON += ",jittered_identity,jittered_dropout,mixed"
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(8, 32, 32, 3)).astype(np.float32)
LABELS = np.arange(8, dtype=np.int32)
SEED = np.array([1, 2], np.int32)
RATE = np.float32(0.01)


def compiled(**settings):
    config = Config(
        poison=POISON,
        q=1,
        child_num_layers=2,
        child_out_filters=4,
        controller_lstm_size=4,
        **settings,
    )
    space = make_search_space(POISON, 1, "shared", "enas6")
    return Compiled(
        build.build_child(config, space),
        build.build_controller(config, space),
        config,
    )


def arcs(num_ops):
    """Yields arcs that run every op in every layer."""
    for op_id in range(num_ops):
        ids = np.array([op_id, num_ops - 1 - op_id], np.int32)
        yield ids, np.array([op_id % 2], np.int32)


def trained(steps, ops=None):
    """Returns losses of a step on each arc, and logits behind them."""
    num_ops = steps.child.search_space.num_ops
    losses = [
        float(steps.child_step(IMAGES, LABELS, *arc, RATE, SEED)[0])
        for arc in arcs(num_ops)
    ]
    logits = [steps.logits(IMAGES, *arc).numpy() for arc in arcs(num_ops)]
    return np.array(losses), np.array(logits)


def test_bfloat16_is_in_the_maps_and_not_in_weights_or_logits():
    half = compiled(mixed_precision="bfloat16")
    losses, logits = trained(half)
    wanted_losses, wanted = trained(compiled())
    # Eight bits of mantissa: near, and not the same.
    np.testing.assert_allclose(losses, wanted_losses, rtol=0.1)
    assert logits.dtype == np.float32
    assert 1e-4 < np.abs(logits - wanted).max()
    for variable in half.child.variables:
        assert variable.dtype == "float32", variable.path
    types = {
        op.outputs[0].dtype
        for op in half.logits.get_concrete_function().graph.get_operations()
        if op.type in ("Case", "StatelessCase")
    }
    assert types == {tf.bfloat16}


def test_the_type_of_one_child_is_not_that_of_the_next():
    compiled(mixed_precision="bfloat16")
    steps = compiled()
    assert steps.child.compute_dtype == "float32"


def test_what_a_notebook_has_set_in_keras_does_not_count():
    mine = keras.config
    before = mine.dtype_policy(), mine.floatx(), mine.image_data_format()
    try:
        mine.set_dtype_policy("mixed_bfloat16")
        mine.set_floatx("float64")
        mine.set_image_data_format("channels_first")
        steps = compiled()
        assert steps.child.compute_dtype == "float32"
        for model in (steps.child, steps.controller):
            assert {v.dtype for v in model.trainable_variables} == {"float32"}
        assert mine.floatx() == "float64"
        assert mine.dtype_policy().name == "mixed_bfloat16"
        assert mine.image_data_format() == "channels_first"
    finally:
        mine.set_floatx(before[1])
        mine.set_image_data_format(before[2])
        mine.set_dtype_policy(before[0])
