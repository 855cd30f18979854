"""Compares what is computed here with what was recorded. NumPy only."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

NUDGE = 1e-5
NUDGED_RUNS = 2
NOISE_FACTOR = 10.0

# Turns a recorded first weight into the one to start from.
Nudge = Callable[[np.ndarray], np.ndarray]
# Name -> array, or what becomes one.
ByName = Mapping[str, Any]


def unchanged(weight: np.ndarray) -> np.ndarray:
    """Is the nudge that changes nothing."""
    return weight


class Quantity(NamedTuple):
    """What one line of the table compares.

    A `chain` is of quantities that rounding can change by more than itself,
    through the kink of a ReLU, which a gradient feels, and over the steps; each
    follows from those before it.
    """

    name: str
    pairs: dict[str, tuple[np.ndarray, np.ndarray]]  # recorded, ours
    chain: str = ""

    @classmethod
    def of(
        cls, name: str, recorded: ByName, ours: ByName, chain: str = ""
    ) -> "Quantity":
        """Pairs up all that was recorded with ours of the same names.

        Raises:
          IndexError: an array is of another shape.
        """
        pairs = {key: (a, np.asarray(ours[key])) for key, a in recorded.items()}
        for key, (array, mine) in pairs.items():
            if np.shape(array) != mine.shape:
                shapes = f"{mine.shape}, not {np.shape(array)}"
                raise IndexError(f"{key} of shape {shapes}")
        return cls(name, pairs, chain)


class Verdict(NamedTuple):
    """One line of the table, in absolute numbers."""

    quantity: str
    difference: float
    magnitude: float
    tolerance: float
    rule: str  # where the tolerance is from
    worst: str = ""  # the array with the largest difference

    @property
    def passes(self) -> bool:
        """Whether the difference is within the tolerance; NaN is not."""
        return bool(self.difference <= self.tolerance)


def compare(measure: Callable[[Nudge], list[Quantity]]) -> list[Verdict]:
    """Compares all that is measured.

    A chain with a miss is computed again from weights nudged by one part in
    100,000, which is how far two right implementations are apart on the logits;
    what that changes in this or an earlier quantity of the chain, times ten, is
    then the tolerance.
    """
    quantities = measure(unchanged)
    verdicts = {quantity.name: _verdict(quantity) for quantity in quantities}
    missed = {q.chain for q in quantities if not verdicts[q.name].passes} - {""}
    chaotic = [q for q in quantities if q.chain in missed]
    changes = _sensitivity(measure, chaotic) if chaotic else {}
    rule = f"{NOISE_FACTOR:g} x own change when weights move by {NUDGE:g}"
    for name, change in changes.items():
        verdict = verdicts[name]
        if not verdict.passes:
            tolerance = max(verdict.tolerance, NOISE_FACTOR * change)
            verdicts[name] = verdict._replace(tolerance=tolerance, rule=rule)
    return list(verdicts.values())


def _verdict(quantity: Quantity) -> Verdict:
    recorded = [array for array, _ in quantity.pairs.values()]
    magnitude = max(map(_largest, recorded))
    # Float32 has 7 digits, so tolerances grow with the numbers.
    tolerance = 1e-5 * max(1.0, magnitude)
    rule = "1e-5, relative above 1: some 100 float32 roundings"
    if all(np.issubdtype(array.dtype, np.integer) for array in recorded):
        tolerance, rule = 0.0, "whole numbers"
    elif "logits" in quantity.name:
        tolerance = 1e-4 * max(1.0, magnitude / 40)
        rule = "1e-4 on logits of up to 40, of a deep network"
    pairs = quantity.pairs.items()
    found = {name: _largest(ours - array) for name, (array, ours) in pairs}
    # NaN is larger than anything.
    worst = max(found, key=lambda name: np.nan_to_num(found[name], nan=1e38))
    numbers = found[worst], magnitude, tolerance
    return Verdict(quantity.name, *numbers, rule, worst)


def _largest(array: np.ndarray) -> float:
    array = np.asarray(array, np.float64)
    return float(np.max(np.abs(array))) if array.size else 0.0


def _sensitivity(
    measure: Callable, chaotic: list[Quantity]
) -> dict[str, float]:
    """Returns quantity -> largest change under a nudge, so far in its chain."""
    runs = (measure(_nudge(seed)) for seed in range(NUDGED_RUNS))
    nudged = [{q.name: q.pairs for q in run} for run in runs]
    changes: dict[str, float] = {}
    so_far: dict[str, float] = {}
    for name, pairs, chain in chaotic:
        moved = (
            _largest(run[name][key][1] - ours)
            for key, (_, ours) in pairs.items()
            for run in nudged
        )
        changes[name] = so_far[chain] = max(so_far.get(chain, 0.0), *moved)
    return changes


def _nudge(seed: int) -> Nudge:
    noise = np.random.default_rng(seed).standard_normal
    return lambda w: np.float32(w * (1 + NUDGE * noise(np.shape(w))))
