"""The parts of the benchmark, each a function that yields rows."""

import statistics

from enas.bench.cases import Case, draw_arcs, flat_pairs, translate
from enas.bench.options import cases_of, search_flags
from enas.bench.processes import run_search, start_workers
from enas.bench.rows import make_row, ratio_row

__all__ = ["MEASURE"]

STEP, ARC = "child step", "one arc for the controller"
START, PEAK = "start to end of first child step", "peak memory of a search"
YARDSTICK = "child step / network without switches"
PIPELINE = "step fed by the pipeline / by a constant"
OWN = "controller's own part / controller step"
EPOCH = "epoch / its child steps"
# What a search evaluates on in part "program", so that it ends soon.
SHORT = ("--num_valid=512", "--num_test=500")
GROWTH = {
    "layers": (6, 12, 18),
    "filters": (18, 36, 72),
    "batch": (32, 64, 128),
}
Q_GROWTH = (1, 50, 300)


def program(options):
    """Runs whole searches of one short epoch."""
    for case in cases_of(options):
        flags = [*search_flags(options, case), *SHORT]
        runs = [run_search(flags) for _ in range(options.processes)]
        seconds, peaks = zip(*runs, strict=True)
        yield make_row("program", START, case.name, "s", seconds)
        yield make_row("program", PEAK, case.name, "GB", peaks)


def steps(options):
    """Times the same number of random arcs in every search space."""
    cases = cases_of(options)
    timed = {case: [] for case in cases}
    ends = {case: [] for case in cases}
    for number in range(options.processes):
        beside = options.yardstick_arcs if number == 0 else 0
        flags = [search_flags(options, case) for case in cases]
        with start_workers(flags) as workers:
            for case, answer in _ask_in_turns(options, cases, workers, beside):
                timed[case].append(answer)
            for case, worker in zip(cases, workers, strict=True):
                ends[case].append((worker.ask("own"), worker.ask("epoch")))
    for case in cases:
        yield from _rows_of_arcs(case.name, timed[case])
        yield from _rows_of_ends(case.name, timed[case], ends[case])


def _ask_in_turns(options, cases, workers, beside):
    """Yields (case, answer) of every arc."""
    arcs = [
        draw_arcs(case.space.num_ops, options.layers, options.arcs, seed=0)
        for case in cases
    ]
    for worker in workers:
        worker.ask("warm_up")
    for i in range(options.arcs):
        for case, worker, of_case in zip(cases, workers, arcs, strict=True):
            times = options.times
            answer = worker.ask("arc", of_case[i], times, i < beside)
            yield case, {"arc": i, **answer}


def _per_arc(timed, what):
    """Returns the median of each arc over the processes, list of float."""
    seconds = {}
    for answer in timed:
        seconds.setdefault(answer["arc"], []).append(answer[what])
    return list(map(statistics.median, seconds.values()))


def _rows_of_arcs(case, timed):
    yield make_row("steps", STEP, case, "s", _per_arc(timed, "child"))
    yield make_row("steps", ARC, case, "s", _per_arc(timed, "reward"))
    pairs = [(t["child"], t["static"]) for t in timed if "static" in t]
    yield ratio_row("steps", YARDSTICK, case, pairs)
    pairs = [(t["fed"], t["child"]) for t in timed]
    yield ratio_row("steps", PIPELINE, case, pairs)


def _rows_of_ends(case, timed, ends):
    arcs = 20 * statistics.mean(_per_arc(timed, "reward"))
    shares = [own / (own + arcs) for own, _ in ends]
    yield make_row("steps", OWN, case, "share", shares)
    yield ratio_row("steps", EPOCH, case, [epoch for _, epoch in ends])


def flat(options):
    """Sets many copies of each poisoning beside one, on the same arcs."""
    layers, count = options.flat_layers, options.flat_arcs
    for few, many in flat_pairs(options.poison):
        arcs = draw_arcs(many.space.num_ops, layers, count, seed=0)
        both = translate(arcs, many.space, few.space), arcs
        flags = [search_flags(options, c, layers=layers) for c in (few, many)]
        starts, firsts = [], (both[0][0], both[1][0])
        for _ in range(options.processes - 1):
            with start_workers(flags, *firsts) as workers:
                starts.append(_starts_of(workers))
        with start_workers(flags, *firsts) as workers:
            starts.append(_starts_of(workers))
            for worker in workers:
                worker.ask("warm_up")
            pairs = [
                tuple(map(_step_of, workers, pair))
                for pair in zip(*both, strict=True)
            ]
            peak = [worker.ask("memory") for worker in workers]
        name = f"{many.name} / q=1"
        yield ratio_row("flat", "step", name, [pair[::-1] for pair in pairs])
        yield ratio_row("flat", "start", name, [pair[::-1] for pair in starts])
        yield ratio_row("flat", "peak memory", name, [peak[::-1]])


def _starts_of(workers):
    return tuple(worker.seconds_to_first_step for worker in workers)


def _step_of(worker, arc):
    return worker.ask("child", arc)


def growth(options):
    """Changes one size at a time."""
    for name, values in GROWTH.items():
        sizes = [{name: value} for value in values]
        cases = [Case()] * len(sizes)
        names = [f"{name}={value}" for value in values]
        yield from _rows_of_growth(options, names, cases, sizes)
    cases = [Case("grouped", q, "unique") for q in Q_GROWTH]
    names = [case.name for case in cases]
    yield from _rows_of_growth(options, names, cases, [{}] * len(cases))


def _rows_of_growth(options, names, cases, sizes):
    flags = [
        search_flags(options, case, **size)
        for case, size in zip(cases, sizes, strict=True)
    ]
    arcs = [
        draw_arcs(
            case.space.num_ops,
            size.get("layers", options.layers),
            options.flat_arcs,
            seed=0,
        )
        for case, size in zip(cases, sizes, strict=True)
    ]
    firsts = [of_case[0] for of_case in arcs]
    with start_workers(flags, *firsts) as workers:
        for worker in workers:
            worker.ask("warm_up")
        rounds = list(zip(*arcs, strict=True))
        seconds = [list(map(_step_of, workers, arc)) for arc in rounds]
        peaks = [worker.ask("memory") for worker in workers]
    for i, (name, worker) in enumerate(zip(names, workers, strict=True)):
        column = [row[i] for row in seconds]
        yield make_row("growth", STEP, name, "s", column)
        start = [worker.seconds_to_first_step]
        yield make_row("growth", START, name, "s", start)
        yield make_row("growth", "peak memory", name, "GB", [peaks[i]])


# Part of the benchmark -> its function.
MEASURE = {"program": program, "steps": steps, "flat": flat, "growth": growth}
