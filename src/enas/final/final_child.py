"""One architecture as a separate network, trained from scratch.

Counterpart of `_fixed_layer` in ENAS's src/cifar10/general_child.py. Only what
leads to the logits is built; nothing is switched.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, cast

import keras
import tensorflow as tf

from enas import common_ops
from enas.cifar10.arc import Arc
from enas.cifar10.branches import ChildOptions, Mode, make_layer
from enas.cifar10.layers import image_ops
from enas.cifar10.layers.factorized_reduction import FactorizedReduction
from enas.cifar10.macro_child import classify
from enas.cifar10.ops import OPS, ConvBranch, PoolBranch
from enas.cifar10.search_space import SearchSpace
from enas.drawing.plan import Node, plan


class FixedConv(ConvBranch):
    """ReLU, 1x1 conv-BN, ReLU, kxk conv-BN, plain or separable.

    Source: ENAS general_child.py `_fixed_layer`; same for op ids 0 and 2.
    Deviates for 1 and 3: separable, not run as 0 and 2.
    """

    scopes = "conv_1x1", "conv_{0}x{0}"
    masked_bn = relu = False

    def call(
        self, x: tf.Tensor, copy: tf.Tensor, training: Mode, seed: tf.Tensor
    ) -> tf.Tensor:
        x = self.inp_conv(tf.nn.relu(x), training=training)
        return self.out_conv(tf.nn.relu(x), training=training)

    def keras_form(self, x: Any, choices: Any) -> Any:
        x = choices.lay(self.inp_conv, keras.layers.ReLU()(x))
        return choices.lay(self.out_conv, keras.layers.ReLU()(x))


class FixedPool(PoolBranch):
    """ReLU, 1x1 conv-BN, ReLU, 3x3 pooling of stride 1.

    Source: row 3. Deviates: the original's fixed layer has no pooling ops and
    ends with an error; this is the search's op after a ReLU.
    """

    scope = "conv_1x1"

    def call(
        self, x: tf.Tensor, copy: tf.Tensor, training: Mode, seed: tf.Tensor
    ) -> tf.Tensor:
        return super().call(tf.nn.relu(x), copy, training, seed)

    def keras_form(self, x: Any, choices: Any) -> Any:
        return super().keras_form(keras.layers.ReLU()(x), choices)


# The ops that are others in a network trained from scratch than in a search.
FIXED = {ConvBranch: FixedConv, PoolBranch: FixedPool}


class Merge(image_ops.ConvBN):
    """Concatenates the skips and the op's output; ReLU, 1x1 conv-BN.

    Source: ENAS general_child.py `_fixed_layer`; same, without skips too.
    """

    def __init__(self, options: ChildOptions):
        super().__init__("skip", 1, options, relu=False)

    def call(  # type: ignore[override]
        self, inputs: Sequence[tf.Tensor], training: Mode = False
    ) -> tf.Tensor:
        axis = image_ops.channel_axis(self.options.data_format)
        x = tf.nn.relu(tf.concat(inputs, axis))
        return super().call(x, training=training)


class FinalChild(keras.Model):
    """The network of one arc, with its own weights.

    Args:
      search_space: the one it is of; poisoned ops run as they do there.
      options: its filters are those of the first stage.

    Call arguments: those of `MacroChild`; `arc` is not looked at.

    Returns:
      float32 `[batch, classes]`, logits.

    Source: ENAS general_child.py `_model` with fixed_arc: channels double at
    each pooling. Same; deviates where `FixedConv` and `FixedPool` say so, and
    reductions that nothing reads are not built.
    """

    def __init__(
        self, arc: Arc, search_space: SearchSpace, options: ChildOptions
    ):
        super().__init__(name="child")
        self.search_space = search_space
        self.options = options
        self.num_layers = arc.num_layers
        self.nodes = plan(arc, search_space, options, final=True)
        layers = [self._layer(node) for node in self.nodes]
        self.steps = list(zip(self.nodes, layers, strict=True))

    def _layer(self, node: Node) -> Any:
        options = dataclasses.replace(self.options, filters=node.channels)
        if node.kind == "stem":
            return image_ops.ConvBN("stem_conv", 3, options, relu=False)
        if node.kind == "op":
            return self._op(cast(str, node.op), options)
        if node.kind == "merge":
            return Merge(options)
        if node.kind == "reduction":
            return FactorizedReduction(node.name.rpartition("/")[2], options)
        return image_ops.Classifier(options)

    def _op(self, name: str, options: ChildOptions) -> Any:
        op = OPS[name]
        if op.cls in FIXED:
            return make_layer(FIXED[op.cls], "op", options, **op.arguments)
        # Copies differ by their weights alone, and this one has its own.
        scope = f"branch_{self.search_space.branches.index(name)}"
        return make_layer(op.cls, scope, options, **op.arguments)

    def _shape(self, node: Node) -> tuple[int | None, ...]:
        if node.kind == "head":
            return node.channels, self.options.num_classes
        merged = len(node.inputs) if node.kind == "merge" else 1
        channels = node.channels_in * merged
        return dataclasses.replace(self.options, filters=channels).feature_shape

    def steps_of(self, arc: Arc) -> list[tuple[Node, Any]]:
        """Returns the steps of its one arc, as `MacroChild` does."""
        return self.steps

    def build(self, input_shape: tuple | None = None) -> None:
        for node, layer in self.steps:
            with contextlib.ExitStack() as scopes:
                for name in node.name.split("/")[:-1]:
                    scopes.enter_context(keras.name_scope(name))
                layer.build(self._shape(node))

    def call(
        self,
        images: tf.Tensor,
        arc: Any = None,
        training: Mode = False,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        seed = tf.zeros([2], tf.int32) if seed is None else seed
        if self.options.data_format == "NCHW":
            images = tf.transpose(images, [0, 3, 1, 2])
        *steps, (head, fc) = self.steps
        outputs: dict[str, tf.Tensor] = {}
        for node, layer in steps:
            inputs = [outputs[name] for name in node.inputs] or [images]
            more: dict[str, Any] = {"training": training}
            if node.kind == "op":
                more["copy"] = tf.constant(node.copy)
                more["seed"] = common_ops.fold_in(seed, node.layer)
            if node.kind == "sum":
                # Of a `StaticNetwork` of the benchmark.
                y = functools.reduce(tf.add, inputs)
            else:
                y = layer(inputs if node.kind == "merge" else inputs[0], **more)
            outputs[node.name] = y
        x = outputs[head.inputs[0]]
        return classify(x, fc, self.options, training, seed, self.num_layers)
