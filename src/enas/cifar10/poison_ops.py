"""The poisonings, which extend the branch list of every layer.

Your own poisoning is one class and one row:

    @register_poison("half")
    class Half(Branch):
        def call(self, x, copy, training, seed):
            return x / 2

It is then found by `--poison=half --q=300`; from your own file by
`--poison=my_ops.py:half` (docs/POISON.md). The paper's poisonings are bare:
they have no convolution, batch norm or ReLU of their own (its section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from enas.cifar10.branches import Branch, ChildOptions, Ints, Map, Mode, Setting
from enas.cifar10.ops import ConvBranch, Op, add_ops
from enas.drawing.costs import Cost, conv_cost
from enas.lazy_modules import common_ops, image_ops, keras, tf


def register_poison(
    name: str, poison_sets: tuple[str, ...] = (), **arguments: Any
) -> Callable[[type[Branch]], type[Branch]]:
    """Adds a class to the table of ops as the poisoning `name`.

    --poison and --candidate_ops take the name; of the rest see `Op`.

    Raises:
      ValueError: the name is taken.
    """

    def register(cls: type[Branch]) -> type[Branch]:
        add_ops(Op(name, cls, arguments, poison_sets))
        return cls

    return register


class Unchanged(Branch):
    """A poisoning that costs nothing and that evaluation may leave out."""

    def cost(self, channels: int, pixels: int) -> Cost:
        return Cost()

    def keras_form(self, x: Any, choices: Any) -> Any:
        return x


class Identity(Unchanged):
    """Returns its input.

    Source: paper, poisoning set P1; same.
    """

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        return tf.identity(x)

    def returns_input(self, training: Mode) -> bool:
        return True


class TransposedConv(Branch):
    """Transposed convolution of stride 1, same size and channels, no bias.

    The weights are stored `[size, size, out, in]`, stacked in front by copy if
    every copy has its own.

    Source: paper, poisoning set P2; same op. In profile enas it is initialised
    like ENAS's convolutions, since ENAS itself has no transposed one.
    """

    def __init__(
        self, name: str, options: ChildOptions, copies: int = 1, size: int = 3
    ):
        super().__init__(name, options, copies)
        self.size = size

    def build(self, shape: tuple) -> None:
        filters = self.options.filters
        kernel = self.size, self.size, filters, filters
        self.w = common_ops.child_weight(
            self, "w", kernel, self.options, "transposed_conv", self.copies
        )

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        w, layout = self.of_copy(copy), self.options.data_format
        return tf.nn.conv2d_transpose(x, w, tf.shape(x), 1, "SAME", layout)

    def of_copy(self, copy: tf.Tensor) -> tf.Tensor:
        """Returns the weights of a copy, `[size, size, out, in]`."""
        return common_ops.of_copy(self.w, self.copies, copy)

    def cost(self, channels: int, pixels: int) -> Cost:
        return conv_cost((self.size * channels) ** 2, pixels)

    def keras_form(self, x: Any, choices: Any) -> Any:
        form = keras.layers.Conv2DTranspose(
            self.options.filters, self.size, padding="same", use_bias=False
        )
        y = form(x)
        form.set_weights([self.of_copy(choices.copy).numpy()])
        return y


class Dropout(Unchanged):
    """Zeroes activations in training and scales up those it keeps.

    See `common_ops.dropout`. In evaluation it returns its input.

    Source: paper, poisoning set P3; same, own random numbers.
    """

    rate = Setting(
        "poison_dropout_rate",
        0.9,
        "Share of activations that the dropout poisoning zeroes in training.",
        lower=0.0,
        upper=1.0,
        alias="p",
    )

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        if self.returns_input(training):
            return tf.identity(x)
        return self.options.dropout(x, self.rate, seed)

    def returns_input(self, training: Mode) -> bool:
        return not training or self.rate == 0.0


class RelativeGaussian(Unchanged):
    """Adds noise whose scale follows the activation, in training.

    y = x + sigma * n * stop_gradient(x), n drawn from N(0, 1) for every value:
    no gradient flows through the scale of the noise, so dy/dx is 1. In
    evaluation it returns its input.

    Source: the authors' later poisoning sets, sigma 2 and 10; same, own random
    numbers.
    """

    sigma = Setting(
        "poison_noise_sigma",
        2.0,
        "Ratio of noise to activation of the relative_gaussian poisoning, in"
        " training; the authors used 2 and 10.",
        lower=0.0,
    )

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        if self.returns_input(training):
            return tf.identity(x)
        noise = tf.random.stateless_normal(tf.shape(x), seed, dtype=x.dtype)
        return x + tf.stop_gradient(self.sigma * noise * x)

    def returns_input(self, training: Mode) -> bool:
        return not training or self.sigma == 0.0


class StretchedConv(Branch):
    """1x1 conv-BN-ReLU, then a 3x3 conv-BN-ReLU of dilation and padding 50.

    The taps of the kernel are 50 pixels apart, so on maps of up to 50 x 50 all
    but its centre fall on padding: by its looks an ordinary conv op, by what it
    computes 1x1 convolutions. The other eight taps are weights all the same:
    l2 decays them.

    Source: the authors' later poisoning sets; same result, different form: taps
    that only meet padding are not computed.
    """

    DILATION = 50

    def build(self, shape: tuple) -> None:
        conv, options, copies = image_ops.ConvBN, self.options, self.copies
        self.inp_conv = conv("inp_conv_1", 1, options, copies=copies)
        self.out_conv = conv(
            "out_conv_3",
            3,
            options,
            masked_bn=True,
            copies=copies,
            dilation=self.DILATION,
        )
        self.inp_conv.build(shape)
        self.out_conv.build(shape)

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        x = self.inp_conv(x, training=training, copy=copy)
        return self.out_conv(x, training=training, copy=copy)

    def cost(self, channels: int, pixels: int) -> Cost:
        weights = channels * channels
        taps = 1 if self.options.image_size <= self.DILATION else 9
        outer = Cost(9 * weights + 2 * channels, taps * weights * pixels)
        return conv_cost(weights, pixels, channels) + outer

    keras_form = ConvBranch.keras_form


_TRANSPOSED = ("transposed_conv", "grouped")
add_ops(
    Op("identity", Identity, {}, ("identity", "grouped")),
    Op("transposed_conv_3x3", TransposedConv, {"size": 3}, _TRANSPOSED),
    Op("transposed_conv_5x5", TransposedConv, {"size": 5}, _TRANSPOSED),
    Op("dropout", Dropout, {}, ("dropout", "grouped")),
    Op("relative_gaussian", RelativeGaussian, {}, ("relative_gaussian",)),
    Op("stretched_conv", StretchedConv, {}, ("stretched_conv",)),
)
