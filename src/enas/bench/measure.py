"""The parts of the benchmark, each a function that yields rows."""

import argparse
import statistics
from collections.abc import Iterator
from typing import Any

from enas.bench import spaces
from enas.bench.processes import run_search, start_workers
from enas.bench.spaces import BareArc, Space, search_flags
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
    flags = [search_flags(options, space) for space in measured]
    arcs = [
        spaces.draw(space, options.layers, options.arcs) for space in measured
    ]
    # Space -> process -> arc -> its times; and own part and epoch.
    timed: list[list[list[dict[str, float]]]] = [[] for _ in measured]
    ends: list[list[Any]] = [[] for _ in measured]
    for process in range(options.processes):
        static = 0 if process else options.yardstick_arcs
        with start_workers(flags) as (workers, _):
            for worker in workers:
                worker.warm_up()
            rounds = [
                [
                    worker.arc(arc, options.times, i < static)
                    for worker, arc in zip(workers, each, strict=True)
                ]
                for i, each in enumerate(zip(*arcs, strict=True))
            ]
            for k, worker in enumerate(workers):
                timed[k].append([times[k] for times in rounds])
                ends[k].append((worker.own(), worker.epoch()))
    for each in zip(measured, timed, ends, strict=True):
        yield from _rows_of_steps(*each)


def _rows_of_steps(
    space: Space, timed: list[list[dict[str, float]]], ends: list[Any]
) -> Iterator[Row]:
    def per_arc(kind: str) -> list[float]:
        """Returns the median of each arc over the processes."""
        return [
            statistics.median(times[kind] for times in processes)
            for processes in zip(*timed, strict=True)
        ]

    def pairs(above: str, below: str) -> list[tuple[float, float]]:
        every = (times for process in timed for times in process)
        return [(t[above], t[below]) for t in every if {above, below} <= {*t}]

    case, arc = space.name, per_arc("reward")
    yield row(STEP, case, "s", per_arc("child"))
    yield row("one arc for the controller", case, "s", arc)
    name = "child step / network without switches"
    yield ratios(name, case, pairs("child", "static"))
    name = "step fed by the pipeline / by a constant"
    yield ratios(name, case, pairs("fed", "child"))
    shares = [own / (own + 20 * statistics.mean(arc)) for own, _ in ends]
    yield row("controller's own part / controller step", case, "share", shares)
    yield ratios("epoch / its child steps", case, [epoch for _, epoch in ends])


def flat(options: argparse.Namespace) -> Iterator[Row]:
    """Compares many copies of each poisoning with one, on the same arcs."""
    layers = options.flat_layers
    for few, many in spaces.flat_pairs(options.poison):
        arcs = spaces.draw(many, layers, options.flat_arcs)
        both = [arcs, spaces.translate(arcs, many.make(), few.make())]
        flags = [search_flags(options, s, layers=layers) for s in (many, few)]
        starts = []
        for _ in range(options.processes - 1):
            with start_workers(flags, [a[0] for a in both]) as (_, seconds):
                starts.append(seconds)
        start, rounds, peaks = _in_turns(flags, both)
        name = f"{many.name} / q=1"
        yield ratios("step", name, rounds)
        yield ratios("start", name, [*starts, start])
        yield ratios("peak memory", name, [peaks])


def _in_turns(
    flags: list[list[str]], arcs: list[list[BareArc]]
) -> tuple[list[float], list[list[float]], list[float]]:
    """Times searches side by side, each on its own arcs.

    Returns:
      Per search the seconds to its first step; per round and search the
      seconds of a child step; per search the largest memory, GB.
    """
    firsts = [each[0] for each in arcs]
    with start_workers(flags, firsts) as (workers, starts):
        for worker in workers:
            worker.warm_up()
        rounds = [
            [w.child(arc) for w, arc in zip(workers, each, strict=True)]
            for each in zip(*arcs, strict=True)
        ]
        return starts, rounds, [worker.memory() for worker in workers]


def growth(options: argparse.Namespace) -> Iterator[Row]:
    """Changes one size at a time."""
    grown: list[list[tuple[str, Space, dict[str, int]]]] = [
        [(f"{name}={n}", Space(), {name: n}) for n in values]
        for name, values in GROWTH.items()
    ]
    unique = [Space("grouped", q, "unique") for q in Q_GROWTH]
    grown.append([(space.name, space, {}) for space in unique])
    for searches in grown:
        flags = [search_flags(options, s, **size) for _, s, size in searches]
        arcs = [
            spaces.draw(
                s, size.get("layers", options.layers), options.flat_arcs
            )
            for _, s, size in searches
        ]
        starts, rounds, peaks = _in_turns(flags, arcs)
        for i, (name, *_) in enumerate(searches):
            yield row(STEP, name, "s", [seconds[i] for seconds in rounds])
            yield row(START, name, "s", [starts[i]])
            yield row("peak memory", name, "GB", [peaks[i]])


# Part of the benchmark -> its function.
MEASURE = {"program": program, "steps": steps, "flat": flat, "growth": growth}
