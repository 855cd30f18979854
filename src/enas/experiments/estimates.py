"""What a few numbers say, and what they do not: SciPy, and little else."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

RESAMPLES = 10_000
# Rows whose shares of poison differ by no more than this have one share.
EQUAL_SHARE = 0.03


def number(value: float | None, form: str = ".2f") -> str:
    """Returns a number as text, a dash for None and NaN."""
    return "-" if value is None or value != value else format(value, form)


def span(low: float, high: float) -> str:
    """Returns an interval as text, a dash for NaN."""
    return "-" if low != low else f"{low:.2f} to {high:.2f}"


class Estimate(NamedTuple):
    """The mean of n numbers, and what their spread says about it.

    Attributes:
      n: how many there are, >= 0.
      mean: NaN for n = 0.
      sd: sample standard deviation; NaN for n < 2.
      half: half of the 95 % t-interval of the mean; NaN for n < 2.
    """

    n: int
    mean: float
    sd: float
    half: float

    def __str__(self) -> str:
        """Returns mean ± half, or the mean alone, or a dash."""
        half = f" ± {self.half:.2f}" if self.half == self.half else ""
        return number(self.mean) + half

    @property
    def interval(self) -> str:
        """The 95 % t-interval as text."""
        return span(self.mean - self.half, self.mean + self.half)

    @property
    def with_n(self) -> list[str]:
        """Two cells of a table: the mean ± half, and n."""
        return [str(self), str(self.n)]

    @property
    def change(self) -> list[str]:
        """Two cells of a table: a difference with its sign, its interval."""
        return [number(self.mean, "+.2f"), self.interval]


def estimate(values: Sequence[float]) -> Estimate:
    """Returns the `Estimate` of some numbers."""
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Estimate(n, mean, math.nan, math.nan)
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / n**0.5
    return Estimate(n, mean, sd, half)


def paired(after: Mapping[int, float], before: Mapping[int, float]) -> Estimate:
    """Returns the `Estimate` of after - before over the seeds of both."""
    seeds = sorted(after.keys() & before.keys())
    return estimate([after[seed] - before[seed] for seed in seeds])


def above(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Returns the `Estimate` of the mean of a minus that of b; n is that of a.

    For numbers that are no pairs: Welch's 95 % interval. Of a single number
    it is where one more of b would lie in 19 of 20 cases, which takes its
    spread to be that of b.
    """
    mean = estimate(a).mean - estimate(b).mean
    if len(a) == 1:
        half = estimate(b).half * (len(b) + 1) ** 0.5
    elif min(len(a), len(b)) < 2:
        half = math.nan
    elif np.ptp(a) == np.ptp(b) == 0:
        half = 0.0
    else:
        found = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
        half = float(found.high - found.low) / 2
    return Estimate(len(a), mean, math.nan, half)


def verdict(difference: Estimate) -> str:
    """Says whether a difference that should be above 0 is."""
    if difference.half != difference.half:
        return "one seed" if difference.n else "no common seed"
    if abs(difference.mean) <= difference.half:
        return "not told apart"
    return "told apart" if difference.mean > 0 else "reversed"


def correlation(
    a: np.ndarray, b: np.ndarray, of: Callable = stats.spearmanr
) -> float:
    """Returns a rank correlation; NaN below 8 rows, too few to say anything."""
    return float(of(a, b).statistic) if len(a) >= 8 else math.nan


def spearman_of_many(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """Returns Spearman's rank correlation along an axis, fast."""
    ranks = (stats.rankdata(values, axis=axis) for values in (x, y))
    return stats.pearsonr(*ranks, axis=axis).statistic


def kendall_of_many(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """Returns Kendall's tau-b along the last axis, fast for a few pairs."""
    del axis
    a, b = (np.sign(v[..., :, None] - v[..., None, :]) for v in (x, y))
    ab, aa, bb = (np.sum(p, axis=(-2, -1)) for p in (a * b, a * a, b * b))
    return ab / np.sqrt(aa * bb)


def gain_of_many(
    x: np.ndarray, y: np.ndarray, other: np.ndarray, axis: int
) -> np.ndarray:
    """Returns by how much x correlates better with y than another does."""
    correlated = (spearman_of_many(values, y, axis) for values in (x, other))
    return np.subtract(*correlated)


def interval(
    *samples: np.ndarray, statistic: Callable = spearman_of_many
) -> str:
    """Returns the 95 % percentile bootstrap interval over rows, as text."""
    found = stats.bootstrap(
        samples,
        statistic,
        paired=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return span(found.low, found.high)


def partial(a: np.ndarray, b: np.ndarray, given: np.ndarray) -> float:
    """Returns the partial rank correlation of a and b, NaN if nothing is left.

    That is, if the third orders rows as one of them does.
    """
    pairs = (a, b), (a, given), (b, given)
    ab, ag, bg = (correlation(*pair) for pair in pairs)
    rest = (1 - ag**2) * (1 - bg**2)
    return (ab - ag * bg) / float(np.sqrt(rest)) if rest > 1e-9 else math.nan


def concordance(
    ours: np.ndarray, paper: np.ndarray, share: np.ndarray
) -> tuple[int, int]:
    """Returns (pairs ordered alike, pairs) among rows of one share."""
    same = pairs = 0
    for i, j in itertools.combinations(range(len(ours)), 2):
        if abs(share[i] - share[j]) <= EQUAL_SHARE:
            pairs += 1
            same += int((ours[i] - ours[j]) * (paper[i] - paper[j]) > 0)
    return same, pairs


def window(num_epochs: int) -> int:
    """Returns the epochs of Figure 4's moving average: 20 as in the paper."""
    # Of a run that is shorter than 100 epochs a fifth.
    return min(20, max(1, num_epochs // 5))


class Point(NamedTuple):
    """The mean of an epoch over n runs."""

    epoch: int
    mean: float
    n: int


Curve = list[Point]


def mean_curve(cells: Iterable[tuple[Any, Any]]) -> Curve:
    """Returns the points of pairs of an epoch and a number."""
    found: dict[int, list[float]] = {}
    for epoch, value in cells:
        found.setdefault(int(epoch), []).append(float(value))
    return [Point(e, sum(v) / len(v), len(v)) for e, v in sorted(found.items())]


def moving_average(curve: Curve, size: int) -> list[float]:
    """Returns the mean over the last `size` epochs, as far as there are."""
    # Not every epoch need be in it.
    return [
        float(np.mean([p.mean for p in curve if end - size < p.epoch <= end]))
        for end, *_ in curve
    ]
