"""Learning rates by hand; parity/ compares them with recorded ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.cifar10.config import Config
from enas.schedules import cosine_restarts, learning_rate

EPOCHS = 310
# The original computes in float32: the rounding of cos (6e-8 of half the
# range, 1.5e-9) and of the result (1.9e-9 at .05) add up; measured 4.7e-9.
TOLERANCE = 1e-8


def rates(step):
    config = Config()
    return [learning_rate(config, epoch, step) for epoch in range(EPOCHS)]


def test_first_step_differs_from_the_others_in_restart_epochs_only():
    first, rest = np.array(rates(0)), np.array(rates(1))
    (differ,) = np.nonzero(first != rest)
    assert differ.tolist() == [10, 30, 70, 150]
    # cos(pi / 2) with pi cut to 7 decimals: 2.7e-8 of half the range.
    np.testing.assert_allclose(first[differ], 0.02525, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(rest[differ], 0.05, rtol=0, atol=TOLERANCE)


def test_restart_after_the_310_epochs_of_the_original():
    assert cosine_restarts(310, False, 0.05, 0.0005, 10, 2) == 0.05


def test_hand_numbers_of_a_short_period():
    # T_0 = 2, T_mul = 3: periods of 2, 6, .. epochs; range 0 to 1.
    ours = [cosine_restarts(e, False, 1.0, 0.0, 2, 3) for e in range(9)]
    sixth = [0.5 + 0.5 * math.cos(math.pi * k / 6) for k in range(6)]
    # 1e-7: the original's pi has 7 decimals.
    np.testing.assert_allclose(ours, [1, 0.5, *sixth, 1], rtol=0, atol=1e-7)
    first = [cosine_restarts(e, True, 1.0, 0.0, 2, 3) for e in (2, 8)]
    # cos(pi / 3) = 1 / 2.
    np.testing.assert_allclose(first, 0.75, rtol=0, atol=1e-7)


def test_constant_period_restarts_from_the_lowest_rate():
    # T_mul = 1: the quirk's T_curr / T_i is 1, so a restart begins at lr_min.
    first = [cosine_restarts(e, True, 1.0, 0.1, 4, 1) for e in (0, 4, 8)]
    np.testing.assert_allclose(first, [1.0, 0.1, 0.1], rtol=0, atol=1e-7)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.integers(0, 2000),
    st.booleans(),
    st.integers(1, 40),
    st.integers(1, 4),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_rates_stay_between_the_two_bounds(epoch, first, t_0, t_mul, a, b):
    low, high = min(a, b), max(a, b)
    rate = cosine_restarts(epoch, first, high, low, t_0, t_mul)
    assert low - 1e-12 <= rate <= high + 1e-12


def test_stairs_without_cosine():
    config = Config(
        child_lr_cosine=False,
        child_lr=0.1,
        child_lr_dec_every=3,
        child_lr_dec_rate=0.5,
    )
    ours = [learning_rate(config, epoch, 0) for epoch in range(7)]
    expected = np.float32([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025])
    # One rounding to float32.
    np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=0)
    assert learning_rate(config, 3, 7) == ours[3]


@pytest.mark.parametrize("cosine", [True, False])
def test_rates_are_float32(cosine):
    rate = learning_rate(Config(child_lr_cosine=cosine), 5, 0)
    assert isinstance(rate, np.float32)


def test_the_wave_rises_as_it_fell():
    config = Config(profile="paper")
    rates = [learning_rate(config, epoch, 0) for epoch in range(41)]
    assert rates[0] == rates[20] == rates[40] == np.float32(0.05)
    assert rates[10] == pytest.approx(0.0005)
    assert rates[5] == pytest.approx(0.02525)
    assert rates[7] == pytest.approx(rates[13])


def test_the_profile_picks_the_wave():
    config = Config(profile="paper")
    assert learning_rate(config, 10, 0) == np.float32(0.0005)
    assert not config.restarts and Config().restarts
    assert Config(override=("lr_schedule=wave",)).restarts is False
