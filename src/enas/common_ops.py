"""Weights and the LSTM, shared by child and controller.

Counterpart of ENAS's src/common_ops.py.
"""

import math
import zlib

import keras
import tensorflow as tf

__all__ = [
    "HeNormal",
    "Uniform",
    "dropout",
    "fold_in",
    "he_normal",
    "lstm",
    "uniform",
]


class HeNormal(keras.initializers.Initializer):
    """Normal of std sqrt(2 / fan_in), cut at two std and not rescaled.

    Cutting leaves a real std of 0.88 of the nominal one; Keras's own he_normal
    makes up for it, TensorFlow up to 1.8 did not.

    Args:
      fan_in: int, inputs of one output value.
      seed: pair of ints, of this weight alone.

    Source: row 13; same distribution, own random numbers.
    """

    def __init__(self, fan_in, seed):
        self.fan_in = fan_in
        self.seed = seed

    def __call__(self, shape, dtype=None):
        """Returns a tensor of `shape`."""
        stddev = math.sqrt(2.0 / self.fan_in)
        return tf.random.stateless_truncated_normal(
            shape, self.seed, stddev=stddev, dtype=dtype or tf.float32
        )


class Uniform(keras.initializers.Initializer):
    """Uniform on [-limit, limit).

    Args:
      limit: float, > 0.
      seed: pair of ints, of this weight alone.

    Source: row 13; same distribution, own random numbers.
    """

    def __init__(self, limit, seed):
        self.limit = limit
        self.seed = seed

    def __call__(self, shape, dtype=None):
        """Returns a tensor of `shape`."""
        return tf.random.stateless_uniform(
            shape, self.seed, -self.limit, self.limit, dtype or tf.float32
        )


def weight_seed(layer, name, seed):
    """Returns the seed pair of one weight: the run's seed and its path.

    The path, not the order of creation, decides: a poisoned child starts from
    the same weights of the six ops as a clean one of the same seed.
    """
    path = f"{layer.path}/{name}"
    return (seed, zlib.crc32(path.encode()) & 0x7FFFFFFF)


def he_normal(layer, name, shape, seed, copies=1):
    """Adds a he_normal weight to a layer that is being built.

    Args:
      layer: the keras layer.
      name: str, the variable's name.
      shape: ints `[.., out]`; the fan-in is the product of all but the last,
        which is ENAS's rule for kernels, depthwise kernels and matrices.
      seed: int, the run's seed.
      copies: int; above 1 the weight is stacked `[copies, *shape]`.

    Returns:
      The keras variable, float32.
    """
    stacked = shape if copies == 1 else (copies, *shape)
    start = HeNormal(math.prod(shape[:-1]), weight_seed(layer, name, seed))
    return layer.add_weight(name=name, shape=stacked, initializer=start)


def uniform(layer, name, shape, limit, seed):
    """Adds a weight uniform in [-limit, limit) to a layer being built."""
    start = Uniform(limit, weight_seed(layer, name, seed))
    return layer.add_weight(name=name, shape=shape, initializer=start)


def fold_in(seed, number):
    """Returns a seed for one part of a step, int32 `[2]`.

    Args:
      seed: int `[2]`, of the whole.
      number: int, of the part.
    """
    return tf.random.fold_in(tf.cast(seed, tf.int32), number)


def dropout(x, rate, seed):
    """Zeroes a share of the values and scales up the others.

    y = x * keep / (1 - rate), keep drawn for every value.

    Args:
      x: float32 tensor of any shape.
      rate: float in [0, 1], share that is zeroed; at 1 everything is.
      seed: int32 `[2]`; the same seed zeroes the same values.

    Returns:
      float32 tensor of x's shape.

    Source: row 9 and poisoning set P3, TensorFlow 1 `tf.nn.dropout`; same,
    own random numbers, and a rate of 1 is legal.
    """
    if rate == 1.0:
        return tf.zeros_like(x)
    # As numbers, not as bool: the branches of a switch hand what their
    # gradient needs through shared slots, which TensorFlow wants of one type.
    drawn = tf.random.stateless_uniform(tf.shape(x), seed)
    kept = tf.cast(drawn >= rate, x.dtype)
    return x * tf.stop_gradient(kept / (1.0 - rate))


def lstm(x, prev_c, prev_h, w):
    """One LSTM step: one matrix, gates i, f, o, g, no biases.

    Args:
      x: float32 `[n, size]`, input.
      prev_c: float32 `[n, size]`, cell state.
      prev_h: float32 `[n, size]`, hidden state.
      w: float32 `[2 * size, 4 * size]`.

    Returns:
      (next_c, next_h), float32 `[n, size]` each.

    Source: ENAS common_ops.py `lstm`, row 18; same.
    """
    ifog = tf.matmul(tf.concat([x, prev_h], axis=1), w)
    i, f, o, g = tf.split(ifog, 4, axis=1)
    next_c = tf.sigmoid(i) * tf.tanh(g) + tf.sigmoid(f) * prev_c
    next_h = tf.sigmoid(o) * tf.tanh(next_c)
    return next_c, next_h
