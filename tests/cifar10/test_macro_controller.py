"""The controller against recordings, and its sampling against its softmax."""

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam
from enas.run.checkpoint import model_variables
from helpers import Arc


@pytest.fixture(scope="module")
def recording():
    return helpers.load("enas/controller.npz")


def build(**options):
    controller = MacroController(
        ControllerOptions(**{"num_layers": 6, "num_ops": 6, **options})
    )
    controller.build()
    return controller


@pytest.fixture(scope="module")
def recorded(recording):
    controller = build()
    helpers.assign(model_variables(controller), recording, "step0/")
    return controller


def arcs_of(recording, part, rows=slice(None)):
    arcs = [Arc.from_flat(a, 6, 6) for a in recording[f"{part}/sample_arc"]]
    arcs = np.array(arcs, dtype=object)[rows]
    op_ids = np.int32([arc.op_ids for arc in arcs])
    return op_ids, np.int32([arc.skips for arc in arcs])


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


def test_recorded_arcs_score_as_recorded(recorded, recording):
    # 1e-5 on sums of 21 float32 logarithms of up to 60.
    sample = recorded.score(*arcs_of(recording, "A"))
    for ours, name in (
        (sample.neg_log_prob, "log_prob"),
        (sample.entropy, "entropy"),
        (sample.skip_count, "skip_count"),
        (sample.skip_penalty, "skip_penaltys"),
        (sample.op_logits, "op_logits"),
        (sample.skip_logits, "skip_logits"),
    ):
        np.testing.assert_allclose(
            ours, recording[f"A/{name}"], rtol=0, atol=1e-5, err_msg=name
        )


def test_recorded_rewards_baselines_and_losses_follow(recorded, recording):
    reward = recording["A/valid_acc"] + 1e-4 * recording["A/entropy"]
    np.testing.assert_allclose(reward, recording["A/reward"], atol=1e-6)
    before = recording["A/baseline_before"]
    baseline = before - np.float32(0.01) * (before - reward)
    np.testing.assert_allclose(
        baseline, recording["A/baseline_after"], atol=1e-6
    )
    losses, _, _ = controller_gradients(
        recorded,
        Adam(recorded),
        arcs_of(recording, "A"),
        np.float32(reward - baseline),
    )
    np.testing.assert_allclose(losses, recording["A/loss"], rtol=0, atol=1e-5)


def test_recorded_gradients_of_single_arcs(recorded, recording):
    # 1e-5: magnitudes up to 3, backward through 12 LSTM steps.
    advantages = recording["A/reward"] - recording["A/baseline_after"]
    for i in range(6):
        row = slice(i, i + 1)
        _, norm, gradients = controller_gradients(
            recorded,
            Adam(recorded),
            arcs_of(recording, "A", row),
            advantages[row],
        )
        np.testing.assert_allclose(norm, recording["A/grad_norm"][i], rtol=1e-5)
        for variable, gradient in zip(
            recorded.trainable_variables, gradients, strict=True
        ):
            np.testing.assert_allclose(
                gradient,
                recording[f"A/grad{i}/{variable.path}"],
                rtol=0,
                atol=1e-5,
            )


def test_recorded_updates_with_the_mean_gradient(recording):
    # The embedding is left to its own check: the original's sparse
    # accumulator scales its gradient about tenfold (row 28d).
    controller = build()
    adam = Adam(controller)
    helpers.assign(model_variables(controller), recording, "step0/")
    helpers.assign(adam.slots, recording, "step0/")
    for update in (1, 2, 3):
        rows = recording[f"B/runs_in_update{update}"]
        reward, baseline = (
            recording[f"B/{name}"][rows]
            for name in ("reward", "baseline_after")
        )
        _, _, gradients = controller_gradients(
            controller,
            adam,
            arcs_of(recording, "B", rows),
            reward - baseline,
        )
        adam.apply(gradients, 0.001)
        variables = {**model_variables(controller), **adam.slots}
        for name, variable in variables.items():
            if "emb/w" in name:
                continue
            np.testing.assert_allclose(
                variable,
                recording[f"step{update}/{name}"],
                rtol=0,
                atol=1e-5,
                err_msg=f"{update} {name}",
            )
        names = [v.path for v in controller.trainable_variables]
        np.testing.assert_allclose(
            gradients[names.index("controller/emb/w")],
            recording[f"B/emb_mean_grad{update}"],
            rtol=0,
            atol=1e-5,
        )
        helpers.assign(model_variables(controller), recording, f"step{update}/")
        helpers.assign(adam.slots, recording, f"step{update}/")


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
