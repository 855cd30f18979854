"""Feature maps like those of a search, and what an op makes of them.

Nothing here knows what an op is called or whether it is poison.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from enas.cifar10.layers.image_ops import FROZEN
from enas.common_ops import is_copied

BATCH = 4
# A smaller gradient, over the size of the answers, counts as none.
PASSES = 1e-3
# Weights of this size and below grow: a residual block whose last scale starts
# near 0 is the identity at first only.
SMALL = 0.02
T = TypeVar("T")


def feature_maps(child: Any, images: np.ndarray) -> list[tf.Tensor]:
    """Returns maps of three sizes: images through the stem, then random ones.

    Args:
      child: a built `MacroChild`, fresh or trained.
      images: float32 `[images, height, width, 3]`, standardised.

    Returns:
      Six float32 `[4, size, size, channels]`: of both kinds at the size of the
      image and after each of the two poolings.
    """
    # Fewer are repeated; where all are equal the random maps decide.
    images = np.resize(images, (BATCH, *images.shape[1:]))
    stem = child.stem_conv(images, training=FROZEN)
    noise = tf.random.stateless_normal(tf.shape(stem), (6, 9))
    maps = []
    for x in (stem, noise):
        for stride in (1, 2, 4):
            y = tf.nn.avg_pool2d(x, stride, stride, "SAME") if stride > 1 else x
            # A search normalises what a layer gets.
            maps.append(tf.math.divide_no_nan(y, tf.math.reduce_std(y)))
    return maps


class Steps(NamedTuple):
    """What two training steps make of a map; `reached` as `Probed.reached`."""

    first: tf.Tensor
    second: tf.Tensor
    reached: list[np.ndarray]


class Told(NamedTuple):
    """What one map tells of an op, to compare it with others.

    Attributes:
      answer: its evaluation, with weights as they are and moved, as a vector.
      trained: of a training step; empty where only an evaluation was asked.
      noise: see `noise_of`.
      reached: shares of the map and of the weights that training reaches.
    """

    answer: np.ndarray
    trained: np.ndarray
    noise: tuple[float, float]
    reached: tuple[float, float]


@dataclasses.dataclass
class Probed:
    """One op id, as a function of a map. Probing leaves it as it was.

    Attributes:
      branch: the built layer that it is; `copy` is which copy of it.
      run: whether in training -> the traced layer, see `Signature`.
      has_state: whether an evaluation has changed a variable of it.
    """

    branch: Any
    copy: int
    run: Mapping[bool, Callable]
    has_state: bool = False

    def evaluated(self, x: tf.Tensor) -> tf.Tensor:
        """Returns what it makes of a map in evaluation."""
        variables = self.branch.non_trainable_variables
        with _restored(variables) as before:
            y = self._run(x, False, (0, 0))
            self.has_state |= any(
                not np.array_equal(v.numpy(), old.numpy(), equal_nan=True)
                for v, old in zip(variables, before, strict=True)
            )
        return y

    def trained(self, x: tf.Tensor) -> tf.Tensor:
        """Returns what a training step makes of a map, always by one draw."""
        with _restored(self.branch.non_trainable_variables):
            return self._run(x, True, (1, 1))

    def two_steps(self, x: tf.Tensor) -> Steps:
        """Runs two training steps, one after the other, on a map."""
        moving = self.branch.non_trainable_variables
        with _restored(moving), tf.GradientTape() as tape:
            tape.watch(x)
            steps = self._run(x, True, (1, 1)), self._run(x, True, (2, 2))
            both = tf.concat(steps, 0)
        return Steps(*steps, self.reached(tape, x, both))

    def reached(
        self, tape: tf.GradientTape, x: tf.Tensor, y: tf.Tensor
    ) -> list[np.ndarray]:
        """Returns which numbers of a map, then of each weight, y learns by."""
        variables = self.branch.trainable_variables
        of_map, *of_weights = tape.gradient(
            y,
            [x, *(v.value for v in variables)],
            output_gradients=tf.random.stateless_normal(tf.shape(y), (0, 4)),
            unconnected_gradients="zero",
        )
        small = PASSES * np.std(y.numpy(), dtype=np.float64)
        reached = [np.abs(of_map.numpy()) > small]
        for variable, gradient in zip(variables, of_weights, strict=True):
            values = tf.convert_to_tensor(gradient).numpy()
            own = values[self.copy] if is_copied(variable) else values
            reached.append(own != 0)
        return reached

    def _run(
        self, x: tf.Tensor, training: bool, seed: tuple[int, int]
    ) -> tf.Tensor:
        y = self.run[training](x, tf.constant(self.copy), tf.constant(seed))
        return tf.cast(y, tf.float32)

    def still_and_moved(
        self, function: Callable[[tf.Tensor], T], maps: Sequence[tf.Tensor]
    ) -> list[T]:
        """Returns a function of all maps, then again with weights moved."""
        variables = self.branch.trainable_variables
        still = [function(x) for x in maps]
        if not variables:
            return [*still, *still]
        with _restored(variables) as before:
            # A little, as training would move them.
            for i, old in enumerate(before):
                size = tf.sqrt(tf.reduce_mean(old**2))
                step = tf.where(size > SMALL, 0.1 * size, 0.5)
                noise = tf.random.stateless_normal(old.shape, (i, 5))
                # A scale or a variance may have to stay positive.
                noise = tf.abs(noise) if tf.reduce_all(old > 0) else noise
                variables[i].assign(old + step * noise)
            return [*still, *(function(x) for x in maps)]

    def told(self, x: tf.Tensor, whole: bool = True) -> Told:
        """Returns what one map tells of it, by one evaluation if not whole."""
        if not whole:
            answer, none = np.ravel(self.evaluated(x)), np.zeros(0)
            return Told(answer, none, noise=(1.0, 0.0), reached=(1.0, 1.0))
        still, moved = self.still_and_moved(self.evaluated, [x])
        steps = self.two_steps(x)
        answer = np.concatenate([np.ravel(still), np.ravel(moved)])
        of_map, *met = steps.reached
        of_weights = np.concatenate([np.ones(1), *map(np.ravel, met)])
        reached = float(of_map.mean()), float(of_weights.mean())
        noise = noise_of([steps], [still])
        return Told(answer, np.ravel(steps.first), noise, reached)


def noise_of(
    steps: Sequence[Steps], plain: Sequence[tf.Tensor]
) -> tuple[float, float]:
    """Returns how random an op is in training, by steps and evaluations.

    Returns:
      (correlation, zeros): of two steps over the same maps, in [-1, 1],
      1 for an op that draws nothing; and the share of evaluation's values
      that training zeroes.
    """
    columns = [s.first for s in steps], [s.second for s in steps], plain
    first, second, evaluated = (
        np.concatenate([np.ravel(y) for y in column]) for column in columns
    )
    met = evaluated != 0
    zeros = np.mean(first[met] == 0) if met.any() else 0.0
    return correlation(first, second), float(zeros)


@contextlib.contextmanager
def _restored(variables: Sequence[Any]) -> Iterator[list[tf.Tensor]]:
    """Hands out the values of variables, and assigns them again at the end."""
    before = [tf.identity(v.value) for v in variables]
    try:
        yield before
    finally:
        for variable, old in zip(variables, before, strict=True):
            variable.assign(old)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the correlation of two vectors; 0 if one is constant."""
    if np.array_equal(a, b) and np.ptp(a) > 0:
        return 1.0
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def relative_distance(a: Any, b: Any) -> float:
    """Returns |a - b| over the larger norm, in [0, 2]; 0 for two zeros."""
    # The squares of large answers are more than float32 holds.
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norm = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / norm) if norm else 0.0
