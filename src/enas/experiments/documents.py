"""Writes the tables and figures of the documents from docs/table1, in seconds.

    python -m enas.experiments.documents

A block between the marks `<!-- table1: NAME -->` and `<!-- end -->` of a
document is made by the function of that name here; a test makes them again.
"""

import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from enas.errors import UserError
from enas.experiments import summary
from enas.experiments.estimates import estimate, paired, verdict
from enas.experiments.evidence import ATTACKS, PRIMARY, SECOND, Evidence
from enas.experiments.files import Line, write_whole
from enas.experiments.rows import BASELINE, all_rows, read_rows
from enas.experiments.summary import Table, number
from enas.parser import Parser
from enas.tools.command import run_tool

__all__ = ["BLOCKS", "DOCUMENTS", "fill", "main"]

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
        lines = BLOCKS[match[2]](evidence)
        return match[1] + "\n".join(["", *lines, ""]) + "\n" + match[4]

    return BLOCK.sub(made, text)


def _table(make: Callable[[Evidence], Table]) -> Callable:
    return lambda evidence: summary.markdown(make(evidence))


def _table1(evidence: Evidence) -> Table:
    return summary.table1(
        evidence.errors(PRIMARY), evidence.errors(SECOND), evidence.config
    )


def _readme(evidence: Evidence) -> Table:
    header = ["row", "poison", "q", "paper", "here", "n", "damage here"]
    errors, rows = evidence.errors(PRIMARY), []
    for row in read_rows():
        found = estimate(list(errors[row.name].values()))
        damage = str(evidence.damage(row.name)) if row.name != BASELINE else "-"
        paper = number(row.paper_test_error)
        cells = [row.name, row.poison, str(row.q), paper]
        rows.append([*cells, str(found), str(found.n), damage])
    return header, rows


def _correlations(evidence: Evidence) -> Table:
    return summary.correlations(
        {
            "mean of sampled arcs, training mode": evidence.errors(PRIMARY),
            "best of 10, training mode": evidence.errors(SECOND),
        },
        evidence.config,
    )


def _avoidance(evidence: Evidence) -> Table:
    header = ["row", "Equation (1)", "first epoch", "last epoch"]
    rows = []
    for row in read_rows():
        curve = evidence.curve(row.name, "poison_share")
        if curve and row.name != BASELINE:
            shares = (
                summary.share_of(row, evidence.config),
                curve[0][1],
                curve[-1][1],
            )
            cells = [f"{100 * share:.1f}" for share in shares]
            rows.append([row.name, *cells])
    return header, rows


def _retrained(evidence: Evidence) -> Table:
    header = ["row", "defence", "shared weights", "best arc from scratch", "n"]
    header += ["random arcs from scratch", "n", "poison layers of the best arc"]
    header += ["of its 10 arcs", "expected at uniform"]
    rows = []
    keys = {(t["row"], t["defence"]) for t in evidence.retrained}
    order = [row.name for row in all_rows()]
    for row, defence in sorted(keys, key=lambda k: (k[1], order.index(k[0]))):
        best = evidence.trained(row, "best_arc", defence)
        seeds = {line["seed"] for line in best}
        shared = [
            run
            for run in evidence.chosen(defence)
            if run["row"] == row and run["seed"] in seeds
        ]
        chance = evidence.trained(row, r"random_arc_\d+")
        cells = [row, defence, _mean(shared, f"test_error_{SECOND}")]
        cells += [_mean(best, "test_error"), str(len(best))]
        cells += [_mean(chance, "test_error"), str(len(chance))]
        cells += [_mean(best, "poison_layers", False)]
        cells += [_mean(shared, "poison_layers_10", False)]
        rows.append([*cells, _mean(best, "poison_layers_uniform", False)])
    return header, rows


def _mean(lines: Iterable[Line], column: str, spread: bool = True) -> str:
    """Returns the numbers themselves if they are few, or their mean."""
    found = [float(line[column]) for line in lines if line[column]]
    if spread and 1 < len(found) <= 3:
        return ", ".join(map(number, found))
    return str(estimate(found)) if spread else number(estimate(found).mean)


def _ablation(evidence: Evidence) -> Table:
    """The sweep of ablations and controls, as its own report wrote it."""
    header = ["row", "variant", "best of 10", "mean of sampled arcs", "n"]
    rows = [
        [
            line["row"],
            line["variant"] or "the search",
            number(float(line[f"test_error_{SECOND}"])),
            number(float(line[f"test_error_{PRIMARY}"])),
            line["seeds_finished"],
        ]
        for line in evidence.ablation
        if int(line["seeds_finished"])
    ]
    return header, rows


def _modes(evidence: Evidence) -> Table:
    """Damage in training and in evaluation mode, of the same runs."""
    header = ["row", "damage, training mode", "damage, evaluation mode"]
    header += ["difference", "n"]
    train, other = evidence.errors(PRIMARY), evidence.errors("sampled_eval")
    rows = []
    for row in read_rows():
        if row.name != BASELINE:
            damages = [paired(e[row.name], e[BASELINE]) for e in (train, other)]
            means = [number(damage.mean) for damage in damages]
            # The difference of what is printed.
            change = number(float(means[1]) - float(means[0]), "+.2f")
            rows.append([row.name, *means, change, str(damages[0].n)])
    return header, rows


def _defences(evidence: Evidence) -> Table:
    header = ["space", *evidence.defences]
    rows = []
    for row in (BASELINE, *ATTACKS):
        cells = []
        for defence in evidence.defences:
            errors = evidence.errors(PRIMARY, defence)[row]
            found = estimate(list(errors.values()))
            cells.append(f"{found} (n = {found.n})" if found.n else "-")
        rows.append([row, *cells])
    return header, rows


def _against_clean(evidence: Evidence) -> Table:
    """Differences to the clean search without a defence, by seed."""
    header = ["space", "defence", "minus clean search", "n", "verdict"]
    rows = []
    for row in (BASELINE, *ATTACKS):
        for defence in evidence.defences:
            errors = evidence.errors(PRIMARY, defence)[row]
            found = paired(errors, evidence.clean)
            if found.n and (row, defence) != (BASELINE, "none"):
                text = number(found.mean, "+.2f")
                text += f" ± {found.half:.2f}" if found.n > 1 else ""
                cells = [row, defence, text, str(found.n)]
                rows.append([*cells, verdict(found)])
    return header, rows


def _clean_spread(evidence: Evidence) -> list[str]:
    """Says how far clean searches differ, seeds and machines."""
    runs = [
        r
        for r in evidence.runs
        if (r["row"], r["defence"], r["variant"]) == (BASELINE, "none", "")
    ]
    found = sorted(float(r[f"test_error_{PRIMARY}"]) for r in runs)
    seeds = len({r["seed"] for r in runs})
    sd = estimate(found).sd
    return [
        f"The clean search ended between {found[0]:.2f} and {found[-1]:.2f} % "
        f"in {len(found)} runs of {seeds} seeds (sample standard deviation "
        f"{sd:.2f})."
    ]


def _headline(evidence: Evidence) -> Iterator[str]:
    """Yields what a reader can quote, as list items."""
    clean = estimate(list(evidence.clean.values()))
    yield (
        f"* The clean search ends at {clean} % test error (n = {clean.n} "
        "seeds); the paper's at 25.33 %, with a larger child and 25 times as "
        "many epochs. The level is not reproduced."
    )
    damages = (f"{row} {evidence.damage(row)}" for row in ATTACKS[:4])
    counts = {evidence.damage(row).n for row in ATTACKS[:4]}
    yield (
        f"* Damage in points under shared weights: {'; '.join(damages)} "
        f"(n = {'/'.join(map(str, sorted(counts)))})."
    )
    yield from _what_remains(evidence)
    errors = evidence.errors(PRIMARY)
    harder = [
        estimate(list(errors[f"3{x}"].values())).mean
        > estimate(list(errors[f"1{x}"].values())).mean
        for x in "abcd"
    ]
    yield (
        "* At equal q the mean error of dropout is above that of identity in "
        f"{sum(harder)} of {len(harder)} rows, as in the paper."
    )
    _, rows = _correlations(evidence)
    share, copies, ours, _ = rows
    yield (
        "* Rank correlation with the paper's errors: the share of poison "
        f"alone, without any training, {share[2]}; q alone {copies[2]}; our "
        f"errors {ours[2]} (bootstrap over rows {ours[3]}), partial given the "
        f"share {ours[4]}. The order of the rows is no evidence that training"
        " was reproduced."
    )
    yield (
        f"* Of the pairs of rows of one share, {ours[5]} are ordered as in the"
        " paper."
    )
    _, steps = summary.neighbours(errors)
    words = [step[-1] for step in steps]
    told = words.count("told apart")
    yield (
        f"* Of {len(steps)} steps along q within the sets {told} are told "
        f"apart, {words.count('reversed')} are reversed, "
        f"{words.count('not told apart')} are not told apart and "
        f"{words.count('one seed')} have one seed only."
    )
    _, avoidance = _avoidance(evidence)
    found = {cells[0]: cells for cells in avoidance}
    texts = [
        f"{row} {found[row][2]} to {found[row][3]} %"
        for row in ("1a", "1b", "1d", "3d")
        if row in found
    ]
    yield (
        "* Share of poison among sampled ops, first to last epoch: "
        f"{', '.join(texts)}."
    )


def _what_remains(evidence: Evidence) -> Iterator[str]:
    """Yields what of the damage is left when the found arc is retrained."""
    texts, counts = [], set()
    clean = _by_seed(evidence.trained(BASELINE, "best_arc"))
    second = evidence.errors(SECOND)
    for row in ATTACKS[:4]:
        best = _by_seed(evidence.trained(row, "best_arc"))
        seeds = sorted(best.keys() & clean.keys())
        pairs = [
            f"{number(best[seed] - clean[seed])} of "
            f"{number(second[row][seed] - second[BASELINE][seed])}"
            for seed in seeds
        ]
        if pairs:
            counts.add(str(len(pairs)))
            texts.append(f"{row} {' and '.join(pairs)}")
    if texts:
        yield (
            "* **What remains when the best arc is trained from scratch** (two"
            " epochs of the 50,000 training images): points above the best arc"
            " of the clean search of the same seed, of those that the same arcs"
            f" have under shared weights (best of 10): {'; '.join(texts)} (n ="
            f" {'/'.join(sorted(counts))} seeds)."
        )
    chance = _by_seed(evidence.trained(BASELINE, "random_arc_1"))
    texts, counts = [], set()
    for row in ATTACKS[:4]:
        found = paired(_by_seed(evidence.trained(row, "random_arc_1")), chance)
        if found.n:
            texts.append(f"{row} {found}")
            counts.add(str(found.n))
    if texts:
        yield (
            "* A random arc of the poisoned space, from scratch, in points "
            f"above a random arc of the clean space: {'; '.join(texts)} (n = "
            f"{'/'.join(sorted(counts))}, one arc each)."
        )


def _by_seed(lines: Iterable[Line]) -> dict[int, float]:
    return {int(line["seed"]): float(line["test_error"]) for line in lines}


BLOCKS: dict[str, Callable[[Evidence], Iterable[str]]] = {
    "ablation": _table(_ablation),
    "against_clean": _table(_against_clean),
    "avoidance": _table(_avoidance),
    "clean_spread": _clean_spread,
    "correlations": _table(_correlations),
    "defences": _table(_defences),
    "headline": _headline,
    "main": _table(_table1),
    "modes": _table(_modes),
    "neighbours": _table(
        lambda evidence: summary.neighbours(evidence.errors(PRIMARY))
    ),
    "readme": _table(_readme),
    "retrained": _table(_retrained),
}

if __name__ == "__main__":
    sys.exit(main())
