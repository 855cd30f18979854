"""Figures 4 and 5 of the paper, and the share of poison over the epochs."""

import os

import matplotlib
from matplotlib.figure import Figure

from enas.experiments.rows import BASELINE, read_rows
from enas.experiments.statistics import (
    moving_average,
    window,
)

__all__ = ["FIGURES", "draw_figures"]

SETS = {
    "1": "Set 1: identity",
    "2": "Set 2: transposed convolutions",
    "3": "Set 3: dropout 0.9",
    "4": "Set 4: all four ops",
}
COLOURS = ("#56b4e9", "#009e73", "#e69f00", "#d55e00")
CLEAN = "#333333"
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "legend.fontsize": 9,
    "figure.dpi": 150,
}


def draw_figures(sweep):
    """Draws all figures of a sweep into its directory.

    Args:
      sweep: `Sweep`.

    Returns:
      list of the paths written.
    """
    paths = []
    with matplotlib.rc_context(STYLE):
        for name, draw in FIGURES.items():
            figure = Figure(figsize=(10, 7.5), layout="constrained")
            axes = figure.subplots(2, 2, sharey=True)
            for (number, title), panel in zip(
                SETS.items(), axes.flat, strict=True
            ):
                panel.set_title(title, loc="left", fontweight="bold")
                draw(sweep, number, panel)
            for panel in axes[:, 0]:
                panel.set_ylabel(_LABELS[name])
            figure.suptitle(_TITLES[name](sweep), fontsize=11)
            paths.append(os.path.join(sweep.directory, name))
            # Without metadata the same data give the same bytes.
            figure.savefig(paths[-1], metadata={"Software": None})
    return paths


def _size(sweep):
    return window(max(g.config.num_epochs for g in sweep.table))


_LABELS = {
    "figure4.png": "validation error (%)",
    "figure5.png": "error (%)",
    "poison_share.png": "poison among sampled ops (%)",
}
_TITLES = {
    "figure4.png": lambda sweep: (
        f"Validation error over the search, moving average over {_size(sweep)}"
        " epochs (faint: each epoch)\nstars: the paper's final errors after"
        " 300 epochs"
    ),
    "figure5.png": lambda sweep: (
        "Final errors over the number of copies q\nhollow: not finished"
    ),
    "poison_share.png": lambda sweep: (
        "Share of poison among sampled ops\ndashed: uniform controller,"
        " Equation (1); dotted: least that the bounded logits allow"
    ),
}


def _of_set(sweep, number):
    """Returns [(group, colour, label)] of a panel, the baseline first."""
    rows = [row for row in read_rows() if row.set == number]
    chosen = [(sweep.baseline, CLEAN, "no poison")] if sweep.baseline else []
    for row, colour in zip(rows, COLOURS, strict=True):
        group = sweep.groups.get((row.name, ""))
        if group:
            chosen.append((group, colour, f"{row.name}: q = {row.q}"))
    return chosen


def _figure4(sweep, number, panel):
    last = max(g.config.num_epochs for g in sweep.table)
    for group, colour, label in _of_set(sweep, number):
        curve = group.curve("valid_acc")
        if not group.finished:
            label += f" ({len(curve)} of {group.config.num_epochs} epochs)"
        epochs = [epoch for epoch, _ in curve]
        errors = [100 * (1 - value) for _, value in curve]
        panel.plot(epochs, errors, color=colour, alpha=0.25, linewidth=1)
        smooth = moving_average(errors, _size(sweep))
        panel.plot(epochs, smooth, color=colour, linewidth=2, label=label)
        panel.plot(
            [last * 1.06],
            [group.row.paper_valid_error],
            "*",
            color=colour,
            markersize=11,
            clip_on=False,
        )
    panel.set_xlim(1, last * 1.08)
    panel.set_ylim(0, 100)
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.set_xlabel("epoch")
    _legend(panel, "lower left")


def _figure5(sweep, number, panel):
    rows = [row for row in read_rows() if row.set in ("none", number)]
    for split, colour in (("valid", "#0072b2"), ("test", "#d55e00")):
        name = {"valid": "validation", "test": "test"}[split]
        panel.plot(
            range(len(rows)),
            [getattr(row, f"paper_{split}_error") for row in rows],
            "*--",
            color=colour,
            alpha=0.55,
            markersize=9,
            label=f"{name}, the paper",
        )
        _ours(sweep, rows, split, colour, f"{name}, here", panel)
    panel.set_xticks(
        range(len(rows)),
        [f"{row.q}\n{_short(row)}" for row in rows],
    )
    panel.set_xlabel("copies q of every poisoning op")
    panel.set_ylim(0, 100)
    # Below all errors there is room for two lines.
    panel.legend(loc="lower center", ncols=2)


def _short(row):
    return "clean" if row.name == BASELINE else row.name


def _ours(sweep, rows, split, colour, label, panel):
    """Plots our errors: with spread where final, hollow where not."""
    column = f"{split}_acc"
    final, open_points = [], []
    for x, row in enumerate(rows):
        group = sweep.groups.get((row.name, ""))
        if group and group.errors(column):
            mean, spread, _ = group.errors(column)
            final.append((x, mean, spread or 0))
        elif group and group.curve(column):
            accuracy = group.curve(column)[-1][1]
            open_points.append((x, 100 * (1 - accuracy)))
    xs, means, spreads = zip(*final, strict=True) if final else ((), (), ())
    panel.errorbar(
        xs, means, spreads, fmt="o-", color=colour, capsize=3, label=label
    )
    for x, error in open_points:
        panel.plot([x], [error], "o", color=colour, markerfacecolor="none")


def _shares(sweep, number, panel):
    last = max(g.config.num_epochs for g in sweep.table)
    for group, colour, label in _of_set(sweep, number):
        if group.row.name == BASELINE:
            continue
        curve = group.curve("poison_share")
        bound = 1 - group.space.max_good_share(group.config.tanh_constant)
        panel.plot(
            [epoch for epoch, _ in curve],
            [100 * share for _, share in curve],
            color=colour,
            linewidth=2,
            label=label,
        )
        equation = group.space.uniform_poison_share
        panel.axhline(100 * equation, color=colour, linestyle="--", linewidth=1)
        panel.axhline(100 * bound, color=colour, linestyle=":", linewidth=1)
    panel.set_xlim(1, max(2, last))
    panel.set_ylim(0, 102)
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.set_xlabel("epoch")
    # Shares start high, and what a controller unlearns it unlearns later.
    _legend(panel, "lower left", columns=2)


FIGURES = {
    "figure4.png": _figure4,
    "figure5.png": _figure5,
    "poison_share.png": _shares,
}


def _legend(panel, place, columns=1):
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc=place, ncols=columns)
