"""Batch norm, convolution and pooling as the TensorFlow 1 child computes them.

Counterpart of ENAS's src/cifar10/image_ops.py.
"""

import math

import keras
import tensorflow as tf

from enas import common_ops
from enas.cifar10.max_pool import max_pool_3x3

__all__ = [
    "FROZEN",
    "BatchNorm",
    "Classifier",
    "ConvBN",
    "FactorizedReduction",
    "SeparableConvBN",
    "channel_axis",
    "global_avg_pool",
    "pool_3x3",
]

BN_DECAY = 0.9
# ENAS asks for 1e-5; TensorFlow's fused_batch_norm takes no less than this.
SMALLEST_EPSILON = 1.001e-5
# Value of `training`: as in training, dropout and batch statistics included,
# but the moving statistics stay. The paper's errors are measured so (row 30).
FROZEN = "frozen"


def channel_axis(data_format):
    """Returns the axis of the channels, int."""
    return 3 if data_format == "NHWC" else 1


class BatchNorm(keras.layers.Layer):
    """Batch normalisation with the moving statistics of TensorFlow 1 ENAS.

    In training it normalises by the biased batch variance and stores the
    unbiased one, N/(N-1) of it. In evaluation it uses the moving statistics,
    or again the batch's if the profile says so (row 10). They move by

        biased <- .9 biased + .1 value
        moving <- biased / (1 - .9 ** local_step)

    so that after the first update they are the batch's own, or, if masked, by
    moving <- .9 moving + .1 value.

    Args:
      options: the child's `ChildOptions`.
      masked: bool, whether it is ENAS's `batch_norm_with_mask`, which has
        another epsilon and plain averages from 0 and 1, or `batch_norm`,
        whose averages are zero-debiased.
      copies: int, sets of weights and statistics; above 1 they are stacked,
        for poisonings whose copies have their own.

    Call arguments:
      x: float32 `[batch, height, width, channels]` (or NCHW).
      training: bool, or `FROZEN`.
      copy: int32 scalar, which set, in [0, copies).

    Attributes:
      statistics: variable, a line each for mean and variance: moving, and if
        not masked behind it its zero-debias shadow biased and the updates so
        far, local_step: `[2, 2 * channels + 1]`, else `[2, channels]`. As one,
        they move in one go. Checkpoints have each by the original's name.

    Source: ENAS image_ops.py and TensorFlow 1 `assign_moving_average`, rows 10
    and 11; same. In profile paper the moving statistics are kept as well,
    though nothing reads them.
    """

    def __init__(self, options, masked=False, copies=1):
        # Fused batch norm takes maps of any type and weights of float32.
        super().__init__(name="bn", autocast=False)
        self.copies = copies
        self.data_format = options.data_format
        self.always_batch = options.profile.bn_evaluation == "batch"
        self.epsilon = 1e-5
        if options.profile.bn_epsilon == "mixed":
            self.epsilon = 1e-3 if masked else SMALLEST_EPSILON
        self.masked = masked

    def build(self, shape):
        copies = () if self.copies == 1 else (self.copies,)
        channels = shape[channel_axis(self.data_format)]
        self.offset = common_ops.add_weight(
            self, "offset", (channels,), "zeros", self.copies
        )
        self.scale = common_ops.add_weight(
            self, "scale", (channels,), "ones", self.copies
        )
        self.channels = channels
        self.statistics = self.add_weight(
            name="moving" if self.masked else "statistics",
            shape=(*copies, 2, channels if self.masked else 2 * channels + 1),
            initializer=self._first_statistics,
            trainable=False,
        )

    def _first_statistics(self, shape, dtype=None):
        moving = tf.constant([[0.0], [1.0]], dtype)
        moving = tf.broadcast_to(moving, [*shape[:-1], self.channels])
        rest = tf.zeros([*shape[:-1], shape[-1] - self.channels], dtype)
        return tf.concat([moving, rest], axis=-1)

    def moving(self, copy=0):
        """Returns moving mean and variance, float32 `[2, channels]`."""
        return self._own(self.statistics, copy)[:, : self.channels]

    def call(self, x, training=False, copy=0):
        by_batch = bool(training) or self.always_batch
        mean = variance = tf.zeros([0])
        if not by_batch:
            mean, variance = tf.unstack(self.moving(copy))
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self._own(self.scale, copy),
            offset=self._own(self.offset, copy),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            data_format=self.data_format,
            is_training=by_batch,
        )
        if training and training != FROZEN:
            self._move(tf.stack([mean, variance]), copy)
        return y

    def _own(self, variable, copy):
        return common_ops.of_copy(variable, self.copies, copy)

    def _move(self, values, copy):
        """Moves the statistics towards those of a batch, `[2, channels]`."""
        old = self._own(self.statistics, copy)
        new = _average(old, values) if self.masked else _debias(old, values)
        common_ops.set_copy(self.statistics, self.copies, copy, new)


def _average(old, values):
    return old - (old - values) * (1.0 - BN_DECAY)


def _debias(old, values):
    """Returns the next moving, biased and local_step, side by side."""
    channels = values.shape[1]
    _, biased, steps = tf.split(old, [channels, channels, 1], axis=1)
    biased, steps = _average(biased, values), steps + 1.0
    moving = biased / (1.0 - tf.pow(BN_DECAY, steps))
    return tf.concat([moving, biased, steps], axis=1)


class ConvBN(keras.layers.Layer):
    """Convolution without bias, batch norm, then ReLU if wanted.

    Args:
      name: str, ENAS's scope.
      size: int, side of the kernel.
      options: the child's `ChildOptions`.
      masked_bn: bool, whether the batch norm is `batch_norm_with_mask`.
      relu: bool.
      copies: int, sets of weights, see `BatchNorm`.

    Call arguments: those of `BatchNorm`.

    Source: ENAS general_child.py `_conv_branch`, stem; same.
    """

    def __init__(
        self, name, size, options, masked_bn=False, relu=True, copies=1
    ):
        super().__init__(name=name)
        self.size = size
        self.options = options
        self.relu = relu
        self.copies = copies
        self.bn = BatchNorm(options, masked_bn, copies)

    def build(self, shape):
        channels = shape[channel_axis(self.options.data_format)]
        filters = self.options.filters
        self.w = common_ops.child_weight(
            self,
            "w",
            (self.size, self.size, channels, filters),
            self.options,
            copies=self.copies,
        )
        self.bn.build(self.options.feature_shape)

    def kernel(self, copy):
        """Returns what is convolved with, `[height, width, in, out]`."""
        return common_ops.of_copy(self.w, self.copies, copy)

    def call(self, x, training=False, copy=0):
        x = tf.nn.conv2d(
            x,
            self.kernel(copy),
            1,
            "SAME",
            data_format=self.options.data_format,
        )
        x = self.bn(x, training=training, copy=copy)
        return tf.nn.relu(x) if self.relu else x


class SeparableConvBN(keras.layers.Layer):
    """Depthwise, then pointwise convolution, one batch norm and ReLU behind.

    Source: ENAS general_child.py `_conv_branch`, row 2; same. `w_point` is
    stored [out, in], as ENAS stores it.
    """

    def __init__(self, name, size, options, masked_bn=True, relu=True):
        super().__init__(name=name)
        self.size = size
        self.options = options
        self.relu = relu
        self.bn = BatchNorm(options, masked_bn)

    def build(self, shape):
        filters = self.options.filters
        self.w_depth = common_ops.child_weight(
            self,
            "w_depth",
            (self.size, self.size, filters, 1),
            self.options,
            "depthwise",
        )
        self.w_point = common_ops.child_weight(
            self, "w_point", (filters, filters), self.options
        )
        self.bn.build(self.options.feature_shape)

    def call(self, x, training=False):
        data_format = self.options.data_format
        x = tf.nn.depthwise_conv2d(
            x, self.w_depth.value, [1, 1, 1, 1], "SAME", data_format=data_format
        )
        point = tf.transpose(self.w_point.value)[tf.newaxis, tf.newaxis]
        x = tf.nn.conv2d(x, point, 1, "SAME", data_format=data_format)
        x = self.bn(x, training=training)
        return tf.nn.relu(x) if self.relu else x


class Weight(keras.layers.Layer):
    """One weight `w` of a convolution under a scope of its own."""

    def __init__(self, name, options):
        super().__init__(name=name)
        self.options = options

    def build(self, shape):
        self.w = common_ops.child_weight(self, "w", shape, self.options)


class FactorizedReduction(keras.layers.Layer):
    """Halves height and width without losing every second pixel.

    Path 1 takes the pixels from (0, 0), path 2 those from (1, 1); each goes
    through a 1x1 convolution to half of the channels; batch norm behind, no
    ReLU.

    Source: ENAS general_child.py `_factorized_reduction`, row 8; same result,
    different form: in training one matrix product for each path, in evaluation
    one 2x2 convolution of stride 2 whose other taps are zero; padding, slicing
    and two poolings cost several times as much.
    """

    def __init__(self, name, options):
        super().__init__(name=name)
        self.options = options
        self.path1_conv = Weight("path1_conv", options)
        self.path2_conv = Weight("path2_conv", options)
        self.bn = BatchNorm(options)

    def build(self, shape):
        channels = shape[channel_axis(self.options.data_format)]
        filters = self.options.filters
        self.path1_conv.build((1, 1, channels, filters // 2))
        self.path2_conv.build((1, 1, channels, filters // 2))
        self.bn.build(self.options.feature_shape)

    def kernel(self):
        """Returns both paths as one 2x2 convolution, `[2, 2, in, out]`."""
        half = self.options.filters // 2
        tap1 = tf.pad(self.path1_conv.w.value, _pad_tap(0, 0, half))
        return tap1 + tf.pad(self.path2_conv.w.value, _pad_tap(1, half, 0))

    def call(self, x, training=False):
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


@tf.custom_gradient
def _reduce_lines(x, path1, path2):
    """Returns both paths of a reduction, NHWC.

    Two pixels side by side are one row of a matrix. Path 1 weighs its left half
    in the even lines of an image, path 2 its right half in the odd ones, so
    that nothing but whole lines is copied. The gradient copies them again:
    that takes no more time than keeping them until then.
    """
    shape, channels = tf.shape(x), x.shape[3]
    left = tf.pad(path1[0, 0], [[0, channels], [0, 0]])
    right = tf.pad(path2[0, 0], [[channels, 0], [0, 0]])

    def gradient(dy):
        parts = [_rows(part) for part in tf.split(dy, 2, axis=3)]
        dw = [
            tf.matmul(line, part, transpose_a=True)
            for line, part in zip(_lines(x), parts, strict=True)
        ]
        dx = [
            tf.reshape(tf.matmul(part, w, transpose_b=True), [-1, width])
            for part, w in zip(parts, (left, right), strict=True)
        ]
        first, second = dw[0][:channels], dw[1][channels:]
        dx = tf.reshape(tf.stack(dx, axis=1), shape)
        return dx, first[None, None], second[None, None]

    width = shape[2] * channels
    even, odd = _lines(x)
    y = tf.concat([tf.matmul(even, left), tf.matmul(odd, right)], axis=1)
    return tf.reshape(
        y, [-1, shape[1] // 2, shape[2] // 2, y.shape[1]]
    ), gradient


def _rows(x):
    return tf.reshape(x, [-1, x.shape[3]])


def _lines(x):
    """Returns the even and the odd lines, `[pairs of pixels, 2 * channels]`."""
    pairs = 2 * x.shape[3]
    lines = tf.reshape(x, [-1, 2, tf.shape(x)[2] // 2 * pairs])
    return [tf.reshape(part, [-1, pairs]) for part in tf.unstack(lines, axis=1)]


def _pad_tap(at, channels_before, channels_after):
    spatial = [at, 1 - at]
    return [spatial, spatial, [0, 0], [channels_before, channels_after]]


class Classifier(keras.layers.Layer):
    """The matrix behind global pooling, with a bias if the profile says so.

    Args:
      options: the child's `ChildOptions`.

    Source: row 9; same.
    """

    def __init__(self, options):
        super().__init__(name="fc", dtype="float32")
        self.options = options
        self.b = None

    def build(self, shape):
        self.w = common_ops.child_weight(
            self, "w", shape, self.options, "linear"
        )
        if self.options.profile.classifier_bias == "learned":
            limit = 1.0 / math.sqrt(shape[0])
            self.b = common_ops.uniform(
                self, "b", (shape[1],), limit, self.options.seed
            )

    def call(self, x):
        logits = tf.matmul(x, self.w.value)
        return logits if self.b is None else logits + self.b.value


def pool_3x3(x, kind, options):
    """Pools 3x3 with stride 1 and the same size.

    Args:
      x: float32 `[batch, height, width, channels]`.
      kind: "max", or "avg", which leaves padding out of the mean or counts it
        as zeros, as the profile says.
      options: the child's `ChildOptions`.

    Source: ENAS general_child.py `_pool_branch`, row 3; same.
    """
    data_format = options.data_format
    if kind == "max" and not tf.config.list_physical_devices("GPU"):
        return max_pool_3x3(x)
    if kind == "max":
        return tf.nn.max_pool2d(x, 3, 1, "SAME", data_format=data_format)
    if options.profile.avg_pool_padding == "excluded":
        return tf.nn.avg_pool2d(x, 3, 1, "SAME", data_format=data_format)
    border = [[0, 0], [1, 1], [1, 1], [0, 0]]
    if data_format == "NCHW":
        border = [[0, 0], [0, 0], [1, 1], [1, 1]]
    x = tf.pad(x, border)
    return tf.nn.avg_pool2d(x, 3, 1, "VALID", data_format=data_format)


def global_avg_pool(x, data_format):
    """Returns the mean over height and width, float32 `[batch, channels]`."""
    x = tf.cast(x, tf.float32)
    return tf.reduce_mean(x, [1, 2] if data_format == "NHWC" else [2, 3])
