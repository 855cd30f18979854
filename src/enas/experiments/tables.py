"""The tables of the report, each a function of a `Sweep`.

A table is (header, rows of str); a cell without a measurement is a dash.
"""

from collections.abc import Mapping, Sequence

from enas.cifar10.config.combinations import DEFENCES
from enas.experiments import summary
from enas.experiments.estimates import estimate
from enas.experiments.jobs import READING_CHOICES
from enas.experiments.results import Group, Sweep, reading_columns
from enas.experiments.rows import BASELINE
from enas.experiments.summary import Table, number

__all__ = [
    "ablation",
    "controls",
    "correlations",
    "defences",
    "defences_of",
    "neighbours",
    "poison_share",
    "readings",
    "runs",
    "table1",
]

NONE = "-"
READING_NAMES = {
    ("best", "eval"): "best of 10, evaluation mode",
    ("best", "train"): "best of 10, training mode",
    ("sampled", "eval"): "mean of sampled arcs, evaluation mode",
    ("sampled", "train"): "mean of sampled arcs, training mode",
}


def table1(sweep: Sweep) -> Table:
    """Table 1: the paper's errors, ours and the damage, with intervals."""
    return summary.table1(
        sweep.primary("test"),
        sweep.errors("test", "best"),
        sweep.config,
    )


def neighbours(sweep: Sweep) -> Table:
    """Whether errors grow along q."""
    return summary.neighbours(sweep.primary("test"))


def correlations(sweep: Sweep) -> Table:
    """Rank correlation with the paper over the rows that have finished."""
    readings = {
        name: sweep.errors("test", *reading)
        for reading, name in READING_NAMES.items()
    }
    return summary.correlations(readings, sweep.config)


def _signed(value: float | None, other: float | None) -> str:
    if value is None or other is None:
        return NONE
    return number(value - other, "+.2f")


def readings(sweep: Sweep) -> Table:
    """Both readings of every run, valid / test error."""
    header = ["row", *READING_NAMES.values()]
    rows = []
    for group in sweep.groups.values():
        cells = [
            f"{number(group.error(valid))} / {number(group.error(test))}"
            for valid, test in zip(
                reading_columns("valid").values(),
                reading_columns("test").values(),
                strict=True,
            )
        ]
        rows.append([group.name, *cells])
    return header, rows


def controls(sweep: Sweep) -> Table:
    """Test errors of each row and its controls, all of the same seeds."""
    header = ["row", "search", "uniform sampling", "clean"]
    header += ["poison alone", "with all skips", "seeds"]
    clean = sweep.baseline.by_seed("test_acc") if sweep.baseline else {}
    found = {
        (group.row.name if kind == "uniform" else group.row.set, kind): (
            group.by_seed("test_acc")
        )
        for (_, kind), group in sweep.groups.items()
    }
    rows = []
    for group in sweep.table:
        uniform = found.get((group.row.name, "uniform"), {})
        alone, skipping = (
            found.get((group.row.set, kind), {})
            for kind in ("poison_only", "poison_all_skips")
        )
        if uniform or alone or skipping:
            columns = [group.by_seed("test_acc"), uniform, clean]
            columns += [alone, skipping]
            seeds = _common(*filter(None, columns))
            means = [number(_mean(column, seeds)) for column in columns]
            rows.append([group.row.name, *means, _seeds(seeds)])
    return header, rows


def defences(sweep: Sweep) -> Table:
    """Test errors of each row with each defence that ran."""
    ran = [d for d in defences_of(sweep) if d]
    if not ran:
        return [], []
    rows = []
    for group in sweep.table:
        cells = [group.name]
        for defence in ("", *ran):
            errors = sweep.primary("test", defence).get(group.name, {})
            found = estimate(list(errors.values()))
            cells.append(f"{found} (n = {found.n})" if found.n else NONE)
        rows.append(cells)
    return ["row", "none", *ran], rows


def defences_of(sweep: Sweep) -> list[str]:
    """Returns the variants of a sweep that are defences, "" for none first."""
    names = dict.fromkeys(variant for _, variant in sweep.groups)
    return ["", *(n for n in names if set(n.split("+")) <= set(DEFENCES))]


def ablation(sweep: Sweep) -> Table:
    """Points of test error that flipping one behaviour choice moves.

    Only runs of the same seeds are compared. The damage of a row is its error
    minus that of the baseline under the same choices.
    """
    header = ["row", "choice flipped", "test error", "flipped", "points"]
    header += ["damage", "damage flipped", "seeds"]
    rows = []
    for group in sweep.table:
        for flip in _flips(sweep):
            before = group.by_seed("test_acc")
            after = _flipped(sweep, group, flip)
            seeds = _common(before, after)
            if not seeds:
                continue
            damages = [NONE, NONE]
            if group.row.name != BASELINE and sweep.baseline:
                base = sweep.baseline.by_seed("test_acc")
                base_after = _flipped(sweep, sweep.baseline, flip)
                both = _common(before, after, base, base_after)
                damages = [
                    _signed(_mean(before, both), _mean(base, both)),
                    _signed(_mean(after, both), _mean(base_after, both)),
                ]
            rows.append(
                [
                    group.name,
                    flip,
                    number(_mean(before, seeds)),
                    number(_mean(after, seeds)),
                    _points([after[seed] - before[seed] for seed in seeds]),
                    *damages,
                    _seeds(seeds),
                ]
            )
    return header, rows


def _common(*columns: Mapping[int, float]) -> list[int]:
    """Returns the seeds that all of some dicts have, in order."""
    return sorted(set.intersection(*map(set, columns)))


def _mean(column: Mapping[int, float], seeds: Sequence[int]) -> float | None:
    """Returns the mean over seeds; None if one is missing, or all."""
    if not seeds or not set(seeds) <= set(column):
        return None
    return estimate([column[seed] for seed in seeds]).mean


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or NONE


def _points(differences: Sequence[float]) -> str:
    found = estimate(differences)
    spread = "" if found.n < 2 else f" ± {found.sd:.2f}"
    return f"{found.mean:+.2f}{spread}"


def _flips(sweep: Sweep) -> list[str]:
    """Returns the readings' choices, flipped, and the variants that ran."""
    arcs, mode = sweep.printed
    other = {
        "evaluation": "resampled" if arcs == "best" else "best_of_10",
        "evaluation_mode": "eval" if mode == "train" else "train",
    }
    free = [f"{name}={other[name]}" for name in READING_CHOICES]
    ran = [v for _, v in sweep.groups if "=" in v and v not in free]
    return [*reversed(free), *dict.fromkeys(ran)]


def _flipped(sweep: Sweep, group: Group, flip: str) -> Mapping[int, float]:
    """Returns the test errors with a choice flipped, dict seed -> error."""
    arcs, mode = sweep.printed
    columns = reading_columns("test")
    if flip.startswith("evaluation_mode="):
        other = "eval" if mode == "train" else "train"
        return group.by_seed(columns[arcs, other])
    if flip.startswith("evaluation="):
        other = "sampled" if arcs == "best" else "best"
        return group.by_seed(columns[other, mode])
    flipped = sweep.groups.get((group.row.name, flip))
    return flipped.by_seed("test_acc") if flipped else {}


def poison_share(sweep: Sweep) -> Table:
    """Share of poison among sampled ops and its two bounds, per cent."""
    header = ["row", "first epoch", "last epoch", "Equation (1)"]
    header += ["least that bounded logits allow"]
    rows = []
    for group in sweep.groups.values():
        curve = group.curve("poison_share")
        if group.row.name == BASELINE or not curve or "=" in group.variant:
            continue
        good = group.space.max_good_share(group.config.tanh_constant)
        shares: tuple[float, ...] = (curve[0][1], curve[-1][1])
        shares += group.space.uniform_poison_share, 1 - good
        rows.append([group.name, *(f"{100 * share:.2f}" for share in shares)])
    return header, rows


def runs(sweep: Sweep) -> Table:
    """Every run, whatever became of it."""
    header = ["run", "state", "valid", "test", "minutes", "continued after"]
    rows = []
    for group in sweep.groups.values():
        for state in group.states:
            starts = state.notes.get("started_from_epochs", [])[1:]
            rows.append(
                [
                    state.job.name,
                    state.text,
                    number(state.error("valid_acc")),
                    number(state.error("test_acc")),
                    f"{state.seconds / 60:.1f}",
                    ", ".join(f"epoch {start}" for start in starts) or NONE,
                ]
            )
    return header, rows
