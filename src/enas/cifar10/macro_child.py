"""MacroChild: the network with all architectures inside.

Counterpart of ENAS's src/cifar10/general_child.py, search part. The original
runs every op of a layer and picks one output; here only the picked op runs.
"""

import functools

import keras
import tensorflow as tf

from enas import common_ops
from enas.cifar10 import image_ops
from enas.cifar10.arc_plan import pool_layers
from enas.cifar10.poison_ops import make_branch

__all__ = ["MacroChild", "classify", "pool_layers"]


class Skip(keras.layers.Layer):
    """Adds the chosen earlier outputs, then batch norm without ReLU.

    Call arguments:
      out: the op's output.
      cache: list of tensors of the same shape, see `EnasLayer`.
      bits: int32 `[layer_id]`, of the first so many in the cache.
      same: bool scalar, whether `out` is `cache[-1]` itself, untouched.
      training: bool, or `image_ops.FROZEN`.

    Returns:
      The cache with the result at its end.

    Source: ENAS general_child.py `_enas_layer`, rows 4 to 6; same result,
    different form: what is not chosen is not added as zeros. `InPlaceSkip` is
    the paper's.
    """

    def __init__(self, options):
        super().__init__(name="skip")
        self.bn = image_ops.BatchNorm(options)

    def build(self, shape):
        self.bn.build(shape)

    def call(self, out, cache, bits, same, training=False):
        cache = list(cache)
        # With the stem in the cache the direct input is no candidate (row 5).
        count = bits.shape[0]
        total, *cache[:count] = _add_chosen(out, bits, *cache[:count])
        return [*cache, self.bn(total, training=training)]


@tf.custom_gradient
def _add_chosen(out, bits, *candidates):
    """Adds the chosen candidates.

    Returns:
      The sum, and the candidates for those who come later: their gradients
      then add up along the layers, and what was not chosen costs nothing. Left
      to TensorFlow, each of them would be sent zeros.
    """

    def gradient(total, *later):
        parts = [
            _add_if(bits[i] > 0, part, total) for i, part in enumerate(later)
        ]
        return total, None, *parts

    for i, candidate in enumerate(candidates):
        out = _add_if(bits[i] > 0, out, candidate)
    return (out, *candidates), gradient


def _add_if(condition, x, y):
    return tf.cond(
        condition,
        functools.partial(tf.add, x, y),
        functools.partial(tf.identity, x),
    )


class InPlaceSkip(Skip):
    """The sum of the paper's code, which overwrites the op's output.

    When the op returned its input itself, the sum lands in the stored output
    of the layer before: later layers read it there, and a skip to the direct
    input doubles what was summed so far.

    Source: row 6, `out += prev_layers[i]` in enas_layer.py of the paper's code;
    same.
    """

    def call(self, out, cache, bits, same, training=False):
        *earlier, stored = cache
        count = min(bits.shape[0], len(earlier))
        total, *earlier[:count] = _add_chosen(
            out, bits[:count], *earlier[:count]
        )
        if bits.shape[0] > count:
            direct = _pick(same, total, stored)
            total = _add_if(bits[-1] > 0, total, direct)
        stored = _pick(same, total, stored)
        return [*earlier, stored, self.bn(total, training=training)]


def _pick(condition, x, y):
    return tf.cond(
        condition,
        functools.partial(tf.identity, x),
        functools.partial(tf.identity, y),
    )


SKIPS = {"new": Skip, "in_place": InPlaceSkip}


class Pool(keras.layers.Layer):
    """Halves every cached output by a factorized reduction of its own.

    Call arguments:
      cache: list of tensors, see `EnasLayer`.
      training: bool, or `image_ops.FROZEN`.

    Source: ENAS general_child.py `_model`, row 7; same. Reductions are named by
    place, the stem's is `from_0`; without the stem they start at `from_1`.
    """

    def __init__(self, layer_id, options):
        super().__init__(name=f"pool_at_{layer_id}")
        first = 0 if options.profile.skip_candidates == "stem" else 1
        self.reductions = [
            image_ops.FactorizedReduction(f"from_{i}", options)
            for i in range(first, layer_id + 2)
        ]

    def build(self, shape):
        for reduction in self.reductions:
            reduction.build(shape)

    def call(self, cache, training=False):
        return [
            reduction(x, training=training)
            for reduction, x in zip(self.reductions, cache, strict=True)
        ]


class EnasLayer(keras.layers.Layer):
    """One layer: the picked branch, the picked skips, pooling where due.

    Call arguments:
      cache: list of tensors, outputs of the stem and of all earlier layers;
        the stem leaves behind layer 0 where it is no skip candidate.
      branch: int32 scalar in `[0, len(branches))`.
      copy: int32 scalar, the copy of a poisoning.
      bits: int32 `[layer_id]`, skip bits.
      training: bool, or `image_ops.FROZEN`.
      seed: int32 `[2]`.

    Returns:
      The cache with this layer's output at its end.

    Source: ENAS general_child.py `_enas_layer`, rows 1 to 7; same, with every
    branch bound to its own function (section 2 of the reference notes).
    """

    def __init__(self, layer_id, search_space, options, pooled):
        super().__init__(name=f"layer_{layer_id}")
        self.options = options
        profile = options.profile
        self.branches = [
            make_branch(name, i, options, search_space.weight_copies(i))
            for i, name in enumerate(search_space.branches)
        ]
        self.skip = None
        if layer_id > 0 or profile.first_layer == "normed":
            self.skip = SKIPS[profile.skip_sum](options)
        self.drops_stem = layer_id == 0 and profile.skip_candidates == "direct"
        self.pool = Pool(layer_id, options) if pooled else None

    def build(self, shape):
        for part in (*self.branches, self.skip, self.pool):
            if part is not None:
                part.build(shape)

    def call(self, cache, branch, copy, bits, training, seed):
        functions = [
            functools.partial(
                candidate, cache[-1], copy=copy, training=training, seed=seed
            )
            for candidate in self.branches
        ]
        out = tf.switch_case(branch, functions)
        out.set_shape(self.options.feature_shape)
        if self.skip is None:
            cache = [*cache, out]
        else:
            same = [part.returns_input(training) for part in self.branches]
            same = tf.gather(same, branch)
            cache = self.skip(out, cache, bits, same, training=training)
        if self.drops_stem:
            cache = cache[1:]
        if self.pool is not None:
            cache = self.pool(cache, training=training)
        return cache


class MacroChild(keras.Model):
    """The child of macro search: every architecture, with shared weights.

    Args:
      search_space: `SearchSpace`, gives the branches and what an op id runs.
      num_layers: int, >= 1.
      options: `ChildOptions`.

    Call arguments:
      images: float32 `[batch, 32, 32, 3]`, standardised (always NHWC).
      arc: pair of int32 tensors: op ids `[num_layers]`, each in
        `[0, search_space.num_ops)` (checked where arcs enter, because
        `tf.switch_case` runs its last branch for any other), and skip bits
        `[num_layers (num_layers - 1) / 2]`, those of layer k from k(k-1)/2.
      training: bool; decides batch norm, dropout and poison dropout. Or
        `image_ops.FROZEN`: as in training, moving statistics stay.
      seed: int32 `[2]`, of the step's random numbers; needed in training.

    Returns:
      float32 `[batch, classes]`, logits.

    Source: ENAS general_child.py, rows 1 to 13. Deviates in row 12: only the
    picked op runs, so batch norm statistics of the others stay.
    """

    def __init__(self, search_space, num_layers, options):
        super().__init__(name="child")
        self.search_space = search_space
        self.options = options
        self.num_layers = num_layers
        pooled = pool_layers(num_layers)
        self.stem_conv = image_ops.ConvBN("stem_conv", 3, options, relu=False)
        self.enas_layers = [
            EnasLayer(k, search_space, options, k in pooled)
            for k in range(num_layers)
        ]
        self.fc = image_ops.Classifier(options)
        ids = range(search_space.num_ops)
        branches = [search_space.branch(i) for i in ids]
        if options.profile.branch_binding == "published":
            branches = [len(search_space.branches) - 1 for _ in ids]
        self.branch_of = branches
        self.copy_of = [search_space.copy(i) for i in ids]

    def build(self, input_shape=None):
        channels = (None, 3, None, None)
        if self.options.data_format == "NHWC":
            channels = (None, None, None, 3)
        self.stem_conv.build(channels)
        for layer in self.enas_layers:
            layer.build(self.options.feature_shape)
        self.fc.build((self.options.filters, self.options.num_classes))

    def call(self, images, arc, training=False, seed=None):
        op_ids, skips = arc
        branches = tf.gather(self.branch_of, op_ids)
        copies = tf.gather(self.copy_of, op_ids)
        seed = tf.zeros([2], tf.int32) if seed is None else seed
        if self.options.data_format == "NCHW":
            images = tf.transpose(images, [0, 3, 1, 2])
        cache = [self.stem_conv(images, training=training)]
        for k, layer in enumerate(self.enas_layers):
            start = k * (k - 1) // 2
            cache = layer(
                cache,
                branch=branches[k],
                copy=copies[k],
                bits=skips[start : start + k],
                training=training,
                seed=common_ops.fold_in(seed, k),
            )
        place = self.num_layers
        return classify(cache[-1], self.fc, self.options, training, seed, place)


def classify(x, fc, options, training, seed, place):
    """Returns the logits behind the last layer, float32 `[batch, classes]`.

    Args:
      x: float32, output of the last layer.
      fc: `image_ops.Classifier`.
      options: `ChildOptions`.
      training: bool, or `image_ops.FROZEN`.
      seed: int32 `[2]`, of the step.
      place: int, of the dropout among what is random in the step.

    Source: row 9; same.
    """
    x = image_ops.global_avg_pool(x, options.data_format)
    if training and options.keep_prob < 1.0:
        seed = common_ops.fold_in(seed, place)
        x = options.dropout(x, 1.0 - options.keep_prob, seed)
    return fc(x)
