"""What is measured: search spaces, and arcs drawn for them. No TensorFlow."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from enas.cifar10.search_space import (
    POISON_SETS,
    SearchSpace,
    make_search_space,
)

__all__ = [
    "MEASURED",
    "BareArc",
    "Space",
    "draw_arcs",
    "flat_pairs",
    "translate",
]

# (op ids, skip bits), as JSON carries them to another process.
BareArc = tuple[list[int], list[int]]


class Space(NamedTuple):
    """The flags of a search space; without poison `q` is 0."""

    poison: str = "none"
    q: int = 0
    sharing: str = "shared"

    @property
    def name(self) -> str:
        """What tables call it."""
        if not self.q:
            return "clean"
        unique = " unique" if self.sharing == "unique" else ""
        return f"{self.poison} q={self.q}{unique}"

    @property
    def flags(self) -> list[str]:
        """The flags of a search in it."""
        if not self.q:
            return []
        sharing = f"--poison_sharing={self.sharing}"
        return [f"--poison={self.poison}", f"--q={self.q}", sharing]

    def make(self) -> SearchSpace:
        """Returns the `SearchSpace`."""
        return make_search_space(self.poison, self.q or None, self.sharing)


# Those of the paper that are cheapest, dearest and most varied.
MEASURED = (Space(), Space("identity", 300), Space("grouped", 50))


def flat_pairs(poison: str | None = None) -> list[tuple[Space, Space]]:
    """Returns pairs of q=1 and many copies, which should cost the same.

    Args:
      poison: a poisoning set, or "none"; None for all sets.
    """
    return [
        (Space(name, 1, sharing), Space(name, many, sharing))
        for name in ([poison] if poison else POISON_SETS)
        if name != "none"
        for many in [50 if name == "grouped" else 300]
        for sharing in ("shared", "unique")
    ]


def draw_arcs(num_ops: int, layers: int, count: int) -> list[BareArc]:
    """Returns uniformly drawn arcs, the same ones every time."""
    rng = random.Random(0)
    links = layers * (layers - 1) // 2
    return [
        (
            [rng.randrange(num_ops) for _ in range(layers)],
            [rng.randrange(2) for _ in range(links)],
        )
        for _ in range(count)
    ]


def translate(
    arcs: Sequence[BareArc], space: SearchSpace, few: SearchSpace
) -> list[BareArc]:
    """Returns arcs of `space` as one with fewer copies writes the same ops."""
    labels = {few.label(op_id): op_id for op_id in range(few.num_ops)}

    def of(op_id: int) -> int:
        label = space.op_name(op_id)
        if space.is_poison(op_id):
            label += f"#{space.copy(op_id) % few.q}"
        return labels[label]

    return [([of(op_id) for op_id in ops], skips) for ops, skips in arcs]
