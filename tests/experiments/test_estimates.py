"""Statistics against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from enas.experiments.estimates import (
    above,
    concordance,
    correlation,
    estimate,
    kendall_of_many,
    mean_curve,
    moving_average,
    paired,
    partial,
    spearman_of_many,
    verdict,
    window,
)


def test_a_rank_correlation_needs_8_rows():
    assert np.isnan(correlation(np.arange(7.0), np.arange(7.0)))
    assert correlation(np.arange(8.0), np.arange(8.0)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("of_many", "of_one"),
    [(spearman_of_many, stats.spearmanr), (kendall_of_many, stats.kendalltau)],
)
def test_many_resamples_at_once_are_what_scipy_says_of_each(of_many, of_one):
    # Few values, so that there are ties.
    x, y = np.random.default_rng(0).integers(0, 6, (2, 40, 16))
    wanted = [of_one(a, b).statistic for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(of_many(x, y, axis=-1), wanted, atol=1e-12)


def test_pairs_of_one_share_are_compared_by_hand():
    ours = np.array([1.0, 2.0, 3.0, 0.0])
    paper = np.array([1.0, 3.0, 2.0, 9.0])
    share = np.array([0.5, 0.51, 0.52, 0.9])
    assert concordance(ours, paper, share) == (2, 3)


def test_what_a_third_explains_leaves_nothing():
    rng = np.random.default_rng(0)
    third = np.arange(200.0)
    a, b = third + rng.normal(0, 30, 200), third + rng.normal(0, 30, 200)
    assert correlation(a, b) > 0.7
    assert abs(partial(a, b, third)) < 0.2
    # One that is ordered as the third has nothing left.
    for n in range(8, 40):
        assert np.isnan(partial(third[:n], b[:n], third[:n])), n


def test_an_interval_is_students_by_hand():
    # t(.975, 2) = 4.3027; sd of 1, 2, 3 is 1.
    found = estimate([1.0, 2.0, 3.0])
    assert found[:3] == (3, 2.0, pytest.approx(1))
    assert found.half == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert str(found) == "2.00 ± 2.48"
    assert str(estimate([5.0])) == "5.00" and str(estimate([])) == "-"


@pytest.mark.parametrize(
    ("after", "word"),
    [
        ({1: 3.0, 2: 3.1, 3: 2.9}, "told apart"),
        ({1: -3.0, 2: -3.1, 3: -2.9}, "reversed"),
        ({1: 3.0, 2: -2.0, 3: 0.5}, "not told apart"),
        ({1: 3.0}, "one seed"),
        ({9: 3.0}, "no common seed"),
    ],
)
def test_a_difference_is_paired_by_seed_and_judged_by_its_interval(after, word):
    before = dict.fromkeys((1, 2, 3), 0.0)
    assert verdict(paired(after, before)) == word


def test_two_programs_are_compared_by_welch_by_hand():
    # Means 2 and 7, variances of the means 1 and 4, hence 25/17 degrees.
    half = stats.t.ppf(0.975, 25 / 17) * 5**0.5
    found = above([1, 3], [5, 9])
    assert found.interval == f"{-5 - half:.2f} to {-5 + half:.2f}"
    assert verdict(found) == "not told apart"


def test_one_number_is_told_apart_where_one_more_of_the_others_would_not_lie():
    # Of 5 and 9: mean 7, sd sqrt(8), one degree of freedom.
    half = stats.t.ppf(0.975, 1) * (8 * 1.5) ** 0.5
    assert above([8], [5, 9]).half == pytest.approx(half)
    assert verdict(above([8], [5, 9])) == "not told apart"
    assert verdict(above([7 + 1.01 * half], [5, 9])) == "told apart"
    assert verdict(above([8], [5])) == verdict(above([8, 9], [5])) == "one seed"
    assert verdict(above([], [5, 9])) == "no common seed"


def test_a_curve_says_how_many_runs_each_point_has():
    curve = mean_curve([(2, 1.0), (1, 2.0), (2, 3.0)])
    assert curve == [(1, 2.0, 1), (2, 2.0, 2)]


def test_a_moving_average_by_hand():
    curve = mean_curve(enumerate([4, 2, 6, 0], 1))
    assert moving_average(curve, 3) == [4, 3, 4, 8 / 3]
    # Of epochs, not of evaluations: 3 epochs hold two of these.
    curve = mean_curve(zip([2, 4, 6, 8], [4, 2, 6, 0], strict=True))
    assert moving_average(curve, 3) == [4, 3, 4, 3]
    assert [window(epochs) for epochs in (1, 15, 300)] == [1, 3, 20]
