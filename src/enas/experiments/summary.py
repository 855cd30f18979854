"""Table 1 and what it is compared with, from errors alone.

Errors are per cent by row and seed, whether they come from the runs of a sweep
or from the tables of `collect`. A table is its lines of text, the first of
them the header; a cell without a measurement is a dash.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from enas.cifar10.config import Config
from enas.experiments import estimates, table1_rows
from enas.experiments.estimates import Estimate, estimate, number, paired
from enas.experiments.table1_rows import BASELINE, Row, floats, matching
from enas.run.files import Line

Errors = Mapping[str, Mapping[int, float]]
Table = Iterator[list[str]]


def markdown(table: Iterable[Sequence[str]]) -> list[str]:
    """Returns a table as lines of Markdown."""
    header, *rows = table
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def share_of(row: Row, config: Config) -> float:
    """Returns Equation (1): the share of poison at the uniform controller."""
    return table1_rows.space_of(config, row).uniform_poison_share


def values(errors: Errors, row: str) -> list[float]:
    """Returns the errors of a row, none for a row that has not run."""
    return list(errors.get(row, {}).values())


def of_row(errors: Errors, row: str) -> Estimate:
    """Returns the `Estimate` of a row's errors, n = 0 if there are none."""
    return estimate(values(errors, row))


def difference(errors: Errors, row: str, other: str) -> Estimate:
    """Returns the mean error of a row minus that of another."""
    return estimates.above(values(errors, row), values(errors, other))


def table1(
    primary: Errors, second: Errors, config: Config, clean: Mapping[int, float]
) -> Table:
    """Yields Table 1: the paper's errors, ours, and the damage.

    Args:
      primary: test errors of the mean over sampled arcs.
      second: test errors of the best of 10.
      config: of the searches, whose candidate ops count.
      clean: errors of the clean search by seed, to pair rows with.
    """
    header = ["row", "poison", "q", "share of poison", "paper", "mean"]
    header += ["sd", "95 % interval", "n", "damage", "95 % interval"]
    yield [*header, "paired by seed", "best of 10"]
    for name, row in table1_rows.all_rows().items():
        found = of_row(primary, name)
        if not found.n:
            continue
        cells = [name, row.poison, str(row.q), f"{share_of(row, config):.3f}"]
        cells += [number(row.paper_test_error), number(found.mean)]
        cells += [number(found.sd), found.interval, str(found.n)]
        if name == BASELINE:
            cells += ["-", "-", "-"]
        else:
            cells += difference(primary, name, BASELINE).change
            cells.append(str(paired(primary[name], clean)))
        yield [*cells, number(of_row(second, name).mean)]


def defences(
    errors: Mapping[str, Errors], rows: Iterable[str], title: str = "row"
) -> Table:
    """Yields errors of rows, by defence; `title` is of the first column."""
    yield [title, *errors]
    for row in rows:
        found = (of_row(each, row) for each in errors.values())
        yield [row, *(f"{e} (n = {e.n})" if e.n else "-" for e in found)]


def neighbours(errors: Errors) -> Table:
    """Yields whether errors grow along q within a set, step by step."""
    yield ["set", "step", "difference", "95 % interval", "n", "verdict"]
    _, *poisoned = table1_rows.read_rows()
    for name in dict.fromkeys(row.set for row in poisoned):
        names = [BASELINE, *(r.name for r in poisoned if r.set == name)]
        for a, b in itertools.pairwise(n for n in names if errors.get(n)):
            step = difference(errors, b, a)
            cells = [name, f"{a} to {b}", *step.change, str(step.n)]
            yield [*cells, estimates.verdict(step)]


def correlations(readings: Mapping[str, Errors], config: Config) -> Table:
    """Yields rank correlations of readings with the paper's test errors.

    Beside ours always what the share of poison and q explain, without any
    training. The candidate ops of `config` count.
    """
    header = ["what", "rows", "rank correlation", "bootstrap over rows"]
    header += ["minus that of the share, bootstrap", "partial, share given"]
    yield [*header, "ordered as the paper at one share"]
    found = {row for each in readings.values() for row in each if each[row]}
    # Of the same rows as ours.
    rows = [row for row in table1_rows.read_rows() if row.name in found]
    shares = {row.name: share_of(row, config) for row in rows}
    copies = {row.name: float(row.q) for row in rows}
    yield _correlated("share of poison alone", shares, shares)
    yield _correlated("q alone", copies, shares)
    for name, errors in readings.items():
        means = {row: of_row(errors, row).mean for row in errors if errors[row]}
        yield _correlated(name, means, shares, measured=True)


def _correlated(
    name: str,
    found: Mapping[str, float],
    shares: Mapping[str, float],
    measured: bool = False,
) -> list[str]:
    rows = [row for row in table1_rows.read_rows() if row.name in found]
    ours = np.array([found[row.name] for row in rows])
    paper = np.array([row.paper_test_error or 0 for row in rows])
    share = np.array([shares[row.name] for row in rows])
    rho = estimates.correlation(ours, paper)
    cells = [name, str(len(rows)), number(rho, ".3f")]
    if not measured or rho != rho:
        return [*cells, "-", "-", "-", "-"]
    three, gain = (ours, paper, share), estimates.gain_of_many
    cells.append(estimates.interval(ours, paper))
    cells.append(estimates.interval(*three, statistic=gain))
    cells.append(number(estimates.partial(*three)))
    return [*cells, "{} of {}".format(*estimates.concordance(*three))]


def paper_code(lines: Sequence[Line], primary: Errors, second: Errors) -> Table:
    """Yields the errors of the paper's own code beside ours."""
    header = ["row", "its mean", "n", "mean here", "n", "difference"]
    yield [*header, "95 % interval", "its best of 10", "best of 10 here"]
    finished = [line for line in lines if line["test_error_sampled_train"]]
    for row in table1_rows.read_rows():
        name = {BASELINE: "0A"}.get(row.name, row.name.upper())
        its = floats(finished, "test_error_sampled_train", row=name)
        best = floats(finished, "test_error_best", row=name)
        if its:
            ours = values(primary, row.name)
            cells = [row.name, *estimate(its).with_n, *estimate(ours).with_n]
            cells += estimates.above(its, ours).change
            cells += [number(estimate(best).mean)]
            yield [*cells, number(of_row(second, row.name).mean)]


def paper_rewards(lines: Sequence[Line], clean: Sequence[Line]) -> Table:
    """Yields mean rewards by epoch of the paper's own code beside ours.

    `clean` are lines of epochs.csv, of one clean search a seed.
    """
    header = ["epoch", "its reward", "n", "reward here", "n", "difference"]
    yield [*header, "95 % interval"]
    for epoch in dict.fromkeys(line["epoch"] for line in clean):
        its, ours = (
            [100 * reward for reward in floats(of, "reward", epoch=epoch)]
            for of in (matching(lines, row="0A"), clean)
        )
        cells = [epoch, *estimate(its).with_n, *estimate(ours).with_n]
        yield [*cells, *estimates.above(its, ours).change]


def strata(arcs: Sequence[Line]) -> Table:
    """Yields errors in arc_errors.csv by the number of good layers."""
    mine = [arc for arc in arcs if arc["kind"].startswith("good_")]
    counts = sorted({int(arc["good_layers"]) for arc in mine})
    header = ["row", "defence", "variant", "seed", "arcs of each"]
    yield [*header, *map(str, counts)]
    for run, lines in _by_run(mine):
        groups = [
            floats(lines, "test_error", good_layers=str(count))
            for count in counts
        ]
        sizes = sorted({len(found) for found in groups if found})
        cells = [str(estimate(found)) for found in groups]
        yield [*run, "/".join(map(str, sizes)), *cells]


def ranks(arcs: Sequence[Line], scratch: Sequence[Line]) -> Table:
    """Yields Kendall's tau of errors under shared weights and from scratch."""
    header = ["row", "defence", "variant", "seed", "random arcs"]
    yield [*header, "Kendall's tau", "95 % bootstrap interval"]
    # Random arcs are of a space, whatever defence its search had.
    trained = {
        (line["row"], line["seed"], line["kind"]): float(line["test_error"])
        for line in scratch
        if line["defence"] == "none"
    }
    for run, lines in _by_run(arcs):
        pairs = [
            (float(arc["test_error"]), trained[key])
            for arc in lines
            if arc["kind"].startswith("random_arc")
            and (key := (arc["row"], arc["seed"], arc["kind"])) in trained
        ]
        if pairs:
            shared, alone = np.array(pairs).T
            tau = estimates.correlation(shared, alone, stats.kendalltau)
            ends, of_many = "-", estimates.kendall_of_many
            if tau == tau:
                ends = estimates.interval(shared, alone, statistic=of_many)
            yield [*run, str(len(pairs)), number(tau), ends]


def _by_run(lines: Sequence[Line]) -> list[tuple[tuple[str, ...], list[Line]]]:
    """Returns (row, defence, variant, seed) and lines, in Table 1's order."""
    runs: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        variant = line["variant"] or "-"
        key = line["row"], line["defence"], variant, line["seed"]
        runs.setdefault(key, []).append(line)
    order = sorted(runs, key=lambda run: (table1_rows.place(run[0]), run))
    return [(run, runs[run]) for run in order]
