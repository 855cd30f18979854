"""The few lines of statistics that the report needs."""

import math

import numpy as np

__all__ = ["mean_and_spread", "moving_average", "rank_correlation", "window"]


def window(num_epochs):
    """Returns the epochs of Figure 4's moving average, int.

    20 as in the paper, or a fifth of a run that is shorter than 100 epochs.
    """
    return min(20, max(1, num_epochs // 5))


def moving_average(values, size):
    """Returns the mean of the last `size` values, or of what there is.

    Args:
      values: sequence of float.
      size: int >= 1.

    Returns:
      list of float, one per value.
    """
    return [
        float(np.mean(values[max(0, end - size) : end]))
        for end in range(1, len(values) + 1)
    ]


def mean_and_spread(values):
    """Returns (mean, sample standard deviation) of one or more numbers.

    The spread of a single number is None.
    """
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return float(np.mean(values)), spread


def rank_correlation(xs, ys):
    """Returns Spearman's rho: Pearson's correlation of the ranks.

    Equal values share the mean of their ranks.

    Args:
      xs: sequence of float.
      ys: sequence of float, as many.

    Returns:
      float in [-1, 1], or None for fewer than 3 pairs or a constant side.
    """
    if len(xs) < 3:
        return None
    x, y = _ranks(xs), _ranks(ys)
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale else None


def _ranks(values):
    values = np.asarray(values, float)
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return below + (equal + 1) / 2
