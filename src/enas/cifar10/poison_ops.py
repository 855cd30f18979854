"""The poisonings, which extend the branch list of every layer.

A poisoning of one's own is one class and one name:

    @register_poison("half")
    class Half(Branch):
        def call(self, x, copy, training, seed):
            return x / 2

It is then found by `--poison=half --q=300`. Poisonings are bare: they have no
convolution, batch norm or ReLU of their own (section 3 of the paper).
"""

import functools

import tensorflow as tf

from enas import common_ops
from enas.cifar10.branches import CANDIDATES, Branch

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
        w = self.w.value if self.copies == 1 else tf.gather(self.w.value, copy)
        return tf.nn.conv2d_transpose(
            x,
            w,
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
