"""Parameters and multiply-adds of an architecture. No TensorFlow here.

Counted are the multiply-adds of convolutions and of the last matrix for one
image (batch norm, ReLU, pooling and sums cost none), and the trainable weights
that this architecture uses, scale and offset of batch norm included.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any

if typing.TYPE_CHECKING:
    from enas.drawing.plan import Node


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a step costs: trainable weights, multiply-adds for one image.

    `known` is false if an op is in it that does not say what it costs, which
    is counted as nothing.
    """

    parameters: int = 0
    multiply_adds: int = 0
    known: bool = True

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.multiply_adds + other.multiply_adds,
            self.known and other.known,
        )

    def texts(self, short: bool = False) -> tuple[str, str]:
        """Returns both numbers for people; a ? marks what is not known."""
        mark, number = "" if self.known else "?", self.multiply_adds
        text = f"{number / 1e6:.2f}M" if short else f"{number:,}"
        return f"{self.parameters:,}{mark}", text + mark


def conv_cost(weights: int, pixels: int, norm: int = 0) -> Cost:
    """Returns the cost of a convolution whose every weight meets every pixel.

    `pixels` are those of the map it gives out, `norm` the channels of the batch
    norm after it; 0 for none.
    """
    return Cost(weights + 2 * norm, weights * pixels)


def cost_of(node: Node, options: Any) -> Cost:
    """Returns what one step costs."""
    c = node.channels
    if node.kind == "head":
        weights = c * options.num_classes
        learned = options.profile.classifier_bias == "learned"
        return Cost(weights + options.num_classes * learned, weights)
    if node.kind in ("op", "sum"):
        return node.op_cost
    rows = {
        "stem": 3 * 9,
        "merge": len(node.inputs) * c,
        "reduction": node.channels_in,
        "norm": 0,
    }
    return conv_cost(rows[node.kind] * c, node.size**2, c)


def layer_costs(nodes: Sequence[Node], options: Any) -> dict[Any, Cost]:
    """Returns what each part costs.

    Parts are "stem", "head", k for layer k (op and skips), and ("pool", k) for
    the reductions after it.
    """
    costs: dict[Any, Cost] = {}
    for node in nodes:
        pool = "pool", node.layer
        parts = {"stem": "stem", "head": "head", "reduction": pool}
        part: Any = parts.get(node.kind, node.layer)
        costs[part] = costs.get(part, Cost()) + cost_of(node, options)
    return costs
