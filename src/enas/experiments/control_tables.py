"""Tables of controls: what else could have made the numbers of Table 1."""

from enas.experiments import estimates, summary
from enas.experiments.collect import matching
from enas.experiments.estimates import estimate, number, verdict
from enas.experiments.evidence import PRIMARY, SECOND, Evidence
from enas.experiments.summary import Table, of_row
from enas.experiments.table1_rows import BASELINE, all_rows, place, read_rows

# The variant of a run whose controller never learns.
UNIFORM = "uniform"


def ablation(evidence: Evidence) -> Table:
    """The sweep of ablations and controls, as its own report wrote it."""
    yield ["row", "variant", "best of 10", "mean of sampled arcs", "n"]
    for line in evidence.ablation:
        if int(line["seeds_finished"]):
            cells = [line["row"], line["variant"] or "the search"]
            for reading in (SECOND, PRIMARY):
                cells.append(number(float(line[f"test_error_{reading}"])))
            yield [*cells, line["seeds_finished"]]


def controls(evidence: Evidence) -> Table:
    """Runs of runs.csv that are variants of a row, but for `uniform`'s."""
    yield ["row", "variant", "seed", "best of 10", "mean of sampled arcs"]
    columns = ["row", "variant", "seed"]
    columns += [f"test_error_{reading}" for reading in (SECOND, PRIMARY)]
    for run in evidence.runs:
        if run["variant"] not in ("", UNIFORM):
            yield [run[column] for column in columns]


def uniform(evidence: Evidence) -> Table:
    """Runs whose controller never learns, beside those of the same search."""
    header = ["row", "defence", "share of poison", "uniform controller"]
    header += ["the search", "n", "uniform minus search", "95 % interval"]
    yield [*header, "verdict"]
    runs = matching(evidence.runs, variant=UNIFORM)
    runs.sort(key=lambda run: (place(run["row"]), run["defence"]))
    for run in runs:
        of_rows = evidence.by_defence[run["defence"]]
        errors = list(of_rows.get(run["row"], {}).values())
        error, there = float(run[f"test_error_{PRIMARY}"]), estimate(errors)
        found = estimates.above([error], errors)
        cells = [run["row"], run["defence"], run["poison_share"]]
        cells += [number(error), str(there), str(there.n)]
        cells += [number(found.mean, "+.2f"), found.interval]
        yield [*cells, verdict(found)]


def grouping(evidence: Evidence) -> Table:
    """Three poisons together, minus as many op ids of one of them."""
    header = ["op ids of poison", "share of poison", "grouped", "its mean"]
    header += ["one poison", "its mean", "n", "grouped minus one"]
    yield [*header, "95 % interval", "verdict"]
    errors = evidence.errors(PRIMARY)
    for together, count in ("4b", 24), ("4c", 80):
        share = summary.share_of(all_rows()[together], evidence.config)
        for alone in ("identity", "transposed", "dropout"):
            one = of_row(errors, f"{alone}{count}")
            if one.n:
                found = _grouped_minus(errors, together, f"{alone}{count}")
                cells = [str(count), number(share, ".3f"), together]
                cells += [str(of_row(errors, together)), alone, str(one)]
                cells += [str(one.n), number(found.mean, "+.2f")]
                yield [*cells, found.interval, verdict(found)]


def _grouped_minus(
    errors: summary.Errors, together: str, alone: str
) -> estimates.Estimate:
    """Returns the difference; of a single run that of one more grouped one."""
    found = summary.difference(errors, alone, together)
    return found._replace(mean=-found.mean)


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
            last = evidence.curve(row.name, "poison_share")[-1][1]
            for share in (summary.share_of(row, evidence.config), last):
                cells += [number(share, ".3f"), number(share * alone)]
            yield cells


def modes(evidence: Evidence) -> Table:
    """Damage in training and in evaluation mode, of the same runs."""
    header = ["row", "damage, training mode", "damage, evaluation mode"]
    yield [*header, "difference", "n"]
    train, other = evidence.errors(PRIMARY), evidence.errors("sampled_eval")
    for row in read_rows():
        if row.name != BASELINE:
            damages = [
                summary.difference(e, row.name, BASELINE)
                for e in (train, other)
            ]
            means = [number(damage.mean) for damage in damages]
            # The difference of what is printed.
            change = number(float(means[1]) - float(means[0]), "+.2f")
            yield [row.name, *means, change, str(damages[0].n)]
