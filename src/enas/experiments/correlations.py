"""What a sweep's errors share with the paper's, and what the share of poison
alone explains.

    python -m enas.experiments.correlations docs/table1/table1.csv
"""

import csv
import itertools
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from enas.tools.command import run_tool

__all__ = ["concordance", "correlation", "interval", "main", "partial"]

RESAMPLES = 10_000
# Rows whose shares of poison differ by no more than this have one share.
EQUAL_SHARE = 0.03
CANDIDATES = 6
# Below this many rows a rank correlation says nothing.
LEAST_ROWS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the correlations of a table1.csv; returns the exit code."""
    return run_tool(lambda words: _lines(words[1]), argv)


def _lines(path: str) -> Iterator[str]:
    with open(path, newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if not r["variant"]]
    paper = np.array([float(r["paper_test_error"]) for r in rows])
    share = np.array([1 - CANDIDATES / float(r["op_ids"]) for r in rows])
    copies = np.array([float(r["q"]) for r in rows])
    names = {
        "best of 10, training mode": "test_error_best_train",
        "mean of sampled arcs, training mode": "test_error_sampled_train",
    }
    yield f"{len(rows)} rows; Spearman's rank correlation with the paper"
    yield f"share of poison alone {correlation(share, paper):.3f}"
    yield f"q alone {correlation(copies, paper):.3f}"
    for name, column in names.items():
        ours = np.array([float(r[column]) for r in rows])
        low, high = interval(ours, paper)
        same, pairs = concordance(ours, paper, share)
        yield (
            f"{name}: {correlation(ours, paper):.3f} (bootstrap over rows "
            f"{low:.2f} to {high:.2f}), partial given the share "
            f"{partial(ours, paper, share):.2f}; of {pairs} pairs of rows of "
            f"one share {same} are ordered as in the paper"
        )


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Returns Spearman's rank correlation; NaN below 8 rows."""
    if len(a) < LEAST_ROWS:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


def interval(
    a: np.ndarray, b: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval over rows."""
    found = stats.bootstrap(
        (a, b),
        lambda x, y: stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def partial(a: np.ndarray, b: np.ndarray, given: np.ndarray) -> float:
    """Returns the partial rank correlation of a and b given a third."""
    ab, ag, bg = (
        correlation(*pair) for pair in ((a, b), (a, given), (b, given))
    )
    return (ab - ag * bg) / float(np.sqrt((1 - ag**2) * (1 - bg**2)))


def concordance(
    ours: np.ndarray, paper: np.ndarray, share: np.ndarray
) -> tuple[int, int]:
    """Returns (pairs ordered alike, pairs) among rows of one share."""
    same = pairs = 0
    for i, j in itertools.combinations(range(len(ours)), 2):
        if abs(share[i] - share[j]) <= EQUAL_SHARE:
            pairs += 1
            same += (ours[i] - ours[j]) * (paper[i] - paper[j]) > 0
    return same, pairs


if __name__ == "__main__":
    sys.exit(main())
