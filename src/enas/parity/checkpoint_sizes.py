"""Reads the sizes of a network from the shapes of its tensors.

No TensorFlow here.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from enas.errors import UserError

Shapes = Mapping[str, Sequence[int]]
_STEM = "child/stem_conv/w"
_SOFTMAX = "controller/softmax/w"
_LSTM = "controller/lstm/layer_0/w"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a checkpoint's network is.

    Attributes:
      num_layers: layers of the child.
      filters: channels of a layer.
      num_ops: op ids of the controller, or branches without one.
      lstm_size: units of an LSTM layer of the controller.
      lstm_layers: its LSTM layers.
    """

    num_layers: int
    filters: int
    num_ops: int
    lstm_size: int
    lstm_layers: int

    def __str__(self) -> str:
        return (
            f"{self.num_layers} layers, {self.filters} filters, {self.num_ops} "
            f"ops, {self.lstm_layers} LSTM layer(s) of {self.lstm_size}"
        )

    def settings(self) -> dict[str, Any]:
        """Returns them as settings of a search."""
        return {
            "child_num_layers": self.num_layers,
            "child_out_filters": self.filters,
            "controller_lstm_size": self.lstm_size,
            "controller_lstm_num_layers": self.lstm_layers,
        }


def read_sizes(shapes: Shapes, prefix: str) -> Sizes:
    """Returns the sizes of a checkpoint.

    A controller that is not there gets the original's LSTM, so that all of
    it is reported missing.

    Args:
      shapes: by TensorFlow 1 name.
      prefix: the checkpoint's path, for the message.

    Raises:
      UserError: it is not a checkpoint of macro search.
    """
    layers = _count(shapes, r"child/layer_(\d+)/.*")
    branches = _count(shapes, r"child/layer_\d+/branch_(\d+)/.*")
    if len(shapes.get(_STEM, ())) != 4 or not branches:
        raise UserError(
            f"{prefix} has no child of ENAS macro search: that has {_STEM} of "
            "four dimensions and child/layer_0/branch_0/..; it has "
            f"{', '.join(sorted(shapes)[:3]) or 'nothing'}, .. Name another "
            "checkpoint."
        )
    return Sizes(
        num_layers=layers,
        filters=shapes[_STEM][-1],
        num_ops=_last(shapes, _SOFTMAX, branches),
        lstm_size=_last(shapes, _LSTM, 4 * 64) // 4,
        lstm_layers=max(1, _count(shapes, r"controller/lstm/layer_(\d+)/w")),
    )


def _last(shapes: Shapes, name: str, default: int) -> int:
    shape = shapes.get(name)
    return shape[-1] if shape else default


def _count(shapes: Shapes, pattern: str) -> int:
    """Returns 1 + the largest number that a pattern finds, or 0."""
    matches = (re.fullmatch(pattern, name) for name in shapes)
    return max((int(match[1]) + 1 for match in matches if match), default=0)
