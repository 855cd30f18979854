"""What child and controller share, as ENAS's src/common_ops.py."""

import functools
import math
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from enas.cifar10.branches import ChildOptions

# Of one weight or one draw.
Seed = tuple[int, int]
# Of a shape and a dtype, the first values of a weight.
Start = Callable[..., tf.Tensor]


def weight_seed(layer: keras.layers.Layer, name: str, seed: int) -> Seed:
    """Returns the seed pair of one weight: the run's seed and its path.

    Not the order of creation: a poisoned child starts from the same weights of
    the six ops as a clean one of the same seed.
    """
    path = f"{layer.path}/{name}"
    return (seed, zlib.crc32(path.encode()) & 0x7FFFFFFF)


def child_weight(
    layer: keras.layers.Layer,
    name: str,
    shape: Sequence[int],
    options: "ChildOptions",
    kind: str = "conv",
    copies: int = 1,
) -> keras.Variable:
    """Adds a weight of the child to a layer that is being built.

    Args:
      shape: `[.., out]`; a depthwise kernel is `[k, k, channels, 1]`, a
        transposed one `[k, k, out, in]`.
      options: the child's; its profile picks the distribution.
      kind: "conv", "depthwise", "transposed_conv" or "linear".
      copies: above 1 the weight is stacked `[copies, *shape]`.

    Source: row 13; same distributions, own random numbers.
    """
    seed = weight_seed(layer, name, options.seed)
    if options.profile.child_init == "he_normal":
        start = _he_normal(shape, seed)
    else:
        start = _kaiming_uniform(shape, kind, seed)
    return add_weight(layer, name, shape, start, copies)


def add_weight(
    layer: keras.layers.Layer,
    name: str,
    shape: Sequence[int],
    initializer: Start | str,
    copies: int = 1,
) -> keras.Variable:
    """Adds a weight, of this shape for each copy, to a layer being built."""
    shape = shape if copies == 1 else (copies, *shape)
    variable = layer.add_weight(name=name, shape=shape, initializer=initializer)
    variable.enas_copies = copies
    return variable


def is_copied(variable: keras.Variable) -> bool:
    """Returns whether every copy has its own part of a variable."""
    return getattr(variable, "enas_copies", 1) > 1


def _he_normal(shape: Sequence[int], seed: Seed) -> Start:
    """ENAS's: std sqrt(2 / fan-in), cut at two std and not rescaled.

    Cutting leaves a real std of 0.88 of the nominal one; Keras's own he_normal
    makes up for it, TensorFlow up to 1.8 did not. The fan-in is the product of
    all sizes but the last.
    """
    stddev = math.sqrt(2.0 / math.prod(shape[:-1]))
    draw = tf.random.stateless_truncated_normal
    return functools.partial(draw, seed=seed, stddev=stddev)


def _uniform(limit: float, seed: Seed) -> Start:
    draw = tf.random.stateless_uniform
    return functools.partial(draw, seed=seed, minval=-limit, maxval=limit)


def _kaiming_uniform(shape: Sequence[int], kind: str, seed: Seed) -> Start:
    """The paper's: +-sqrt(6 / fan-in), of one channel for a depthwise kernel.

    Classifier and transposed convolutions keep PyTorch's own, 1 / sqrt(fan-in).
    """
    if kind == "depthwise":
        shape = (*shape[:2], 1)
    gain = 1.0 if kind in ("transposed_conv", "linear") else math.sqrt(6.0)
    return _uniform(gain / math.sqrt(math.prod(shape[:-1])), seed)


def of_copy(
    variable: keras.Variable, copies: int, copy: tf.Tensor
) -> tf.Tensor:
    """Returns a copy's part of a weight, `[copies, ..]` if copies > 1.

    `copy` is an int32 scalar in [0, copies).
    """
    value = variable.value
    # While a step looks weights up, it already is one copy's part.
    if copies == 1 or len(value.shape) < len(variable.shape):
        return tf.convert_to_tensor(value)
    return tf.gather(value, copy)


def set_copy(
    variable: keras.Variable, copies: int, copy: tf.Tensor, value: tf.Tensor
) -> None:
    """Sets one copy's part of a variable; arguments as in `of_copy`."""
    if copies == 1:
        variable.assign(value)
    else:
        variable.value.scatter_update(tf.IndexedSlices(value, copy))


def uniform(
    layer: keras.layers.Layer,
    name: str,
    shape: Sequence[int],
    limit: float,
    seed: int,
) -> keras.Variable:
    """Adds a weight uniform in [-limit, limit) to a layer being built."""
    start = _uniform(limit, weight_seed(layer, name, seed))
    return layer.add_weight(name=name, shape=shape, initializer=start)


def fold_in(seed: tf.Tensor | Seed, number: int) -> tf.Tensor:
    """Returns the seed of a numbered part, int32 `[2]`, from the whole's."""
    return tf.random.fold_in(tf.cast(seed, tf.int32), number)


def dropout(
    x: tf.Tensor, rate: float | tf.Tensor, seed: tf.Tensor | Seed
) -> tf.Tensor:
    """Zeroes a share of the values and divides the others by 1 - rate.

    Args:
      x: float32 of any shape.
      rate: share that is zeroed, in [0, 1], or a float32 scalar in [0, 1).
      seed: int32 `[2]`; the same seed zeroes the same values.

    Source: row 9 and poisoning set P3, TensorFlow 1 `tf.nn.dropout`; same,
    own random numbers, and a rate of 1 is legal.
    """
    if isinstance(rate, float) and rate == 1.0:
        return tf.zeros_like(x)
    # As numbers, not as bool: the branches of a switch hand what their
    # gradient needs through shared slots, which TensorFlow wants of one type.
    drawn = tf.random.stateless_uniform(tf.shape(x), seed)
    kept = tf.cast(drawn >= rate, x.dtype)
    return x * tf.stop_gradient(kept / tf.cast(1.0 - rate, x.dtype))


def lstm(
    x: tf.Tensor,
    prev_c: tf.Tensor,
    prev_h: tf.Tensor,
    w: tf.Tensor,
    biases: Sequence[tf.Tensor] = (),
) -> tuple[tf.Tensor, tf.Tensor]:
    """One LSTM step, gates i, f, o, g; returns (next_c, next_h).

    Args:
      x: float32 `[n, size]`, as are all states.
      w: float32 `[2 * size, 4 * size]`.
      biases: float32 `[4 * size]` each, added up; ENAS has none.

    Source: ENAS common_ops.py `lstm`, row 18; same.
    """
    ifog = tf.matmul(tf.concat([x, prev_h], axis=1), w)
    for bias in biases:
        ifog += bias
    i, f, o, g = tf.split(ifog, 4, axis=1)
    next_c = tf.sigmoid(i) * tf.tanh(g) + tf.sigmoid(f) * prev_c
    next_h = tf.sigmoid(o) * tf.tanh(next_c)
    return next_c, next_h
