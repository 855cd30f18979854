"""What is suspicious about a function, measured on probes and described."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from enas.cifar10.search_space import SearchSpace
from enas.drawing.costs import Cost
from enas.probing import probes
from enas.probing.classes import OpClass, function_classes
from enas.probing.judged import JUDGED, judged, loses_information

UNMET = 0.01
RANDOM = 1e-3
# A pixel is out of reach if its gradient is below this part of the largest,
SEEN = 1e-3
# or below so many times what pixels get that no kernel reaches: batch
# statistics let every pixel reach every other a little.
ABOVE_ALL = 5.0


@dataclasses.dataclass(frozen=True)
class Measures:
    """What an op does on the probes: at the map size where it does least.

    Distances are relative, see `relative_distance`.

    Attributes:
      input_distance: of its evaluation from its input.
      nonlinearity: of f(a x + b y) from a f(x) + b f(y), with a + b = 1, so
        that an affine op has 0.
      response: of its evaluations of two maps.
      training_response: of two training steps with one draw.
      training_distance: of a training step from its input.
      passed: share of the map that a gradient reaches, in evaluation or in
        training, where it is less.
      correlation: of two training steps over one map.
      random: distance of two evaluations of one map, the largest.
      zeros: share of evaluation's values that training zeroes.
      variance_kept: squared correlation of training and evaluation.
      unmet: of its trainable `weights`, those whose gradient is 0 on all
        probes, in evaluation or in training.
      sees: side of the square of pixels that reach one output, by gradients,
        on a map of this `side`.
      claims: side of the square that its kernels span.
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
    training_distance: float = 0.0
    passed: float = 0.0
    correlation: float = 0.0
    random: float = 0.0
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

    @property
    def linear(self) -> bool:
        """Whether it is linear on maps of every size."""
        small = self.finite and self.low("nonlinearity")
        return small and "nonlinearity" not in self.only_at

    def low(self, name: str) -> bool:
        """Whether one of the `JUDGED` is small enough for a finding."""
        return getattr(self, name) <= JUDGED[name][1]

    def high(self, name: str) -> bool:
        """Whether it is too large for one; a NaN is neither."""
        return getattr(self, name) > JUDGED[name][1]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One reason for suspicion, for programs a word, for people a sentence."""

    kind: str
    text: str


def measured(
    child: Any, space: SearchSpace, maps: Sequence[tf.Tensor]
) -> Iterator[tuple[OpClass, Measures]]:
    """Yields what the op ids of a space are, and what each of these does.

    Arguments as `function_classes` takes them.
    """
    pixels = child.options.image_size**2
    for found in function_classes(child, space, maps):
        cost = found.probed.branch.cost(child.options.filters, pixels)
        yield found, _measure(found, maps, cost)


def _measure(found: OpClass, maps: Sequence[tf.Tensor], cost: Cost) -> Measures:
    """Measures an op on probes, with its weights as they are and moved."""
    probed, side = found.probed, int(maps[0].shape[1])
    stated: dict[str, Any] = {"claims": found.claims, "side": side}
    if cost.known:
        stated["parameters"] = cost.parameters
        stated["multiply_adds"] = cost.multiply_adds
    every = probed.still_and_moved(functools.partial(_answer, found), maps)
    answers = every[: len(maps)]
    if not all(each.finite for each in answers):
        return Measures(finite=False, has_state=probed.has_state, **stated)
    # Weights may be moved to where they are of no use.
    every = [each for each in every if each.finite]
    # Of every weight, which of its numbers any map meets.
    met = [
        np.any(of_one, axis=0)
        for of_one in zip(*(answer.met for answer in every), strict=True)
    ]
    training, zeros = probes.noise_of(
        [a.steps for a in answers], [a.plain for a in answers]
    )
    kept = [
        probes.correlation(np.ravel(a.steps.first), np.ravel(a.plain)) ** 2
        for a in answers
    ]
    least, only_at = _least(every)
    return Measures(
        **least,
        correlation=training,
        random=max(answer.random for answer in answers),
        zeros=zeros,
        variance_kept=float(np.mean(kept)),
        unmet=sum(int((~m).sum()) for m in met),
        weights=sum(m.size for m in met),
        # No more than the map: the largest one tells.
        sees=max(a.sees for a in every if a.side == side),
        has_state=probed.has_state,
        only_at=only_at,
        **stated,
    )


class _Answer(NamedTuple):
    """What an op makes of one map; numbers are as those of `Measures`."""

    plain: tf.Tensor
    steps: probes.Steps
    side: int
    sees: int
    random: float
    measures: dict[str, float]
    # Of every weight, which of its numbers have a gradient in both modes.
    met: list[np.ndarray]

    @property
    def finite(self) -> bool:
        both = self.plain, self.steps.first
        return all(bool(np.isfinite(y).all()) for y in both)


def _answer(found: OpClass, x: tf.Tensor) -> _Answer:
    probed = found.probed
    # Two tapes: a persistent one has gradients of gradients built as well.
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = probed.evaluated(x)
    with tf.GradientTape() as again:
        again.watch(x)
        y_again = probed.evaluated(x)
    steps = probed.two_steps(x)
    reached = list(zip(probed.reached(tape, x, y), steps.reached, strict=True))
    measures = judged(probed, x, y, steps.first)
    measures["passed"] = min(float(mode.mean()) for mode in reached[0])
    met = [evaluation & training for evaluation, training in reached[1:]]
    sees = _sees(again, x, y_again, found.claims)
    random = probes.relative_distance(y, y_again)
    return _Answer(y, steps, int(x.shape[1]), sees, random, measures, met)


def _least(
    answers: Sequence[_Answer],
) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Returns each measure at the size where it is least, and where that is.

    At one size the largest over the maps counts: an op that is the identity on
    all maps of one size is of no use there.
    """
    least: dict[str, Any] = {}
    only_at = {}
    for name, (_, low) in JUDGED.items():
        sizes: dict[int, float] = {}
        for answer in answers:
            value = answer.measures[name]
            sizes[answer.side] = max(sizes.get(answer.side, 0.0), value)
        least[name] = min(sizes.values())
        below = tuple(side for side, value in sizes.items() if value <= low)
        if 0 < len(below) < len(sizes):
            only_at[name] = below
    return least, only_at


def _sees(
    tape: tf.GradientTape, x: tf.Tensor, y: tf.Tensor, claims: int
) -> int:
    """Returns the side of the square of input pixels that reach the centre.

    See `SEEN` and `ABOVE_ALL` for what counts; `claims` is what kernels span.
    """
    middle = int(x.shape[1]) // 2
    weight = np.zeros(y.shape, np.float32)
    centre = weight[:, middle, middle]
    centre[:] = tf.random.stateless_normal(centre.shape, (8, 1))
    gradient = tape.gradient(
        y, x, output_gradients=weight, unconnected_gradients="zero"
    )
    # A root at 0 has no finite gradient.
    force = np.nan_to_num(np.abs(gradient), posinf=1e30).sum(axis=(0, 3))
    if not force.any():
        return 0
    away = np.abs(np.indices(force.shape) - middle).max(axis=0)
    beyond = force[away > claims]
    leak = np.median(beyond) if beyond.size else 0.0
    reached = np.argwhere(force > max(SEEN * force.max(), ABOVE_ALL * leak))
    return int(np.ptp(reached, axis=0).max()) + 1 if len(reached) else 0


def findings(found: Measures) -> list[Finding]:
    """Returns the reasons for suspicion, [] for an op worth choosing."""
    if not found.finite:
        return [Finding("not_finite", "returns numbers that are not finite")]
    reasons = {}
    if found.low("response"):
        # Whatever else it seems to be follows from this.
        reasons["constant"] = "returns a constant, whatever its input is"
    else:
        reasons |= _of_evaluation(found)
    if found.low("training_distance") and found.high("input_distance"):
        reasons["returns_input_in_training"] = (
            "returns its input in training (relative distance "
            f"{found.training_distance:.3f})"
        )
    if found.low("training_response") and found.high("response"):
        reasons["ignores_input"] = "ignores its input in training"
    if loses_information(found.correlation, found.zeros):
        zeros = f", {100 * found.zeros:.0f} % of its values are zeroed"
        reasons["loses_information"] = (
            "loses information in training: two passes over one map correlate "
            f"by {found.correlation:.2f}, {100 * found.variance_kept:.0f} % of "
            "the variance is kept" + (zeros if found.zeros > 0.01 else "")
        )
    if found.random > RANDOM:
        reasons["random"] = (
            "is random in evaluation: two of one map have a relative distance "
            f"of {found.random:.3f}"
        )
    if found.has_state:
        reasons["has_state"] = "changes itself in evaluation"
    for name, sides in found.only_at.items():
        kind, _ = JUDGED[name]
        if kind in reasons:
            sizes = ", ".join(f"{side}x{side}" for side in sides)
            reasons[kind] += f"; on maps of {sizes}"
    return [Finding(kind, text) for kind, text in reasons.items()]


def _of_evaluation(found: Measures) -> dict[str, str]:
    """Returns what evaluation says about an op that answers, kind -> text."""
    reasons = {}
    if found.low("input_distance"):
        reasons["returns_input"] = (
            f"returns its input (relative distance {found.input_distance:.3f})"
        )
    if found.low("nonlinearity"):
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
    if found.low("passed"):
        reasons["no_gradient"] = (
            "passes no gradient on: what comes before it cannot learn"
        )
    elif found.sees < min(found.claims, found.side):
        reasons["receptive_field"] = (
            f"sees {found.sees}x{found.sees} pixels where its kernels claim "
            f"{found.claims}x{found.claims}"
        )
    return reasons
