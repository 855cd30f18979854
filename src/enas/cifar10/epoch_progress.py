"""How far an epoch is, and its numbers so far. No TensorFlow here."""

import dataclasses
import enum
import time
from typing import Any

import numpy as np

from enas.cifar10.metrics import EpochNumbers

# What a controller update measures, in the order of the tensor.
UPDATE = ("reward", "entropy", "skip_rate", "controller_loss")
_PREFIX = "epoch_part/"
_ROW = f"{_PREFIX}row/"
_NORMS = f"{_PREFIX}norms/"


class Phase(enum.IntEnum):
    """The phases of an epoch, in their order (row 31)."""

    CHILD = 0
    CONTROLLER = 1
    EVALUATION = 2


@dataclasses.dataclass
class EpochProgress:
    """An epoch that has not ended.

    Sums of floats depend on their order, so single values are kept: a mean
    taken after a restart is then the same bit for bit.

    Attributes:
      numbers: of the phases that have ended, and the seconds so far.
      losses: of the child steps done; `correct` and `images` are the right
        answers and the images in them.
      updates: of the controller updates done, dicts of `UPDATE` -> np.float32.
      norms: column -> gradient norms of the phase in progress.
      op_counts: `[L, kinds]`, what the child ran; [] before its phase ended.
    """

    phase: Phase = Phase.CHILD
    numbers: EpochNumbers = dataclasses.field(default_factory=EpochNumbers)
    losses: list[float] = dataclasses.field(default_factory=list)
    correct: int = 0
    images: int = 0
    updates: list[dict[str, np.float32]] = dataclasses.field(
        default_factory=list
    )
    norms: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    op_counts: list[list[int]] = dataclasses.field(default_factory=list)

    @property
    def has_begun(self) -> bool:
        """Whether anything of the epoch was done."""
        return self != EpochProgress()

    def add_norm(self, column: str, norm: float) -> None:
        """Keeps the gradient norm of one step or update."""
        self.norms.setdefault(column, []).append(norm)

    def take_mean_norm(self, column: str) -> float | None:
        """Takes the norms of a phase that has ended; returns their mean.

        None after a checkpoint that kept none.
        """
        norms = self.norms.pop(column, [])
        return float(np.mean(norms)) if norms else None

    def tensors(self) -> dict[str, np.ndarray]:
        """Returns what a checkpoint holds of it; {} before it has begun."""
        if not self.has_begun:
            return {}
        updates = [[update[name] for name in UPDATE] for update in self.updates]
        row = self.numbers.measured()
        del row["epoch"]
        return {
            f"{_PREFIX}phase": np.array(self.phase, np.int64),
            f"{_PREFIX}losses": np.array(self.losses, np.float64),
            f"{_PREFIX}answers": np.array(
                [self.correct, self.images], np.int64
            ),
            f"{_PREFIX}updates": np.array(updates, np.float32).reshape(
                -1, len(UPDATE)
            ),
            f"{_PREFIX}op_counts": np.array(self.op_counts, np.int64),
            **{_NORMS + name: np.array(v) for name, v in self.norms.items()},
            **{_ROW + name: np.array(v, np.float64) for name, v in row.items()},
        }

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> "EpochProgress":
        """Returns the progress that a checkpoint holds."""
        if f"{_PREFIX}losses" not in tensors:
            return cls()
        correct, images = tensors[f"{_PREFIX}answers"].tolist()
        row: dict[str, Any] = _below(_ROW, tensors)
        numbers = EpochNumbers(**row)
        return cls(
            phase=_phase_of(tensors, numbers),
            numbers=numbers,
            losses=tensors[f"{_PREFIX}losses"].tolist(),
            correct=correct,
            images=images,
            updates=[
                dict(zip(UPDATE, update, strict=True))
                for update in tensors[f"{_PREFIX}updates"]
            ],
            norms=_below(_NORMS, tensors),
            op_counts=tensors.get(f"{_PREFIX}op_counts", np.array([])).tolist(),
        )


def _phase_of(tensors: dict[str, np.ndarray], numbers: EpochNumbers) -> Phase:
    """Returns the phase; up to version 0.1 only the numbers showed it."""
    if f"{_PREFIX}phase" in tensors:
        return Phase(int(tensors[f"{_PREFIX}phase"]))
    if numbers.child_loss is None:
        return Phase.CHILD
    return Phase.CONTROLLER if numbers.reward is None else Phase.EVALUATION


def is_progress(name: str) -> bool:
    """Returns whether a tensor of this name belongs to an `EpochProgress`."""
    return name.startswith(_PREFIX)


def _below(prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the tensors whose names begin so, as Python's numbers."""
    return {
        name.removeprefix(prefix): value.tolist()
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


class Stopwatch:
    """Adds the seconds of a `with` block to a number, also lap by lap."""

    def __init__(self, numbers: EpochNumbers, name: str) -> None:
        self._numbers, self._name = numbers, name
        self._from = time.monotonic()

    def __enter__(self) -> "Stopwatch":
        return self

    def lap(self) -> None:
        """Adds the seconds since the last lap."""
        now, so_far = time.monotonic(), getattr(self._numbers, self._name)
        setattr(self._numbers, self._name, (so_far or 0.0) + now - self._from)
        self._from = now

    def __exit__(self, *unused: object) -> None:
        self.lap()
