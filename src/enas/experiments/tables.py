"""The tables of the report, each a function of a `Sweep`.

A table is (header, rows of str); a cell without a measurement is a dash.
"""

from collections.abc import Mapping, Sequence

from enas.cifar10 import metrics
from enas.cifar10.config.combinations import DEFENCES
from enas.experiments import summary
from enas.experiments.estimates import estimate, paired
from enas.experiments.summary import Errors, Table, number
from enas.experiments.sweep import READINGS, Sweep
from enas.experiments.table1_rows import BASELINE

NONE = "-"
SPLITS = ("valid", "test")
READING_NAMES = {
    ("best", "eval"): "best of 10, evaluation mode",
    ("best", "train"): "best of 10, training mode",
    ("sampled", "eval"): "mean of sampled arcs, evaluation mode",
    ("sampled", "train"): "mean of sampled arcs, training mode",
}


def readings(sweep: Sweep) -> Table:
    """Both readings of every run, valid / test error."""
    header = ["row", *READING_NAMES.values()]
    rows = []
    for group in sweep.groups.values():
        cells = [
            " / ".join(number(group.estimate(c.format(s)).mean) for s in SPLITS)
            for c in metrics.READINGS.values()
        ]
        rows.append([group.name, *cells])
    return header, rows


def controls(sweep: Sweep) -> Table:
    """Test errors of each row and its controls, all of the same seeds."""
    header = ["row", "search", "uniform sampling", "clean"]
    header += ["poison alone", "with all skips", "seeds"]
    clean = sweep.by_seed(BASELINE)
    # An arc of poison alone is of a whole set.
    alone = {
        (group.row.set, kind): group.by_seed("test_acc")
        for (_, kind), group in sweep.groups.items()
    }
    rows = []
    for group in sweep.table:
        kinds = ("poison_only", "poison_all_skips")
        found = [sweep.by_seed(group.name, "uniform"), clean]
        found += [alone.get((group.row.set, kind), {}) for kind in kinds]
        if found[0] or found[2] or found[3]:
            columns = [group.by_seed("test_acc"), *found]
            seeds = _common(*filter(None, columns))
            means = [_mean(column, seeds) for column in columns]
            rows.append([group.name, *means, _seeds(seeds)])
    return header, rows


def defences(sweep: Sweep) -> Table:
    """Test errors of each row with each defence that ran."""
    errors = by_defence(sweep)
    names = [group.name for group in sweep.table]
    return summary.defences(errors, names if len(errors) > 1 else [])


def by_defence(sweep: Sweep) -> dict[str, Errors]:
    """Returns the test errors that count by defence, "none" first."""
    names = dict.fromkeys(variant for _, variant in sweep.groups)
    ran = [name for name in names if set(name.split("+")) <= set(DEFENCES)]
    return {n or "none": sweep.primary("test", n) for n in ("", *ran)}


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
            before = sweep.by_seed(group.name)
            after = _flipped(sweep, group.name, flip)
            seeds = _common(before, after)
            if not seeds:
                continue
            damages = [NONE, NONE]
            if group.name != BASELINE:
                base = sweep.by_seed(BASELINE)
                base_after = _flipped(sweep, BASELINE, flip)
                both = _common(before, after, base, base_after)
                damages = [
                    number(paired({s: a[s] for s in both}, b).mean, "+.2f")
                    for a, b in ((before, base), (after, base_after))
                ]
            change = paired(after, before)
            points = number(change.mean, "+.2f")
            points += f" ± {change.sd:.2f}" if change.n > 1 else ""
            means = [_mean(column, seeds) for column in (before, after)]
            cells = [group.name, flip, *means, points, *damages]
            rows.append([*cells, _seeds(seeds)])
    return header, rows


def _common(*columns: Mapping[int, float]) -> list[int]:
    """Returns the seeds that all of some dicts have, in order."""
    return sorted(set.intersection(*map(set, columns)))


def _mean(column: Mapping[int, float], seeds: Sequence[int]) -> str:
    return number(estimate([column[s] for s in seeds if s in column]).mean)


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or NONE


def _flips(sweep: Sweep) -> list[str]:
    """Returns the readings' choices, flipped, and the variants that ran."""
    free = list(_other_readings(sweep))
    ran = [v for _, v in sweep.groups if "=" in v and v not in free]
    return [*free, *dict.fromkeys(ran)]


def _other_readings(sweep: Sweep) -> dict[str, str]:
    """Returns column of the test errors by the choice that is flipped."""
    arcs, mode = sweep.printed
    other = {"best": "sampled", "sampled": "best"}[arcs]
    other_mode = {"eval": "train", "train": "eval"}[mode]
    named = {"best": "best_of_10", "sampled": "resampled"}[other]
    return {
        f"evaluation_mode={other_mode}": f"test_error_{arcs}_{other_mode}",
        f"evaluation={named}": f"test_error_{other}_{mode}",
    }


def _flipped(sweep: Sweep, row: str, flip: str) -> Mapping[int, float]:
    """Returns the test errors of a row with a choice flipped, by seed."""
    reading = _other_readings(sweep).get(flip)
    if reading:
        return sweep.by_seed(row, "", READINGS[reading])
    return sweep.by_seed(row, flip)


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
    for state in sweep.states:
        starts = state.notes.get("started_from_epochs", [])[1:]
        cells = [state.job.name, state.text]
        cells += [number(state.error(f"{split}_acc")) for split in SPLITS]
        cells += [f"{state.seconds / 60:.1f}"]
        cells += [", ".join(f"epoch {start}" for start in starts) or NONE]
        rows.append(cells)
    return header, rows
