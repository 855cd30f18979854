"""The parts of the benchmark, each a function that yields rows."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from enas.bench import spaces
from enas.bench.processes import run_search, start_workers
from enas.bench.spaces import Search, Space, search_flags
from enas.bench.table import Row, ratios, row

STEP, START = "child step", "start to end of first child step"
# What a search evaluates on in part "program", so that it ends soon.
SHORT = ("--num_valid=512", "--num_test=500")
GROWTH = {
    "layers": (6, 12, 18),
    "filters": (18, 36, 72),
    "batch": (32, 64, 128),
}
Q_GROWTH = (1, 50, 300)


def program(options: argparse.Namespace) -> Iterator[Row]:
    """Runs whole searches of one short epoch."""
    for space in spaces.measured(options):
        flags = [*search_flags(options, space), *SHORT]
        runs = [run_search(flags) for _ in range(options.processes)]
        seconds, peaks = zip(*runs, strict=True)
        yield row(START, space.name, "s", seconds)
        yield row("peak memory of a search", space.name, "GB", peaks)


def steps(options: argparse.Namespace) -> Iterator[Row]:
    """Times the same number of random arcs in every search space."""
    measured = spaces.measured(options)
    searches = [_search(options, space, options.arcs) for space in measured]
    # Process -> arc -> space -> times; process -> space -> own part, epoch.
    timed, ends = [], []
    for process in range(options.processes):
        static = 0 if process else options.yardstick_arcs
        with start_workers(searches) as (workers, _):
            for worker in workers:
                worker.warm_up()
            timed.append(
                [
                    [w.arc(i, options.times, i < static) for w in workers]
                    for i in range(options.arcs)
                ]
            )
            ends.append([(w.own(), w.epoch()) for w in workers])
    for k, space in enumerate(measured):
        times = [[arc[k] for arc in process] for process in timed]
        yield from _rows_of_steps(space.name, times, [end[k] for end in ends])


def _search(
    options: argparse.Namespace, space: Space, count: int, **sizes: int
) -> Search:
    """Returns a search on drawn arcs; `sizes` as `search_flags` takes them."""
    layers = sizes.get("layers", options.layers)
    arcs = spaces.draw(space, layers, count)
    return search_flags(options, space, **sizes), arcs


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
    layers = options.flat_layers
    for many in spaces.flat(options.poison):
        flags, arcs = _search(options, many, options.flat_arcs, layers=layers)
        single = search_flags(options, many._replace(q=1), layers=layers)
        both = [(flags, arcs), (single, spaces.without_copies(many, arcs))]
        starts = []
        for _ in range(options.processes - 1):
            with start_workers(both) as (_, seconds):
                starts.append(seconds)
        start, rounds, peaks = _in_turns(both)
        name = f"{many.name} / q=1"
        yield ratios("step", name, rounds)
        yield ratios("start", name, [*starts, start])
        yield ratios("peak memory", name, [peaks])


def _in_turns(searches: Sequence[Search]) -> tuple[list, list[list], list]:
    """Times searches side by side, each on its own arcs.

    Returns:
      Per search the seconds to its first step; per round and search the
      seconds of a child step; per search the largest memory, GB.
    """
    with start_workers(searches) as (workers, starts):
        for worker in workers:
            worker.warm_up()
        count = len(searches[0][1])
        rounds = [[w.child(i) for w in workers] for i in range(count)]
        return starts, rounds, [w.memory() for w in workers]


def growth(options: argparse.Namespace) -> Iterator[Row]:
    """Changes one size at a time."""
    grown: list[list[tuple[str, Space, dict[str, int]]]] = [
        [(f"{name}={n}", Space(), {name: n}) for n in values]
        for name, values in GROWTH.items()
    ]
    unique = [Space("grouped", q, "unique") for q in Q_GROWTH]
    grown.append([(space.name, space, {}) for space in unique])
    for group in grown:
        n = options.flat_arcs
        searches = [_search(options, s, n, **size) for _, s, size in group]
        starts, rounds, peaks = _in_turns(searches)
        for i, (name, *_) in enumerate(group):
            yield row(STEP, name, "s", [seconds[i] for seconds in rounds])
            yield row(START, name, "s", [starts[i]])
            yield row("peak memory", name, "GB", [peaks[i]])


# Part of the benchmark -> its function.
MEASURE = {"program": program, "steps": steps, "flat": flat, "growth": growth}
