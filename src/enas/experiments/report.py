"""Writes what a sweep has found: tables, figures, hyper-parameters."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from enas import tf_settings
from enas.experiments import figures, summary, tables
from enas.experiments import sweep as sweeps
from enas.experiments.run_state import RunState
from enas.experiments.sweep import READING_NAMES, READINGS, Group, Sweep
from enas.experiments.table1_rows import BASELINE
from enas.run.files import read_table, table_text, write_whole

TEXTS = ("table1.md", "table1.csv")
# Tag of TensorBoard -> column of metrics.csv.
_TAGS = {"error/valid": "valid_acc", "error/test": "test_acc"}
_TAGS |= {f"error/{n.replace('_error_', '_')}": c for n, c in READINGS.items()}


def write_report(directory: str) -> list[str]:
    """Writes table1.md, table1.csv and figures; returns all paths.

    Raises:
      UserError: there is no sweep, or one of trainings from scratch.
    """
    sweep = sweeps.read_sweep(directory)
    lines = list(_lines(sweep))
    texts = "\n".join(_page(sweep)) + "\n", table_text(lines, list(lines[0]))
    _keep_a_fuller_one(sweep)
    paths = [os.path.join(directory, name) for name in TEXTS]
    for path, text in zip(paths, texts, strict=True):
        write_whole(path, text, shared=True)
    measured, errors = _measured(sweep), tables.by_defence(sweep)
    paths += figures.draw_figures(measured, directory)
    if len(errors) > 1:
        attacks = [g.name for g in sweep.table if g.row.name != BASELINE]
        about = (attacks, measured.caption, directory)
        paths += figures.draw_defences(errors, *about)
    return [*paths, _write_hparams(sweep)]


def _measured(sweep: Sweep) -> figures.Measured:
    alone = {
        group.row.set: found.mean
        for (_, variant), group in sweep.groups.items()
        if variant == "poison_only" and (found := group.estimate("test_acc")).n
    }
    groups = {group.row.name: group for group in sweep.table}
    return figures.Measured(
        {split: sweep.primary(split) for split in ("valid", "test")},
        lambda row, column: groups[row].curve(column) if row in groups else [],
        max(group.config.num_epochs for group in sweep.table),
        "scale {scale}, profile {profile}".format(**sweep.shared),
        READING_NAMES["_".join(sweep.printed)],
        sweep.config,
        alone,
    )


def _keep_a_fuller_one(sweep: Sweep) -> None:
    """Moves an earlier report with more finished runs aside, and says so."""
    old = read_table(os.path.join(sweep.directory, "table1.csv"))
    earlier = sum(int(line.get("seeds_finished") or 0) for line in old)
    found = sum(state.finished for state in sweep.states)
    if earlier > found:
        aside = os.path.join(sweep.directory, f"report_of_{earlier}_runs")
        os.makedirs(aside, exist_ok=True)
        for name in (*TEXTS, *figures.FILES):
            path = os.path.join(sweep.directory, name)
            if os.path.isfile(path):
                os.replace(path, os.path.join(aside, name))
        print(
            f"warning: the report of {sweep.directory} was of {earlier} "
            f"finished runs, and {found} are there now. It is kept in {aside}.",
            file=sys.stderr,
        )


def _page(sweep: Sweep) -> Iterator[str]:
    """Yields the lines of table1.md."""
    yield from ("# Table 1, measured", "", *_facts(sweep))
    primary, defended = sweep.primary("test"), tables.by_defence(sweep)
    read = {
        name: sweep.errors(READINGS[f"test_error_{reading}"])
        for reading, name in READING_NAMES.items()
    }
    best = read[READING_NAMES[f"best_{sweep.printed[1]}"]]
    clean = primary.get(BASELINE, {})
    table1 = summary.table1(primary, best, sweep.config, clean)
    ranks = summary.correlations(read, sweep.config)
    defences = summary.defences(defended, primary if len(defended) > 1 else ())
    share = tables.poison_share(sweep)
    for title, text, table in (
        ("Table 1", _TABLE1, table1),
        ("Rank correlation with the paper", _RANKS, ranks),
        ("Do errors grow with q?", _NEIGHBOURS, summary.neighbours(primary)),
        ("Both readings of every run", _READINGS, tables.readings(sweep)),
        ("Defences", _DEFENCES, defences),
        ("Controls", _CONTROLS, tables.controls(sweep)),
        ("Ablation", _ABLATION, tables.ablation(sweep)),
        ("Share of poison among sampled ops", _SHARE, share),
        ("Runs", "", tables.runs(sweep)),
    ):
        yield from ("", f"## {title}", "", *([text, ""] if text else []))
        lines = list(table)
        empty = ["Nothing was measured yet."]
        yield from summary.markdown(lines) if lines[1:] else empty
    for state in sweep.states:
        if state.failed:
            yield from ("", f"Last lines of {state.job.name}:", "")
            yield from (f"    {x}" for x in state.notes["last_lines"])


_TABLE1 = (
    "Test error in per cent after the last epoch, over the seeds that have"
    " finished: mean over sampled arcs, its sample standard deviation and 95 %"
    " t-interval; damage: the difference to the mean of the clean searches"
    " (Welch's interval), and paired by seed; best of 10 in the mode of"
    " the profile. Share: Equation (1), the share of poison at the uniform"
    " controller. Runs that have not finished are under Runs."
)
_RANKS = (
    "Spearman's rho with the paper's test errors over the rows that have"
    " finished; a dash below 8 rows. One share: pairs of rows whose shares of"
    " poison differ by at most .03."
)
_NEIGHBOURS = (
    "Told apart: Welch's 95 % interval of the difference of the means is above"
    " 0; reversed: below 0."
)
_READINGS = (
    "Validation / test error in per cent. docs/METRICS.md defines the four;"
    " the paper's numbers are of best of 10 in training mode."
)
_DEFENCES = (
    "Test error in per cent, mean over sampled arcs and n seeds ± half of the"
    " 95 % t-interval."
)
_CONTROLS = (
    "Test error in per cent. Uniform sampling: the same space and a controller"
    " that never learns. Poison alone: an arc of the set's ops in turn,"
    " without skips, and with all. Means over the seeds in the last column,"
    " which all runs of a line have."
)
_ABLATION = (
    "Test error in per cent. Points: what the flip adds. Damage: error of the"
    " row minus that of the baseline, unflipped and with both flipped. Means"
    " over the seeds in the last column, which both runs have, damage over"
    " those of them that the baseline has as well; points with the sample"
    " standard deviation. Choices of the evaluation are read from the same"
    " runs."
)
_SHARE = "Per cent of the op decisions for the epoch's child steps."


def _facts(sweep: Sweep) -> Iterator[str]:
    """Yields what the numbers depend on."""
    results, versions, shared = sweep.results(), sweep.versions(), sweep.shared
    # Where the images are says nothing about the numbers.
    flags = [f for f in shared["flags"] if "data_path=" not in f]
    yield (
        f"Scale {shared['scale']}, profile {shared['profile']}, overrides "
        f"{', '.join(shared['override']) or 'none'}, further flags "
        f"{' '.join(flags) or 'none'}."
    )
    for name in ("commit", "platform", "cpus", "devices", "tensorflow"):
        found = dict.fromkeys(str(each.get(name)) for each in versions)
        yield f"* {name}: {', '.join(found) or 'no run yet'}"
    text = "{train} training, {valid} validation, {test} test"
    images = dict.fromkeys(text.format(**each["images"]) for each in results)
    yield f"* images: {'; '.join(images) or 'no run yet'}"
    yield from _data(results)
    hours = sum(state.seconds for state in sweep.states) / 3600
    yield f"* hours of all runs together: {hours:.2f}"
    yield from dict.fromkeys(f"* {each['protocol']}" for each in results)


def _data(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yields which images the runs have seen, and what is odd about them."""
    data = [each.get("data") or {} for each in results]
    found = dict.fromkeys(each.get("fingerprint", "unknown") for each in data)
    yield f"* fingerprint of the images: {', '.join(found) or 'no run yet'}"
    if len(found) > 1:
        yield "* **The runs have not all seen the same images.**"
    for change in dict.fromkeys(c for d in data for c in d.get("changes", ())):
        yield f"* **Images of a run changed: {change}.**"


def _lines(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """Yields table1.csv: a line per row and variant, plain numbers."""
    for group in sweep.groups.values():
        row = group.row
        valid, test = map(group.estimate, ("valid_acc", "test_acc"))
        means = {name: group.estimate(c).mean for name, c in READINGS.items()}
        line = {
            **_row_settings(group),
            "seeds": len(group.states),
            "seeds_finished": len(group.finished),
            "epochs": max(state.epochs for state in group.states),
            "state": group.state_text,
            "paper_valid_error": row.paper_valid_error,
            "paper_test_error": row.paper_test_error,
            "valid_error": valid.mean,
            "valid_error_spread": valid.sd,
            "test_error": test.mean,
            "test_error_spread": test.sd,
            **means,
        }
        # What is not known stays empty.
        yield {name: "" if v != v else v for name, v in line.items()}


def _write_hparams(sweep: Sweep) -> str:
    """Writes settings and errors of each run; returns a TensorBoard folder."""
    with tf_settings.quiet_import():
        import tensorflow as tf
        from tensorboard.plugins.hparams import api

        tf.config.list_logical_devices()
    folder = os.path.join(sweep.directory, "tensorboard")
    # What an earlier report wrote would otherwise be shown as well.
    shutil.rmtree(folder, ignore_errors=True)
    runs = [(g, state) for g in sweep.groups.values() for state in g.states]
    with tf.summary.create_file_writer(folder).as_default():
        api.hparams_config(
            hparams=[api.HParam(name) for name in _settings(*runs[0])],
            metrics=[api.Metric(t, display_name=f"{t} (%)") for t in _TAGS],
        )
    for group, state in runs:
        path = os.path.join(folder, state.job.name)
        with tf.summary.create_file_writer(path).as_default():
            api.hparams(_settings(group, state), trial_id="")
            for tag, column in _TAGS.items():
                if (error := state.error(column)) is not None:
                    tf.summary.scalar(tag, error, step=state.epochs)
    return folder


def _settings(group: Group, state: RunState) -> dict[str, Any]:
    """Returns what TensorBoard shows as a run's hyper-parameters."""
    return {
        **_row_settings(group),
        "variant": group.variant or "search",
        "seed": state.job.seed,
        "state": state.text,
    }


def _row_settings(group: Group) -> dict[str, Any]:
    return {
        "row": group.row.name,
        "variant": group.variant,
        "poison": group.row.poison,
        "q": group.row.q,
        "op_ids": group.space.num_ops,
    }
