"""The defences: each turns what it sees into a prior on the op logits.

A defence sees the functions of the search space (`Function`), and after every
update of the controller the arcs and their advantages. It answers with a prior
that is added to the bounded op logits.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

# Added to a logit, leaves a probability of exactly 0 in float32.
REMOVED = -1e4
# The bounds of `Prune` are tightest near this effective sample size.
TUNED = 200.0


@dataclasses.dataclass(frozen=True)
class Function:
    """Op ids that are one choice; `useless` are reasons why it is a bad one."""

    op_ids: tuple[int, ...]
    useless: tuple[str, ...]
    linear: bool


class Member:
    """One defence.

    Attributes:
      last: whether it is applied after all others, wherever it is named.
      state: what a checkpoint must hold, name -> float64 array.
    """

    last = False

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = functions
        self.state: dict[str, np.ndarray] = {}

    def apply(self, prior: np.ndarray) -> np.ndarray:
        """Returns the prior of the defences before it with its own part.

        Both are float32 `[num_layers, num_ops]`.
        """
        raise NotImplementedError

    def observe(self, op_ids: np.ndarray, advantages: np.ndarray) -> list[str]:
        """Learns from one update, as `OpPrior.observe`."""
        return []


class Deduplicate(Member):
    """Of op ids that are one function, one is left."""

    def apply(self, prior: np.ndarray) -> np.ndarray:
        prior = prior.copy()
        for function in self.functions:
            alive = [i for i in function.op_ids if prior[0, i] > REMOVED]
            prior[:, alive[1:]] = REMOVED
        return prior


class Reweight(Member):
    """Every function has the same prior, whatever its number of op ids.

    The logits get -log(multiplicity); op ids that are removed do not count.
    """

    last = True

    def apply(self, prior: np.ndarray) -> np.ndarray:
        prior = prior.copy()
        for function in self.functions:
            ids = list(function.op_ids)
            alive = (prior[:, ids] > REMOVED).sum(axis=1, keepdims=True)
            prior[:, ids] -= np.log(np.maximum(alive, 1))
        return np.maximum(prior, REMOVED)


class Discard(Member):
    """Functions of little use are left out, unless nothing would be left."""

    def apply(self, prior: np.ndarray) -> np.ndarray:
        bad = [i for f in self.functions if f.useless for i in f.op_ids]
        if len(bad) == prior.shape[1]:
            return prior
        prior = prior.copy()
        prior[:, bad] = REMOVED
        return prior


class Prune(Member):
    """Successive elimination: drops functions that lower the reward.

    It asks only what choosing a function did to the advantage of the arcs,
    pooled over layers and over op ids that behave alike. The advantages of an
    update are centred, and an arc counts for a function by the share of its
    layers that chose it. A function is dropped when another one is better by
    more than the confidence bound of their difference. At least one function
    that is not linear stays, if there is one.

    The bounds hold at all times at once (asymptotic confidence sequences), so
    looking after every update is allowed; the chance of ever dropping a
    function although no other is better is at most `ERROR`, by a union over
    the pairs.

    Source: successive elimination, Even-Dar, Mannor and Mansour (2006); the
    bounds: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
    central limit theory and asymptotic confidence sequences" (2021), their
    equation for unequal weights by an effective sample size.
    """

    ERROR = 0.05
    # An effective sample size below which nothing is concluded.
    LEAST = 20.0

    def __init__(self, functions: Sequence[Function]) -> None:
        super().__init__(functions)
        number_of = {i: n for n, f in enumerate(functions) for i in f.op_ids}
        self._function_of = np.array([number_of[i] for i in sorted(number_of)])
        # Per function sums of weights, of their squares and of weight * value;
        # the dropped; and sums over all arcs: count, squares.
        self.state["sums"] = np.zeros((3, len(functions)))
        self.state["dropped"] = np.zeros(len(functions))
        self.state["all"] = np.zeros(2)

    def apply(self, prior: np.ndarray) -> np.ndarray:
        prior = prior.copy()
        prior[:, self.state["dropped"][self._function_of] > 0] = REMOVED
        return prior

    def observe(self, op_ids: np.ndarray, advantages: np.ndarray) -> list[str]:
        chosen = self._function_of[op_ids]
        shares = np.stack(
            [np.mean(chosen == f, axis=1) for f in range(len(self.functions))]
        )
        values = advantages.astype(float) - np.mean(advantages)
        squares = (shares**2).sum(axis=1)
        self.state["sums"] += shares.sum(axis=1), squares, shares @ values
        self.state["all"] += len(values), np.sum(values**2)
        return self._eliminate()

    def margins(self) -> np.ndarray:
        """Returns by how much each function is surely worse than each other.

        Entry (f, g) is positive if g's mean effect is above f's by more than
        the bound of their difference; -inf while one has too little evidence.
        """
        weight, square, value = self.state["sums"]
        mean = value / np.maximum(weight, 1e-12)
        size = weight**2 / np.maximum(square, 1e-12)
        known = size >= self.LEAST
        size = np.where(known, size, 1.0)
        # Of a difference. Arcs that chose both make it larger, not smaller.
        size = 1 / (1 / size[:, None] + 1 / size)
        pairs = max(1.0, len(mean) * (len(mean) - 1) / 2)
        radius = sequence_radius(size, self.ERROR / pairs)
        count, squares = self.state["all"]
        deviation = math.sqrt(squares / max(1.0, count))
        margins = mean - mean[:, None] - deviation * radius
        return np.where(known[:, None] & known, margins, -np.inf)

    def _eliminate(self) -> list[str]:
        dropped = self.state["dropped"]
        alive = dropped == 0
        margin = self.margins()[:, alive].max(axis=1)
        nonlinear = np.array([not f.linear for f in self.functions])
        # Where all are linear, none is to be kept for that.
        nonlinear |= not nonlinear.any()
        lines = []
        for number in np.flatnonzero(alive & (margin > 0)).tolist():
            others = np.arange(len(dropped)) != number
            # A function that is not linear stays.
            if not (others & nonlinear & (dropped == 0)).any():
                continue
            dropped[number] = 1
            ids = self.functions[number].op_ids
            lines.append(
                f"Defence prune: dropped {len(ids)} op id(s), {_ranges(ids)}, "
                f"which lower the reward (by {margin[number]:.4f} more than "
                "the bound)"
            )
        return lines


def sequence_radius(size: np.ndarray, error: float) -> np.ndarray:
    """Returns the radius of an asymptotic confidence sequence of variance 1.

    Args:
      size: sample sizes, > 0.
      error: probability that the sequence ever misses the mean, two-sided.
    """
    # Their rho^2, near the best for the size at which it is to be narrow.
    rho = (-2 * math.log(error) + math.log(-2 * math.log(error) + 1)) / TUNED
    inside = size * rho + 1
    logarithm = np.log(np.sqrt(inside) / error)
    return np.sqrt(2 * inside / (size**2 * rho) * logarithm)


def _ranges(ids: Sequence[int]) -> str:
    """Returns op ids such as `3, 6 to 305`."""
    parts: list[list[int]] = []
    for op_id in ids:
        if parts and op_id == parts[-1][-1] + 1:
            parts[-1][1:] = [op_id]
        else:
            parts.append([op_id])
    return ", ".join(" to ".join(map(str, part)) for part in parts)


DEFENCES: dict[str, type[Member]] = {
    "deduplicate": Deduplicate,
    "reweight": Reweight,
    "discard": Discard,
    "prune": Prune,
}
