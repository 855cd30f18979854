"""The controller: its variables, and its sampling against its softmax."""

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10.macro_controller import ControllerOptions, MacroController


def build(**options):
    controller = MacroController(
        ControllerOptions(**{"num_layers": 6, "num_ops": 6, **options})
    )
    controller.build()
    return controller


def test_variables_are_those_of_the_original():
    controller = build(num_layers=12)
    ours = {v.path: tuple(v.shape) for v in controller.trainable_variables}
    assert ours == {
        "controller/lstm/layer_0/w": (128, 256),
        "controller/g_emb": (1, 64),
        "controller/emb/w": (6, 64),
        "controller/softmax/w": (64, 6),
        "controller/attention/w_1": (64, 64),
        "controller/attention/w_2": (64, 64),
        "controller/attention/v": (64, 1),
    }
    assert sum(int(np.prod(shape)) for shape in ours.values()) == 41_856


def test_samples_score_the_same_as_they_were_drawn():
    controller = build(num_ops=12)
    drawn = controller.sample(8, (1, 2))
    scored = controller.score(drawn.op_ids, drawn.skips)
    for name in ("neg_log_prob", "entropy", "skip_penalty", "op_logits"):
        np.testing.assert_allclose(
            getattr(drawn, name), getattr(scored, name), rtol=1e-6, atol=1e-6
        )


def test_same_seed_draws_the_same_arcs_and_another_others():
    controller = build()
    first, again = controller.sample(9, (1, 2)), controller.sample(9, (1, 2))
    other = controller.sample(9, (1, 3))
    np.testing.assert_array_equal(first.op_ids, again.op_ids)
    np.testing.assert_array_equal(first.skips, again.skips)
    assert np.any(first.op_ids != other.op_ids)


def chi_square(counts, probabilities):
    expected = counts.sum() * probabilities
    return np.sum((counts - expected) ** 2 / expected)


def test_frequencies_of_the_first_op_follow_its_softmax():
    # 20,000 draws over 6 ops; chi-square with 5 degrees of freedom is above
    # 25.74 with probability 1e-4 (the false-alarm rate, were the seed drawn).
    controller = build()
    for variable in controller.trainable_variables:
        variable.assign(variable * 10.0)
    sample = controller.sample(20_000, (7, 8))
    probabilities = tf.nn.softmax(sample.op_logits[0, 0]).numpy()
    assert probabilities.max() > 1.5 * probabilities.min()
    counts = np.bincount(sample.op_ids[:, 0], minlength=6)
    assert chi_square(counts, probabilities) < 25.74


def test_frequencies_of_the_first_skip_follow_its_softmax():
    # Skips of layer 1 depend on the ops before; per first pair of ops the
    # probability is one number. Sum over all draws: |z| < 3.9 fails a right
    # sampler once in 10,000 seeds.
    controller = build()
    for variable in controller.trainable_variables:
        variable.assign(variable * 10.0)
    sample = controller.sample(20_000, (9, 10))
    p = tf.nn.softmax(sample.skip_logits[:, 0])[:, 1].numpy()
    z = (sample.skips[:, 0].numpy() - p).sum() / np.sqrt((p * (1 - p)).sum())
    assert abs(z) < 3.9


def test_bounded_logits_bound_the_share_of_good_ops():
    controller = build(num_ops=306)
    for variable in controller.trainable_variables:
        variable.assign(variable * 1000.0)
    logits = controller.sample(50, (1, 1)).op_logits.numpy()
    assert np.abs(logits).max() <= 1.5
    good = np.exp(logits)[..., :6].sum(-1) / np.exp(logits).sum(-1)
    assert good.max() < 0.2867


def test_entropy_carries_no_gradient():
    controller = build()
    weights = [variable.value for variable in controller.trainable_variables]
    with tf.GradientTape() as tape:
        entropy = tf.reduce_sum(controller.sample(3, (1, 1)).entropy)
    assert all(gradient is None for gradient in tape.gradient(entropy, weights))


@pytest.mark.parametrize("layers", [1, 2])
def test_shallow_controllers_work(layers):
    sample = build(num_layers=layers).sample(5, (1, 1))
    assert sample.op_ids.shape == (5, layers)
    assert sample.skips.shape == (5, layers * (layers - 1) // 2)
    assert np.all(np.isfinite(sample.skip_penalty))
