"""Batch norm, convolution and pooling as the TensorFlow 1 child computes them.

Counterpart of ENAS's src/cifar10/layers/image_ops.py.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow import Tensor

from enas import common_ops, tf_settings
from enas.cifar10.branches import ChildOptions, Mode
from enas.cifar10.layers.max_pool import max_pool

BN_DECAY = 0.9
# ENAS asks for 1e-5; TensorFlow's fused_batch_norm takes no less than this.
SMALLEST_EPSILON = 1.001e-5
# Value of `training`: as in training, dropout and batch statistics included,
# but the moving statistics stay. The paper's errors are measured so (row 30).
FROZEN = "frozen"


def channel_axis(data_format: str) -> int:
    """Returns the axis of the channels."""
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
      masked: whether it is ENAS's `batch_norm_with_mask`, which has
        another epsilon and plain averages from 0 and 1, or `batch_norm`,
        whose averages are zero-debiased.
      copies: sets of weights and statistics; above 1 they are stacked,
        for poisonings whose copies have their own.

    Call arguments: x, float32 `[batch, height, width, channels]` (or NCHW);
    training, bool or `FROZEN`; copy, int32 scalar in [0, copies).

    Attributes:
      statistics: variable, a line each for mean and variance: moving, and if
        not masked after it its zero-debias shadow biased and the updates so
        far, local_step: `[2, 2 * channels + 1]`, else `[2, channels]`. As one,
        they move in one go. Checkpoints have each by the original's name.

    Source: ENAS image_ops.py and TensorFlow 1 `assign_moving_average`, rows 10
    and 11; same. Nothing reads the moving statistics of profile paper.
    """

    def __init__(
        self, options: ChildOptions, masked: bool = False, copies: int = 1
    ):
        # Fused batch norm takes maps of any type and weights of float32.
        super().__init__(name="bn", autocast=False)
        self.copies = copies
        self.data_format = options.data_format
        self.always_batch = options.profile.bn_evaluation == "batch"
        self.epsilon = 1e-5
        if options.profile.bn_epsilon == "mixed":
            self.epsilon = 1e-3 if masked else SMALLEST_EPSILON
        self.masked = masked

    def build(self, shape: tuple) -> None:
        copies = () if self.copies == 1 else (self.copies,)
        channels = self.channels = shape[channel_axis(self.data_format)]
        self.offset = common_ops.add_weight(
            self, "offset", (channels,), "zeros", self.copies
        )
        self.scale = common_ops.add_weight(
            self, "scale", (channels,), "ones", self.copies
        )
        self.statistics = self.add_weight(
            name="moving" if self.masked else "statistics",
            shape=(*copies, 2, channels if self.masked else 2 * channels + 1),
            initializer=self._first_statistics,
            trainable=False,
        )

    def _first_statistics(
        self, shape: Sequence[int], dtype: Any = None
    ) -> Tensor:
        moving = tf.constant([[0.0], [1.0]], dtype)
        moving = tf.broadcast_to(moving, [*shape[:-1], self.channels])
        rest = tf.zeros([*shape[:-1], shape[-1] - self.channels], dtype)
        return tf.concat([moving, rest], axis=-1)

    def moving(self, copy: int | Tensor = 0) -> Tensor:
        """Returns moving mean and variance, float32 `[2, channels]`."""
        return self._own(self.statistics, copy)[:, : self.channels]

    def call(
        self, x: Tensor, training: Mode = False, copy: int | Tensor = 0
    ) -> Tensor:
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
            move = _average if self.masked else _debias
            old = self._own(self.statistics, copy)
            new = move(old, tf.stack([mean, variance]))
            common_ops.set_copy(self.statistics, self.copies, copy, new)
        return y

    def _own(self, variable: keras.Variable, copy: int | Tensor) -> Tensor:
        return common_ops.of_copy(variable, self.copies, copy)


def _average(old: Tensor, values: Tensor) -> Tensor:
    return old - (old - values) * (1.0 - BN_DECAY)


def _debias(old: Tensor, values: Tensor) -> Tensor:
    """Returns the next moving, biased and local_step, side by side."""
    channels = values.shape[1]
    _, biased, steps = tf.split(old, [channels, channels, 1], axis=1)
    biased, steps = _average(biased, values), steps + 1.0
    moving = biased / (1.0 - tf.pow(BN_DECAY, steps))
    return tf.concat([moving, biased, steps], axis=1)


class ConvBN(keras.layers.Layer):
    """Convolution without bias, batch norm, then ReLU if wanted.

    Args:
      size: side of the kernel.
      masked_bn: whether the batch norm is `batch_norm_with_mask`.
      copies: sets of weights, see `BatchNorm`.
      dilation: pixels between the taps of the kernel. On maps that are no
        larger all taps but the centre are on padding and are not computed.

    Call arguments: those of `BatchNorm`.

    Source: ENAS general_child.py `_conv_branch`, stem; same.
    """

    def __init__(
        self,
        name: str,
        size: int,
        options: ChildOptions,
        masked_bn: bool = False,
        relu: bool = True,
        copies: int = 1,
        dilation: int = 1,
    ):
        super().__init__(name=name)
        self.size = size
        self.options = options
        self.relu = relu
        self.copies = copies
        self.dilation = dilation
        self.centre_only = dilation >= options.image_size
        self.bn = BatchNorm(options, masked_bn, copies)

    def build(self, shape: tuple) -> None:
        options = self.options
        channels = shape[channel_axis(options.data_format)]
        kernel = self.size, self.size, channels, options.filters
        self.w = common_ops.child_weight(
            self, "w", kernel, options, copies=self.copies
        )
        self.bn.build(options.feature_shape)

    def kernel(self, copy: int | Tensor) -> Tensor:
        """Returns what is convolved with, `[height, width, in, out]`."""
        w = common_ops.of_copy(self.w, self.copies, copy)
        middle = slice(self.size // 2, self.size // 2 + 1)
        return w[middle, middle] if self.centre_only else w

    def call(
        self, x: Tensor, training: Mode = False, copy: int | Tensor = 0
    ) -> Tensor:
        kernel = self.kernel(copy)
        dilation = 1 if self.centre_only else self.dilation
        fast = tf_settings.has_onednn() and x.dtype == tf.float32
        if dilation > 1 and not fast:
            x, dilation = self._seen_by_taps(x), 1
            kernel = tf.reshape(kernel, [1, 1, -1, kernel.shape[3]])
        layout = self.options.data_format
        x = tf.nn.conv2d(x, kernel, 1, "SAME", layout, dilation)
        x = self.bn(x, training=training, copy=copy)
        return tf.nn.relu(x) if self.relu else x

    def _seen_by_taps(self, x: Tensor) -> Tensor:
        """Returns what each tap of the kernel sees, side by side.

        Without oneDNN, and of bfloat16, TensorFlow has no gradient of a
        dilated convolution on a CPU; with it, it takes half the time of this.
        """
        channels = channel_axis(self.options.data_format)
        reach = [self.dilation * (self.size // 2)] * 2
        border = [[0, 0], reach, reach]
        border.insert(channels, [0, 0])
        padded, seen = tf.pad(x, border), []
        for place in itertools.product(range(self.size), repeat=2):
            begin = [0, *(self.dilation * at for at in place)]
            begin.insert(channels, 0)
            seen.append(tf.slice(padded, begin, tf.shape(x)))
        return tf.concat(seen, channels)


class SeparableConvBN(keras.layers.Layer):
    """Depthwise, then pointwise convolution, then one batch norm and ReLU.

    Source: ENAS general_child.py `_conv_branch`, row 2; same. `w_point` is
    stored [out, in], as ENAS stores it.
    """

    def __init__(
        self,
        name: str,
        size: int,
        options: ChildOptions,
        masked_bn: bool = True,
        relu: bool = True,
    ):
        super().__init__(name=name)
        self.size = size
        self.options = options
        self.relu = relu
        self.bn = BatchNorm(options, masked_bn)

    def build(self, shape: tuple) -> None:
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

    def call(self, x: tf.Tensor, training: Mode = False) -> tf.Tensor:
        data_format = self.options.data_format
        x = tf.nn.depthwise_conv2d(
            x, self.w_depth.value, [1, 1, 1, 1], "SAME", data_format=data_format
        )
        point = tf.transpose(self.w_point.value)[tf.newaxis, tf.newaxis]
        x = tf.nn.conv2d(x, point, 1, "SAME", data_format=data_format)
        x = self.bn(x, training=training)
        return tf.nn.relu(x) if self.relu else x


class Classifier(keras.layers.Layer):
    """The matrix after global pooling, with a bias if the profile says so.

    Source: row 9; same.
    """

    def __init__(self, options: ChildOptions):
        super().__init__(name="fc", dtype="float32")
        self.options = options
        self.b = None

    def build(self, shape: tuple) -> None:
        self.w = common_ops.child_weight(
            self, "w", shape, self.options, "linear"
        )
        if self.options.profile.classifier_bias == "learned":
            limit, seed = 1.0 / math.sqrt(shape[0]), self.options.seed
            self.b = common_ops.uniform(self, "b", shape[1:], limit, seed)

    def call(self, x: Tensor) -> Tensor:
        logits = tf.matmul(x, self.w.value)
        return logits if self.b is None else logits + self.b.value


def pool_3x3(kind: str, options: ChildOptions) -> Callable[[Tensor], Tensor]:
    """Returns 3x3 pooling with stride 1 and the same size.

    `kind` is "max", or "avg", which leaves padding out of the mean or counts
    it as zeros, as the profile says.

    Source: ENAS general_child.py `_pool_branch`, row 3; same.
    """
    layout = options.data_format
    if kind == "max":
        return max_pool(layout)
    if options.profile.avg_pool_padding == "excluded":
        return lambda x: tf.nn.avg_pool2d(x, 3, 1, "SAME", layout)
    border = [[0, 0], [1, 1], [1, 1]]
    border.insert(channel_axis(layout), [0, 0])
    return lambda x: tf.nn.avg_pool2d(tf.pad(x, border), 3, 1, "VALID", layout)


def global_avg_pool(x: Tensor, data_format: str) -> Tensor:
    """Returns the mean over height and width, float32 `[batch, channels]`."""
    x = tf.cast(x, tf.float32)
    return tf.reduce_mean(x, [1, 2] if data_format == "NHWC" else [2, 3])
