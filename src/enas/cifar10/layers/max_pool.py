"""3x3 max pooling of stride 1 with a gradient that is fast on a CPU.

TensorFlow's own gradient searches every window again, one value at a time, and
costs more than that of a 5x5 convolution. This one computes the same numbers
in two loops over whole tensors, which XLA fuses.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

PLACES = range(9)
NO_PLACE = np.uint8(9)
BORDER = [[0, 0], [1, 1], [1, 1], [0, 0]]


def max_pool(data_format: str) -> Callable[[Tensor], Tensor]:
    """Returns 3x3 max pooling of stride 1 for the devices there are.

    With a GPU it is TensorFlow's own: the fused gradient is for CPUs.
    """
    if data_format == "NHWC" and not tf.config.list_physical_devices("GPU"):
        return max_pool_3x3
    return lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME", data_format)


@tf.custom_gradient
def max_pool_3x3(x: Tensor) -> Tensor:
    """Returns the largest of each value's neighbours, padding left out.

    x and the result are float32 `[batch, height, width, channels]`. The
    gradient goes to the first of equal values, row by row, as TensorFlow's
    does, and is the same bit for bit.

    Source: ENAS general_child.py `_pool_branch`, row 3; same.
    """
    y = tf.nn.max_pool2d(x, 3, 1, "SAME")

    def gradient(dy: Tensor) -> Tensor:
        # Plain ops around what was computed forward: in a branch of a switch
        # only these make TensorFlow pass it to the gradient.
        place = _first_place(tf.identity(x), tf.identity(y))
        return _spread(place, dy)

    return y, gradient


_compiled = functools.partial(tf.function, jit_compile=True, autograph=False)


@_compiled
def _first_place(x: Tensor, y: Tensor) -> Tensor:
    """Returns where in its window each maximum is, uint8, 0 to 8."""
    padded = tf.pad(x, BORDER, constant_values=-np.inf)
    place = tf.fill(tf.shape(y), NO_PLACE)
    for number in reversed(PLACES):
        found = _window(padded, number, y) == y
        place = tf.where(found, np.uint8(number), place)
    return place


@_compiled
def _spread(place: Tensor, dy: Tensor) -> Tensor:
    """Returns the sum of what every window sends to each value."""
    place = tf.pad(place, BORDER, constant_values=NO_PLACE)
    padded = tf.pad(dy, BORDER)
    total = tf.zeros_like(dy)
    # A window to the right and below sees the value in its place 0;
    # in this order windows add up row by row.
    for number in reversed(PLACES):
        opposite = 8 - number
        sent = _window(place, opposite, dy) == np.uint8(number)
        total += tf.where(sent, _window(padded, opposite, dy), 0.0)
    return total


def _window(padded: Tensor, number: int, like: Tensor) -> Tensor:
    """Returns the part of a padded tensor that one place of a window sees."""
    row, column = divmod(number, 3)
    height, width = tf.shape(like)[1], tf.shape(like)[2]
    return padded[:, row : row + height, column : column + width]
