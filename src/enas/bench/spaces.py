"""What is measured: search spaces, and arcs drawn for them. No TensorFlow."""

import argparse
import random
from collections.abc import Sequence
from typing import NamedTuple

from enas.cifar10.arc import num_decisions
from enas.cifar10.search_space import (
    POISON_SETS,
    SearchSpace,
    make_search_space,
)

EPOCH_STEPS = 20

# (op ids, skip bits), as they are sent to another process.
BareArc = tuple[list[int], list[int]]
# The flags of a search, and the arcs on which it is timed.
Search = tuple[list[str], list[BareArc]]


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
        return make_search_space(*self)


# Those of the paper that are cheapest, dearest and most varied.
MEASURED = (Space(), Space("identity", 300), Space("grouped", 50))


def measured(options: argparse.Namespace) -> tuple[Space, ...]:
    """Returns the search spaces to measure."""
    if options.poison is None:
        return MEASURED
    return (Space(options.poison, options.q or 0),)


def flat(poison: str | None = None) -> list[Space]:
    """Returns spaces of many copies, which should cost what q=1 does.

    Args:
      poison: a poisoning set, or "none"; None for all sets.
    """
    return [
        Space(name, 50 if name == "grouped" else 300, sharing)
        for name in ([poison] if poison else POISON_SETS)
        if name != "none"
        for sharing in ("shared", "unique")
    ]


def draw(space: Space, layers: int, count: int) -> list[BareArc]:
    """Returns uniformly drawn arcs, the same ones every time."""
    rng, num_ops = random.Random(0), space.make().num_ops
    return [
        (
            [rng.randrange(num_ops) for _ in range(layers)],
            [rng.randrange(2) for _ in range(num_decisions(layers) - layers)],
        )
        for _ in range(count)
    ]


def without_copies(space: Space, arcs: Sequence[BareArc]) -> list[BareArc]:
    """Returns arcs of a space as the same one of q=1 writes them."""
    kind = space.make().kind
    return [([*map(kind, op_ids)], skips) for op_ids, skips in arcs]


def search_flags(
    options: argparse.Namespace, space: Space, **sizes: int
) -> list[str]:
    """Returns the flags of a search; `sizes` go before those of `options`."""
    size, path = {**vars(options), **sizes}, options.data_path
    return [
        f"--data_path={path}" if path else "--dataset=shapes",
        f"--num_train={EPOCH_STEPS * size['batch']}",
        f"--child_num_layers={size['layers']}",
        f"--child_out_filters={size['filters']}",
        f"--batch_size={size['batch']}",
        f"--profile={options.profile}",
        f"--poison={space.poison}",
        f"--q={space.q}",
        f"--poison_sharing={space.sharing}",
    ]
