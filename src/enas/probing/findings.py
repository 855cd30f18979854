"""What is suspicious about a function, measured on probes and described."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from enas.probing.probes import Probed, correlation, relative_distance

RETURNS_INPUT = 0.1
LINEAR = 1e-3
UNMET = 0.01
INDEPENDENT = 0.9
IGNORES = 1e-6
ZEROED = 0.8


@dataclasses.dataclass(frozen=True)
class Measures:
    """What an op does on the probes: at the map size where it does least.

    Attributes:
      input_distance: relative distance of its evaluation from its input.
      nonlinearity: relative distance of f(a x + b y) from a f(x) + b f(y),
        with a + b = 1, so that an affine op has 0.
      response: relative distance of its evaluations of two maps.
      training_response: the same of two training steps with one draw.
      correlation: of two training steps over one map.
      zeros: share of evaluation's values that training zeroes.
      variance_kept: squared correlation of training and evaluation.
      unmet: weights whose gradient is 0 on all probes.
      weights: trainable weights.
      sees: side of the square of pixels that reach one output, by gradients.
      claims: side of the square that its kernels span.
      side: of the map that `sees` was measured on.
      finite: whether all its answers are.
      has_state: whether an evaluation changes what it is.
      parameters: of one copy, as the op states them; None if it does not.
      multiply_adds: for one map of the size of an image, or None.
      only_at: measure -> sides of the maps where it is that small, for one
        that is larger on other maps.
    """

    input_distance: float = 0.0
    nonlinearity: float = 0.0
    response: float = 0.0
    training_response: float = 0.0
    correlation: float = 0.0
    zeros: float = 0.0
    variance_kept: float = 0.0
    unmet: int = 0
    weights: int = 0
    sees: int = 0
    claims: int = 1
    side: int = 0
    finite: bool = True
    has_state: bool = False
    parameters: int | None = None
    multiply_adds: int | None = None
    only_at: Mapping[str, tuple[int, ...]] = dataclasses.field(
        default_factory=dict
    )


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
    probed: Probed, maps: Sequence[tf.Tensor], claims: int, cost: Any = None
) -> Measures:
    """Measures an op on probes, with its weights as they are and moved.

    Args:
      maps: float32 `[batch, size, size, channels]`.
      claims: side of the square that its kernels span.
      cost: what it states to cost, or None.
    """
    known = cost is not None and cost.known
    stated: dict[str, Any] = {"claims": claims, "side": int(maps[0].shape[1])}
    if known:
        stated["parameters"] = cost.parameters
        stated["multiply_adds"] = cost.multiply_adds
    steps = [probed.trained(x, 1).numpy() for x in maps]
    plain = [probed.evaluated(x).numpy() for x in maps]
    if not all(np.isfinite(y).all() for y in (*steps, *plain)):
        return Measures(finite=False, has_state=probed.has_state, **stated)
    found = [_at_its_weights(probed, maps)]
    met = _met_weights(probed, maps)
    if met:
        with probed.moved():
            found.append(_at_its_weights(probed, maps))
            moved = _met_weights(probed, maps)
        met = [a | b for a, b in zip(met, moved, strict=True)]
    best = {
        name: [
            max(values)
            for values in zip(*(f[name] for f in found), strict=True)
        ]
        for name in found[0]
    }
    sides = [int(x.shape[1]) for x in maps]
    least, only_at = _least(best, sides)
    training, zeros = probed.noise(maps)
    kept = [
        correlation(step.ravel(), y.ravel()) ** 2
        for step, y in zip(steps, plain, strict=True)
    ]
    sees = int(least.pop("sees"))
    return Measures(
        **least,
        correlation=training,
        zeros=zeros,
        variance_kept=float(np.mean(kept)),
        unmet=sum(int((~m).sum()) for m in met),
        weights=sum(m.size for m in met),
        sees=sees,
        has_state=probed.has_state,
        only_at=only_at,
        **stated,
    )


def _at_its_weights(
    probed: Probed, maps: Sequence[tf.Tensor]
) -> dict[str, list[float]]:
    """Returns what is measured map by map."""
    found: dict[str, list[float]] = {
        "input_distance": [],
        "nonlinearity": [],
        "response": [],
        "training_response": [],
        "sees": [],
    }
    for x in maps:
        other = tf.roll(x, 1, axis=0)
        y, of_other = probed.evaluated(x), probed.evaluated(other)
        steps = probed.trained(x, 1), probed.trained(other, 1)
        for name, a, b in (
            ("input_distance", x, y),
            ("response", y, of_other),
            ("training_response", *steps),
        ):
            found[name].append(relative_distance(a.numpy(), b.numpy()))
        bent = _nonlinearity(probed.evaluated, x, other, y, of_other)
        found["nonlinearity"].append(bent)
        found["sees"].append(_sees(probed, x))
    return found


def _least(
    found: Mapping[str, list[float]], sides: Sequence[int]
) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Returns each measure at the size where it is least, and where that is.

    At one size the largest over the maps counts: an op that is the identity on
    all maps of one size is of no use there.
    """
    least: dict[str, Any] = {}
    only_at = {}
    for name, values in found.items():
        sizes = {
            side: max(
                v for v, s in zip(values, sides, strict=True) if s == side
            )
            for side in sorted(set(sides), reverse=True)
        }
        if name == "sees":
            # No more than the map: the largest one tells.
            least[name] = sizes[max(sides)]
            continue
        least[name] = min(sizes.values())
        below = tuple(s for s, value in sizes.items() if value <= _LOW[name])
        if 0 < len(below) < len(sizes):
            only_at[name] = below
    return least, only_at


_LOW = {
    "input_distance": RETURNS_INPUT,
    "nonlinearity": LINEAR,
    "response": IGNORES,
    "training_response": IGNORES,
}


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
        largest = max(largest, _nonlinearity(run, x, y, run(x), run(y)))
    return largest


def _nonlinearity(
    run: Callable, x: tf.Tensor, y: tf.Tensor, of_x: tf.Tensor, of_y: tf.Tensor
) -> float:
    """Returns how far f(a x + (1 - a) y) is from a f(x) + (1 - a) f(y)."""
    return max(
        relative_distance(
            run(a * x + (1 - a) * y).numpy(),
            (a * of_x + (1 - a) * of_y).numpy(),
        )
        for a in (0.3, 2.0)
    )


def _met_weights(probed: Probed, maps: Sequence[tf.Tensor]) -> list[np.ndarray]:
    """Returns for every weight which of its numbers have a gradient, bool."""
    variables = probed.branch.trainable_variables
    met = [np.zeros(_own(v.numpy(), v, probed).shape, bool) for v in variables]
    for i, x in enumerate(maps):
        with tf.GradientTape() as tape:
            y = probed.evaluated(x)
            weight = tf.random.stateless_normal(tf.shape(y), (i, 4))
            total = tf.reduce_sum(y * weight)
        gradients = tape.gradient(total, [v.value for v in variables])
        parts = zip(met, variables, gradients, strict=True)
        for seen, variable, gradient in parts:
            if gradient is not None:
                dense = tf.convert_to_tensor(gradient).numpy()
                seen |= _own(dense, variable, probed) != 0
    return met


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
        weight = tf.random.stateless_normal(centre.shape, (8, 1))
        total = tf.reduce_sum(centre * weight)
    gradient = tape.gradient(total, x, unconnected_gradients="zero")
    force = np.abs(gradient.numpy()).sum(axis=(0, 3))
    if not force.any():
        return 0
    reached = np.argwhere(force > force.max() / 50)
    return int(np.ptp(reached, axis=0).max()) + 1


def findings(found: Measures) -> list[Finding]:
    """Returns the reasons for suspicion, [] for an op worth choosing."""
    if not found.finite:
        return [Finding("not_finite", "returns numbers that are not finite")]
    reasons = {}
    if found.response <= IGNORES:
        # Whatever else it seems to be follows from this.
        reasons["constant"] = "returns a constant, whatever its input is"
    else:
        reasons |= _of_evaluation(found)
    if found.training_response <= IGNORES < found.response:
        reasons["ignores_input"] = "ignores its input in training"
    if found.correlation < INDEPENDENT or found.zeros > ZEROED:
        zeros = f", {100 * found.zeros:.0f} % of its values are zeroed"
        reasons["loses_information"] = (
            "loses information in training: two passes over one map correlate "
            f"by {found.correlation:.2f}, {100 * found.variance_kept:.0f} % of "
            "the variance is kept" + (zeros if found.zeros > 0.01 else "")
        )
    if found.has_state:
        reasons["has_state"] = "changes itself in evaluation"
    where = {
        kind: found.only_at.get(name, ())
        for kind, name in _MEASURE_OF.items()
        if kind in reasons
    }
    return [
        Finding(kind, text + _only(where.get(kind, ())))
        for kind, text in reasons.items()
    ]


_MEASURE_OF = {
    "constant": "response",
    "returns_input": "input_distance",
    "linear": "nonlinearity",
    "ignores_input": "training_response",
}


def _only(sides: Sequence[int]) -> str:
    sizes = ", ".join(f"{side}x{side}" for side in sides)
    return f"; on maps of {sizes}" if sizes else ""


def _of_evaluation(found: Measures) -> dict[str, str]:
    """Returns what evaluation says about an op that answers, kind -> text."""
    reasons = {}
    if found.input_distance <= RETURNS_INPUT:
        distance = f"{found.input_distance:.3f}"
        reasons["returns_input"] = (
            f"returns its input (relative distance {distance})"
        )
    if found.nonlinearity <= LINEAR:
        reasons["linear"] = (
            f"is linear (to {found.nonlinearity:.0e}): a child of such ops "
            "alone is an affine function of the image"
        )
    if found.weights and found.unmet > UNMET * found.weights:
        share = 100 * found.unmet / found.weights
        reasons["unmet_weights"] = (
            f"{found.unmet} of its {found.weights} weights ({share:.0f} %) "
            "never meet a pixel"
        )
    if not found.sees:
        reasons["no_gradient"] = (
            "passes no gradient on: what comes before it cannot learn"
        )
    elif found.sees < min(found.claims, found.side):
        reasons["receptive_field"] = (
            f"sees {found.sees}x{found.sees} pixels where its kernels claim "
            f"{found.claims}x{found.claims}"
        )
    return reasons
