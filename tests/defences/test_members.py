"""What each defence does to the controller's choices, without a child."""

import copy

import numpy as np
import pytest

from enas.cifar10.config.combinations import DEFENCES as NAMES
from enas.defences.combined import Combined
from enas.defences.members import (
    DEFENCES,
    REMOVED,
    Deduplicate,
    Discard,
    Function,
    Prune,
    Reweight,
    sequence_radius,
)

LAYERS = 5
# Six op ids of their own, then 300 of one linear function.
GOOD = [Function((i,), (), False) for i in range(6)]
BAD = Function(tuple(range(6, 306)), ("returns its input",), True)
SPACE = [*GOOD, BAD]
SHAPE = (LAYERS, 306)
ZERO = np.zeros(SHAPE, np.float32)


def shares(prior, functions=SPACE):
    """Returns the probability of each function at equal logits, layer 0."""
    p = np.exp(prior[0].astype(float))
    p /= p.sum()
    return np.array([p[list(f.op_ids)].sum() for f in functions])


def test_flags_know_all_defences():
    assert tuple(DEFENCES) == NAMES


def test_one_op_id_of_a_function_is_left():
    prior = Deduplicate(SPACE).apply(ZERO)
    assert (prior[:, :7] == 0).all() and (prior[:, 7:] == REMOVED).all()
    np.testing.assert_allclose(shares(prior), 1 / 7)


def test_every_function_has_the_same_prior():
    prior = Reweight(SPACE).apply(ZERO)
    np.testing.assert_allclose(shares(prior), 1 / 7, rtol=1e-5)
    assert (prior > REMOVED).all()


def test_reweighting_what_is_left_changes_nothing():
    once = Deduplicate(SPACE).apply(ZERO)
    np.testing.assert_array_equal(Reweight(SPACE).apply(once), once)


@pytest.mark.parametrize("first", ["deduplicate", "discard", "prune"])
def test_reweighting_counts_what_is_left_in_any_order(first):
    priors = [
        Combined(names, SPACE, *SHAPE).prior.numpy()
        for names in ([first, "reweight"], ["reweight", first])
    ]
    np.testing.assert_array_equal(*priors)
    left = [share for share in shares(priors[0]) if share]
    np.testing.assert_allclose(left, 1 / len(left), rtol=1e-5)


def test_functions_of_little_use_are_left_out():
    prior = Discard(SPACE).apply(ZERO)
    np.testing.assert_allclose(shares(prior), [1 / 6] * 6 + [0])


def test_a_space_of_nothing_else_is_searched_as_it_is():
    bad = [Function((0, 1), ("linear",), True), Function((2,), ("x",), False)]
    prior = Discard(bad).apply(np.zeros((LAYERS, 3), np.float32))
    assert (prior == 0).all()


def bandit(effects, prior, rng, arcs=20, noise=0.1):
    """Returns (op ids, advantages) of an update: effects add up over layers."""
    p = np.exp(prior.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    op_ids = np.stack(
        [rng.choice(len(effects), arcs, p=layer) for layer in p], axis=1
    )
    advantages = effects[op_ids].mean(axis=1) + rng.normal(0, noise, arcs)
    return op_ids.astype(np.int32), advantages.astype(np.float32)


def searched(effects, functions, updates, seed):
    """Returns the `Prune` after a search that it pruned."""
    rng = np.random.default_rng(seed)
    shape = (LAYERS, len(effects))
    prune, prior = Prune(functions), np.zeros(shape, np.float32)
    for _ in range(updates):
        op_ids, advantages = bandit(effects, prior, rng)
        prune.observe(op_ids, advantages)
        prior = prune.apply(np.zeros(shape, np.float32))
    return prune, prior


def test_equal_functions_are_dropped_no_more_often_than_stated():
    # 60 searches of 200 updates; at an error rate of 5 % more than 7 false
    # searches of 60 have a probability of 1 %.
    functions = [Function((i,), (), False) for i in range(7)]
    false = sum(
        bool((searched(np.zeros(7), functions, 200, seed)[1] < 0).any())
        for seed in range(60)
    )
    assert false <= 7


def test_copies_that_do_harm_are_dropped_and_good_ops_stay():
    effects = np.array([0.3] * 6 + [0.0] * 300)
    false, found = 0, 0
    for seed in range(10):
        prune, prior = searched(effects, SPACE, 400, seed)
        found += shares(prior)[-1] == 0
        false += int((prior[0, :6] < 0).sum())
    assert found >= 9
    # 5 % of 10 searches, six ops each.
    assert false <= 1


def test_small_differences_are_found():
    # Effects and noise like those of a search that has one op id a function:
    # a layer of poison costs 1.2 points, rewards are read on 32 images.
    functions = [Function((i,), (), False) for i in range(9)]
    effects = np.array([0.06] * 6 + [0.0] * 3)
    priors = [searched(effects, functions, 240, s)[1][0] for s in range(6)]
    assert sum((prior[6:] < 0).sum() for prior in priors) >= 6
    assert not any((prior[:6] < 0).any() for prior in priors)


def test_near_copies_pool_their_evidence():
    effects = np.array([0.3] * 6 + [0.0] * 300)
    apart = [Function((i,), (), i >= 6) for i in range(306)]
    _, pooled = searched(effects, SPACE, 400, 0)
    _, single = searched(effects, apart, 400, 0)
    assert (pooled[0, 6:] < 0).sum() > (single[0, 6:] < 0).sum()


def test_one_function_that_is_not_linear_always_stays():
    functions = [Function((0,), (), False), Function((1,), (), True)]
    prune, prior = searched(np.array([-0.5, 0.5]), functions, 100, 0)
    assert prune.margins()[0, 1] > 0
    assert (prior[:, 0] == 0).all()


def test_where_all_are_linear_the_worse_one_goes():
    functions = [Function((i,), (), True) for i in (0, 1)]
    prune, prior = searched(np.array([-0.5, 0.5]), functions, 100, 0)
    assert (prior[:, 0] == REMOVED).all() and (prior[:, 1] == 0).all()


def test_bounds_cover_the_mean_at_all_times():
    # The sequence may miss the mean at any time in at most 5 % of 400 series;
    # 33 or more have a probability below 0.5 %.
    rng = np.random.default_rng(1)
    n = np.arange(1, 1001)
    means = np.cumsum(rng.normal(size=(400, 1000)), axis=1) / n
    radius = sequence_radius(n.astype(float), 0.05)
    missed = (np.abs(means[:, 20:]) > radius[20:]).any(axis=1).sum()
    assert missed <= 32


def test_what_was_seen_comes_back():
    prune, _ = searched(np.array([0.3] * 6 + [0.0] * 300), SPACE, 50, 3)
    again = Prune(SPACE)
    again.state = copy.deepcopy(prune.state)
    rng = np.random.default_rng(9)
    op_ids = rng.integers(0, 306, (20, LAYERS))
    values = rng.normal(size=20).astype(np.float32)
    assert prune.observe(op_ids, values) == again.observe(op_ids, values)
    for name, value in prune.state.items():
        np.testing.assert_array_equal(value, again.state[name])


@pytest.mark.parametrize("name", DEFENCES)
def test_a_space_of_different_useful_ops_is_left_as_it_is(name):
    member = DEFENCES[name](GOOD)
    zero = np.zeros((LAYERS, 6), np.float32)
    np.testing.assert_array_equal(member.apply(zero), zero)
