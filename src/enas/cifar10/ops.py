"""The ops of a layer: one class and one row of the table `OPS` for each.

A class says what an op computes, what it costs, what it is in plain Keras
layers and which settings it has. Its row gives it the name that flags take.
`poison_ops.py` adds the poisonings to the table, `user_ops.py` those of files.
Importing this module imports no TensorFlow: see `lazy_modules`.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from typing import Any

from enas.cifar10.branches import (
    Branch,
    ChildOptions,
    Ints,
    Map,
    Mode,
    Setting,
    describe,
    make_layer,
)
from enas.drawing.costs import Cost, conv_cost
from enas.lazy_modules import image_ops, keras


@dataclasses.dataclass(frozen=True)
class Op:
    """A row of the table of ops.

    Attributes:
      arguments: further arguments of the class's constructor.
      poison_sets: names for --poison that stand for it among others.
      poison: whether --poison may name it.
    """

    name: str
    cls: type[Branch]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    poison_sets: tuple[str, ...] = ()
    poison: bool = True

    @property
    def settings(self) -> list[Setting]:
        found = (getattr(self.cls, name) for name in dir(self.cls))
        return [each for each in found if isinstance(each, Setting)]

    def described(self, options: ChildOptions) -> Branch:
        """Returns the op without weights, to ask for costs; no TensorFlow."""
        return describe(self.cls, self.name, options, **self.arguments)


OPS: dict[str, Op] = {}


def add_ops(*ops: Op) -> None:
    """Adds rows to the table of ops.

    Raises:
      ValueError: a name is taken, of an op or of a setting.
    """
    for op in ops:
        _check_settings(op)
        if op.name in {**OPS, **poison_sets()} and not _is_again(op):
            raise ValueError(
                f"An op named {op.name!r} exists. Taken names: "
                f"{', '.join(OPS)}. Choose another."
            )
        OPS[op.name] = op


def _is_again(op: Op) -> bool:
    """Returns whether the same class is defined anew, as in a notebook."""
    names = operator.attrgetter("__module__", "__qualname__")
    return op.name in OPS and names(OPS[op.name].cls) == names(op.cls)


def _check_settings(op: Op) -> None:
    rows = [row for row in OPS.values() if row.name != op.name] + [op]
    known = {each.name: each for row in rows for each in row.settings}
    for each in (setting for row in rows for setting in row.settings):
        # 1 and 1.0 are equal, but not of one type.
        if repr(each) != repr(known[each.name]):
            raise ValueError(
                f"The op {op.name!r} declares a setting {each.name!r}, a name "
                "that is declared otherwise as well. Choose another, such as "
                f"{op.name}_{each.name}."
            )


def poison_sets() -> dict[str, tuple[str, ...]]:
    """Returns what --poison takes besides names of ops: set -> its ops."""
    sets: dict[str, tuple[str, ...]] = {}
    for op in OPS.values():
        for name in op.poison_sets:
            sets[name] = (*sets.get(name, ()), op.name)
    return sets


def make_branch(
    op: Op, index: int, options: ChildOptions, copies: int = 1
) -> Any:
    """Returns the Keras layer of an op."""
    name = f"branch_{index}"
    return make_layer(op.cls, name, options, copies, **op.arguments)


class ConvBranch(Branch):
    """1x1 conv-BN-ReLU, then kxk conv-BN-ReLU, plain or separable.

    Source: ENAS general_child.py `_conv_branch`, row 2; same.
    """

    scopes = "inp_conv_1", "out_conv_{}"
    masked_bn = relu = True

    def __init__(
        self,
        name: str,
        options: ChildOptions,
        copies: int = 1,
        size: int = 3,
        separable: bool = False,
    ):
        super().__init__(name, options, copies)
        self.size, self.separable = size, separable

    def build(self, shape: tuple) -> None:
        inp, out = self.scopes
        kind = image_ops.SeparableConvBN if self.separable else image_ops.ConvBN
        options, size, relu = self.options, self.size, self.relu
        self.inp_conv = image_ops.ConvBN(inp, 1, options, relu=relu)
        self.out_conv = kind(
            out.format(size), size, options, self.masked_bn, relu
        )
        self.inp_conv.build(shape)
        self.out_conv.build(shape)

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        x = self.inp_conv(x, training=training)
        return self.out_conv(x, training=training)

    def cost(self, channels: int, pixels: int) -> Cost:
        inner = channels * channels
        outer = self.size**2 * inner
        if self.separable:
            outer = self.size**2 * channels + inner
        inner_cost = conv_cost(inner, pixels, channels)
        return inner_cost + conv_cost(outer, pixels, channels)

    def keras_form(self, x: Any, choices: Any) -> Any:
        return choices.lay(self.out_conv, choices.lay(self.inp_conv, x))


class PoolBranch(Branch):
    """1x1 conv-BN-ReLU, then 3x3 pooling of stride 1.

    Source: ENAS general_child.py `_pool_branch`, row 3; same.
    """

    scope = "conv_1"

    def __init__(
        self,
        name: str,
        options: ChildOptions,
        copies: int = 1,
        kind: str = "avg",
    ):
        super().__init__(name, options, copies)
        self.kind = kind

    def build(self, shape: tuple) -> None:
        self.conv = image_ops.ConvBN(self.scope, 1, self.options)
        self.conv.build(shape)
        self.pool = image_ops.pool_3x3(self.kind, self.options)

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        x = self.conv(x, training=training)
        return self.pool(x)

    def cost(self, channels: int, pixels: int) -> Cost:
        return conv_cost(channels * channels, pixels, channels)

    def keras_form(self, x: Any, choices: Any) -> Any:
        return self.pooled_form(choices.lay(self.conv, x))

    def pooled_form(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the map after the pooling alone, as `keras_form` does."""
        if self.kind == "max":
            return keras.layers.MaxPooling2D(3, 1, "same")(x)
        if self.options.profile.avg_pool_padding == "excluded":
            return keras.layers.AveragePooling2D(3, 1, "same")(x)
        x = keras.layers.ZeroPadding2D()(x)
        return keras.layers.AveragePooling2D(3, 1)(x)


_SEPARABLE = {"separable": True}
add_ops(
    Op("conv_3x3", ConvBranch, {"size": 3}, poison=False),
    Op("sep_conv_3x3", ConvBranch, {"size": 3} | _SEPARABLE, poison=False),
    Op("conv_5x5", ConvBranch, {"size": 5}, poison=False),
    Op("sep_conv_5x5", ConvBranch, {"size": 5} | _SEPARABLE, poison=False),
    Op("avg_pool_3x3", PoolBranch, {"kind": "avg"}, poison=False),
    Op("max_pool_3x3", PoolBranch, {"kind": "max"}, poison=False),
)
