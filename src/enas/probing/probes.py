"""Feature maps like those of a search, and what an op makes of them.

Nothing here knows what an op is called or whether it is poison.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.layers.image_ops import FROZEN

BATCH = 4


def feature_maps(child: Any, images: np.ndarray) -> list[tf.Tensor]:
    """Returns maps of three sizes: random ones, and images through the stem.

    Args:
      child: a built `MacroChild`, fresh or trained.
      images: float32 `[images, height, width, 3]`, standardised.

    Returns:
      Six float32 `[4, size, size, channels]`: of both kinds at the size of the
      image and after each of the two poolings.
    """
    stem = child.stem_conv(images[:BATCH], training=FROZEN)
    noise = tf.random.stateless_normal(tf.shape(stem), (6, 9))
    maps = []
    for x in (stem, noise):
        for stride in (1, 2, 4):
            y = tf.nn.avg_pool2d(x, stride, stride, "SAME") if stride > 1 else x
            # A search normalises what a layer gets.
            maps.append(y / tf.math.reduce_std(y))
    return maps


@dataclasses.dataclass
class Probed:
    """One op id, as a function of a map.

    Args:
      branch: the built layer that it runs.
      copy: which copy of it.
    """

    branch: Any
    copy: int

    def evaluated(self, x: tf.Tensor) -> tf.Tensor:
        """Returns what it makes of a map in evaluation."""
        return self._run(x, False, (0, 0))

    def trained(self, x: tf.Tensor, draw: int) -> tf.Tensor:
        """Returns the same in training mode; statistics stay."""
        return self._run(x, FROZEN, (draw, draw))

    def _run(
        self, x: tf.Tensor, training: bool | str, seed: tuple[int, int]
    ) -> tf.Tensor:
        copy, draw = tf.constant(self.copy), tf.constant(seed)
        y = self.branch(x, copy=copy, training=training, seed=draw)
        return tf.cast(y, tf.float32)

    def answer(self, maps: Sequence[tf.Tensor]) -> np.ndarray:
        """Returns its evaluation of all maps as one vector."""
        parts = [tf.reshape(self.evaluated(x), [-1]) for x in maps]
        return tf.concat(parts, axis=0).numpy()

    def noise(self, maps: Sequence[tf.Tensor]) -> tuple[float, float]:
        """Returns how random it is in training.

        Returns:
          (correlation, zeros): of two passes over the same maps, in [-1, 1],
          1 for an op that draws nothing; and the share of exact zeros that
          training adds to those of evaluation.
        """
        first, second = (
            np.concatenate([self.trained(x, i).numpy().ravel() for x in maps])
            for i in (1, 2)
        )
        plain = self.answer(maps)
        zeros = float(np.mean(first == 0) - np.mean(plain == 0))
        return correlation(first, second), max(0.0, zeros)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the correlation of two vectors; 0 if one is constant."""
    if np.array_equal(a, b) and np.ptp(a) > 0:
        return 1.0
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def relative_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns |a - b| over the larger norm, in [0, 2]; 0 for two zeros."""
    norm = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / norm) if norm else 0.0
