"""The correlations in TABLE1.md and README.md are those of table1.csv."""

import re

import numpy as np
import pytest

import helpers
from enas.experiments.correlations import (
    concordance,
    correlation,
    main,
    partial,
)

CSV = helpers.ROOT / "docs/table1/table1.csv"


def test_the_documents_say_what_the_table_gives(capsys):
    assert main(["correlations", str(CSV)]) == 0
    text = capsys.readouterr().out
    document = (helpers.ROOT / "docs/TABLE1.md").read_text()
    numbers = re.findall(r"\d\.\d{3}", text)
    # Share alone, q alone, best of 10, mean of sampled arcs.
    assert len(numbers) == 4
    for number in numbers:
        assert number in document
    pairs = re.findall(r"of (\d+) pairs of rows of one share (\d+)", text)
    assert pairs == [("20", "17"), ("20", "15")]
    assert "17 (best of 10) and 15 (mean)" in document
    for part in re.findall(r"given the share (\d\.\d\d)", text):
        assert part in document


def test_a_rank_correlation_needs_8_rows():
    assert np.isnan(correlation(np.arange(7.0), np.arange(7.0)))
    assert correlation(np.arange(8.0), np.arange(8.0)) == pytest.approx(1)


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
