"""Writes the tables and figures of the documents from docs/table1, in seconds.

    python -m enas.experiments.documents

A block between the marks `<!-- table1: NAME -->` and `<!-- end -->` of a
document is made by the function of that name here; a test makes them again.
"""

import functools
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from scipy import stats

from enas.errors import UserError
from enas.experiments import control_tables, estimates, summary, table1_rows
from enas.experiments.estimates import estimate, number, verdict
from enas.experiments.evidence import ATTACKS, PRIMARY, SECOND, Evidence
from enas.experiments.summary import Table, of_row
from enas.experiments.sweep import READING_NAMES
from enas.experiments.table1_rows import BASELINE, floats, place
from enas.parser import Parser
from enas.run.files import write_whole
from enas.tools.command import run_tool

DOCUMENTS = ("README.md", "docs/TABLE1.md", "docs/DEFENCE.md")
BLOCK = re.compile(r"(<!-- table1: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


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
    for row in table1_rows.read_rows():
        found = of_row(errors, row.name)
        damage = str(evidence.damage(row.name)) if row.name != BASELINE else "-"
        cells = [row.name, row.poison, str(row.q), number(row.paper_test_error)]
        yield [*cells, *found.with_n, damage]


def _correlations(evidence: Evidence) -> Table:
    readings = {READING_NAMES[r]: evidence.errors(r) for r in (PRIMARY, SECOND)}
    return summary.correlations(readings, evidence.config)


def _avoidance(evidence: Evidence) -> Table:
    yield ["row", "Equation (1)", "first epoch", "last epoch"]
    for row in table1_rows.read_rows():
        curve = evidence.curve(row.name, "poison_share")
        if curve and row.name != BASELINE:
            share = summary.share_of(row, evidence.config)
            shares = (share, curve[0].mean, curve[-1].mean)
            yield [row.name, *(f"{100 * s:.1f}" for s in shares)]


def _retrained(evidence: Evidence) -> Table:
    header = ["row", "defence", "seeds", "shared weights"]
    header += ["best arc from scratch", "random arcs from scratch", "n"]
    header += ["poison layers of the best arc", "of its 10 arcs"]
    yield [*header, "expected at uniform"]
    keys = {(t["row"], t["defence"]) for t in evidence.retrained}
    for row, defence in sorted(keys, key=lambda k: (k[1], place(k[0]))):
        best = evidence.trained(row, "best_arc", defence)
        seeds = sorted(line["seed"] for line in best)
        runs = table1_rows.matching(evidence.chosen(defence), row=row)
        shared = [run for run in runs if run["seed"] in seeds]
        shared.sort(key=lambda run: run["seed"])
        # Random arcs are of the space without a defence.
        chance = evidence.trained(row, r"random_arc_\d+", defence)
        uniform = best if defence == "none" else []
        cells = [row, defence, ", ".join(seeds)]
        cells += [_each_or_mean(floats(shared, f"test_error_{SECOND}"))]
        cells += [_each_or_mean(floats(best, "test_error"))]
        cells += [_each_or_mean(floats(chance, "test_error"))]
        cells += [str(len(chance) or "-")]
        for lines, of in (best, ""), (shared, "_10"), (uniform, "_uniform"):
            layers = floats(lines, f"poison_layers{of}")
            cells.append(number(estimate(layers).mean))
        yield cells


def _each_or_mean(found: list[float]) -> str:
    """Returns the numbers themselves if they are few, or their mean."""
    few = 1 < len(found) <= 3
    return ", ".join(map(number, found)) if few else str(estimate(found))


def _against_clean(evidence: Evidence) -> Table:
    """Each space and defence minus all clean searches that are not its own."""
    header = ["space", "defence", "minus clean searches", "95 % interval"]
    yield [*header, "n", "verdict"]
    for row in (BASELINE, *ATTACKS):
        for defence, errors in evidence.by_defence.items():
            mine = summary.values(errors, row)
            if mine and (row, defence) != (BASELINE, "none"):
                others = evidence.clean_beside(row, defence)
                found = estimates.above(mine, others)
                cells = [row, defence, *found.change, str(found.n)]
                yield [*cells, verdict(found)]


def _clean_spread(evidence: Evidence) -> Iterator[str]:
    """Says how far clean searches differ, and what their seeds explain."""
    column = f"test_error_{PRIMARY}"
    seeds = [
        floats(evidence.clean, column, seed=seed)
        for seed in dict.fromkeys(run["seed"] for run in evidence.clean)
    ]
    found = estimate(errors := [error for each in seeds for error in each])
    means = (f"{np.mean(each):.2f}" for each in seeds)
    p = stats.f_oneway(*seeds).pvalue
    told = "told apart" if p < 0.05 else "not told apart"
    yield (
        f"{found.n} clean searches of {len(seeds)} seeds ended between "
        f"{min(errors):.2f} and {max(errors):.2f} %: mean {found.mean:.2f}, "
        f"sample standard deviation {found.sd:.2f}. Seeds are {told} "
        f"(means by seed {_words(means)}; F test p = {p:.2f})."
    )


def _headline(evidence: Evidence) -> Iterator[str]:
    """Yields what a reader can quote, as list items."""
    errors = evidence.errors(PRIMARY)
    clean = of_row(errors, BASELINE)
    _, paper, *_ = _paper_code(evidence)
    yield (
        f"* One clean search a seed ends at {paper[3]} % test error (n = "
        f"{paper[4]}), all clean searches at {clean} % (n = {clean.n}). The "
        f"paper's own code, run at this size, ends at {paper[1]} % (n = "
        f"{paper[2]}), {paper[5]} points ({paper[6]}) beside one search of "
        "ours a seed. The paper's table has 25.33 %, with a larger child and "
        "25 times as many epochs: the level is not reproduced."
    )
    _, share, copies, ours, _ = _correlations(evidence)
    yield (
        "* Rank correlation with the paper's errors: the share of poison "
        f"alone, without any training, {share[2]}; q alone {copies[2]}; our "
        f"errors {ours[2]} (bootstrap over rows {ours[3]}), partial given the "
        f"share {ours[5]}; ours minus that of the share {ours[4]}. The order "
        "of the rows is no evidence that training was reproduced."
    )
    damages = {row: evidence.damage(row) for row in ATTACKS[:4]}
    counts = sorted({damage.n for damage in damages.values()})
    yield (
        "* Damage in points under shared weights, against all clean searches: "
        f"{_listed(damages)} (n = {'/'.join(map(str, counts))})."
    )
    yield from _what_remains(evidence)
    harder = [
        of_row(errors, f"3{x}").mean > of_row(errors, f"1{x}").mean
        for x in "abcd"
    ]
    yield (
        "* At equal q the mean error of dropout is above that of identity in "
        f"{sum(harder)} of {len(harder)} rows, as in the paper. Of the pairs "
        "of rows whose shares of poison differ by at most "
        f"{estimates.EQUAL_SHARE}, {ours[-1]} are ordered as in the paper."
    )
    _, *words = (step[-1] for step in summary.neighbours(errors))
    yield (
        f"* Of {len(words)} steps from one q to the next within a set, "
        f"{words.count('told apart')} raise the error by more than chance, "
        f"{words.count('reversed')} lower it, the others are not told apart "
        "(not corrected for the number of tests)."
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
    taus = [f"{row[0]} {row[-2]} ({row[-1]}, n = {row[4]})" for row in rows]
    yield (
        "* Kendall's tau of random arcs, error under shared weights against "
        f"one epoch from scratch: {'; '.join(taus)}. One seed each."
    )


def _ranks(evidence: Evidence) -> Table:
    return summary.ranks(evidence.arc_errors, evidence.ranked)


def _paper_code(evidence: Evidence) -> Table:
    return summary.paper_code(
        evidence.paper_code, *map(evidence.by_seed, (PRIMARY, SECOND))
    )


def _what_remains(evidence: Evidence) -> Iterator[str]:
    """Yields what of the damage is left when the found arc is retrained."""
    best = r"best_arc(_.*)?"
    lines = evidence.trained(BASELINE, best, "none")
    for row in (BASELINE, *ATTACKS):
        lines += evidence.trained(row, best, "discard")
    clean = floats(lines, "test_error")
    middle, above = estimate(clean).mean, {}
    for row in ATTACKS[:4]:
        errors = floats(evidence.trained(row, best), "test_error")
        above[row] = _words(f"{error - middle:.2f}" for error in errors)
    yield (
        "* **What remains when the best arc is trained from scratch** (two "
        "epochs of the 50,000 training images), in points above the mean of "
        f"the best arcs of {len(clean)} clean searches ({middle:.2f} %; they "
        f"lie between {min(clean):.2f} and {max(clean):.2f} %): "
        f"{_listed(above)}. One number a seed."
    )


def _words(texts: Iterable[str]) -> str:
    return " and ".join(", ".join(texts).rsplit(", ", 1))


def _listed(found: Mapping[str, object]) -> str:
    return "; ".join(f"{row} {each}" for row, each in found.items())


# Each yields the lines of a table, or of text.
BLOCKS: dict[str, Callable[[Evidence], Iterator]] = {
    "ablation": control_tables.ablation,
    "against_clean": _against_clean,
    "avoidance": _avoidance,
    "clean_spread": _clean_spread,
    "controls": control_tables.controls,
    "correlations": _correlations,
    "defences": lambda evidence: summary.defences(
        evidence.by_defence, (BASELINE, *ATTACKS), "space"
    ),
    "grouping": control_tables.grouping,
    "headline": _headline,
    "main": lambda evidence: summary.table1(
        evidence.errors(PRIMARY),
        evidence.errors(SECOND),
        evidence.config,
        evidence.by_seed(PRIMARY)[BASELINE],
    ),
    "modes": control_tables.modes,
    "neighbours": lambda evidence: summary.neighbours(evidence.errors(PRIMARY)),
    "paper_code": _paper_code,
    "paper_rewards": lambda evidence: summary.paper_rewards(
        evidence.paper_code, evidence.epochs_of(BASELINE, "reward")
    ),
    "paper_size": control_tables.paper_size,
    "ranks": _ranks,
    "readme": _readme,
    "retrained": _retrained,
    "share_alone": control_tables.share_alone,
    "uniform": control_tables.uniform,
    "strata": lambda evidence: summary.strata(evidence.arc_errors),
}

main = functools.partial(run_tool, _run)

if __name__ == "__main__":
    sys.exit(main())
