"""The parts of the benchmark, each a function that yields rows."""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

from enas.bench import spaces
from enas.bench.processes import run_search, start_workers
from enas.bench.spaces import search_flags
from enas.bench.table import Row, ratios, row

STEP, START = "child step", "start to end of first child step"
# What a search evaluates on in part "program", so that it ends soon.
SHORT = ("--num_valid=512", "--num_test=500")


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
    searches = [
        (search_flags(options, s), spaces.draw(s, options.layers, options.arcs))
        for s in measured
    ]
    arcs = range(options.arcs)
    # Process -> arc -> space -> times; process -> space -> own part, epoch.
    timed, ends = [], []
    for process in range(options.processes):
        static = 0 if process else options.yardstick_arcs
        with start_workers(searches) as (workers, _):
            for worker in workers:
                worker.warm_up()
            each = [[w.arc(i, i < static) for w in workers] for i in arcs]
            timed.append(each)
            ends.append([(w.own(), w.epoch()) for w in workers])
    for k, space in enumerate(measured):
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
    for many in spaces.flat(options.poison):
        arcs = spaces.draw(many, layers, count)
        one = many._replace(q=1), spaces.without_copies(many, arcs)
        both = [
            (search_flags(options, space, layers), its_arcs)
            for space, its_arcs in ((many, arcs), one)
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
