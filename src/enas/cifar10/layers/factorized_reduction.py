"""The factorized reduction, which halves a map.

Counterpart of `_factorized_reduction` in ENAS's src/cifar10/general_child.py.
"""

import keras
import tensorflow as tf
from tensorflow import Tensor

from enas import common_ops
from enas.cifar10.branches import ChildOptions, Mode
from enas.cifar10.layers.image_ops import BatchNorm, channel_axis


class Weight(keras.layers.Layer):
    """One weight `w` of a convolution under a scope of its own."""

    def __init__(self, name: str, options: ChildOptions):
        super().__init__(name=name)
        self.options = options

    def build(self, shape: tuple) -> None:
        self.w = common_ops.child_weight(self, "w", shape, self.options)


class FactorizedReduction(keras.layers.Layer):
    """Halves height and width without losing every second pixel.

    Path 1 takes the pixels from (0, 0), path 2 those from (1, 1); each goes
    through a 1x1 convolution to half of the channels; then batch norm, no
    ReLU.

    Source: ENAS general_child.py `_factorized_reduction`, row 8; same result,
    different form: in training one matrix product for each path, in evaluation
    one 2x2 convolution of stride 2 whose other taps are zero
    (docs/history/speed.md).
    """

    def __init__(self, name: str, options: ChildOptions):
        super().__init__(name=name)
        self.options = options
        self.path1_conv = Weight("path1_conv", options)
        self.path2_conv = Weight("path2_conv", options)
        self.bn = BatchNorm(options)

    def build(self, shape: tuple) -> None:
        channels = shape[channel_axis(self.options.data_format)]
        filters = self.options.filters
        self.path1_conv.build((1, 1, channels, filters // 2))
        self.path2_conv.build((1, 1, channels, filters // 2))
        self.bn.build(self.options.feature_shape)

    def kernel(self) -> Tensor:
        """Returns both paths as one 2x2 convolution, `[2, 2, in, out]`."""
        half = self.options.filters // 2
        first, second = [0, 1], [1, 0]
        tap1 = [first, first, [0, 0], [0, half]]
        tap2 = [second, second, [0, 0], [half, 0]]
        path1, path2 = self.path1_conv.w.value, self.path2_conv.w.value
        return tf.pad(path1, tap1) + tf.pad(path2, tap2)

    def call(self, x: Tensor, training: Mode = False) -> Tensor:
        layout = self.options.data_format
        if training and layout == "NHWC":
            paths = self.path1_conv.w.value, self.path2_conv.w.value
            x = _reduce_lines(x, *map(tf.convert_to_tensor, paths))
        else:
            # In evaluation TensorFlow folds the batch norm into it.
            x = tf.nn.conv2d(x, self.kernel(), 2, "SAME", data_format=layout)
        return self.bn(x, training=training)


def _reduce_lines(x: Tensor, path1: Tensor, path2: Tensor) -> Tensor:
    """Returns both paths of a reduction, NHWC.

    Two pixels side by side are one row of a matrix. Path 1 weighs its left half
    in the even lines of an image, path 2 its right half in the odd ones, so
    that nothing but whole lines is copied.
    """
    shape, channels = tf.shape(x), x.shape[3]
    left = tf.pad(path1[0, 0], [[0, channels], [0, 0]])
    right = tf.pad(path2[0, 0], [[channels, 0], [0, 0]])
    lines = tf.reshape(x, [-1, 2, shape[2] // 2 * (2 * channels)])
    even, odd = (
        tf.reshape(part, [-1, 2 * channels])
        for part in tf.unstack(lines, axis=1)
    )
    y = tf.concat([tf.matmul(even, left), tf.matmul(odd, right)], axis=1)
    return tf.reshape(y, [-1, shape[1] // 2, shape[2] // 2, y.shape[1]])
