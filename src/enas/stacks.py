"""Small variables of one shape as one, so that a step has few of them.

A child of 12 layers has 466 weights, most of them the 36 numbers of a batch
norm, on which an operation costs more to start than to compute; and what a
compiled step reads and writes is handed over one by one at every call.
"""

import math

import numpy as np
import tensorflow as tf

__all__ = ["Part", "Stacks"]

# Values of a tensor from which on stacking copies more than it saves.
LARGE = 4096


class Part:
    """A part of a stacked variable, under a name of its own in checkpoints.

    It can be read, assigned and saved as a tf.Variable can.

    Args:
      whole: tf.Variable.
      place: tuple of int and slice, which part.
    """

    def __init__(self, whole, place):
        self._whole = whole
        self._place = place
        self.dtype = whole.dtype
        shape = np.broadcast_to(0, whole.shape)[place].shape
        self.shape = tf.TensorShape(shape)

    def numpy(self):
        """Returns the values, a NumPy array."""
        return self._whole.numpy()[self._place]

    def assign(self, value):
        """Sets the values, of this shape."""
        self._whole[self._place].assign(value)

    def __array__(self, dtype=None, copy=None):
        """Returns the values where NumPy asks for them."""
        return np.asarray(self.numpy(), dtype)

    def __tf_tensor__(self, dtype=None, name=None):
        """Returns the values where TensorFlow asks for them."""
        return tf.convert_to_tensor(self._whole[self._place], dtype, name=name)


class Stacks:
    """How a list of tensors goes into stacks, and comes back out.

    Args:
      shapes: list of tf.TensorShape, static, of the tensors.
      alone: set of int, places of tensors that stay as they are whatever
        their size.

    Attributes:
      shapes: list of tuples of int, of what `put` returns.
    """

    def __init__(self, shapes, alone=frozenset()):
        self._places = {}
        for place, shape in enumerate(map(tuple, shapes)):
            large = place in alone or math.prod(shape) >= LARGE
            key = (place, shape) if large else (None, shape)
            self._places.setdefault(key, []).append(place)
        self.shapes = [
            shape if len(places) == 1 else (len(places), *shape)
            for (_, shape), places in self._places.items()
        ]

    def put(self, tensors):
        """Returns stacks `[tensors, *shape]` and single tensors, a list.

        Args:
          tensors: list, as long as the shapes: tensors or variables of these
            shapes, or scalars, which then are factors on the stacks.
        """
        return [
            _stack([tensors[place] for place in places], shape)
            for (_, shape), places in self._places.items()
        ]

    def take(self, stacks):
        """Returns the list of tensors that `put` makes these stacks of."""
        return self._spread(stacks, tf.unstack)

    def parts(self, variables):
        """Returns the same of variables of `shapes`, as `Part`s of them."""
        return self._spread(
            variables,
            lambda whole, count: [Part(whole, (i,)) for i in range(count)],
        )

    def singles(self, items):
        """Returns of every stack the item that goes into it alone, or None."""
        return [
            items[places[0]] if len(places) == 1 else None
            for places in self._places.values()
        ]

    def _spread(self, stacks, split):
        items = {}
        for places, stack in zip(self._places.values(), stacks, strict=True):
            count = len(places)
            parts = [stack] if count == 1 else split(stack, count)
            items |= zip(places, parts, strict=True)
        return [items[place] for place in range(len(items))]


def _stack(tensors, shape):
    if len(tensors) == 1:
        return tensors[0]
    stack = tf.stack(tensors)
    if len(stack.shape) == 1:
        stack = tf.reshape(stack, [-1, *([1] * len(shape))])
    return stack
