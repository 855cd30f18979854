"""Table 1 and what it is compared with, from errors alone.

Errors are per cent by row and seed, whether they come from the runs of a sweep
or from the tables of `collect`. A table is (header, rows of text).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from enas.cifar10.config import Config
from enas.experiments import estimates
from enas.experiments.estimates import Estimate, estimate, paired, verdict
from enas.experiments.table1_rows import (
    BASELINE,
    Row,
    all_rows,
    read_rows,
    space_of,
)
from enas.run.files import Line

Errors = Mapping[str, Mapping[int, float]]
Table = tuple[list[str], list[list[str]]]


def markdown(table: Table) -> list[str]:
    """Returns a table as lines of Markdown."""
    header, rows = table
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def share_of(row: Row, config: Config) -> float:
    """Returns Equation (1): the share of poison at the uniform controller."""
    return space_of(config, row).uniform_poison_share


def of_row(errors: Errors, row: str) -> Estimate:
    """Returns the `Estimate` of a row's errors, n = 0 if there are none."""
    return estimate(list(errors.get(row, {}).values()))


def table1(primary: Errors, second: Errors, config: Config) -> Table:
    """Returns Table 1: the paper's errors, ours, and the damage.

    Args:
      primary: test errors of the mean over sampled arcs.
      second: test errors of the best of 10.
      config: of the searches, whose candidate ops count.
    """
    header = ["row", "poison", "q", "share of poison", "paper", "mean"]
    header += ["sd", "95 % interval", "n", "damage", "95 % interval"]
    header += ["best of 10"]
    clean = primary.get(BASELINE, {})
    rows = []
    for row in all_rows():
        mine = primary.get(row.name, {})
        if not mine:
            continue
        found, damage = of_row(primary, row.name), paired(mine, clean)
        share = f"{share_of(row, config):.3f}"
        cells = [row.name, row.poison, str(row.q), share]
        cells += [number(row.paper_test_error), number(found.mean)]
        cells += [number(found.sd), _interval(found), str(found.n)]
        if row.name == BASELINE:
            cells += ["-", "-"]
        else:
            cells += [number(damage.mean, "+.2f"), _interval(damage)]
        rows.append([*cells, number(of_row(second, row.name).mean)])
    return header, rows


def number(value: float | None, form: str = ".2f") -> str:
    """Returns a number as text, a dash for None and NaN."""
    return "-" if value is None or value != value else format(value, form)


def _interval(found: Estimate) -> str:
    if found.n < 2:
        return "-"
    low, high = found.mean - found.half, found.mean + found.half
    return f"{low:.2f} to {high:.2f}"


def defences(errors: Mapping[str, Errors], rows: Sequence[str]) -> Table:
    """Returns the errors of rows, each with every defence.

    Args:
      errors: of the mean over sampled arcs, by the name of the defence.
      rows: their names.
    """
    table = []
    for row in rows:
        found = (of_row(each, row) for each in errors.values())
        cells = [f"{e} (n = {e.n})" if e.n else "-" for e in found]
        table.append([row, *cells])
    return ["row", *errors], table


def neighbours(errors: Errors) -> Table:
    """Returns whether errors grow along q within a set, step by step."""
    header = ["set", "step", "difference", "95 % interval", "n", "verdict"]
    rows = []
    sets = dict.fromkeys(row.set for row in read_rows() if row.set != "none")
    for name in sets:
        names = [BASELINE, *(r.name for r in read_rows() if r.set == name)]
        names = [n for n in names if errors.get(n)]
        for a, b in zip(names, names[1:], strict=False):
            step = paired(errors[b], errors[a])
            cells = [name, f"{a} to {b}", number(step.mean, "+.2f")]
            rows.append([*cells, _interval(step), str(step.n), verdict(step)])
    return header, rows


def correlations(readings: Mapping[str, Errors], config: Config) -> Table:
    """Returns rank correlations with the paper's test errors.

    Beside ours always what the share of poison and q explain, without any
    training.

    Args:
      readings: test errors by the name of the reading.
      config: of the searches, whose candidate ops count.
    """
    header = ["what", "rows", "rank correlation", "bootstrap over rows"]
    header += ["minus that of the share, bootstrap", "partial, share given"]
    header += ["ordered as the paper at one share"]
    shares = {row.name: share_of(row, config) for row in read_rows()}
    copies = {row.name: float(row.q) for row in read_rows()}
    rows = [
        _correlated("share of poison alone", shares, shares),
        _correlated("q alone", copies, shares),
    ]
    for name, errors in readings.items():
        means = {row: of_row(errors, row).mean for row in errors if errors[row]}
        rows.append(_correlated(name, means, shares, measured=True))
    return header, rows


def _correlated(
    name: str,
    values: Mapping[str, float],
    shares: Mapping[str, float],
    measured: bool = False,
) -> list[str]:
    rows = [row for row in read_rows() if row.name in values]
    ours = np.array([values[row.name] for row in rows])
    paper = np.array([row.paper_test_error or 0 for row in rows])
    share = np.array([shares[row.name] for row in rows])
    rho = estimates.correlation(ours, paper)
    cells = [name, str(len(rows)), number(rho, ".3f")]
    if not measured or rho != rho:
        return [*cells, "-", "-", "-", "-"]
    alone = estimates.interval(ours, paper)
    gain = estimates.interval(
        ours, paper, share, statistic=estimates.gain_of_many
    )
    same, pairs = estimates.concordance(ours, paper, share)
    return [
        *cells,
        *("{:.2f} to {:.2f}".format(*ends) for ends in (alone, gain)),
        number(estimates.partial(ours, paper, share)),
        f"{same} of {pairs}",
    ]


def paper_code(lines: Sequence[Line], primary: Errors, second: Errors) -> Table:
    """Returns the errors of the paper's own code beside ours.

    Args:
      lines: of paper_code.csv, an epoch each.
      primary: our test errors of the mean over sampled arcs.
      second: our test errors of the best of 10.
    """
    header = ["row", "its mean", "n", "mean here", "n", "difference"]
    header += ["95 % interval", "its best of 10", "best of 10 here"]
    finished = [line for line in lines if line["test_error_sampled_train"]]
    rows = []
    for row in read_rows():
        name = {BASELINE: "0A"}.get(row.name, row.name.upper())
        mine = [line for line in finished if line["row"] == name]
        its, best = (
            [float(line[f"test_error_{reading}"]) for line in mine]
            for reading in ("sampled_train", "best")
        )
        if mine:
            there, here = estimate(its), of_row(primary, row.name)
            ours = list(primary.get(row.name, {}).values())
            cells = [row.name, str(there), str(there.n), str(here), str(here.n)]
            cells += [number(there.mean - here.mean, "+.2f")]
            cells += [estimates.welch(its, ours), number(estimate(best).mean)]
            rows.append([*cells, number(of_row(second, row.name).mean)])
    return header, rows


def strata(arcs: Sequence[Line]) -> Table:
    """Returns errors under shared weights by the number of good layers.

    Args:
      arcs: lines of arc_errors.csv.
    """
    mine = [a for a in arcs if a["kind"].startswith("good_")]
    counts = sorted({int(arc["good_layers"]) for arc in mine})
    header = ["row", "defence", "seed", "arcs of each", *map(str, counts)]
    groups: dict[tuple[str, ...], dict[int, list[float]]] = {}
    for arc in mine:
        group = groups.setdefault(_run_of(arc), {})
        found = group.setdefault(int(arc["good_layers"]), [])
        found.append(float(arc["test_error"]))
    rows = []
    for run, group in sorted(groups.items(), key=lambda item: _place(item[0])):
        sizes = {len(found) for found in group.values()}
        cells = [str(estimate(group.get(count, []))) for count in counts]
        rows.append([*run, "/".join(map(str, sorted(sizes))), *cells])
    return header, rows


def ranks(arcs: Sequence[Line], scratch: Sequence[Line]) -> Table:
    """Returns Kendall's tau of errors under shared weights and from scratch.

    Args:
      arcs: lines of arc_errors.csv.
      scratch: lines of retrained.csv, all of one budget.
    """
    header = ["row", "defence", "seed", "random arcs", "Kendall's tau"]
    header += ["95 % bootstrap interval"]
    # Random arcs are of a space, whatever defence its search had.
    trained = {
        (line["row"], line["seed"], line["kind"]): float(line["test_error"])
        for line in scratch
        if line["defence"] == "none"
    }
    pairs: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for arc in arcs:
        key = arc["row"], arc["seed"], arc["kind"]
        if arc["kind"].startswith("random_arc") and key in trained:
            pair = float(arc["test_error"]), trained[key]
            pairs.setdefault(_run_of(arc), []).append(pair)
    rows = []
    for run, found in sorted(pairs.items(), key=lambda item: _place(item[0])):
        shared, alone = np.array(found).T
        tau, span = estimates.kendall(shared, alone), "-"
        if tau == tau:
            ends = estimates.interval(
                shared, alone, statistic=estimates.kendall_of_many
            )
            span = "{:.2f} to {:.2f}".format(*ends)
        rows.append([*run, str(len(found)), number(tau), span])
    return header, rows


def _run_of(line: Line) -> tuple[str, ...]:
    return line["row"], line["defence"], line["seed"]


def _place(run: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Returns a key that sorts rows as Table 1 does, then what it lacks."""
    names = [row.name for row in all_rows()]
    return names.index(run[0]) if run[0] in names else len(names), run
