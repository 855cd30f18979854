"""Reads the sizes of a network from the shapes of its tensors.

No TensorFlow here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from enas.errors import UserError

Shapes = Mapping[str, Sequence[int]]
_STEM = "child/stem_conv/w"
_SOFTMAX = "controller/softmax/w"
_LSTM = "controller/lstm/layer_0/w"


class Sizes(NamedTuple):
    """What a checkpoint's network is.

    Attributes:
      num_ops: op ids of the controller, or branches without one.
      settings: its other sizes, as settings of a search.
    """

    num_ops: int
    settings: dict[str, Any]

    def __str__(self) -> str:
        return (
            "{child_num_layers} layers, {child_out_filters} filters, {} ops, "
            "{controller_lstm_num_layers} LSTM layer(s) of "
            "{controller_lstm_size}".format(self.num_ops, **self.settings)
        )


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
    lstm_layers = _count(shapes, r"controller/lstm/layer_(\d+)/w")
    settings = {
        "child_num_layers": layers,
        "child_out_filters": shapes[_STEM][-1],
        "controller_lstm_size": _last(shapes, _LSTM, 4 * 64) // 4,
        "controller_lstm_num_layers": max(1, lstm_layers),
    }
    return Sizes(_last(shapes, _SOFTMAX, branches), settings)


def _last(shapes: Shapes, name: str, default: int) -> int:
    return shapes[name][-1] if shapes.get(name) else default


def _count(shapes: Shapes, pattern: str) -> int:
    """Returns 1 + the largest number that a pattern finds, or 0."""
    matches = (re.fullmatch(pattern, name) for name in shapes)
    return max((int(match[1]) + 1 for match in matches if match), default=0)
