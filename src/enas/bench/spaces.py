"""What is measured: search spaces, and arcs drawn for them. No TensorFlow."""

import argparse
import random
from collections.abc import Sequence
from typing import NamedTuple

from enas.cifar10 import search_space
from enas.cifar10.search_space import SearchSpace

EPOCH_STEPS = 20

# (op ids, skip bits), as they are sent to another process.
BareArc = tuple[list[int], list[int]]


class Space(NamedTuple):
    """The flags of a search space; without poison `q` is 0."""

    poison: str = "none"
    q: int = 0
    sharing: str = "shared"

    @property
    def name(self) -> str:
        """What tables call it."""
        unique = " unique" if self.sharing == "unique" else ""
        return f"{self.poison} q={self.q}{unique}" if self.q else "clean"

    def make(self) -> SearchSpace:
        return search_space.make_search_space(
            self.poison, self.q or None, self.sharing
        )


# Those of the paper that are cheapest, dearest and most varied.
MEASURED = (Space(), Space("identity", 300), Space("grouped", 50))


def measured(options: argparse.Namespace) -> tuple[Space, ...]:
    """Returns the search spaces to measure."""
    if options.poison is None:
        return MEASURED
    return (Space(options.poison, options.q or 0),)


def flat_pairs(poison: str | None = None) -> list[tuple[Space, Space]]:
    """Returns pairs of q=1 and many copies, which should cost the same.

    Args:
      poison: a poisoning set, or "none"; None for all sets.
    """
    return [
        (Space(name, 1, sharing), Space(name, many, sharing))
        for name in ([poison] if poison else search_space.POISON_SETS)
        if name != "none"
        for many in [50 if name == "grouped" else 300]
        for sharing in ("shared", "unique")
    ]


def draw(space: Space, layers: int, count: int) -> list[BareArc]:
    """Returns uniformly drawn arcs, the same ones every time."""
    rng, num_ops = random.Random(0), space.make().num_ops
    links = layers * (layers - 1) // 2

    def numbers(below: int, n: int) -> list[int]:
        return [rng.randrange(below) for _ in range(n)]

    return [(numbers(num_ops, layers), numbers(2, links)) for _ in range(count)]


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


def search_flags(
    options: argparse.Namespace, space: Space, **sizes: int
) -> list[str]:
    """Returns the flags of a search; `sizes` go before those of `options`."""
    size, path = {**vars(options), **sizes}, options.data_path
    flags = [
        f"--data_path={path}" if path else "--dataset=shapes",
        f"--num_train={EPOCH_STEPS * size['batch']}",
        f"--child_num_layers={size['layers']}",
        f"--child_out_filters={size['filters']}",
        f"--batch_size={size['batch']}",
        f"--profile={options.profile}",
    ]
    if space.q:
        flags += [f"--poison={space.poison}", f"--q={space.q}"]
        flags.append(f"--poison_sharing={space.sharing}")
    return flags
