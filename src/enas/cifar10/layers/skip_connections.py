"""Skip connections: a layer adds the earlier outputs that an arc chose.

What nothing chose costs nothing, neither forward nor in the gradient. Left to
TensorFlow, an output would be sent zeros by every layer that could have chosen
it and did not.
"""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow import Tensor

from enas.cifar10.branches import ChildOptions, Mode
from enas.cifar10.layers import image_ops

# Outputs of the stem and the layers; an output that later layers may choose is
# a list, once for each of them.
Cache = list[Any]
# Whether each later layer chose each output, a row for every layer.
Bits = Sequence[Sequence[Tensor]]


def _add_chosen(
    total: Tensor, bits: Sequence[Tensor], candidates: Sequence[Tensor]
) -> Tensor:
    """Returns total + the candidates whose bit, int32, is 1, in their order."""
    for bit, x in zip(bits, candidates, strict=True):
        total = tf.cond(
            bit > 0,
            functools.partial(tf.add, total, x),
            functools.partial(tf.identity, total),
        )
    return total


def _total(
    out: Tensor, bits: Sequence[Tensor], candidates: Sequence[Tensor]
) -> Tensor:
    """Returns out + the chosen candidates.

    The gradient goes to all candidates, chosen or not; see `_readers`.
    """

    @tf.custom_gradient
    def total(out: Tensor, *candidates: Tensor) -> Any:
        def gradient(dy: Tensor) -> tuple[Tensor, ...]:
            return dy, *[dy for _ in candidates]

        return _add_chosen(out, bits, candidates), gradient

    return total(out, *candidates)


def _readers(x: Tensor, bits: Sequence[Tensor]) -> list[Tensor]:
    """Returns x for each layer that may choose it, and once more for the rest.

    Of the gradients that come back, those of layers that did not choose it, of
    which the bit is 0, are left out.
    """

    @tf.custom_gradient
    def readers(x: Tensor) -> Any:
        def gradient(*parts: Tensor) -> Tensor:
            return _add_chosen(parts[-1], bits, parts[:-1])

        return [tf.identity(x) for _ in range(len(bits) + 1)], gradient

    return readers(x)


def plain(cache: Cache) -> list[Tensor]:
    """Returns the cache, every output as what follows its stage reads it."""
    return [x[-1] if isinstance(x, list) else x for x in cache]


class Skip(keras.layers.Layer):
    """Adds the chosen earlier outputs, then batch norm without ReLU.

    Call arguments: the op's output; cache, bits and training of `EnasLayer`;
    same, bool scalar, whether `out` is `cache[-1]` itself, untouched. Returns
    the cache with the result at its end.

    Source: ENAS general_child.py `_enas_layer`, rows 4 to 6; same result,
    different form: what is not chosen is not added as zeros. `InPlaceSkip` is
    the paper's.
    """

    def __init__(self, options: ChildOptions) -> None:
        super().__init__(name="skip")
        self.bn = image_ops.BatchNorm(options)

    def build(self, shape: Any) -> None:
        self.bn.build(shape)

    def call(
        self,
        out: Tensor,
        cache: Cache,
        bits: Bits,
        same: Tensor,
        training: Mode = False,
    ) -> Cache:
        total, cache = self._sum(out, cache, bits, same)
        return [*cache, self.bn(total, training=training)]

    def _sum(
        self, out: Tensor, cache: Cache, bits: Bits, same: Tensor
    ) -> tuple[Tensor, Cache]:
        """Returns the sum, and the cache as later layers read it."""
        # With the stem cached, the direct input is not a candidate (row 5).
        count = len(bits[0])
        total, left = _add_outputs(out, cache[:count], bits)
        return total, [*left, *cache[count:]]


def _add_outputs(
    out: Tensor, outputs: Cache, bits: Bits
) -> tuple[Tensor, Cache]:
    """Returns the sum with the chosen ones, and what later layers read."""
    outputs = [
        x if isinstance(x, list) else _readers(x, [row[i] for row in bits])
        for i, x in enumerate(outputs)
    ]
    read = [x[0] for x in outputs]
    total = _total(out, bits[0][: len(read)], read)
    return total, [x[1:] for x in outputs]


class InPlaceSkip(Skip):
    """The sum of the paper's code, which overwrites the op's output.

    When the op returned its input itself, the sum lands in the stored output
    of the layer before: later layers read it there, and a skip to the direct
    input doubles what was summed so far.

    Source: row 6, `out += prev_layers[i]` in enas_layer.py of the paper's code;
    same.
    """

    def _sum(
        self, out: Tensor, cache: Cache, bits: Bits, same: Tensor
    ) -> tuple[Tensor, Cache]:
        *earlier, stored = cache
        total, left = _add_outputs(out, earlier, bits)

        def written(x: Tensor) -> Tensor:
            keep = functools.partial(tf.identity, stored)
            return tf.cond(same, functools.partial(tf.identity, x), keep)

        if len(bits[0]) > len(earlier):
            total = _add_chosen(total, bits[0][-1:], [written(total)])
        return total, [*left, written(total)]


SKIPS = {"new": Skip, "in_place": InPlaceSkip}
