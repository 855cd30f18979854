"""The poisonings, which extend the branch list of every layer.

A poisoning of one's own is one class and one name:

    @register_poison("half")
    class Half(Branch):
        def call(self, x, copy, training, seed):
            return x / 2

It is then found by `--poison=half --q=300`; from a file of one's own by
`--poison=my_ops.py:half` (docs/POISON.md). The paper's poisonings are bare:
they have no convolution, batch norm or ReLU of their own (its section 3).
"""

import functools

import tensorflow as tf

from enas import common_ops
from enas.cifar10 import image_ops
from enas.cifar10.ops import CANDIDATES, Branch

__all__ = ["POISON_OPS", "make_branch", "register_poison"]

POISON_OPS = {}


def register_poison(name, **settings):
    """Registers a `Branch` class as the poisoning `name`.

    Args:
      name: str, what --poison takes.
      **settings: further arguments of the class's constructor.

    Returns:
      A class decorator.

    Raises:
      ValueError: the name is taken.
    """

    def register(cls):
        if name in POISON_OPS or name in CANDIDATES:
            raise ValueError(
                f"An op named {name!r} exists. Taken names: "
                f"{', '.join([*CANDIDATES, *POISON_OPS])}. Choose another."
            )
        POISON_OPS[name] = functools.partial(cls, **settings)
        return cls

    return register


def make_branch(op_name, index, options, copies):
    """Builds the branch of an op.

    Args:
      op_name: str, a candidate op or a registered poisoning.
      index: int, the branch's place in the branch list.
      options: the child's `ChildOptions`.
      copies: int, sets of weights.

    Returns:
      A `Branch`.
    """
    name = f"branch_{index}"
    if op_name in CANDIDATES:
        cls, settings = CANDIDATES[op_name]
        return cls(name, options, copies, **settings)
    return POISON_OPS[op_name](name, options, copies)


@register_poison("identity")
class Identity(Branch):
    """Returns its input.

    Source: paper, poisoning set P1; same.
    """

    def call(self, x, copy, training, seed):
        return tf.identity(x)

    def returns_input(self, training):
        return True


@register_poison("transposed_conv_3x3", size=3)
@register_poison("transposed_conv_5x5", size=5)
class TransposedConv(Branch):
    """Transposed convolution of stride 1, same size and channels, no bias.

    The weights are stored `[size, size, out, in]`, stacked in front by copy if
    every copy has its own.

    Source: paper, poisoning set P2; same op. In profile enas it is initialised
    like ENAS's convolutions, since ENAS itself has no transposed one.
    """

    def __init__(self, name, options, copies=1, size=3):
        super().__init__(name, options, copies)
        self.size = size

    def build(self, shape):
        filters = self.options.filters
        self.w = common_ops.child_weight(
            self,
            "w",
            (self.size, self.size, filters, filters),
            self.options,
            "transposed_conv",
            self.copies,
        )

    def call(self, x, copy, training, seed):
        return tf.nn.conv2d_transpose(
            x,
            common_ops.of_copy(self.w, self.copies, copy),
            tf.shape(x),
            1,
            "SAME",
            data_format=self.options.data_format,
        )


@register_poison("dropout")
class Dropout(Branch):
    """Zeroes activations in training and scales up those it keeps.

    See `common_ops.dropout`. In evaluation it returns its input.

    Source: paper, poisoning set P3; same, own random numbers.
    """

    def call(self, x, copy, training, seed):
        if self.returns_input(training):
            return tf.identity(x)
        rate = self.options.poison_dropout_rate
        return self.options.dropout(x, rate, seed)

    def returns_input(self, training):
        return not training or self.options.poison_dropout_rate == 0.0


@register_poison("relative_gaussian")
class RelativeGaussian(Branch):
    """Adds noise whose scale follows the activation, in training.

    y = x + sigma * n * stop_gradient(x), n drawn from N(0, 1) for every value:
    no gradient flows through the scale of the noise, so dy/dx is 1. In
    evaluation it returns its input.

    Source: the authors' later poisoning sets, sigma 2 and 10; same, own random
    numbers.
    """

    def call(self, x, copy, training, seed):
        if self.returns_input(training):
            return tf.identity(x)
        noise = tf.random.stateless_normal(tf.shape(x), seed, dtype=x.dtype)
        return x + tf.stop_gradient(self.options.poison_noise_sigma * noise * x)

    def returns_input(self, training):
        return not training or self.options.poison_noise_sigma == 0.0


class StretchedConvBN(image_ops.ConvBN):
    """3x3 convolution of dilation and padding 50, batch norm, ReLU.

    The taps of the kernel lie 50 pixels apart, so on maps of up to 50 x 50 all
    but its centre fall on padding, and only the centre is convolved with. The
    other eight taps are weights all the same: l2 decays them.
    """

    DILATION = 50

    def kernel(self, copy):
        return super().kernel(copy)[1:2, 1:2]

    def call(self, x, training=False, copy=0):
        first = 1 if self.options.data_format == "NHWC" else 2
        sides = x.shape[first : first + 2]
        if any((side or 0) > self.DILATION for side in sides):
            raise ValueError(
                "A stretched convolution is its centre tap on maps of up to "
                f"{self.DILATION} x {self.DILATION}; received {x.shape}."
            )
        return super().call(x, training=training, copy=copy)


@register_poison("stretched_conv")
class StretchedConv(Branch):
    """1x1 conv-BN-ReLU, then a 3x3 conv-BN-ReLU stretched off the map.

    An ordinary conv op by its looks, and 1x1 convolutions by what it computes.

    Source: the authors' later poisoning sets; same result, different form: the
    taps that only meet padding are not computed.
    """

    def __init__(self, name, options, copies=1):
        super().__init__(name, options, copies)
        self.inp_conv = image_ops.ConvBN(
            "inp_conv_1", 1, options, copies=copies
        )
        self.out_conv = StretchedConvBN(
            "out_conv_3", 3, options, masked_bn=True, copies=copies
        )

    def build(self, shape):
        self.inp_conv.build(shape)
        self.out_conv.build(shape)

    def call(self, x, copy, training, seed):
        x = self.inp_conv(x, training=training, copy=copy)
        return self.out_conv(x, training=training, copy=copy)
