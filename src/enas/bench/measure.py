"""The parts of the benchmark: what they measure, and rows of results.

The searches run in processes of their own; no TensorFlow here.
"""

import argparse
import dataclasses
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from enas.bench.processes import run_search, start_workers
from enas.bench.table import Row, ratios, row
from enas.cifar10.arc import Arc, num_decisions
from enas.cifar10.search_space import (
    POISON_SETS,
    SHARING,
    SearchSpace,
    make_search_space,
)

STEP, START = "child step", "start to end of first child step"
# What a search evaluates on in part "program", so that it ends soon.
SHORT = ("--num_valid=512", "--num_test=500")
EPOCH_STEPS = 20


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
    own = Space(options.poison, options.q or 0)
    return (own,) if options.poison else MEASURED


def poisoned(poison: str | None = None) -> list[Space]:
    """Returns spaces of many copies of a set, or of all sets for None."""
    return [
        Space(name, 50 if name == "grouped" else 300, sharing)
        for name in ([poison] if poison else POISON_SETS)
        if name != "none"
        for sharing in SHARING
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


def program(options: argparse.Namespace) -> Iterator[Row]:
    """Runs whole searches of one short epoch."""
    for space in measured(options):
        flags = [*search_flags(options, space), *SHORT]
        runs = [run_search(flags) for _ in range(options.processes)]
        seconds, peaks = zip(*runs, strict=True)
        yield row(START, space.name, "s", seconds)
        yield row("peak memory of a search", space.name, "GB", peaks)


def steps(options: argparse.Namespace) -> Iterator[Row]:
    """Times the same number of random arcs in every search space."""
    every = measured(options)
    searches = [
        (search_flags(options, s), draw(s, options.layers, options.arcs))
        for s in every
    ]
    # Process -> arc -> space -> times; process -> space -> own part, epoch.
    timed, ends = [], []
    for process in range(options.processes):
        static = 0 if process else options.yardstick_arcs
        with start_workers(searches) as (workers, _):
            for worker in workers:
                worker.warm_up()
            arcs = range(options.arcs)
            each = [[w.arc(i, i < static) for w in workers] for i in arcs]
            timed.append(each)
            ends.append([(w.own(), w.epoch()) for w in workers])
    for k, space in enumerate(every):
        times = [[arc[k] for arc in process] for process in timed]
        yield from _rows_of_steps(space.name, times, [end[k] for end in ends])


def _rows_of_steps(
    case: str, timed: list[list[dict[str, float]]], ends: list[Any]
) -> Iterator[Row]:
    # The median of each arc over the processes.
    child, reward = (
        np.median([[arc[kind] for arc in process] for process in timed], axis=0)
        for kind in ("child", "reward")
    )
    yield row(STEP, case, "s", child)
    yield row("one arc for the controller", case, "s", reward)
    every = [times for process in timed for times in process]
    pairs = [(t["child"], t["static"]) for t in every if "static" in t]
    yield ratios("child step / network without switches", case, pairs)
    pairs = [(t["fed"], t["child"]) for t in every]
    yield ratios("step fed by the pipeline / by a constant", case, pairs)
    shares = [own / (own + 20 * reward.mean()) for own, _ in ends]
    yield row("controller's own part / controller step", case, "share", shares)
    yield ratios("epoch / its child steps", case, [epoch for _, epoch in ends])


def flat(options: argparse.Namespace) -> Iterator[Row]:
    """Compares many copies of each poisoning with one, on the same arcs."""
    layers, count = options.flat_layers, options.flat_arcs
    for many in poisoned(options.poison):
        arcs = draw(many, layers, count)
        same = without_copies(many, arcs)
        both = [
            (search_flags(options, many, layers), arcs),
            (search_flags(options, many._replace(q=1), layers), same),
        ]
        with start_workers(both) as (workers, seconds):
            starts = [seconds]
            for worker in workers:
                worker.warm_up()
            rounds = [[w.child(i) for w in workers] for i in range(count)]
            peaks = [w.memory() for w in workers]
        for _ in range(options.processes - 1):
            with start_workers(both) as (_, seconds):
                starts.append(seconds)
        name = f"{many.name} / q=1"
        yield ratios("step", name, rounds)
        yield ratios("start", name, starts)
        yield ratios("peak memory", name, [peaks])


# Part of the benchmark -> its function.
MEASURE = {"program": program, "steps": steps, "flat": flat}
