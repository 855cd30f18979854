"""What an epoch in progress has measured so far. No TensorFlow here."""

import dataclasses

import numpy as np

__all__ = ["EpochPart", "is_part"]

# What a controller update measures, in the order of the tensor.
UPDATE = ("reward", "entropy", "skip_rate", "controller_loss")
_PREFIX = "epoch_part/"
_ROW = f"{_PREFIX}row/"
_NORMS = f"{_PREFIX}norms/"
_COUNTS = f"{_PREFIX}op_counts"


@dataclasses.dataclass
class EpochPart:
    """The numbers behind the row of an epoch that has not ended.

    Sums of floats depend on their order, so single values are kept: a mean
    taken after a restart is then the same bit for bit.

    Attributes:
      losses: list of float, of the child steps done.
      correct: int, right answers in them.
      images: int, images in them.
      updates: list of dicts, name in `UPDATE` -> np.float32, of the
        controller updates done.
      norms: dict column -> list of float, gradient norms of the phases in
        progress.
      op_counts: list of lists of int, `[L, kinds]`, what the child ran in
        this epoch; [] before its phase has ended.
      row: dict column -> float, of the phases that have ended, and the
        seconds so far.
    """

    losses: list = dataclasses.field(default_factory=list)
    correct: int = 0
    images: int = 0
    updates: list = dataclasses.field(default_factory=list)
    norms: dict = dataclasses.field(default_factory=dict)
    op_counts: list = dataclasses.field(default_factory=list)
    row: dict = dataclasses.field(default_factory=dict)

    @property
    def child_is_done(self):
        """Whether the child's phase has ended, bool."""
        return "child_loss" in self.row

    def add_norm(self, column, norm):
        """Keeps the gradient norm of one step or update, float."""
        self.norms.setdefault(column, []).append(norm)

    def mean_norm(self, column):
        """Takes the norms of a phase that has ended.

        Returns:
          dict, column -> their mean; {} if there are none, as behind a
          checkpoint of a version that kept none.
        """
        norms = self.norms.pop(column, [])
        return {column: float(np.mean(norms))} if norms else {}

    def tensors(self):
        """Returns dict, name -> NumPy value; {} at the start of an epoch."""
        if self == EpochPart():
            return {}
        updates = [[update[name] for name in UPDATE] for update in self.updates]
        return {
            f"{_PREFIX}losses": np.float64(self.losses),
            f"{_PREFIX}answers": np.int64([self.correct, self.images]),
            f"{_PREFIX}updates": np.float32(updates).reshape(-1, len(UPDATE)),
            _COUNTS: np.int64(self.op_counts),
            **{_NORMS + name: np.float64(v) for name, v in self.norms.items()},
            **{_ROW + name: np.float64(v) for name, v in self.row.items()},
        }

    @classmethod
    def of(cls, tensors):
        """Returns the part that a checkpoint holds.

        Args:
          tensors: dict, name -> NumPy array; other names are left alone.
        """
        if f"{_PREFIX}losses" not in tensors:
            return cls()
        correct, images = tensors[f"{_PREFIX}answers"].tolist()
        return cls(
            losses=tensors[f"{_PREFIX}losses"].tolist(),
            correct=correct,
            images=images,
            updates=[
                dict(zip(UPDATE, update, strict=True))
                for update in tensors[f"{_PREFIX}updates"]
            ],
            norms={
                name.removeprefix(_NORMS): value.tolist()
                for name, value in tensors.items()
                if name.startswith(_NORMS)
            },
            op_counts=tensors.get(_COUNTS, np.int64([])).tolist(),
            row={
                name.removeprefix(_ROW): float(value)
                for name, value in tensors.items()
                if name.startswith(_ROW)
            },
        )


def is_part(name):
    """Returns whether a tensor of this name belongs to an `EpochPart`."""
    return name.startswith(_PREFIX)
