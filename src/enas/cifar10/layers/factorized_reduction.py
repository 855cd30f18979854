"""The factorized reduction, which halves a map.

Counterpart of `_factorized_reduction` in ENAS's src/cifar10/general_child.py.
"""

import keras
import tensorflow as tf

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

    def kernel(self) -> tf.Tensor:
        """Returns both paths as one 2x2 convolution, `[2, 2, in, out]`."""
        half = self.options.filters // 2
        tap1 = tf.pad(self.path1_conv.w.value, _pad_tap(0, 0, half))
        return tap1 + tf.pad(self.path2_conv.w.value, _pad_tap(1, half, 0))

    def call(self, x: tf.Tensor, training: Mode = False) -> tf.Tensor:
        data_format = self.options.data_format
        if training and data_format == "NHWC":
            paths = self.path1_conv.w.value, self.path2_conv.w.value
            x = _reduce_lines(x, *map(tf.convert_to_tensor, paths))
        else:
            # In evaluation TensorFlow folds the batch norm into it.
            x = tf.nn.conv2d(
                x, self.kernel(), 2, "SAME", data_format=data_format
            )
        return self.bn(x, training=training)


def _reduce_lines(
    x: tf.Tensor, path1: tf.Tensor, path2: tf.Tensor
) -> tf.Tensor:
    """Returns both paths of a reduction, NHWC.

    Two pixels side by side are one row of a matrix. Path 1 weighs its left half
    in the even lines of an image, path 2 its right half in the odd ones, so
    that nothing but whole lines is copied.
    """
    shape, channels = tf.shape(x), x.shape[3]
    left = tf.pad(path1[0, 0], [[0, channels], [0, 0]])
    right = tf.pad(path2[0, 0], [[channels, 0], [0, 0]])
    even, odd = _lines(x)
    y = tf.concat([tf.matmul(even, left), tf.matmul(odd, right)], axis=1)
    return tf.reshape(y, [-1, shape[1] // 2, shape[2] // 2, y.shape[1]])


def _lines(x: tf.Tensor) -> list[tf.Tensor]:
    """Returns the even and the odd lines, `[pairs of pixels, 2 * channels]`."""
    pairs = 2 * x.shape[3]
    lines = tf.reshape(x, [-1, 2, tf.shape(x)[2] // 2 * pairs])
    return [tf.reshape(part, [-1, pairs]) for part in tf.unstack(lines, axis=1)]


def _pad_tap(
    at: int, channels_before: int, channels_after: int
) -> list[list[int]]:
    spatial = [at, 1 - at]
    return [spatial, spatial, [0, 0], [channels_before, channels_after]]
