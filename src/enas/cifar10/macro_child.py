"""MacroChild: the network with all architectures inside.

Counterpart of ENAS's src/cifar10/general_child.py, search part. The original
runs every op of a layer and picks one output; here only the one chosen runs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow import Tensor

from enas import common_ops
from enas.cifar10.arc import Arc
from enas.cifar10.branches import ChildOptions, Mode
from enas.cifar10.layers import image_ops
from enas.cifar10.layers.factorized_reduction import FactorizedReduction
from enas.cifar10.layers.skip_connections import SKIPS, plain
from enas.cifar10.ops import make_branch
from enas.cifar10.search_space import SearchSpace
from enas.drawing.plan import Node, plan, pool_layers


class Pool(keras.layers.Layer):
    """Halves every cached output by a factorized reduction of its own.

    Source: ENAS general_child.py `_model`, row 7; same. Reductions are named by
    place, the stem's is `from_0`; without the stem they start at `from_1`.
    """

    def __init__(self, layer_id: int, options: ChildOptions):
        super().__init__(name=f"pool_at_{layer_id}")
        first = 0 if options.profile.skip_candidates == "stem" else 1
        self.reductions = [
            FactorizedReduction(f"from_{i}", options)
            for i in range(first, layer_id + 2)
        ]

    def build(self, shape: tuple) -> None:
        for reduction in self.reductions:
            reduction.build(shape)

    def call(self, cache: list, training: Mode = False) -> list[Tensor]:
        return [
            reduction(x, training=training)
            for reduction, x in zip(self.reductions, plain(cache), strict=True)
        ]


class EnasLayer(keras.layers.Layer):
    """One layer: the chosen branch, the chosen skips, pooling where due.

    Call arguments:
      cache: list, outputs of the stem and of all earlier layers, the stem only
        up to layer 0 if it is not a skip candidate. The last is a tensor; the
        others are, from the second layer of a stage on, lists of equal tensors,
        one for each later layer of the stage and one for what follows it.
      branch: int32 scalar in `[0, len(branches))`.
      copy: int32 scalar, the copy of a poisoning.
      bits: list of lists of int32 scalars, the `layer_id` skip bits of this
        layer and those of all later ones up to the next pooling.
      training, seed: those of `MacroChild`.

    Returns the cache with this layer's output at its end.

    Source: ENAS general_child.py `_enas_layer`, rows 1 to 7; same, with every
    branch bound to its own function (docs/PORT.md, `branch_binding`).
    """

    def __init__(
        self,
        layer_id: int,
        search_space: SearchSpace,
        options: ChildOptions,
        pooled: bool,
    ):
        super().__init__(name=f"layer_{layer_id}")
        self.options = options
        profile = options.profile
        self.branches = [
            make_branch(
                search_space.ops[name],
                i,
                options,
                search_space.weight_copies(i),
            )
            for i, name in enumerate(search_space.branches)
        ]
        self.skip = None
        if layer_id > 0 or profile.first_layer == "normed":
            self.skip = SKIPS[profile.skip_sum](options)
        self.drops_stem = layer_id == 0 and profile.skip_candidates == "direct"
        self.pool = Pool(layer_id, options) if pooled else None

    def build(self, shape: tuple) -> None:
        for part in (*self.branches, self.skip, self.pool):
            if part is not None:
                part.build(shape)

    def call(
        self,
        cache: list,
        branch: Tensor,
        copy: Tensor,
        bits: Sequence[Sequence[Tensor]],
        training: Mode,
        seed: Tensor,
    ) -> list:
        x, given = cache[-1], {"copy": copy, "training": training, "seed": seed}
        runs = [functools.partial(run, x, **given) for run in self.branches]
        out = tf.switch_case(branch, runs)
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

    Call arguments:
      images: float32 `[batch, size, size, 3]`, standardised (always NHWC).
      arc: pair of int32 tensors: op ids `[num_layers]`, each in
        `[0, search_space.num_ops)` (checked where arcs enter, because
        `tf.switch_case` runs its last branch for any other), and skip bits
        `[num_layers (num_layers - 1) / 2]`, those of layer k from k(k-1)/2.
      training: bool; decides batch norm, dropout and poison dropout. Or
        `image_ops.FROZEN`: as in training, moving statistics stay.
      seed: int32 `[2]`, of the step's random numbers; needed in training.

    Returns logits, float32 `[batch, classes]`.

    Source: ENAS general_child.py, rows 1 to 13. Deviates in row 12: only the
    chosen op runs, so batch norm statistics of the others stay.
    """

    def __init__(
        self, search_space: SearchSpace, num_layers: int, options: ChildOptions
    ):
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

    def build(self, input_shape: tuple | None = None) -> None:
        channels: tuple[int | None, ...] = (None, 3, None, None)
        if self.options.data_format == "NHWC":
            channels = (None, None, None, 3)
        self.stem_conv.build(channels)
        for layer in self.enas_layers:
            layer.build(self.options.feature_shape)
        self.fc.build((self.options.filters, self.options.num_classes))

    def branches_and_copies(self, op_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the branch and the copy that each layer runs, int32 `[L]`."""
        branches = tf.gather(self.branch_of, op_ids)
        return branches, tf.gather(self.copy_of, op_ids)

    def steps_of(
        self, arc: Arc, whole: bool = False
    ) -> Iterator[tuple[Node, Any]]:
        """Yields (node, layer) of an arc as `plan` lists it; None for a sum."""
        ends = {"stem": self.stem_conv, "head": self.fc}
        layers: list[Any] = self.enas_layers
        for node in plan(arc, self.search_space, self.options, whole=whole):
            if node.kind == "op":
                branch = self.search_space.branches.index(node.op)
                yield node, layers[node.layer].branches[branch]
            elif node.kind == "norm":
                yield node, layers[node.layer].skip.bn
            elif node.kind == "reduction":
                name = node.name.rpartition("/")[2]
                reductions = layers[node.layer].pool.reductions
                yield node, next(r for r in reductions if r.name == name)
            else:
                yield node, ends.get(node.kind)

    def _stage_end(self, k: int) -> int:
        """Returns the layer after the next pooling, or after the last."""
        ends = [layer + 1 for layer in pool_layers(self.num_layers)]
        return min(end for end in [*ends, self.num_layers] if end > k)

    def call(
        self,
        images: Tensor,
        arc: tuple[Tensor, Tensor],
        training: Mode = False,
        seed: Tensor | None = None,
    ) -> Tensor:
        op_ids, skips = arc
        branches, copies = self.branches_and_copies(op_ids)
        seed = tf.zeros([2], tf.int32) if seed is None else seed
        if self.options.data_format == "NCHW":
            images = tf.transpose(images, [0, 3, 1, 2])
        cache = [self.stem_conv(images, training=training)]
        # As a list once; every slice of a tensor costs four nodes of the graph.
        skips = tf.unstack(skips)
        bits = [skips[k * (k - 1) // 2 :][:k] for k in range(self.num_layers)]
        for k, layer in enumerate(self.enas_layers):
            cache = layer(
                cache,
                branch=branches[k],
                copy=copies[k],
                bits=bits[k : self._stage_end(k)],
                training=training,
                seed=common_ops.fold_in(seed, k),
            )
        place = self.num_layers
        return classify(cache[-1], self.fc, self.options, training, seed, place)


def classify(
    x: Tensor,
    fc: image_ops.Classifier,
    options: ChildOptions,
    training: Mode,
    seed: Tensor,
    place: int,
) -> Tensor:
    """Returns the logits after the last layer, float32 `[batch, classes]`.

    `place` is that of the dropout among what is random in the step, of `seed`.

    Source: row 9; same.
    """
    x = image_ops.global_avg_pool(x, options.data_format)
    if training and options.keep_prob < 1.0:
        seed = common_ops.fold_in(seed, place)
        x = options.dropout(x, 1.0 - options.keep_prob, seed)
    return fc(x)
