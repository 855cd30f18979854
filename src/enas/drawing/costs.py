"""Parameters and multiply-adds of an architecture. No TensorFlow here.

Counted are the multiply-adds of convolutions and of the last matrix for one
image, and the trainable weights, scale and offset of batch norm included, that
this architecture uses. Batch norm, ReLU, pooling and sums cost no multiply-add
here.
"""

import dataclasses

__all__ = ["Cost", "KNOWN_OPS", "cost_of", "layer_costs"]


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a step costs.

    Attributes:
      parameters: int, trainable weights.
      multiply_adds: int, for one image of 32x32.
      known: bool, false if an op of a user's own is in it, which is counted
        as nothing.
    """

    parameters: int = 0
    multiply_adds: int = 0
    known: bool = True

    def __add__(self, other):
        """Returns the cost of both."""
        return Cost(
            self.parameters + other.parameters,
            self.multiply_adds + other.multiply_adds,
            self.known and other.known,
        )


def _conv(weights, pixels, norm=0):
    return Cost(weights + 2 * norm, weights * pixels)


def _plain(size, c, pixels):
    inner = _conv(c * c, pixels, c)
    return inner + _conv(size * size * c * c, pixels, c)


def _separable(size, c, pixels):
    inner = _conv(c * c, pixels, c)
    return inner + _conv(size * size * c + c * c, pixels, c)


def _stretched(c, pixels):
    # Eight of the nine taps fall on padding and are not computed.
    inner = _conv(c * c, pixels, c)
    return inner + Cost(9 * c * c + 2 * c, c * c * pixels)


_OPS = {
    "conv_3x3": lambda c, n: _plain(3, c, n),
    "sep_conv_3x3": lambda c, n: _separable(3, c, n),
    "conv_5x5": lambda c, n: _plain(5, c, n),
    "sep_conv_5x5": lambda c, n: _separable(5, c, n),
    "avg_pool_3x3": lambda c, n: _conv(c * c, n, c),
    "max_pool_3x3": lambda c, n: _conv(c * c, n, c),
    "identity": lambda c, n: Cost(),
    "dropout": lambda c, n: Cost(),
    "relative_gaussian": lambda c, n: Cost(),
    "transposed_conv_3x3": lambda c, n: _conv(9 * c * c, n),
    "transposed_conv_5x5": lambda c, n: _conv(25 * c * c, n),
    "stretched_conv": _stretched,
}
KNOWN_OPS = tuple(_OPS)


def cost_of(node, num_classes=10, bias=False):
    """Returns the `Cost` of one step.

    Args:
      node: `arc_plan.Node`.
      num_classes: int, outputs of the last matrix.
      bias: bool, whether the last matrix has a bias.
    """
    c, pixels = node.channels, node.size**2
    if node.kind == "stem":
        return _conv(9 * 3 * c, pixels, c)
    if node.kind == "op":
        return _OPS.get(node.op, lambda c, n: Cost(known=False))(c, pixels)
    if node.kind == "norm":
        return Cost(2 * c)
    if node.kind == "merge":
        return _conv(len(node.inputs) * c * c, pixels, c)
    if node.kind == "reduction":
        return _conv(node.channels_in * c, pixels, c)
    if node.kind == "head":
        weights = c * num_classes
        return Cost(weights + num_classes * bias, weights)
    return Cost()


def layer_costs(nodes, num_classes=10, bias=False):
    """Returns what each part costs, dict part -> `Cost`.

    Args:
      nodes: list of `arc_plan.Node`.
      num_classes: int.
      bias: bool, as in `cost_of`.

    Returns:
      dict with the keys "stem", "head", k for layer k (op and skips), and
      ("pool", k) for the reductions behind it.
    """
    costs = {}
    for node in nodes:
        part = node.layer
        if node.kind in ("stem", "head"):
            part = node.kind
        elif node.kind == "reduction":
            part = "pool", node.layer
        cost = cost_of(node, num_classes, bias)
        costs[part] = costs.get(part, Cost()) + cost
    return costs
