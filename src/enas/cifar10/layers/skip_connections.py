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

from enas.cifar10.branches import ChildOptions, Mode
from enas.cifar10.layers import image_ops

# Outputs of the stem and the layers; an output that later layers may choose is
# a list, once for each of them.
Cache = list[Any]
# Whether each later layer chose each output, a row for every layer.
Bits = Sequence[Sequence[tf.Tensor]]


def _add_chosen(
    total: tf.Tensor, bits: Sequence[tf.Tensor], candidates: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Returns total + the candidates whose bit is 1, in their order.

    Args:
      bits: list of int32 scalars, 0 or 1, one for each candidate.
    """
    for bit, x in zip(bits, candidates, strict=True):
        total = tf.cond(
            bit > 0,
            functools.partial(tf.add, total, x),
            functools.partial(tf.identity, total),
        )
    return total


def _total(
    out: tf.Tensor, bits: Sequence[tf.Tensor], candidates: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Returns out + the chosen candidates.

    The gradient goes to all candidates, chosen or not; see `_readers`.
    """

    @tf.custom_gradient
    def total(out: tf.Tensor, *candidates: tf.Tensor) -> Any:
        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return dy, *[dy for _ in candidates]

        return _add_chosen(out, bits, candidates), gradient

    return total(out, *candidates)


def _readers(x: tf.Tensor, bits: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns x for each layer that may choose it, and once more for the rest.

    Of the gradients that come back, those of layers that did not choose it are
    left out.

    Args:
      bits: list of int32 scalars, whether each layer chose it.
    """

    @tf.custom_gradient
    def readers(x: tf.Tensor) -> Any:
        def gradient(*parts: tf.Tensor) -> tf.Tensor:
            return _add_chosen(parts[-1], bits, parts[:-1])

        return [tf.identity(x) for _ in range(len(bits) + 1)], gradient

    return readers(x)


def plain(cache: Cache) -> list[tf.Tensor]:
    """Returns the cache, every output as what follows its stage reads it."""
    return [x[-1] if isinstance(x, list) else x for x in cache]


class Skip(keras.layers.Layer):
    """Adds the chosen earlier outputs, then batch norm without ReLU.

    Call arguments:
      out: the op's output.
      cache: see `EnasLayer`.
      bits: see `EnasLayer`.
      same: bool scalar, whether `out` is `cache[-1]` itself, untouched.
      training: bool, or `image_ops.FROZEN`.

    Returns:
      The cache with the result at its end.

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
        out: tf.Tensor,
        cache: Cache,
        bits: Bits,
        same: tf.Tensor,
        training: Mode = False,
    ) -> Cache:
        total, cache = self._sum(out, cache, bits, same)
        return [*cache, self.bn(total, training=training)]

    def _sum(
        self, out: tf.Tensor, cache: Cache, bits: Bits, same: tf.Tensor
    ) -> tuple[tf.Tensor, Cache]:
        """Returns the sum, and the cache as later layers read it."""
        del same
        # With the stem cached, the direct input is not a candidate (row 5).
        count = len(bits[0])
        total, left = _add_outputs(out, cache[:count], bits)
        return total, [*left, *cache[count:]]


def _add_outputs(
    out: tf.Tensor, outputs: Cache, bits: Bits
) -> tuple[tf.Tensor, Cache]:
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
        self, out: tf.Tensor, cache: Cache, bits: Bits, same: tf.Tensor
    ) -> tuple[tf.Tensor, Cache]:
        *earlier, stored = cache
        total, left = _add_outputs(out, earlier, bits)
        if len(bits[0]) > len(earlier):
            direct = _pick(same, total, stored)
            total = _add_chosen(total, bits[0][-1:], [direct])
        return total, [*left, _pick(same, total, stored)]


def _pick(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        condition,
        functools.partial(tf.identity, x),
        functools.partial(tf.identity, y),
    )


SKIPS = {"new": Skip, "in_place": InPlaceSkip}
