"""What is suspicious about a function, measured on probes and described."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from enas.probing.probes import Probed, correlation, relative_distance

RETURNS_INPUT = 0.1
LINEAR = 1e-3
UNMET = 0.01
INDEPENDENT = 0.9


@dataclasses.dataclass(frozen=True)
class Measures:
    """What an op does on the probes.

    Attributes:
      input_distance: relative distance of its evaluation from its input.
      nonlinearity: relative distance of f(a x + b y) from a f(x) + b f(y),
        with a + b = 1, so that an affine op has 0.
      spread: standard deviation of its evaluation over that of its input.
      correlation: of two passes in training mode.
      zeros: share of exact zeros that training adds.
      variance_kept: squared correlation of training and evaluation.
      unmet: weights whose gradient is 0 on all probes.
      weights: trainable weights.
      sees: side of the square of pixels that reach one output, by gradients.
      claims: side of the square that its kernels span.
      side: of the map that `sees` was measured on.
      parameters: of one copy, as the op states them; None if it does not.
      multiply_adds: for one map of the size of an image, or None.
    """

    input_distance: float
    nonlinearity: float
    spread: float
    correlation: float
    zeros: float
    variance_kept: float
    unmet: int
    weights: int
    sees: int
    claims: int
    side: int
    parameters: int | None = None
    multiply_adds: int | None = None


@dataclasses.dataclass(frozen=True)
class Finding:
    """One reason for suspicion.

    Attributes:
      kind: a word for programs.
      text: a sentence for people.
    """

    kind: str
    text: str


def measure(
    probed: Probed, maps: Sequence[tf.Tensor], cost: Any = None
) -> Measures:
    """Measures an op on probes.

    Args:
      probed: the op.
      maps: float32 `[batch, size, size, channels]`.
      cost: what it states to cost, or None.
    """
    distances, spreads = [], []
    for x in maps:
        y = probed.evaluated(x).numpy()
        distances.append(relative_distance(x.numpy(), y))
        spreads.append(float(np.std(y) / np.std(x)))
    training, zeros = probed.noise(maps)
    unmet, weights = _unmet_weights(probed, maps)
    known = cost is not None and cost.known
    return Measures(
        input_distance=max(distances),
        nonlinearity=chain_nonlinearity([probed], maps),
        spread=max(spreads),
        correlation=training,
        zeros=zeros,
        variance_kept=_variance_kept(probed, maps),
        unmet=unmet,
        weights=weights,
        sees=_sees(probed, maps[0]),
        claims=_claims(probed),
        side=int(maps[0].shape[1]),
        parameters=cost.parameters if known else None,
        multiply_adds=cost.multiply_adds if known else None,
    )


def chain_nonlinearity(
    chain: Sequence[Probed], maps: Sequence[tf.Tensor]
) -> float:
    """Returns how far ops, one after the other, are from an affine function.

    Returns:
      The largest relative distance of f(a x + b y) from a f(x) + b f(y).
    """

    def run(x: tf.Tensor) -> tf.Tensor:
        for probed in chain:
            x = probed.evaluated(x)
        return x

    largest = 0.0
    for x in maps:
        y = tf.roll(x, 1, axis=0)
        for a in (0.3, 2.0):
            mixed = run(a * x + (1 - a) * y).numpy()
            parts = (a * run(x) + (1 - a) * run(y)).numpy()
            largest = max(largest, relative_distance(mixed, parts))
    return largest


def _variance_kept(probed: Probed, maps: Sequence[tf.Tensor]) -> float:
    kept = [
        correlation(
            probed.trained(x, 1).numpy().ravel(),
            probed.evaluated(x).numpy().ravel(),
        )
        ** 2
        for x in maps
    ]
    return float(np.mean(kept))


def _unmet_weights(
    probed: Probed, maps: Sequence[tf.Tensor]
) -> tuple[int, int]:
    """Returns (weights without any gradient on all maps, all weights)."""
    variables = probed.weights()
    met = [np.zeros(_own(v.numpy(), v, probed).shape, bool) for v in variables]
    for i, x in enumerate(maps):
        with tf.GradientTape() as tape:
            y = probed.evaluated(x)
            weight = tf.random.stateless_normal(tf.shape(y), (i, 4))
            total = tf.reduce_sum(y * weight)
        gradients = tape.gradient(total, [v.value for v in variables])
        for seen, variable, gradient in zip(
            met, variables, gradients, strict=True
        ):
            if gradient is not None:
                dense = tf.convert_to_tensor(gradient).numpy()
                seen |= _own(dense, variable, probed) != 0
    return sum(int((~m).sum()) for m in met), sum(m.size for m in met)


def _own(array: np.ndarray, variable: Any, probed: Probed) -> np.ndarray:
    """Returns the part of a weight that belongs to the probed copy."""
    copies = getattr(variable, "enas_copies", 1)
    return array[probed.copy] if copies > 1 else array


def _sees(probed: Probed, x: tf.Tensor) -> int:
    """Returns the side of the square of input pixels that reach the centre.

    A pixel whose gradient is below a fiftieth of the largest counts as out of
    reach: batch statistics let every pixel reach every other a little.
    """
    middle = x.shape[1] // 2
    with tf.GradientTape() as tape:
        tape.watch(x)
        centre = probed.evaluated(x)[:, middle, middle]
        total = tf.reduce_sum(
            centre * tf.random.stateless_normal(centre.shape, (8, 1))
        )
    gradient = tape.gradient(total, x)
    if gradient is None:
        return 0
    force = np.abs(gradient.numpy()).sum(axis=(0, 3))
    if not force.any():
        return 0
    reached = np.argwhere(force > force.max() / 50)
    return int(np.ptp(reached, axis=0).max()) + 1


def _claims(probed: Probed) -> int:
    """Returns the side of the square that its kernels span together."""
    side = 1
    for variable in probed.weights():
        shape = _own(np.empty(variable.shape, bool), variable, probed).shape
        if len(shape) == 4:
            side += max(shape[:2]) - 1
    return side


def findings(found: Measures) -> list[Finding]:
    """Returns the reasons for suspicion, [] for an op that is worth choosing.

    Args:
      found: what was measured of it.
    """
    reasons = []
    if found.spread < 1e-6:
        reasons.append(Finding("constant", "returns a constant"))
    if found.input_distance <= RETURNS_INPUT:
        reasons.append(
            Finding(
                "returns_input",
                "returns its input (relative distance "
                f"{found.input_distance:.3f})",
            )
        )
    if found.nonlinearity <= LINEAR:
        reasons.append(
            Finding(
                "linear",
                "is linear (to "
                f"{found.nonlinearity:.0e}): a child of such ops alone is an "
                "affine function of the image",
            )
        )
    if found.weights and found.unmet > UNMET * found.weights:
        share = 100 * found.unmet / found.weights
        reasons.append(
            Finding(
                "unmet_weights",
                f"{found.unmet} of its {found.weights} weights ({share:.0f} %) "
                "never meet a pixel",
            )
        )
    if found.sees < min(found.claims, found.side):
        reasons.append(
            Finding(
                "receptive_field",
                f"sees {found.sees}x{found.sees} pixels where its kernels "
                f"claim {found.claims}x{found.claims}",
            )
        )
    if found.correlation < INDEPENDENT:
        zeros = f", {100 * found.zeros:.0f} % of its values are zeroed"
        reasons.append(
            Finding(
                "loses_information",
                "loses information in training: two passes over one map "
                f"correlate by {found.correlation:.2f}, "
                f"{100 * found.variance_kept:.0f} % of the variance is kept"
                + (zeros if found.zeros > 0.01 else ""),
            )
        )
    return reasons
