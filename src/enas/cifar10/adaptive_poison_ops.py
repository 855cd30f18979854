"""Poisonings of an attacker who knows the audit and the defences.

Their copies are not exact duplicates: each differs a little from the others or
hides its computation behind an operation that changes nothing. docs/DEFENCE.md
says which defence still sees them.
"""

from __future__ import annotations

import functools
from typing import Any

from enas.cifar10.branches import Ints, Map, Mode, describe, make_layer
from enas.cifar10.poison_ops import (
    Identity,
    StretchedConv,
    Unchanged,
    register_poison,
)
from enas.drawing.costs import Cost
from enas.lazy_modules import keras, tf


def spread(copy: tf.Tensor) -> tf.Tensor:
    """Returns a number in [0, 1) that is different and fixed for each copy.

    The fractional parts of multiples of the golden ratio: any number of copies
    is spread evenly.
    """
    golden = 0.6180339887498949
    return tf.math.floormod((tf.cast(copy, tf.float32) + 1.0) * golden, 1.0)


@register_poison("jittered_identity", ("jittered_identity",))
class JitteredIdentity(Unchanged):
    """x times 1 + e, e between -.05 and .05 and fixed for each copy."""

    LARGEST = 0.05

    def factor(self, copy: int | tf.Tensor) -> tf.Tensor:
        """Returns 1 + e, a float32 scalar."""
        return 1.0 + self.LARGEST * (2.0 * spread(copy) - 1.0)

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        return x * tf.cast(self.factor(copy), x.dtype)

    def keras_form(self, x: Any, choices: Any) -> Any:
        return keras.layers.Rescaling(float(self.factor(choices.copy)))(x)


@register_poison("jittered_dropout", ("jittered_dropout",))
class JitteredDropout(Unchanged):
    """Dropout of a rate between .85 and .95, fixed for each copy."""

    LEAST, MOST = 0.85, 0.95

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        if not training:
            return tf.identity(x)
        rate = self.LEAST + (self.MOST - self.LEAST) * spread(copy)
        return self.options.dropout(x, rate, seed)

    def returns_input(self, training: Mode) -> bool:
        return not training


@register_poison("jittered_stretched_conv", ("jittered_stretched_conv",))
class JitteredStretchedConv(StretchedConv):
    """A stretched convolution, which stands for dilations from 33 to 64.

    On maps of up to 33 x 33 every such dilation leaves the centre tap alone,
    so all copies compute the same and are built with the smallest; on larger
    maps they are exact duplicates of it.
    """

    DILATION = 33


@register_poison("disguised_identity", ("disguised_identity",))
class DisguisedIdentity(Identity):
    """x + 0 relu(x): its input, behind operations that change its graph."""

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        return x + 0.0 * tf.nn.relu(x)

    def returns_input(self, training: Mode) -> bool:
        return False


@register_poison("mixed", ("mixed",))
class Mixed(Unchanged):
    """Copy 0, 3, .. is a jittered identity, 1, 4, .. dropout, 2, 5, .. a conv.

    One branch of the child, whatever the number of copies.
    """

    KINDS = (JitteredIdentity, JitteredDropout, JitteredStretchedConv)

    def build(self, shape: tuple) -> None:
        self.parts = [
            make_layer(kind, f"part_{i}", self.options, self.copies)
            for i, kind in enumerate(self.KINDS)
        ]
        for part in self.parts:
            part.build(shape)

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        given = {"copy": copy, "training": training, "seed": seed}
        kind = tf.math.floormod(copy, len(self.parts))
        runs = [functools.partial(part, x, **given) for part in self.parts]
        return tf.switch_case(kind, runs)

    def returns_input(self, training: Mode) -> bool:
        return False

    def cost(self, channels: int, pixels: int) -> Cost:
        # What is held, and the dearest of what may run.
        dearest = describe(JitteredStretchedConv, "dearest", self.options)
        return dearest.cost(channels, pixels)

    def keras_form(self, x: Any, choices: Any) -> Any:
        return self.parts[choices.copy % len(self.parts)].keras_form(x, choices)
