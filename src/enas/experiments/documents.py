"""Writes the tables and figures of the documents from docs/table1, in seconds.

    python -m enas.experiments.documents

A block between the marks `<!-- table1: NAME -->` and `<!-- end -->` of a
document is made by the function of that name here; a test makes them again.
"""

import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from enas.errors import UserError
from enas.experiments import estimates, summary
from enas.experiments.collect import matching
from enas.experiments.estimates import estimate, number, paired, verdict
from enas.experiments.evidence import ATTACKS, PRIMARY, SECOND, Evidence
from enas.experiments.summary import Table, of_row
from enas.experiments.sweep import READING_NAMES
from enas.experiments.table1_rows import BASELINE, all_rows, read_rows
from enas.parser import Parser
from enas.run.files import Line, write_whole
from enas.tools.command import run_tool

DOCUMENTS = ("README.md", "docs/TABLE1.md", "docs/DEFENCE.md")
BLOCK = re.compile(r"(<!-- table1: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit code."""
    return run_tool(_run, argv)


def _run(argv: list[str]) -> Iterator[str]:
    parser = Parser(prog="python -m enas.experiments.documents")
    parser.add_argument("--root", default=".", help="the checkout")
    root = pathlib.Path(parser.parse_words(argv[1:]).root)
    evidence = Evidence(root / "docs/table1")
    for name in DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8")
        write_whole(str(root / name), fill(text, evidence))
        yield name
    yield from evidence.draw(str(root / "docs/table1"))


def fill(text: str, evidence: Evidence) -> str:
    """Returns a document with its blocks remade.

    Raises:
      UserError: a block has a name that no function here has.
    """

    def made(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise UserError(
                f"A block is one of {', '.join(BLOCKS)}; received {match[2]}."
            )
        found = list(BLOCKS[match[2]](evidence))
        lines = found if isinstance(found[0], str) else summary.markdown(found)
        return match[1] + "\n".join(["", *lines, ""]) + "\n" + match[4]

    return BLOCK.sub(made, text)


def _readme(evidence: Evidence) -> Table:
    yield ["row", "poison", "q", "paper", "here", "n", "damage here"]
    errors = evidence.errors(PRIMARY)
    for row in read_rows():
        found = of_row(errors, row.name)
        damage = str(evidence.damage(row.name)) if row.name != BASELINE else "-"
        cells = [row.name, row.poison, str(row.q), number(row.paper_test_error)]
        yield [*cells, str(found), str(found.n), damage]


def _correlations(evidence: Evidence) -> Table:
    readings = {READING_NAMES[r]: evidence.errors(r) for r in (PRIMARY, SECOND)}
    return summary.correlations(readings, evidence.config)


def _avoidance(evidence: Evidence) -> Table:
    yield ["row", "Equation (1)", "first epoch", "last epoch"]
    for row in read_rows():
        curve = evidence.curve(row.name, "poison_share")
        if curve and row.name != BASELINE:
            share = summary.share_of(row, evidence.config)
            shares = (share, curve[0][1], curve[-1][1])
            yield [row.name, *(f"{100 * s:.1f}" for s in shares)]


def _retrained(evidence: Evidence) -> Table:
    header = ["row", "defence", "seeds", "shared weights"]
    header += ["best arc from scratch", "random arcs from scratch", "n"]
    header += ["poison layers of the best arc", "of its 10 arcs"]
    yield [*header, "expected at uniform"]
    keys = {(t["row"], t["defence"]) for t in evidence.retrained}
    order = list(all_rows())
    for row, defence in sorted(keys, key=lambda k: (k[1], order.index(k[0]))):
        best = evidence.trained(row, "best_arc", defence)
        seeds = sorted(line["seed"] for line in best)
        runs = matching(evidence.chosen(defence), row=row)
        shared = [run for run in runs if run["seed"] in seeds]
        shared.sort(key=lambda run: run["seed"])
        # Random arcs are of the space without a defence.
        chance = evidence.trained(row, r"random_arc_\d+", defence)
        uniform = best if defence == "none" else []
        cells = [row, defence, ", ".join(seeds)]
        cells += [_mean(shared, f"test_error_{SECOND}")]
        cells += [_mean(best, "test_error")]
        cells += [_mean(chance, "test_error"), str(len(chance) or "-")]
        cells += [_mean(best, "poison_layers", False)]
        cells += [_mean(shared, "poison_layers_10", False)]
        yield [*cells, _mean(uniform, "poison_layers_uniform", False)]


def _mean(lines: Iterable[Line], column: str, spread: bool = True) -> str:
    """Returns the numbers themselves if they are few, or their mean."""
    found = [float(line[column]) for line in lines if line[column]]
    if spread and 1 < len(found) <= 3:
        return ", ".join(map(number, found))
    return str(estimate(found)) if spread else number(estimate(found).mean)


def _ablation(evidence: Evidence) -> Table:
    """The sweep of ablations and controls, as its own report wrote it."""
    yield ["row", "variant", "best of 10", "mean of sampled arcs", "n"]
    for line in evidence.ablation:
        if int(line["seeds_finished"]):
            cells = [line["row"], line["variant"] or "the search"]
            for reading in (SECOND, PRIMARY):
                cells.append(number(float(line[f"test_error_{reading}"])))
            yield [*cells, line["seeds_finished"]]


def _controls(evidence: Evidence) -> Table:
    """Runs of runs.csv that are variants of a row."""
    yield ["row", "variant", "seed", "best of 10", "mean of sampled arcs"]
    columns = ["row", "variant", "seed"]
    columns += [f"test_error_{reading}" for reading in (SECOND, PRIMARY)]
    for run in evidence.runs:
        if run["variant"]:
            yield [run[column] for column in columns]


def _share_alone(evidence: Evidence) -> Table:
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


def _modes(evidence: Evidence) -> Table:
    """Damage in training and in evaluation mode, of the same runs."""
    header = ["row", "damage, training mode", "damage, evaluation mode"]
    yield [*header, "difference", "n"]
    train, other = evidence.errors(PRIMARY), evidence.errors("sampled_eval")
    for row in read_rows():
        if row.name != BASELINE:
            damages = [paired(e[row.name], e[BASELINE]) for e in (train, other)]
            means = [number(damage.mean) for damage in damages]
            # The difference of what is printed.
            change = number(float(means[1]) - float(means[0]), "+.2f")
            yield [row.name, *means, change, str(damages[0].n)]


def _against_clean(evidence: Evidence) -> Table:
    """Differences to the clean search without a defence, by seed."""
    yield ["space", "defence", "minus clean search", "n", "verdict"]
    for row in (BASELINE, *ATTACKS):
        for defence, errors in evidence.by_defence.items():
            found = paired(errors[row], evidence.clean)
            if found.n and (row, defence) != (BASELINE, "none"):
                text = number(found.mean, "+.2f")
                text += f" ± {found.half:.2f}" if found.n > 1 else ""
                yield [row, defence, text, str(found.n), verdict(found)]


def _clean_spread(evidence: Evidence) -> Iterator[str]:
    """Says how far clean searches differ, seeds and machines.

    `discard` leaves the clean space as it is, so those are clean searches too.
    """
    runs = matching(evidence.runs, row=BASELINE, variant="")
    runs = [run for run in runs if run["defence"] in ("none", "discard")]
    errors = [float(run[f"test_error_{PRIMARY}"]) for run in runs]
    found, counted = estimate(errors), estimate(list(evidence.clean.values()))
    seeds = len({run["seed"] for run in runs})
    yield (
        f"The clean search ended between {min(errors):.2f} and "
        f"{max(errors):.2f} % in {found.n} runs of {seeds} seeds: mean "
        f"{found.mean:.2f}, sample standard deviation {found.sd:.2f}. The "
        f"{counted.n} runs that the damages are measured from have a mean of "
        f"{counted.mean:.2f}; against the mean of all, every damage would be "
        f"{found.mean - counted.mean:.2f} points smaller."
    )


def _headline(evidence: Evidence) -> Iterator[str]:
    """Yields what a reader can quote, as list items."""
    errors = evidence.errors(PRIMARY)
    clean = of_row(errors, BASELINE)
    yield (
        f"* The clean search ends at {clean} % test error (n = {clean.n} "
        "seeds); the paper's at 25.33 %, with a larger child and 25 times as "
        "many epochs. The level is not reproduced."
    )
    damages = {row: evidence.damage(row) for row in ATTACKS[:4]}
    yield (
        f"* Damage in points under shared weights: {_listed(damages)} "
        f"(n = {_counts(each.n for each in damages.values())})."
    )
    yield from _what_remains(evidence)
    harder = [
        of_row(errors, f"3{x}").mean > of_row(errors, f"1{x}").mean
        for x in "abcd"
    ]
    yield (
        "* At equal q the mean error of dropout is above that of identity in "
        f"{sum(harder)} of {len(harder)} rows, as in the paper."
    )
    _, share, copies, ours, _ = _correlations(evidence)
    yield (
        "* Rank correlation with the paper's errors: the share of poison "
        f"alone, without any training, {share[2]}; q alone {copies[2]}; our "
        f"errors {ours[2]} (bootstrap over rows {ours[3]}), partial given the "
        f"share {ours[5]}; ours minus that of the share {ours[4]}. The order "
        "of the rows is no evidence that training was reproduced."
    )
    yield (
        "* Of the pairs of rows whose shares of poison differ by at most "
        f"{estimates.EQUAL_SHARE}, {ours[-1]} are ordered as in the paper."
    )
    _, *words = (step[-1] for step in summary.neighbours(errors))
    yield (
        f"* Of {len(words)} steps from one q to the next within a set, the "
        "error rises by more than the seeds spread in "
        f"{words.count('told apart')}, falls so in "
        f"{words.count('reversed')}, and is not told apart in "
        f"{words.count('not told apart')}; {words.count('one seed')} have one "
        "seed only."
    )
    texts = [
        f"{row} {first} to {last} %"
        for row, _, first, last in _avoidance(evidence)
        if row in ("1a", "1b", "1d", "3d")
    ]
    yield (
        "* Share of poison among sampled ops, first to last epoch: "
        f"{', '.join(texts)}."
    )
    _, *rows = _ranks(evidence)
    taus = [f"{row[0]} {row[-2]} ({row[-1]}, n = {row[3]})" for row in rows]
    yield (
        "* Kendall's tau of random arcs, error under shared weights against "
        f"one epoch from scratch: {'; '.join(taus)}. One seed each."
    )


def _ranks(evidence: Evidence) -> Table:
    return summary.ranks(evidence.arc_errors, evidence.ranked)


def _what_remains(evidence: Evidence) -> Iterator[str]:
    """Yields what of the damage is left when the found arc is retrained."""
    alone, shared, chance, counts = {}, {}, {}, set()
    second = evidence.errors(SECOND)

    def trained(row: str, kind: str) -> dict[int, float]:
        lines = evidence.trained(row, kind)
        return {int(t["seed"]): float(t["test_error"]) for t in lines}

    def above(
        errors: Mapping[int, float], of_clean: Mapping[int, float]
    ) -> str:
        return " and ".join(number(errors[s] - of_clean[s]) for s in seeds)

    clean = trained(BASELINE, "best_arc")
    random = trained(BASELINE, "random_arc_1")
    for row in ATTACKS[:4]:
        best = trained(row, "best_arc")
        if seeds := sorted(best.keys() & clean.keys()):
            counts.add(len(seeds))
            alone[row] = above(best, clean)
            shared[row] = above(second[row], second[BASELINE])
        if (found := paired(trained(row, "random_arc_1"), random)).n:
            chance[row] = found
    if alone:
        yield (
            "* **What remains when the best arc is trained from scratch** (two"
            " epochs of the 50,000 training images), in points above the best"
            f" arc of the clean search of the same seed: {_listed(alone)} (n ="
            f" {_counts(counts)} seeds). Under shared weights (best of 10) the"
            f" same arcs are above it by {_listed(shared)}."
        )
    if chance:
        yield (
            "* A random arc of the poisoned space, from scratch, in points "
            f"above a random arc of the clean space: {_listed(chance)} (n = "
            f"{_counts(each.n for each in chance.values())}, one arc each)."
        )


def _listed(found: Mapping[str, object]) -> str:
    return "; ".join(f"{row} {each}" for row, each in found.items())


def _counts(numbers: Iterable[int]) -> str:
    return "/".join(map(str, sorted(set(numbers))))


# Each yields the lines of a table, or of text.
BLOCKS: dict[str, Callable[[Evidence], Iterator]] = {
    "ablation": _ablation,
    "against_clean": _against_clean,
    "avoidance": _avoidance,
    "clean_spread": _clean_spread,
    "controls": _controls,
    "correlations": _correlations,
    "defences": lambda evidence: summary.defences(
        evidence.by_defence, (BASELINE, *ATTACKS), "space"
    ),
    "headline": _headline,
    "main": lambda evidence: summary.table1(
        evidence.errors(PRIMARY), evidence.errors(SECOND), evidence.config
    ),
    "modes": _modes,
    "neighbours": lambda evidence: summary.neighbours(evidence.errors(PRIMARY)),
    "paper_code": lambda evidence: summary.paper_code(
        evidence.paper_code, evidence.errors(PRIMARY), evidence.errors(SECOND)
    ),
    "ranks": _ranks,
    "readme": _readme,
    "retrained": _retrained,
    "share_alone": _share_alone,
    "strata": lambda evidence: summary.strata(evidence.arc_errors),
}

if __name__ == "__main__":
    sys.exit(main())
