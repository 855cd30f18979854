"""The poisonings: what they compute, and how one adds another."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10 import poison_ops
from enas.cifar10.branches import make_layer
from enas.cifar10.layers import image_ops
from enas.cifar10.ops import OPS, Branch, ChildOptions, make_branch
from enas.cifar10.poison_ops import register_poison
from enas.cifar10.search_space import POISON_SETS, make_search_space
from enas.errors import UserError
from enas.tools.keras_layers import Choices
from helpers import small_child

X = tf.random.stateless_normal([8, 6, 6, 4], [1, 2])
SEED = tf.constant([5, 6])
FIRST = tf.constant(0)
POISONS = sorted(name for name, op in OPS.items() if op.poison)


def built(name, copies=1, options=None, **settings):
    options = options or ChildOptions(4, op_settings=settings)
    branch = make_branch(OPS[name], 6, options, copies)
    branch.build((None, None, None, 4))
    return branch


def test_every_op_of_the_poison_sets_is_registered():
    for ops in POISON_SETS.values():
        assert set(ops) <= set(POISONS)


@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("training", [False, True])
def test_shape_and_type_are_kept(name, training):
    y = built(name).call(X, FIRST, training, SEED)
    assert y.shape == X.shape
    assert y.dtype == X.dtype


@pytest.mark.parametrize(
    "name", [*POISON_SETS["grouped"], *POISON_SETS["relative_gaussian"]]
)
def test_every_poisoning_of_the_paper_and_the_noise_are_linear(name):
    # A child of poison alone has no ReLU.
    branch = built(name)
    z = tf.random.stateless_normal(X.shape, [3, 4])

    def f(x):
        return branch.call(x, FIRST, True, SEED)

    np.testing.assert_allclose(
        f(2.0 * X - 3.0 * z), 2.0 * f(X) - 3.0 * f(z), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("training", [False, True])
def test_identity_returns_its_input(training):
    y = built("identity").call(X, FIRST, training, SEED)
    np.testing.assert_array_equal(y, X)


@pytest.mark.parametrize("size", [3, 5])
def test_transposed_conv_spreads_each_input_over_its_kernel(size):
    branch = built(f"transposed_conv_{size}x{size}")
    w, x = branch.w.numpy(), X.numpy()
    half = size // 2
    wide = np.zeros((8, 6 + 2 * half, 6 + 2 * half, 4))
    for i in range(size):
        for j in range(size):
            part = np.einsum("bhwi,oi->bhwo", x, w[i, j])
            wide[:, i : i + 6, j : j + 6] += part
    y = branch.call(X, FIRST, False, SEED)
    expected = wide[:, half : half + 6, half : half + 6]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)


def test_unique_copies_have_weights_of_their_own_in_one_variable():
    branch = built("transposed_conv_3x3", copies=3)
    assert [tuple(v.shape) for v in branch.variables] == [(3, 3, 3, 4, 4)]
    alone = built("transposed_conv_3x3")
    outputs = []
    for copy in range(3):
        alone.w.assign(branch.w.numpy()[copy])
        y = branch.call(X, tf.constant(copy), False, SEED)
        np.testing.assert_allclose(y, alone.call(X, FIRST, False, SEED))
        outputs.append(y.numpy())
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1
    assert np.abs(outputs[1] - outputs[2]).max() > 0.1


def test_op_ids_of_unique_copies_run_different_weights():
    space = make_search_space("transposed_conv_3x3", 2, "unique", "enas6")
    child = small_child(space, layers=1)
    images = tf.random.stateless_normal([2, 32, 32, 3], [1, 1])
    no_skips = np.zeros(0, np.int32)
    one, two = (child(images, (np.int32([i]), no_skips)) for i in (6, 7))
    assert np.abs(one - two).max() > 1e-3


def test_dropout_keeps_a_tenth_and_scales_it_up():
    # 400,000 draws: the share's std is 0.0005, the bound 5 of them.
    x = tf.ones([100, 10, 100, 4])
    y = built("dropout").call(x, FIRST, True, SEED).numpy()
    assert np.mean(y != 0) == pytest.approx(0.1, abs=0.0025)
    np.testing.assert_allclose(y[y != 0], 10.0, rtol=1e-6)


def test_dropout_draws_by_its_seed():
    branch = built("dropout", poison_dropout_rate=0.5)
    draws = [
        branch.call(X, FIRST, True, tf.constant(seed)).numpy()
        for seed in ([1, 2], [1, 2], [1, 3])
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.any(draws[0] != draws[2])


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_at_its_ends(rate, kept):
    branch = built("dropout", poison_dropout_rate=rate)
    y = branch.call(X, FIRST, True, SEED)
    np.testing.assert_allclose(y, kept * X, rtol=1e-6)


def test_dropout_is_off_in_evaluation():
    y = built("dropout").call(X, FIRST, False, SEED)
    np.testing.assert_array_equal(y, X)


def test_layers_drop_other_activations():
    child = small_child(make_search_space("dropout", 1, "shared", "enas6"))
    images = tf.random.stateless_normal([2, 32, 32, 3], [1, 1])
    arc = (np.full(6, 6, np.int32), np.zeros(15, np.int32))
    child(images, arc, training=True, seed=SEED)
    layers = child.enas_layers[:2]
    outputs = [
        layer.branches[6].call(
            tf.ones([1, 8, 8, 8]),
            FIRST,
            True,
            poison_ops.common_ops.fold_in(SEED, k),
        )
        for k, layer in enumerate(layers)
    ]
    assert np.any(outputs[0].numpy() != outputs[1].numpy())


def test_a_poisoning_of_ones_own_is_one_class_and_one_name():
    @register_poison("half")
    class Half(Branch):
        def call(self, x, copy, training, seed):
            return x / 2

    assert issubclass(Half, Branch)
    space = make_search_space("half,identity", 5)
    child = small_child(space, layers=1)
    np.testing.assert_allclose(
        child.enas_layers[0].branches[6].call(X, FIRST, True, SEED), X / 2
    )
    assert space.branch(6) == 6 and space.branch(11) == 7


@pytest.mark.parametrize("name", ["identity", "conv_3x3"])
def test_a_taken_name_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}.*Taken names"):
        register_poison(name)(Branch)


def test_noise_is_sigma_times_the_activation():
    # 400,000 draws: the std of their std is 0.0011 sigma, the bound 5 of them.
    x = tf.constant([0.5, -3.0, 7.0, 100.0]) * tf.ones([100, 10, 100, 4])
    for sigma in (2.0, 10.0):
        branch = built("relative_gaussian", poison_noise_sigma=sigma)
        ratio = branch.call(x, FIRST, True, SEED) / x - 1.0
        for channel in range(4):
            of_one = ratio.numpy()[..., channel] / sigma
            assert of_one.std() == pytest.approx(1.0, abs=0.012)
            assert of_one.mean() == pytest.approx(0.0, abs=0.016)


def test_no_gradient_flows_through_the_noise():
    branch = built("relative_gaussian")
    with tf.GradientTape() as tape:
        tape.watch(X)
        y = branch.call(X, FIRST, True, SEED)
    np.testing.assert_array_equal(tape.gradient(y, X), np.ones(X.shape))


@pytest.mark.parametrize("mode", [True, image_ops.FROZEN])
def test_noise_draws_by_its_seed_and_is_off_in_evaluation(mode):
    branch = built("relative_gaussian")
    seeds = ([1, 2], [1, 2], [1, 3])
    draws = [branch.call(X, FIRST, mode, tf.constant(s)) for s in seeds]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.any(draws[0] != draws[2])
    off = branch.call(X, FIRST, False, SEED)
    np.testing.assert_array_equal(off, X)


@pytest.mark.parametrize(
    ("name", "options", "mode", "wanted"),
    [
        ("identity", {}, True, True),
        ("transposed_conv_3x3", {}, False, False),
        ("dropout", {}, False, True),
        ("dropout", {}, image_ops.FROZEN, False),
        ("dropout", {"poison_dropout_rate": 0.0}, True, True),
        ("relative_gaussian", {}, False, True),
        ("relative_gaussian", {}, image_ops.FROZEN, False),
        ("relative_gaussian", {"poison_noise_sigma": 0.0}, True, True),
        ("stretched_conv", {}, False, False),
    ],
)
def test_ops_know_whether_they_return_their_input(name, options, mode, wanted):
    branch = built(name, **options)
    assert branch.returns_input(mode) is wanted
    y = branch.call(X, FIRST, mode, SEED)
    assert np.array_equal(y, X) == wanted


def stretched(x, w):
    """The convolution of dilation and padding 50 as it is defined."""
    padded = tf.pad(x, [[0, 0], [50, 50], [50, 50], [0, 0]])
    return tf.nn.conv2d(padded, w, 1, "VALID", dilations=50)


@pytest.mark.parametrize("size", [32, 16, 8])
@pytest.mark.parametrize("training", [False, True])
def test_stretched_conv_equals_its_centre_tap(size, training):
    branch = built("stretched_conv")
    x = tf.random.stateless_normal([2, size, size, 4], [1, 2])
    inner = branch.inp_conv(x, training=training)
    w = branch.out_conv.w.value
    assert w.shape == (3, 3, 4, 4)
    centre = tf.nn.conv2d(inner, w[1:2, 1:2], 1, "SAME")
    np.testing.assert_allclose(stretched(inner, w), centre, atol=1e-5)
    expected = tf.nn.relu(branch.out_conv.bn(centre, training=training))
    fresh = built("stretched_conv").call(x, FIRST, training, SEED)
    np.testing.assert_allclose(fresh, expected, atol=1e-5)


def test_outer_taps_of_a_stretched_conv_have_no_gradient():
    branch = built("stretched_conv")
    w = branch.out_conv.w.value
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.square(branch.call(X, FIRST, True, SEED)) * X)
    gradient = tape.gradient(y, w).numpy()
    assert np.abs(gradient[1, 1]).max() > 0
    gradient[1, 1] = 0
    assert not gradient.any()


@pytest.mark.parametrize(("image_size", "taps"), [(32, 1), (64, 9)])
def test_the_cost_of_a_stretched_conv_is_of_the_taps_that_are_computed(
    image_size, taps
):
    # Also on pooled maps, where the outer taps of a large image see nothing.
    options = ChildOptions(4, image_size=image_size)
    branch = built("stretched_conv", options=options)
    pixels = (image_size // 2) ** 2
    height, width = branch.out_conv.kernel(0).shape[:2]
    assert height * width == taps
    one = branch.cost(4, pixels).multiply_adds
    assert one == (1 + taps) * 4 * 4 * pixels


def test_on_larger_maps_a_stretched_conv_uses_its_outer_taps():
    branch = built("stretched_conv", options=ChildOptions(4, image_size=64))
    x = tf.random.stateless_normal([2, 64, 64, 4], [1, 2])
    inner = branch.inp_conv(x, training=True)
    wide = stretched(inner, branch.out_conv.w.value)
    expected = tf.nn.relu(branch.out_conv.bn(wide, training=True))
    y = branch.call(x, FIRST, True, SEED)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    # Its gradient needs kernels that TensorFlow has without oneDNN.
    with tf.GradientTape() as tape:
        y = branch.call(x, FIRST, True, SEED)
        loss = tf.reduce_sum(y * x)
    gradient = tape.gradient(loss, branch.out_conv.w.value).numpy()
    assert (np.abs(gradient).max(axis=(2, 3)) > 0).all()
    symbol = keras.Input((64, 64, 4))
    form = branch.keras_form(symbol, Choices("moving"))
    y = keras.Model(symbol, form)(x)
    expected = branch.call(x, FIRST, False, SEED)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_unique_copies_of_a_stretched_conv_are_apart(training):
    stacked = built("stretched_conv", copies=3)
    shapes = {tuple(v.shape)[0] for v in stacked.variables}
    assert shapes == {3}
    alone = built("stretched_conv")
    rng = np.random.default_rng(0)
    for variable in stacked.variables:
        if variable.name != "statistics":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    before = [v.numpy() for v in stacked.variables]
    for one, many in zip(alone.variables, before, strict=True):
        one.assign(many[1])
    y = tf.function(stacked.call)(X, tf.constant(1), training, SEED)
    expected = alone.call(X, FIRST, training, SEED)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    for one, many, old in zip(
        alone.variables, stacked.variables, before, strict=True
    ):
        np.testing.assert_allclose(many[1], one, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(many[0], old[0])
        np.testing.assert_array_equal(many[2], old[2])


def test_dropout_of_1_leaves_no_information():
    space = make_search_space("dropout", 1, "shared", "enas6")
    child = small_child(
        space, layers=2, op_settings={"poison_dropout_rate": 1.0}
    )
    images = tf.random.stateless_normal([4, 32, 32, 3], [1, 1])
    arc = (np.int32([6, 6]), np.zeros(1, np.int32))
    logits = child(images, arc, training=image_ops.FROZEN, seed=SEED).numpy()
    np.testing.assert_array_equal(logits, logits[:1].repeat(4, axis=0))


def test_an_op_may_compute_something_else_for_each_copy():
    @register_poison("times")
    class Times(Branch):
        def call(self, x, copy, training, seed):
            rate = tf.cast(copy, x.dtype) / 4
            return self.options.dropout(x, rate, seed)

    space = make_search_space("times", 3)
    child = small_child(space, layers=1)
    assert len(child.enas_layers[0].branches) == 7
    branch = tf.function(child.enas_layers[0].branches[6].call, autograph=False)
    for copy in range(3):
        y = branch(tf.ones([8, 32, 32, 4]), tf.constant(copy), True, SEED)
        # 32,768 draws: the share's std is below 0.003, the bound 5 of them.
        assert np.mean(y == 0) == pytest.approx(copy / 4, abs=0.014)


def test_a_keras_form_that_fails_is_told_in_one_sentence():
    class Wrong(Branch):
        def keras_form(self, x, choices):
            return choices.lay(x, x)

    layer = make_layer(Wrong, "branch_0", ChildOptions(4))
    with pytest.raises(UserError, match="keras_form of the op Wrong raised"):
        Choices("moving").lay(layer, 1.0)
