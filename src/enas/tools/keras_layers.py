"""What each layer of a child is in standard Keras layers, with its weights.

Every function takes a layer of the child, a symbolic map and the choices of
the export, and returns the map behind it. Maps are NHWC.
"""

import dataclasses

import keras
import numpy as np

from enas.cifar10 import image_ops, poison_ops
from enas.cifar10 import ops as branches
from enas.common_ops import of_copy
from enas.errors import UserError
from enas.final import final_child

__all__ = ["Choices", "lay"]


@dataclasses.dataclass(frozen=True)
class Choices:
    """How maps are laid.

    Attributes:
      statistics: "moving", batch norm by stored statistics, or "batch", by
        those of the batch given.
      copy: int, which copy of a poisoning.
    """

    statistics: str
    copy: int = 0


def lay(layer, x, choices):
    """Lays standard layers that compute what a layer of a child computes.

    Args:
      layer: built layer of a `MacroChild` or `FinalChild`.
      x: symbolic tensor, or a list of them for a merge.
      choices: `Choices`.

    Returns:
      Symbolic tensor.

    Raises:
      UserError: the layer is an op of a user's own.
    """
    for cls in type(layer).__mro__:
        if cls in _LAY:
            return _LAY[cls](layer, x, choices)
    raise UserError(
        f"The op {type(layer).__name__} is one of your own, so it cannot be "
        "put together from standard Keras layers. Export an architecture "
        "without it, by --arc."
    )


def _with_weights(layer, x, *weights):
    """Returns layer(x), the layer's weights set."""
    y = layer(x)
    layer.set_weights([np.asarray(weight) for weight in weights])
    return y


def _batch_norm(bn, x, choices):
    scale, offset = (
        np.asarray(of_copy(v, bn.copies, choices.copy))
        for v in (bn.scale, bn.offset)
    )
    if choices.statistics == "moving":
        plain = keras.layers.BatchNormalization(epsilon=bn.epsilon)
        moving = bn.moving(choices.copy)
        return _with_weights(plain, x, scale, offset, *moving)
    # Scale and offset are a depthwise 1x1 convolution with a bias.
    scale = scale.reshape(1, 1, -1, 1)
    affine = keras.layers.DepthwiseConv2D(1)
    return _with_weights(affine, _normed(x, bn.epsilon), scale, offset)


def _normed(x, epsilon):
    axes = (0, 1, 2)
    mean = keras.ops.mean(x, axes, keepdims=True)
    variance = keras.ops.var(x, axes, keepdims=True)
    return (x - mean) * keras.ops.rsqrt(variance + epsilon)


def _conv(x, kernel, strides=1):
    size, _, _, filters = kernel.shape
    plain = keras.layers.Conv2D(
        filters, size, strides=strides, padding="same", use_bias=False
    )
    return _with_weights(plain, x, kernel)


def _relu(x):
    return keras.layers.ReLU()(x)


def _conv_bn(layer, x, choices):
    x = _conv(x, layer.kernel(choices.copy))
    x = _batch_norm(layer.bn, x, choices)
    return _relu(x) if layer.relu else x


def _separable(layer, x, choices):
    plain = keras.layers.SeparableConv2D(
        layer.options.filters, layer.size, padding="same", use_bias=False
    )
    # Stored [out, in].
    point = np.asarray(layer.w_point).T[None, None]
    x = _with_weights(plain, x, layer.w_depth, point)
    x = _batch_norm(layer.bn, x, choices)
    return _relu(x) if layer.relu else x


def _conv_branch(layer, x, choices):
    return lay(layer.out_conv, lay(layer.inp_conv, x, choices), choices)


def _pool(layer, x):
    if layer.kind == "max":
        return keras.layers.MaxPooling2D(3, 1, "same")(x)
    if layer.options.profile.avg_pool_padding == "excluded":
        return keras.layers.AveragePooling2D(3, 1, "same")(x)
    return keras.layers.AveragePooling2D(3, 1)(keras.layers.ZeroPadding2D()(x))


def _pool_branch(layer, x, choices):
    return _pool(layer, lay(layer.conv, x, choices))


def _fixed_conv(layer, x, choices):
    x = lay(layer.conv_1x1, _relu(x), choices)
    return lay(layer.conv, _relu(x), choices)


def _fixed_pool(layer, x, choices):
    return _pool(layer, lay(layer.conv_1x1, _relu(x), choices))


def _merge(layer, inputs, choices):
    x = inputs[0]
    if len(inputs) > 1:
        x = keras.layers.Concatenate()(inputs)
    return _conv_bn(layer, _relu(x), choices)


def _reduction(layer, x, choices):
    return _batch_norm(layer.bn, _conv(x, layer.kernel(), 2), choices)


def _transposed(layer, x, choices):
    plain = keras.layers.Conv2DTranspose(
        layer.options.filters, layer.size, padding="same", use_bias=False
    )
    return _with_weights(plain, x, of_copy(layer.w, layer.copies, choices.copy))


def _classifier(layer, x, choices):
    x = keras.layers.GlobalAveragePooling2D()(x)
    bias = () if layer.b is None else (layer.b,)
    plain = keras.layers.Dense(layer.w.shape[1], use_bias=bool(bias))
    return _with_weights(plain, x, layer.w, *bias)


def _unchanged(layer, x, choices):
    """Noise and dropout are off in evaluation."""
    return x


_LAY = {
    image_ops.BatchNorm: _batch_norm,
    image_ops.ConvBN: _conv_bn,
    image_ops.SeparableConvBN: _separable,
    image_ops.FactorizedReduction: _reduction,
    image_ops.Classifier: _classifier,
    branches.ConvBranch: _conv_branch,
    branches.PoolBranch: _pool_branch,
    final_child.FixedConv: _fixed_conv,
    final_child.FixedPool: _fixed_pool,
    final_child.Merge: _merge,
    poison_ops.Identity: _unchanged,
    poison_ops.Dropout: _unchanged,
    poison_ops.RelativeGaussian: _unchanged,
    poison_ops.TransposedConv: _transposed,
    poison_ops.StretchedConv: _conv_branch,
}
