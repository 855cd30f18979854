"""The tables of the report that need a `Sweep`; their form is `summary`'s."""

from collections.abc import Iterable, Mapping

from enas.cifar10.config.combinations import DEFENCES
from enas.experiments.estimates import estimate, number, paired
from enas.experiments.summary import Errors, Table
from enas.experiments.sweep import READING_NAMES, READINGS, Sweep
from enas.experiments.table1_rows import BASELINE

SPLITS = ("valid", "test")


def readings(sweep: Sweep) -> Table:
    """Both readings of every run, valid / test error."""
    yield ["row", *READING_NAMES.values()]
    for group in sweep.groups.values():
        cells = [group.name]
        for name in READING_NAMES:
            columns = (READINGS[f"{split}_error_{name}"] for split in SPLITS)
            means = (group.estimate(column).mean for column in columns)
            cells.append(" / ".join(map(number, means)))
        yield cells


def controls(sweep: Sweep) -> Table:
    """Test errors of each row and its controls, all of the same seeds."""
    header = ["row", "search", "uniform sampling", "clean"]
    yield [*header, "poison alone", "with all skips", "seeds"]
    search, uniform = sweep.errors(), sweep.errors(variant="uniform")
    # An arc of poison alone is one for all rows of a poisoning.
    alone = {
        (group.row.poison, kind): group.by_seed()
        for (_, kind), group in sweep.groups.items()
    }
    for group in sweep.table:
        kinds = ("poison_only", "poison_all_skips")
        found = [uniform.get(group.name, {})]
        found += [alone.get((group.row.poison, kind), {}) for kind in kinds]
        if any(found):
            found.insert(1, search.get(BASELINE, {}))
            columns = [search[group.name], *found]
            seeds = _common(*filter(None, columns))
            means = [_mean(column, seeds) for column in columns]
            yield [group.name, *means, _listed(seeds)]


def by_defence(sweep: Sweep) -> dict[str, Errors]:
    """Returns the test errors that count by defence, "none" first."""
    names = dict.fromkeys(variant for _, variant in sweep.groups)
    ran = [name for name in names if set(name.split("+")) <= set(DEFENCES)]
    return {n or "none": sweep.primary("test", n) for n in ("", *ran)}


def ablation(sweep: Sweep) -> Table:
    """Points of test error that flipping one behaviour choice moves.

    Runs of the same seeds are compared; damage is under the same choices.
    """
    header = ["row", "choice flipped", "test error", "flipped", "points"]
    yield [*header, "damage", "damage flipped", "seeds"]
    errors = sweep.errors()
    for row, before in errors.items():
        for flip, flipped in _flipped(sweep).items():
            after = flipped.get(row, {})
            seeds = _common(before, after)
            if not seeds:
                continue
            base, base_after = (e.get(BASELINE, {}) for e in (errors, flipped))
            both, damages = _common(before, after, base, base_after), ["-", "-"]
            if row != BASELINE:
                damages = [
                    number(paired({s: a[s] for s in both}, b).mean, "+.2f")
                    for a, b in ((before, base), (after, base_after))
                ]
            change = paired(after, before)
            points = number(change.mean, "+.2f")
            points += f" ± {change.sd:.2f}" if change.n > 1 else ""
            means = [_mean(column, seeds) for column in (before, after)]
            yield [row, flip, *means, points, *damages, _listed(seeds)]


def _common(*columns: Mapping[int, float]) -> list[int]:
    """Returns the seeds that all of some dicts have, in order."""
    return sorted(set.intersection(*map(set, columns)))


def _mean(column: Mapping[int, float], seeds: Iterable[int]) -> str:
    return number(estimate([column[s] for s in seeds if s in column]).mean)


def _listed(found: Iterable[object]) -> str:
    return ", ".join(map(str, found)) or "-"


def _flipped(sweep: Sweep) -> dict[str, Errors]:
    """Returns test errors by the choice flipped: of readings, of variants."""
    arcs, mode = sweep.printed
    other, choice = ("sampled", "resampled")
    if arcs == "sampled":
        other, choice = ("best", "best_of_10")
    other_mode = "train" if mode == "eval" else "eval"
    of_mode = READINGS[f"test_error_{arcs}_{other_mode}"]
    of_arcs = READINGS[f"test_error_{other}_{mode}"]
    found = {
        f"evaluation_mode={other_mode}": sweep.errors(of_mode),
        f"evaluation={choice}": sweep.errors(of_arcs),
    }
    for _, variant in sweep.groups:
        if "=" in variant and variant not in found:
            found[variant] = sweep.errors(variant=variant)
    return found


def poison_share(sweep: Sweep) -> Table:
    """Share of poison among sampled ops and its two bounds, per cent."""
    header = ["row", "first epoch", "last epoch", "Equation (1)"]
    yield [*header, "least that bounded logits allow"]
    for group in sweep.groups.values():
        curve = group.curve("poison_share")
        if group.row.name == BASELINE or not curve or "=" in group.variant:
            continue
        shares = [curve[0].mean, curve[-1].mean]
        # Where a defence or no controller chooses, neither holds.
        config = group.config
        bounded = config.defence == "none" and not config.child_fixed_arc
        if bounded:
            good = group.space.max_good_share(config.tanh_constant)
            shares += [group.space.uniform_poison_share, 1 - good]
        cells = [f"{100 * share:.2f}" for share in shares]
        yield [group.name, *cells, *([] if bounded else ["-", "-"])]


def runs(sweep: Sweep) -> Table:
    """Every run, whatever became of it."""
    yield ["run", "state", "valid", "test", "minutes", "continued after"]
    for state in sweep.states:
        starts = state.notes.get("started_from_epochs", [])[1:]
        errors = [number(state.error(f"{split}_acc")) for split in SPLITS]
        cells = [state.job.name, state.text, *errors, state.minutes]
        yield [*cells, _listed(f"epoch {start}" for start in starts)]
