"""What is measured: search spaces, and arcs drawn for them. No TensorFlow."""

import argparse
import dataclasses
import random
from collections.abc import Sequence
from typing import NamedTuple

from enas.cifar10 import search_space
from enas.cifar10.arc import Arc, num_decisions

EPOCH_STEPS = 20

# The flags of a search, and the arcs on which it is timed.
Search = tuple[list[str], list[Arc]]


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

    def make(self) -> search_space.SearchSpace:
        return search_space.make_search_space(*self)


# Those of the paper that are cheapest, dearest and most varied.
MEASURED = (Space(), Space("identity", 300), Space("grouped", 50))


def measured(options: argparse.Namespace) -> tuple[Space, ...]:
    """Returns the search spaces to measure."""
    own = Space(options.poison, options.q or 0)
    return (own,) if options.poison else MEASURED


def flat(poison: str | None = None) -> list[Space]:
    """Returns spaces of many copies of a set, or of all sets for None."""
    return [
        Space(name, 50 if name == "grouped" else 300, sharing)
        for name in ([poison] if poison else search_space.POISON_SETS)
        if name != "none"
        for sharing in ("shared", "unique")
    ]


def draw(space: Space, layers: int, count: int) -> list[Arc]:
    """Returns uniformly drawn arcs, the same ones every time."""
    rng, ops = random.Random(0), [space.make().num_ops] * layers
    bits = [2] * (num_decisions(layers) - layers)
    return [
        Arc(tuple(map(rng.randrange, ops)), tuple(map(rng.randrange, bits)))
        for _ in range(count)
    ]


def without_copies(space: Space, arcs: Sequence[Arc]) -> list[Arc]:
    """Returns arcs of a space as the same one of q=1 writes them."""
    kinds = (tuple(map(space.make().kind, arc.op_ids)) for arc in arcs)
    pairs = zip(arcs, kinds, strict=True)
    return [dataclasses.replace(arc, op_ids=ids) for arc, ids in pairs]


def search_flags(
    options: argparse.Namespace, space: Space, layers: int | None = None
) -> list[str]:
    """Returns the flags of a search; its layers are those of `options`."""
    path = options.data_path
    return [
        f"--data_path={path}" if path else "--dataset=shapes",
        f"--num_train={EPOCH_STEPS * options.batch}",
        f"--child_num_layers={layers or options.layers}",
        f"--child_out_filters={options.filters}",
        f"--batch_size={options.batch}",
        f"--profile={options.profile}",
        f"--poison={space.poison}",
        f"--q={space.q}",
        f"--poison_sharing={space.sharing}",
    ]
