"""What is measured: search spaces, and arcs drawn for them. No TensorFlow."""

import dataclasses
import random

from enas.cifar10.search_space import POISON_SETS, make_search_space

__all__ = ["CASES", "Case", "draw_arcs", "flat_pairs", "translate"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A search space.

    Attributes:
      poison: str, as --poison.
      q: int, as --q; 0 without poison.
      sharing: "shared" or "unique".
    """

    poison: str = "none"
    q: int = 0
    sharing: str = "shared"

    @property
    def name(self):
        """What tables call it, str."""
        if not self.q:
            return "clean"
        unique = " unique" if self.sharing == "unique" else ""
        return f"{self.poison} q={self.q}{unique}"

    @property
    def flags(self):
        """The flags of the search, list of str."""
        if not self.q:
            return []
        return [
            f"--poison={self.poison}",
            f"--q={self.q}",
            f"--poison_sharing={self.sharing}",
        ]

    @property
    def space(self):
        """The `SearchSpace`."""
        q = self.q or None
        return make_search_space(self.poison, q, self.sharing)


# Those of the paper that are cheapest, dearest and most varied.
CASES = (Case(), Case("identity", 300), Case("grouped", 50))


def flat_pairs(poison=None):
    """Returns pairs of cases that should cost the same.

    Args:
      poison: str, a poisoning set, or "none"; None for all of them.

    Returns:
      List of (`Case` of q=1, `Case` of many copies).
    """
    pairs = []
    for name in [poison] if poison else POISON_SETS:
        if name == "none":
            continue
        many = 50 if name == "grouped" else 300
        for sharing in ("shared", "unique"):
            pair = (Case(name, q, sharing) for q in (1, many))
            pairs.append(tuple(pair))
    return pairs


def draw_arcs(num_ops, layers, count, seed):
    """Returns uniformly drawn arcs, list of (op ids, skip bits)."""
    rng = random.Random(seed)
    links = layers * (layers - 1) // 2
    return [
        (
            [rng.randrange(num_ops) for _ in range(layers)],
            [rng.randrange(2) for _ in range(links)],
        )
        for _ in range(count)
    ]


def translate(arcs, space, few):
    """Returns arcs as another number of copies writes them.

    Args:
      arcs: list of (op ids, skip bits) of `space`.
      space: `SearchSpace`.
      few: `SearchSpace`, the same with fewer copies of each poisoning.

    Returns:
      List of (op ids, skip bits) of `few` that run the same ops.
    """
    labels = {few.label(op_id): op_id for op_id in range(few.num_ops)}

    def of(op_id):
        label = space.op_name(op_id)
        if space.is_poison(op_id):
            label += f"#{space.copy(op_id) % few.q}"
        return labels[label]

    return [([of(op_id) for op_id in ops], skips) for ops, skips in arcs]
