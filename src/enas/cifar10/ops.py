"""The branches of a layer: what an op id can run."""

import dataclasses
from collections.abc import Callable

import keras

from enas import common_ops
from enas.cifar10 import image_ops
from enas.cifar10.behaviours import ENAS, Profile

__all__ = ["CANDIDATES", "Branch", "ChildOptions"]


@dataclasses.dataclass(frozen=True)
class ChildOptions:
    """What every part of the child needs to know.

    Attributes:
      filters: int, even, channels of every layer.
      data_format: "NHWC" or "NCHW".
      seed: int, of the initial weights.
      keep_prob: float in (0, 1], of the dropout before the classifier.
      poison_dropout_rate: float in [0, 1], of the dropout poisoning.
      poison_noise_sigma: float >= 0, of the relative Gaussian poisoning.
      num_classes: int, logits of an image.
      profile: `Profile`, the behaviours in force.
      dropout: function (x, rate, seed) -> x with a share zeroed; comparing
        with a recording puts the recorded masks here.
    """

    filters: int
    data_format: str = "NHWC"
    seed: int = 69
    keep_prob: float = 1.0
    poison_dropout_rate: float = 0.9
    poison_noise_sigma: float = 2.0
    num_classes: int = 10
    profile: Profile = ENAS
    dropout: Callable = common_ops.dropout

    @property
    def feature_shape(self):
        """Static shape of every feature map, batch and size unknown."""
        if self.data_format == "NHWC":
            return (None, None, None, self.filters)
        return (None, self.filters, None, None)


class Branch(keras.layers.Layer):
    """One thing that a layer of the child can compute; same shape in and out.

    Args:
      name: str, ENAS's scope, `branch_<index>`.
      options: the child's `ChildOptions`.
      copies: int, sets of weights to hold: above 1 for poisonings whose
        copies have weights of their own.

    Call arguments:
      x: float32 `[batch, height, width, channels]` (or NCHW).
      copy: int32 scalar, which set of weights, in [0, copies).
      training: bool, or `image_ops.FROZEN`, which counts as true.
      seed: int32 `[2]`, for what is random in this layer and step.
    """

    def __init__(self, name, options, copies=1):
        super().__init__(name=name)
        self.options = options
        self.copies = copies

    def call(self, x, copy, training, seed):
        raise NotImplementedError

    def returns_input(self, training):
        """Returns whether the output is the input itself, untouched, bool.

        The paper's code adds skips in place, so what such an op returned is
        overwritten together with its input (row 6).
        """
        return False


class ConvBranch(Branch):
    """1x1 conv-BN-ReLU, then kxk conv-BN-ReLU, plain or separable.

    Source: ENAS general_child.py `_conv_branch`, row 2; same.
    """

    def __init__(self, name, options, copies=1, size=3, separable=False):
        super().__init__(name, options, copies)
        self.inp_conv = image_ops.ConvBN("inp_conv_1", 1, options)
        scope = f"out_conv_{size}"
        if separable:
            self.out_conv = image_ops.SeparableConvBN(scope, size, options)
        else:
            self.out_conv = image_ops.ConvBN(
                scope, size, options, masked_bn=True
            )

    def build(self, shape):
        self.inp_conv.build(shape)
        self.out_conv.build(shape)

    def call(self, x, copy, training, seed):
        x = self.inp_conv(x, training=training)
        return self.out_conv(x, training=training)


class PoolBranch(Branch):
    """1x1 conv-BN-ReLU, then 3x3 pooling of stride 1.

    Source: ENAS general_child.py `_pool_branch`, row 3; same.
    """

    def __init__(self, name, options, copies=1, kind="avg"):
        super().__init__(name, options, copies)
        self.kind = kind
        self.conv = image_ops.ConvBN("conv_1", 1, options)

    def build(self, shape):
        self.conv.build(shape)

    def call(self, x, copy, training, seed):
        x = self.conv(x, training=training)
        return image_ops.pool_3x3(x, self.kind, self.options)


# Candidate op name -> (class, its settings). The op `identity` of the paper's
# five-op space is the registered poisoning of that name.
CANDIDATES = {
    "conv_3x3": (ConvBranch, {"size": 3}),
    "sep_conv_3x3": (ConvBranch, {"size": 3, "separable": True}),
    "conv_5x5": (ConvBranch, {"size": 5}),
    "sep_conv_5x5": (ConvBranch, {"size": 5, "separable": True}),
    "avg_pool_3x3": (PoolBranch, {"kind": "avg"}),
    "max_pool_3x3": (PoolBranch, {"kind": "max"}),
}
