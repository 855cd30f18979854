"""What TensorFlow 1's tensors are, by their names. No TensorFlow here."""

import re
from collections.abc import Mapping
from typing import NamedTuple

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
WEIGHT = "weight"
STATISTIC = "moving statistic"
SLOT = "slot"
COUNTER = "counter"
PORT = "the port's own"
OTHER = "other"
KINDS = (WEIGHT, STATISTIC, SLOT, COUNTER, PORT, OTHER)

# What counts in the port; the two of the schedule are only checked, because
# the port computes its rate from the epoch.
_COUNTERS = {
    "global_step": "Search.global_step",
    "train_step": "Search.train_step",
    "Variable": "Search.baseline",
    "last_reset": "schedules.cosine_restarts",
    "T_i": "schedules.cosine_restarts",
}
_SHADOW = re.compile(r"(.*/bn)/\1/(moving_\w+/(?:biased|local_step))")
_BRANCH = re.compile(r"child/layer_\d+/branch_(\d+)/.*")
# What the port remembers of weights that no step touched. It goes with slots.
_PORT = re.compile(r"child/(copies/(matrices|squares)|weight_use)")
_POWERS = ("beta1_power", "beta2_power")
_STATISTIC = re.compile(r".*/moving_(mean|variance)(/biased|/local_step)?")


class Entry(NamedTuple):
    """A tensor by its TensorFlow 1 name.

    `found` is its shape in the checkpoint, `wanted` that in the port, or None.
    """

    name: str
    found: Shape | None
    wanted: Shape | None

    @property
    def kind(self) -> str:
        """What the tensor is, one of `KINDS`."""
        return kind_of(self.name)

    @property
    def verdict(self) -> str:
        """One of "matched", "missing", "left over", "shape differs"."""
        if self.found is None:
            return "missing"
        if self.wanted is None:
            return "left over"
        return "matched" if self.found == self.wanted else "shape differs"

    @property
    def is_of_controller(self) -> bool:
        """Whether it belongs to the controller or its training."""
        own = ("train_step", "Variable", *_POWERS)
        return self.name in own or self.name.startswith("controller/")

    @property
    def branch(self) -> int | None:
        """The branch that it belongs to, if it does to one."""
        match = _BRANCH.fullmatch(self.name)
        return int(match[1]) if match else None


def compare(found: Shapes, wanted: Shapes) -> list[Entry]:
    """Returns first the port's tensors in its order, then what is left over."""
    names = [*wanted, *sorted(set(found) - set(wanted))]
    return [Entry(name, found.get(name), wanted.get(name)) for name in names]


def kind_of(name: str) -> str:
    """Returns what a tensor is, by its TensorFlow 1 name."""
    if name in _COUNTERS:
        return COUNTER
    if name in _POWERS:
        return SLOT
    if not name.startswith(("child/", "controller/")):
        return OTHER
    if _PORT.fullmatch(name):
        return PORT
    if name.endswith(("/Momentum", "/Adam", "/Adam_1")):
        return SLOT
    return STATISTIC if _STATISTIC.fullmatch(name) else WEIGHT


def port_name(name: str) -> str:
    """Returns what the port calls a tensor: shadows and counters differ."""
    return _COUNTERS.get(name) or _SHADOW.sub(r"\1/\2", name)
