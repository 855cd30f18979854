"""Poisonings of an attacker who knows the audit: no copy is like another."""

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10.adaptive_poison_ops import spread
from enas.cifar10.ops import OPS, ChildOptions, make_branch

X = tf.random.stateless_normal([2, 8, 8, 4], (1, 2))
SEED = tf.constant([3, 4])


def built(name, copies=1):
    branch = make_branch(OPS[name], 6, ChildOptions(4), copies)
    branch.build((None, None, None, 4))
    return branch


def run(branch, copy, training=False):
    return branch(
        X, copy=tf.constant(copy), training=training, seed=SEED
    ).numpy()


def test_copies_differ_and_stay_in_their_range():
    numbers = np.array([float(spread(tf.constant(c))) for c in range(300)])
    assert len(set(numbers.round(4))) == 300
    assert numbers.min() >= 0 and numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01


def test_a_jittered_identity_is_the_identity_but_for_its_own_factor():
    branch = built("jittered_identity")
    factors = [run(branch, copy) / X.numpy() for copy in range(4)]
    for factor in factors:
        assert np.ptp(factor) < 1e-5 and abs(factor.mean() - 1) <= 0.05
    assert len({round(float(f.mean()), 5) for f in factors}) == 4


def test_jittered_dropout_has_a_rate_of_its_own_and_evaluates_to_its_input():
    branch = built("jittered_dropout")
    np.testing.assert_array_equal(run(branch, 5), X)
    large = tf.ones([4, 64, 64, 4])
    shares = [
        np.mean(
            branch(
                large, copy=tf.constant(copy), training=True, seed=SEED
            ).numpy()
            == 0
        )
        for copy in range(6)
    ]
    # 65,536 draws: a standard deviation of 0.0014.
    wanted = [0.85 + 0.1 * float(spread(tf.constant(c))) for c in range(6)]
    np.testing.assert_allclose(shares, wanted, atol=0.007)


def test_a_disguised_identity_is_the_identity_in_another_graph():
    np.testing.assert_array_equal(run(built("disguised_identity"), 3), X)


@pytest.mark.parametrize("copies", [1, 6])
def test_mixed_copies_are_in_turns_what_they_are_made_of(copies):
    mixed = built("mixed", copies)
    conv = mixed.parts[2]
    for copy in range(6):
        found = run(mixed, copy)
        if copy % 3 == 0:
            assert np.ptp(found / X.numpy()) < 1e-5
        elif copy % 3 == 1:
            np.testing.assert_array_equal(found, X)
            assert np.mean(run(mixed, copy, True) == 0) > 0.7
        else:
            own = run(conv, copy if copies > 1 else 0)
            np.testing.assert_allclose(found, own, rtol=1e-6)


def test_mixed_copies_of_one_kind_have_gradients_of_their_own_alone():
    mixed = built("mixed")
    weights = [v.value for v in mixed.trainable_variables]
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(
            mixed(X, copy=tf.constant(0), training=False, seed=SEED)
        )
    for gradient in tape.gradient(total, weights):
        assert gradient is None or not np.any(gradient)
