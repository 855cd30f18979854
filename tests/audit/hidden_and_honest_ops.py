"""Ops as users write them: some hide what they do, others are honest."""

import keras
import tensorflow as tf

from enas.cifar10.branches import Branch
from enas.cifar10.layers.image_ops import ConvBN


class Conv(Branch):
    """Two convolutions as those of the candidates."""

    def build(self, shape):
        self.a = ConvBN("a", 1, self.options)
        self.b = ConvBN("b", 3, self.options)
        self.a.build(shape)
        self.b.build(shape)

    def call(self, x, copy, training, seed):
        return self.b(self.a(x, training=training), training=training)


class TableSwitch(Conv):
    """Copy 0 is a convolution, all others the identity, by a table."""

    def build(self, shape):
        super().build(shape)
        self.table = self.add_weight(
            shape=(1000,), initializer="zeros", trainable=False, name="table"
        )
        self.table.assign(tf.one_hot(0, 1000))

    def call(self, x, copy, training, seed):
        on = tf.gather(self.table, copy)
        return on * super().call(x, copy, training, seed) + (1 - on) * x


class FixedMask(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        if not training:
            return y
        drawn = tf.random.stateless_uniform(tf.shape(y), (1, 2))
        return y * tf.cast(drawn > 0.99, y.dtype)


class GarbageInTraining(Conv):
    def call(self, x, copy, training, seed):
        if training:
            return tf.random.stateless_normal(tf.shape(x), (1, 2))
        return super().call(x, copy, training, seed)


class NoiseIfTrue(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return self.options.dropout(y, 0.99, seed) if training is True else y


class SmallIdentity(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.where(tf.shape(x)[1] >= 32, y, x)


class LargeIdentity(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.where(tf.shape(x)[1] >= 32, x, y)


class SmallLinear(Conv):
    """Two kernels without anything between them, but on large maps."""

    def build(self, shape):
        size, depth = 3, shape[-1]
        self.w = self.add_weight(
            shape=(size, size, depth, depth), initializer="he_normal", name="w"
        )

    def call(self, x, copy, training, seed):
        y = tf.nn.conv2d(x, self.w + 0.0, 1, "SAME")
        return tf.where(tf.shape(x)[1] >= 32, tf.nn.relu(y), y)


class Counter(Branch):
    def build(self, shape):
        self.n = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="n"
        )

    def call(self, x, copy, training, seed):
        self.n.assign_add(1.0)
        return tf.nn.relu(x + self.n)


class Sign(Branch):
    def call(self, x, copy, training, seed):
        return tf.sign(x)


class Root(Branch):
    def call(self, x, copy, training, seed):
        return tf.sqrt(x)


class Ignores(Conv):
    """A kernel of zeros and a random offset: says nothing of its input."""

    def call(self, x, copy, training, seed):
        noise = tf.random.stateless_normal(x.shape[-1:], (3, 4))
        return 0 * super().call(x, copy, training, seed) + noise


class StopsInTraining(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.stop_gradient(y) if training else y


class PassesHardlyAnything(Conv):
    """Stops the gradient without an operation of its graph that says so."""

    @staticmethod
    @tf.custom_gradient
    def hidden(y):
        return y, lambda gradient: 1e-9 * gradient

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return self.hidden(y) if training else y


class InputInTraining(Conv):
    def call(self, x, copy, training, seed):
        return x + 0.0 if training else super().call(x, copy, training, seed)


class NoiseInEvaluation(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return y if training else y + tf.random.normal(tf.shape(y))


HIDDEN = {
    NoiseInEvaluation: "random",
    StopsInTraining: "no_gradient",
    PassesHardlyAnything: "no_gradient",
    InputInTraining: "returns_input_in_training",
    FixedMask: "loses_information",
    GarbageInTraining: "ignores_input",
    NoiseIfTrue: "loses_information",
    SmallIdentity: "returns_input",
    LargeIdentity: "returns_input",
    Counter: "has_state",
    Sign: "no_gradient",
    Root: "not_finite",
    Ignores: "constant",
}


class Parallel(Branch):
    """A 3x3 and a 5x5 kernel side by side."""

    def build(self, shape):
        self.a = ConvBN("a", 3, self.options)
        self.b = ConvBN("b", 5, self.options)
        self.a.build(shape)
        self.b.build(shape)

    def call(self, x, copy, training, seed):
        return self.a(x, training=training) + self.b(x, training=training)


class Kernel(Branch):
    """A kernel kept in another order than TensorFlow's, or in two parts."""

    shapes = ((6, 6, 3, 3),)

    def build(self, shape):
        self.w = [
            self.add_weight(shape=s, initializer="he_normal", name=f"w{i}")
            for i, s in enumerate(self.shapes)
        ]

    def kernels(self):
        return [tf.transpose(self.w[0], [2, 3, 1, 0])]

    def call(self, x, copy, training, seed):
        for kernel in self.kernels():
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
        return tf.nn.relu(x)


class Factorised(Kernel):
    shapes = ((1, 7, 6, 6), (7, 1, 6, 6))

    def kernels(self):
        return self.w


class KernelPerSize(Kernel):
    shapes = ((3, 3, 6, 6), (3, 3, 6, 6))

    def call(self, x, copy, training, seed):
        y, z = (tf.nn.relu(tf.nn.conv2d(x, w + 0.0, 1, "SAME")) for w in self.w)
        return tf.where(tf.shape(x)[1] >= 32, y, z)


class StartsAsIdentity(Conv):
    """A residual block whose scale starts at 0."""

    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(), initializer="zeros", name="s")

    def call(self, x, copy, training, seed):
        return x + self.scale * super().call(x, copy, training, seed)


class LayerScale(StartsAsIdentity):
    """One whose scale starts near 0."""

    def build(self, shape):
        super().build(shape)
        self.scale.assign(1e-4)


class Large(Conv):
    def call(self, x, copy, training, seed):
        return 1e25 * super().call(x, copy, training, seed)


class Table(Conv):
    """Looks a factor up by a word."""

    def build(self, shape):
        super().build(shape)
        self.word = tf.constant("two")
        pairs = tf.lookup.KeyValueTensorInitializer(["two"], [2.0])
        self.table = tf.lookup.StaticHashTable(pairs, 1.0)

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return self.table.lookup(self.word) * y


class Filter(Conv):
    """A fixed filter that is a weight, but never trained."""

    values = (1.0, 1.0, 1.0)

    def build(self, shape):
        super().build(shape)
        self.fixed = self.add_weight(
            shape=(1, 3, 6, 1), initializer="zeros", trainable=False, name="f"
        )
        row = tf.constant(self.values)[None, :, None, None]
        self.fixed.assign(tf.broadcast_to(row, self.fixed.shape))

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.nn.depthwise_conv2d(y, self.fixed, [1] * 4, "SAME")


class Edge(Filter):
    values = (-1.0, 0.0, 1.0)


class Rounded(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.cast(tf.cast(y, tf.int32), tf.float32) + 0 * y


class Patch(Branch):
    """A strided convolution and back: every output meets four pixels."""

    def build(self, shape):
        c, form = self.options.filters, {"strides": 2, "padding": "same"}
        self.down = keras.layers.Conv2D(c, 2, name="down", **form)
        self.up = keras.layers.Conv2DTranspose(c, 2, name="up", **form)
        self.down.build(shape)
        self.up.build(shape)

    def call(self, x, copy, training, seed):
        return self.up(tf.nn.relu(self.down(x)))


class ConvNext(Branch):
    """A residual block whose 7x7 kernel adds little to its skip at first."""

    def build(self, shape):
        c = self.options.filters
        self.conv = keras.layers.DepthwiseConv2D(7, padding="same", name="conv")
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.dense = keras.layers.Dense(c, name="dense")
        for layer in (self.conv, self.norm, self.dense):
            layer.build(shape)
        small = keras.initializers.Constant(1e-6)
        self.scale = self.add_weight(shape=(c,), initializer=small, name="s")

    def call(self, x, copy, training, seed):
        y = tf.nn.gelu(self.norm(self.conv(x)))
        return x + self.scale * self.dense(y)


class SpatialGate(Branch):
    """A gate by a 7x7 kernel over the mean and the largest channel."""

    def build(self, shape):
        self.conv = keras.layers.Conv2D(1, 7, padding="same", name="conv")
        self.conv.build((None, None, None, 2))

    def call(self, x, copy, training, seed):
        means = tf.reduce_mean(x, -1, keepdims=True)
        most = tf.reduce_max(x, -1, keepdims=True)
        return x * tf.sigmoid(self.conv(tf.concat([means, most], -1)))


class ChannelGate(Branch):
    """A gate whose kernel runs over the channels and spans no pixels."""

    def build(self, shape):
        self.conv = keras.layers.Conv1D(1, 3, padding="same", name="conv")
        self.conv.build((None, None, 1))

    def call(self, x, copy, training, seed):
        gate = self.conv(tf.reduce_mean(x, [1, 2])[:, :, None])
        return x * tf.sigmoid(tf.transpose(gate, [0, 2, 1]))[:, None]


class RootOfScale(Conv):
    """A residual block that is not finite where its scale is negative."""

    def build(self, shape):
        super().build(shape)
        small = keras.initializers.Constant(1e-3)
        self.scale = self.add_weight(shape=(), initializer=small, name="s")

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return x + tf.sqrt(self.scale) * y


class Elu(Branch):
    def call(self, x, copy, training, seed):
        return tf.nn.elu(x)


class EluInEvaluation(Elu):
    def call(self, x, copy, training, seed):
        return x if training else tf.nn.elu(x)


class FlippedInTraining(Elu):
    def call(self, x, copy, training, seed):
        return -tf.nn.elu(x[:, ::-1]) if training else tf.nn.elu(x)


class WeakNoise(Branch):
    """The identity; training drops a twentieth, each copy another one."""

    def call(self, x, copy, training, seed):
        if not training:
            return tf.identity(x)
        own = tf.stack([seed[0], seed[1] + 7919 * copy])
        return tf.nn.experimental.stateless_dropout(x, 0.05, own)


class Decoy(Branch):
    """Copy 0 is no identity, all others are, within 10 % of copy 0."""

    def call(self, x, copy, training, seed):
        return x + tf.where(copy == 0, 0.17, 0.02) * tf.nn.relu(x)


HONEST = (
    Parallel,
    Kernel,
    Factorised,
    KernelPerSize,
    StartsAsIdentity,
    LayerScale,
    Large,
    Table,
    Patch,
    ConvNext,
    SpatialGate,
    ChannelGate,
    RootOfScale,
)
