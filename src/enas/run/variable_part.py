"""A part of a variable under a name of its own in checkpoints.

A batch norm holds its moving statistics as one variable; checkpoints hold each
of them by the original's name.
"""

from typing import Any

import numpy as np
import tensorflow as tf


class Part:
    """A part of a variable, read, assigned and saved as a tf.Variable is.

    Args:
      whole: what it is a part of.
      place: index of the part: integers, slices and Ellipsis.
    """

    def __init__(self, whole: tf.Variable, place: tuple) -> None:
        self._whole = whole
        self._place = place
        self.dtype = whole.dtype
        shape = np.broadcast_to(0, whole.shape)[place].shape
        self.shape = tf.TensorShape(shape)

    def numpy(self) -> np.ndarray:
        return self._whole.numpy()[self._place]

    def assign(self, value: np.ndarray | tf.Tensor) -> None:
        self._whole[self._place].assign(value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> tf.Tensor:
        return tf.convert_to_tensor(self._whole[self._place], dtype, name=name)
