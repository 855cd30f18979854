"""What each layer of a child is in standard Keras layers, with its weights.

Maps are NHWC. Ops say it themselves, by `Branch.keras_form`.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from enas.cifar10.branches import Branch
from enas.cifar10.layers import image_ops
from enas.cifar10.layers.factorized_reduction import FactorizedReduction
from enas.cifar10.op_trial import one_line
from enas.common_ops import of_copy
from enas.errors import UserError
from enas.final.final_child import Merge


@dataclasses.dataclass(frozen=True)
class Choices:
    """How maps are laid.

    Attributes:
      statistics: of batch norm: "moving", the stored ones, or "batch".
      copy: which copy of a poisoning.
    """

    statistics: str
    copy: int = 0

    def lay(self, layer: Any, x: Any) -> Any:
        """Lays standard layers that compute what a layer of a child computes.

        Args:
          layer: built.
          x: symbolic tensor, or a list of them for a merge.

        Raises:
          UserError: the layer is an op that does not say it.
        """
        if not isinstance(layer, Branch):
            return _laid(layer, x, self)
        try:
            return layer.keras_form(x, self)
        except UserError:
            raise
        except Exception as error:
            # That of an op that ships does not fail.
            raise UserError(
                f"keras_form of the op {type(layer).__name__} raised "
                f"{one_line(error)}. Fix it; docs/POISON.md shows one."
            ) from error


@functools.singledispatch
def _laid(layer: Any, x: Any, choices: Choices) -> Any:
    raise TypeError(f"No standard layers are known for {type(layer)}.")


def _with_weights(layer: Any, x: Any, *weights: Any) -> Any:
    y = layer(x)
    layer.set_weights([np.asarray(weight) for weight in weights])
    return y


@_laid.register
def _batch_norm(bn: image_ops.BatchNorm, x: Any, choices: Choices) -> Any:
    scale, offset = (
        np.asarray(of_copy(v, bn.copies, choices.copy))
        for v in (bn.scale, bn.offset)
    )
    if choices.statistics == "moving":
        plain = keras.layers.BatchNormalization(epsilon=bn.epsilon)
        moving = bn.moving(choices.copy)
        return _with_weights(plain, x, scale, offset, *moving)
    # Batch included: keras.ops would need a newer Keras to load, and its batch
    # norm cannot. Scale and offset are a depthwise 1x1 convolution with a bias.
    scale = scale.reshape(1, 1, -1, 1)
    affine = keras.layers.DepthwiseConv2D(1)
    normed = keras.layers.LayerNormalization(
        (0, 1, 2), bn.epsilon, center=False, scale=False
    )
    return _with_weights(affine, normed(x), scale, offset)


def _conv(x: Any, kernel: Any, strides: int = 1, dilation: int = 1) -> Any:
    size, _, _, filters = kernel.shape
    style = {"padding": "same", "dilation_rate": dilation, "use_bias": False}
    plain = keras.layers.Conv2D(filters, size, strides, **style)
    return _with_weights(plain, x, kernel)


def _bn_relu(layer: Any, x: Any, choices: Choices) -> Any:
    x = _batch_norm(layer.bn, x, choices)
    return keras.layers.ReLU()(x) if layer.relu else x


@_laid.register
def _conv_bn(layer: image_ops.ConvBN, x: Any, choices: Choices) -> Any:
    dilation = 1 if layer.centre_only else layer.dilation
    x = _conv(x, layer.kernel(choices.copy), dilation=dilation)
    return _bn_relu(layer, x, choices)


@_laid.register
def _separable(
    layer: image_ops.SeparableConvBN, x: Any, choices: Choices
) -> Any:
    plain = keras.layers.SeparableConv2D(
        layer.options.filters, layer.size, padding="same", use_bias=False
    )
    # Stored [out, in].
    point = np.asarray(layer.w_point).T[None, None]
    x = _with_weights(plain, x, layer.w_depth, point)
    return _bn_relu(layer, x, choices)


@_laid.register
def _merge(layer: Merge, inputs: Sequence[Any], choices: Choices) -> Any:
    x = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    return _conv_bn(layer, keras.layers.ReLU()(x), choices)


@_laid.register
def _reduction(layer: FactorizedReduction, x: Any, choices: Choices) -> Any:
    return _batch_norm(layer.bn, _conv(x, layer.kernel(), 2), choices)


@_laid.register
def _classifier(layer: image_ops.Classifier, x: Any, choices: Choices) -> Any:
    x = keras.layers.GlobalAveragePooling2D()(x)
    bias = () if layer.b is None else (layer.b,)
    plain = keras.layers.Dense(layer.w.shape[1], use_bias=bool(bias))
    return _with_weights(plain, x, layer.w, *bias)
