"""Writes what a sweep has found: tables, figures, hyper-parameters."""

import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from enas.experiments import tables
from enas.experiments.figures import (
    DEFENCES,
    FIGURES,
    SUFFIXES,
    Measured,
    draw_defences,
    draw_figures,
)
from enas.experiments.files import read_table, write_whole
from enas.experiments.hparams import write_hparams
from enas.experiments.results import Sweep, read_sweep, reading_columns
from enas.experiments.rows import BASELINE
from enas.experiments.summary import markdown

__all__ = ["write_report"]


def write_report(directory: str) -> list[str]:
    """Writes table1.md, table1.csv and the figures of a sweep.

    Args:
      directory: the sweep's.

    Returns:
      list of the paths written.

    Raises:
      UserError: there is no sweep.
    """
    sweep = read_sweep(directory)
    texts = {
        "table1.md": "\n".join(_page(sweep)) + "\n",
        "table1.csv": _csv(sweep),
    }
    paths = []
    _keep_a_fuller_one(sweep)
    for name, text in texts.items():
        paths.append(os.path.join(directory, name))
        write_whole(paths[-1], text)
    measured = _measured(sweep)
    paths += draw_figures(measured, directory)
    names = tables.defences_of(sweep)
    if len(names) > 1:
        errors = {n or "none": sweep.primary("test", n) for n in names}
        attacks = [g.name for g in sweep.table if g.row.name != BASELINE]
        paths += draw_defences(errors, attacks, measured.caption, directory)
    return [*paths, write_hparams(sweep)]


def _measured(sweep: Sweep) -> Measured:
    """Returns what the figures draw of a sweep."""
    last = max(group.config.num_epochs for group in sweep.table)
    alone = {
        group.row.set: error
        for (_, variant), group in sweep.groups.items()
        if variant == "poison_only"
        and (error := group.error("test_acc")) is not None
    }
    groups = {group.row.name: group for group in sweep.table}
    return Measured(
        {split: sweep.primary(split) for split in ("valid", "test")},
        lambda row, column: groups[row].curve(column) if row in groups else [],
        last,
        f"scale {sweep.shared['scale']}, profile {sweep.shared['profile']}",
        sweep.config,
        alone,
    )


def _keep_a_fuller_one(sweep: Sweep) -> None:
    """Moves an earlier report with more finished runs aside, and says so."""
    path = os.path.join(sweep.directory, "table1.csv")
    earlier = sum(
        int(line.get("seeds_finished") or 0) for line in read_table(path)
    )
    found = sum(len(group.finished) for group in sweep.groups.values())
    if earlier > found:
        aside = os.path.join(sweep.directory, f"report_of_{earlier}_runs")
        os.makedirs(aside, exist_ok=True)
        figures = [
            name + suffix
            for name in (*FIGURES, DEFENCES)
            for suffix in SUFFIXES
        ]
        for name in ("table1.md", "table1.csv", *figures):
            if os.path.isfile(os.path.join(sweep.directory, name)):
                os.replace(
                    os.path.join(sweep.directory, name),
                    os.path.join(aside, name),
                )
        print(
            f"warning: the report of {sweep.directory} was of {earlier} "
            f"finished runs, and {found} are there now. It is kept in {aside}.",
            file=sys.stderr,
        )


def _page(sweep: Sweep) -> Iterator[str]:
    """Yields the lines of table1.md."""
    yield "# Table 1, measured"
    yield ""
    yield from _facts(sweep)
    sections = (
        ("Table 1", _TABLE1, tables.table1),
        ("Rank correlation with the paper", _RANKS, tables.correlations),
        ("Do errors grow with q?", _NEIGHBOURS, tables.neighbours),
        ("Both readings of every run", _READINGS, tables.readings),
        ("Defences", _DEFENCES, tables.defences),
        ("Controls", _CONTROLS, tables.controls),
        ("Ablation", _ABLATION, tables.ablation),
        ("Share of poison among sampled ops", _SHARE, tables.poison_share),
        ("Runs", "", tables.runs),
    )
    for title, text, table in sections:
        header, rows = table(sweep)
        yield from ("", f"## {title}", "")
        if text:
            yield from (text, "")
        if rows:
            yield from markdown((header, rows))
        else:
            yield "Nothing was measured yet."
    for group in sweep.groups.values():
        for state in group.states:
            if state.failed:
                yield from ("", f"Last lines of {state.job.name}:", "")
                yield from (f"    {x}" for x in state.notes["last_lines"])


_TABLE1 = (
    "Test error in per cent after the last epoch, over the seeds that have"
    " finished: mean over sampled arcs, its sample standard deviation and 95 %"
    " t-interval; damage: the difference to the clean search of the same seed;"
    " best of 10 as the paper's code reads it. Share: Equation (1), the share"
    " of poison at the uniform controller. Runs that have not finished are"
    " under Runs."
)
_RANKS = (
    "Spearman's rho with the paper's test errors over the rows that have"
    " finished; a dash below 8 rows. One share: pairs of rows whose shares of"
    " poison differ by at most .03."
)
_NEIGHBOURS = (
    "Paired over the seeds of both rows. Told apart: the 95 % t-interval of"
    " the difference is above 0; reversed: below 0."
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
    results, versions = sweep.facts("result.json"), sweep.versions()
    shared = sweep.shared
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
    images = dict.fromkeys(
        "{train} training, {valid} validation, {test} test".format(
            **each["images"]
        )
        for each in results
    )
    yield f"* images: {'; '.join(images) or 'no run yet'}"
    yield from _data(results)
    states = [s for group in sweep.groups.values() for s in group.states]
    hours = sum(state.seconds for state in states) / 3600
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


def _csv(sweep: Sweep) -> str:
    """Returns table1.csv: a line per row and variant, plain numbers."""
    columns = {
        f"{split}_error_{arcs}_{mode}": column
        for split in ("valid", "test")
        for (arcs, mode), column in reading_columns(split).items()
    }
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_CSV_COLUMNS, *columns])
    for group in sweep.groups.values():
        row = group.row
        line = [row.name, group.variant, row.poison, row.q]
        line += [group.space.num_ops, len(group.states), len(group.finished)]
        line += [max(state.epochs for state in group.states)]
        line += [row.paper_valid_error, row.paper_test_error]
        for column in ("valid_acc", "test_acc"):
            found = group.estimate(column)
            spread = found.sd if found.n > 1 else None
            line += [found.mean if found.n else None, spread]
        line += [group.error(column) for column in columns.values()]
        writer.writerow([*line[:8], group.state_text, *line[8:]])
    return stream.getvalue()


_CSV_COLUMNS = (
    "row",
    "variant",
    "poison",
    "q",
    "op_ids",
    "seeds",
    "seeds_finished",
    "epochs",
    "state",
    "paper_valid_error",
    "paper_test_error",
    "valid_error",
    "valid_error_spread",
    "test_error",
    "test_error_spread",
)
