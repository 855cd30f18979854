"""The parts of the benchmark, each a function that yields rows."""

import argparse
import collections
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from enas.bench.options import search_flags, spaces_of
from enas.bench.processes import run_search, start_workers
from enas.bench.spaces import BareArc, Space, draw_arcs, flat_pairs, translate
from enas.bench.table import Row, ratios, row

__all__ = ["MEASURE"]

STEP, START = "child step", "start to end of first child step"
# What a search evaluates on in part "program", so that it ends soon.
SHORT = ("--num_valid=512", "--num_test=500")
GROWTH = {
    "layers": (6, 12, 18),
    "filters": (18, 36, 72),
    "batch": (32, 64, 128),
}
Q_GROWTH = (1, 50, 300)

# What is timed with one arc -> seconds; own part and epoch of a process.
Times = dict[str, Any]
Ends = tuple[float, tuple[float, float]]


def program(options: argparse.Namespace) -> Iterator[Row]:
    """Runs whole searches of one short epoch."""
    for space in spaces_of(options):
        flags = [*search_flags(options, space), *SHORT]
        runs = [run_search(flags) for _ in range(options.processes)]
        seconds, peaks = zip(*runs, strict=True)
        yield row(START, space.name, "s", seconds)
        yield row("peak memory of a search", space.name, "GB", peaks)


def steps(options: argparse.Namespace) -> Iterator[Row]:
    """Times the same number of random arcs in every search space."""
    spaces = spaces_of(options)
    flags = [search_flags(options, space) for space in spaces]
    arcs = [
        draw_arcs(space.make().num_ops, options.layers, options.arcs)
        for space in spaces
    ]
    timed: list[list[Times]] = [[] for _ in spaces]
    ends: list[list[Ends]] = [[] for _ in spaces]
    for process in range(options.processes):
        static = 0 if process else options.yardstick_arcs
        with start_workers(flags) as workers:
            for worker in workers:
                worker.ask("warm_up")
            for i, each in enumerate(zip(*arcs, strict=True)):
                question = options.times, i < static
                for k, worker in enumerate(workers):
                    times = worker.ask("arc", each[k], *question)
                    timed[k].append({"arc": i, **times})
            for k, worker in enumerate(workers):
                ends[k].append((worker.ask("own"), worker.ask("epoch")))
    for k, space in enumerate(spaces):
        yield from _rows_of_steps(space.name, timed[k], ends[k])


def _rows_of_steps(
    space: str, timed: list[Times], ends: list[Ends]
) -> Iterator[Row]:
    arc = _per_arc(timed, "reward")
    yield row(STEP, space, "s", _per_arc(timed, "child"))
    yield row("one arc for the controller", space, "s", arc)
    name = "child step / network without switches"
    pairs = [(t["child"], t["static"]) for t in timed if "static" in t]
    yield ratios(name, space, pairs)
    name = "step fed by the pipeline / by a constant"
    yield ratios(name, space, [(t["fed"], t["child"]) for t in timed])
    arcs = 20 * statistics.mean(arc)
    shares = [own / (own + arcs) for own, _ in ends]
    yield row("controller's own part / controller step", space, "share", shares)
    yield ratios("epoch / its child steps", space, [epoch for _, epoch in ends])


def _per_arc(timed: list[Times], kind: str) -> list[float]:
    """Returns the median of each arc over the processes."""
    seconds = collections.defaultdict(list)
    for times in timed:
        seconds[times["arc"]].append(times[kind])
    return list(map(statistics.median, seconds.values()))


def flat(options: argparse.Namespace) -> Iterator[Row]:
    """Sets many copies of each poisoning beside one, on the same arcs."""
    layers, count = options.flat_layers, options.flat_arcs
    for few, many in flat_pairs(options.poison):
        space = many.make()
        arcs = draw_arcs(space.num_ops, layers, count)
        both = arcs, translate(arcs, space, few.make())
        flags = [search_flags(options, s, layers=layers) for s in (many, few)]
        starts = []
        for _ in range(options.processes - 1):
            with start_workers(flags, [a[0] for a in both]) as workers:
                starts.append([worker.start for worker in workers])
        start, rounds, peaks = _in_turns(flags, both)
        name = f"{many.name} / q=1"
        yield ratios("step", name, rounds)
        yield ratios("start", name, [*starts, start])
        yield ratios("peak memory", name, [peaks])


def _in_turns(
    flags: Sequence[list[str]], arcs: Sequence[list[BareArc]]
) -> tuple[list[float], list[list[float]], list[float]]:
    """Times searches side by side, each on arcs of its own.

    Returns:
      Per search the seconds to its first step; per round and search the
      seconds of a child step; per search the largest memory, GB.
    """
    with start_workers(flags, [each[0] for each in arcs]) as workers:
        for worker in workers:
            worker.ask("warm_up")
        rounds = [
            [w.ask("child", arc) for w, arc in zip(workers, each, strict=True)]
            for each in zip(*arcs, strict=True)
        ]
        peaks = [worker.ask("memory") for worker in workers]
        return [worker.start for worker in workers], rounds, peaks


def growth(options: argparse.Namespace) -> Iterator[Row]:
    """Changes one size at a time."""
    for name, values in GROWTH.items():
        yield from _grown(
            options,
            [(f"{name}={n}", Space(), {name: n}) for n in values],
        )
    spaces = [Space("grouped", q, "unique") for q in Q_GROWTH]
    yield from _grown(options, [(s.name, s, {}) for s in spaces])


def _grown(
    options: argparse.Namespace,
    searches: Sequence[tuple[str, Space, dict[str, int]]],
) -> Iterator[Row]:
    flags = [
        search_flags(options, space, **size) for _, space, size in searches
    ]
    arcs = [
        draw_arcs(
            space.make().num_ops,
            size.get("layers", options.layers),
            options.flat_arcs,
        )
        for _, space, size in searches
    ]
    starts, rounds, peaks = _in_turns(flags, arcs)
    for i, (name, *_) in enumerate(searches):
        yield row(STEP, name, "s", [seconds[i] for seconds in rounds])
        yield row(START, name, "s", [starts[i]])
        yield row("peak memory", name, "GB", [peaks[i]])


# Part of the benchmark -> its function.
MEASURE = {"program": program, "steps": steps, "flat": flat, "growth": growth}
