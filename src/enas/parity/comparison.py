"""Compares what is computed here with what was recorded. NumPy only."""

import dataclasses
from collections.abc import Callable

import numpy as np

__all__ = ["Case", "Row", "compare"]

NUDGE = 1e-5
NUDGED_RUNS = 2
NOISE_FACTOR = 10.0


@dataclasses.dataclass(frozen=True)
class Case:
    """One recording, and how to compute the same.

    Attributes:
      recorded: dict, quantity -> dict, name -> array. A quantity is a line of
        the table; its names are told apart only where one is off.
      compute: function without arguments -> the like of `recorded`.
      nudged: function of `nudge`, which turns a first weight into the one to
        start from, -> the same, of the chaotic quantities at least; None where
        there are none.
      chaotic: chains of quantities that rounding can change by more than
        itself: through the kink of a ReLU, which a gradient feels, and over
        the steps; in a chain every quantity follows from the one before.
      used: set of str, arrays of the file that were compared or put in.
    """

    recorded: dict
    compute: Callable
    nudged: Callable | None
    chaotic: tuple
    used: frozenset


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      quantity: str.
      difference: float, largest absolute difference.
      magnitude: float, largest absolute value recorded.
      tolerance: float, largest difference that passes.
      rule: str, where the tolerance comes from.
      worst: str, name of the array with the largest difference.
    """

    quantity: str
    difference: float
    magnitude: float
    tolerance: float
    rule: str
    worst: str = ""

    @property
    def passes(self):
        """Whether the difference is within the tolerance; NaN is not, bool."""
        return bool(self.difference <= self.tolerance)


def compare(case):
    """Returns the list of `Row` of a `Case`.

    A chaotic quantity that misses its tolerance is computed again from weights
    nudged by one part in 100,000, which is how far two right implementations
    are apart on the logits; what that changes here, in this or an earlier step,
    times ten, is then its tolerance.
    """
    ours = case.compute()
    rows = {
        name: _row(name, recorded, ours[name])
        for name, recorded in case.recorded.items()
    }
    chains = [
        chain
        for chain in case.chaotic
        if not all(rows[name].passes for name in chain)
    ]
    noise = _noise(case, ours, chains) if chains else {}
    for name, change in noise.items():
        if not rows[name].passes:
            rows[name] = dataclasses.replace(
                rows[name],
                tolerance=max(rows[name].tolerance, NOISE_FACTOR * change),
                rule=f"{NOISE_FACTOR:g} x own change when weights move by"
                f" {NUDGE:g}",
            )
    return list(rows.values())


def _row(quantity, recorded, ours):
    magnitude = max(_largest(array) for array in recorded.values())
    base, rule = _tolerance(quantity, magnitude)
    if all(
        np.issubdtype(np.asarray(a).dtype, np.integer)
        for a in recorded.values()
    ):
        base, rule = 0.0, "whole numbers"
    differences = {
        name: _largest(np.asarray(ours[name]) - array)
        for name, array in recorded.items()
    }
    # NaN is larger than anything.
    worst = max(
        differences, key=lambda name: np.nan_to_num(differences[name], nan=1e38)
    )
    return Row(quantity, differences[worst], magnitude, base, rule, worst)


def _tolerance(quantity, magnitude):
    """Float32 has 7 digits, so tolerances grow with the numbers."""
    if "logits" in quantity:
        scale = max(1.0, magnitude / 40)
        return 1e-4 * scale, "1e-4 on logits of up to 40, of a deep network"
    scale = max(1.0, magnitude)
    return 1e-5 * scale, "1e-5, relative above 1: some 100 float32 roundings"


def _largest(array):
    array = np.asarray(array, np.float64)
    return float(np.max(np.abs(array))) if array.size else 0.0


def _noise(case, ours, chains):
    """Returns dict, quantity -> largest change under a nudge so far."""
    changes = {name: 0.0 for chain in chains for name in chain}
    for seed in range(NUDGED_RUNS):
        nudged = case.nudged(_nudge(np.random.default_rng(seed)))
        for name in changes:
            parts = ours[name].items()
            moved = [_largest(nudged[name][key] - old) for key, old in parts]
            changes[name] = max(changes[name], *moved)
    for chain in chains:
        so_far = np.maximum.accumulate([changes[name] for name in chain])
        changes |= dict(zip(chain, so_far.tolist(), strict=True))
    return changes


def _nudge(rng):
    def nudge(weight):
        factor = 1 + NUDGE * rng.standard_normal(np.shape(weight))
        return np.float32(weight * factor)

    return nudge
