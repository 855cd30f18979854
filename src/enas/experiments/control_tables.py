"""Tables of controls: what else could have made the numbers of Table 1."""

import math

from enas.experiments import summary, table1_rows
from enas.experiments.estimates import above, estimate, number, verdict
from enas.experiments.evidence import PRIMARY, SECOND, Evidence
from enas.experiments.summary import Table, of_row
from enas.experiments.table1_rows import BASELINE, read_rows

# The variant of a run whose controller never learns.
UNIFORM = "uniform"
COLUMNS = [f"test_error_{reading}" for reading in (SECOND, PRIMARY)]


def ablation(evidence: Evidence) -> Table:
    """The sweep of ablations and controls, as its own report wrote it."""
    yield ["row", "variant", "best of 10", "mean of sampled arcs", "n"]
    for line in evidence.ablation:
        if int(line["seeds_finished"]):
            errors = [number(float(line[column])) for column in COLUMNS]
            variant = line["variant"] or "the search"
            yield [line["row"], variant, *errors, line["seeds_finished"]]


def controls(evidence: Evidence) -> Table:
    """Runs of runs.csv that are variants of a row, but for `uniform`'s."""
    yield ["row", "variant", "seed", "best of 10", "mean of sampled arcs"]
    for run in evidence.runs:
        if run["variant"] not in ("", UNIFORM):
            yield [run[name] for name in ("row", "variant", "seed", *COLUMNS)]


def uniform(evidence: Evidence) -> Table:
    """Runs whose controller never learns, beside those of the same search."""
    header = ["row", "defence", "share of poison", "uniform controller"]
    header += ["the search", "n", "uniform minus search", "95 % interval"]
    yield [*header, "verdict"]
    runs = table1_rows.matching(evidence.runs, variant=UNIFORM)
    runs.sort(key=lambda run: (table1_rows.place(run["row"]), run["defence"]))
    for run in runs:
        cells = [run["row"], run["defence"], run["poison_share"]]
        errors = summary.values(evidence.by_defence[run["defence"]], run["row"])
        error = float(run[f"test_error_{PRIMARY}"])
        found = above([error], errors)
        cells += [number(error), *estimate(errors).with_n]
        yield [*cells, *found.change, verdict(found)]


def grouping(evidence: Evidence) -> Table:
    """Three poisons together, minus as many op ids of one of them."""
    header = ["op ids of poison", "share of poison", "grouped", "its mean"]
    header += ["one poison", "its mean", "n", "grouped minus one"]
    yield [*header, "95 % interval", "verdict"]
    errors = evidence.errors(PRIMARY)
    for together, count in ("4b", 24), ("4c", 80):
        row = table1_rows.all_rows()[together]
        share = number(summary.share_of(row, evidence.config), ".3f")
        for alone in ("identity", "transposed", "dropout"):
            one = of_row(errors, f"{alone}{count}")
            if one.n:
                # The other way round: the interval of a single run of one
                # poison is that of one more grouped one.
                found = summary.difference(errors, f"{alone}{count}", together)
                found = found._replace(mean=-found.mean)
                cells = [str(count), share, together]
                cells += [str(of_row(errors, together)), alone, *one.with_n]
                yield [*cells, *found.change, verdict(found)]


def share_alone(evidence: Evidence) -> Table:
    """Damage next to shares of poison times the damage of poison alone."""
    header = ["row", "damage", "n", "share at the start", "times poison alone"]
    yield [*header, "share in the last epoch", "times poison alone"]
    clean = of_row(evidence.errors(PRIMARY), BASELINE).mean
    for row in read_rows():
        if row.set in evidence.poison_alone:
            alone = evidence.poison_alone[row.set] - clean
            damage = evidence.damage(row.name)
            cells = [row.name, number(damage.mean), str(damage.n)]
            last = evidence.curve(row.name, "poison_share")[-1].mean
            for share in (summary.share_of(row, evidence.config), last):
                cells += [number(share, ".3f"), number(share * alone)]
            yield cells


def modes(evidence: Evidence) -> Table:
    """Damage in training and in evaluation mode, of the same runs."""
    header = ["row", "damage, training mode", "damage, evaluation mode"]
    yield [*header, "difference", "n"]
    other = evidence.errors("sampled_eval")
    _, *poisoned = read_rows()
    for row in poisoned:
        train = evidence.damage(row.name)
        damages = train, summary.difference(other, row.name, BASELINE)
        means = [number(damage.mean) for damage in damages]
        # The difference of what is printed.
        change = number(float(means[1]) - float(means[0]), "+.2f")
        yield [row.name, *means, change, str(train.n)]


def paper_size(evidence: Evidence) -> Table:
    """Searches with the paper's child beside the small one, in per cent."""
    lines = evidence.paper_size
    rows = list(dict.fromkeys(line["row"] for line in lines))

    def shares(column: str) -> dict[tuple[str, str], float]:
        return {
            (line["row"], line["epoch"]): float(line[column]) for line in lines
        }

    small = {
        (row, str(point.epoch)): point.mean
        for row in rows
        for point in evidence.curve(row, "test_acc")
    }
    rewards, accuracies = shares("reward"), (shares("test_acc"), small)
    heads = ["mean reward", "test error, best of 10", "the same, small child"]
    yield ["epoch", *(f"{head}: {row}" for head in heads for row in rows)]
    for epoch in dict.fromkeys(line["epoch"] for line in lines):
        keys = [(row, epoch) for row in rows]
        found = [rewards.get(key, math.nan) for key in keys]
        found += [1 - a.get(key, math.nan) for a in accuracies for key in keys]
        yield [epoch, *(number(100 * share) for share in found)]
