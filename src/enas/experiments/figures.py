"""Damage against the share of poison, and Figures 4 and 5 of the paper."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from enas.cifar10.config import Config
from enas.drawing.picture import plain_style
from enas.experiments.estimates import Curve, Estimate, moving_average, window
from enas.experiments.summary import Errors, difference, of_row, share_of
from enas.experiments.table1_rows import BASELINE, Row, read_rows, space_of
from enas.paths import picture_metadata

SUFFIXES = (".png", ".svg")
FIGURES = ("damage", "figure4", "figure5", "poison_share", "defences")
# All that this module draws.
FILES = [name + suffix for name in FIGURES for suffix in SUFFIXES]

# A hue for each set; within a set the darker, the larger q.
SETS = {
    "1": ("Set 1: identity", "#0072b2"),
    "2": ("Set 2: transposed convolutions", "#009e73"),
    "3": ("Set 3: dropout 0.9", "#d55e00"),
    "4": ("Set 4: all four ops", "#7b3294"),
}
ORDERED = ("#fdbe85", "#fd8d3c", "#d94701", "#7f2704")
CLEAN = "#333333"
SPLITS = {"valid": ("validation", "#0072b2"), "test": ("test", "#d55e00")}
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 150,
    # The same data give the same bytes.
    "svg.hashsalt": "enas-ssp",
    "svg.fonttype": "none",
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """What the figures draw.

    Attributes:
      errors: of the primary reading, for "valid" and "test".
      curve: function of a row and a column of metrics.csv, returns means
        over the seeds.
      num_epochs: of a whole run.
      scale: the scale and profile in words, for the captions.
      printed: the reading behind valid_acc, in words.
      config: of the searches; the bound of their logits is drawn.
      poison_alone: error by set, of one arc of poison or of a search among it.
    """

    errors: Mapping[str, Errors]
    curve: Callable[[str, str], Curve]
    num_epochs: int
    scale: str
    printed: str
    config: Config
    poison_alone: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def caption(self) -> str:
        """Scale, reading and n of final errors, one line."""
        _, *poisoned = read_rows()
        errors = self.errors["test"]
        n = _ends({len(errors.get(row.name, {})) for row in poisoned} - {0})
        clean = len(errors.get(BASELINE, {}))
        several = n not in ("0", "1") or clean > 1
        bars = "; bars: 95 % intervals" if several else ""
        seeds = f"n = {n} seeds a row, {clean} clean searches"
        return f"{self.scale}, mean of sampled arcs, {seeds}{bars}"


def _ends(counts: set[int]) -> str:
    """Returns the least and the largest of some counts, in words."""
    ends = sorted({min(counts, default=0), max(counts, default=0)})
    return " to ".join(map(str, ends))


def _n(curve: Curve) -> str:
    return f", n = {_ends({point.n for point in curve})}"


def draw_figures(measured: Measured, directory: str) -> list[str]:
    """Draws all but the defences into a directory; returns the paths.

    Of searches that are no rows of Table 1 there is nothing to draw.
    """
    if not any(measured.curve(row.name, "train_acc") for row in read_rows()):
        return []
    with plain_style(), matplotlib.rc_context(STYLE):
        paths = _save(_damage(measured), directory, "damage")
        for name, (draw, label, title) in _PANELS.items():
            figure = Figure(figsize=(10, 7.5), layout="constrained")
            axes = figure.subplots(2, 2, sharey=True)
            for number, panel in zip(SETS, axes.flat, strict=True):
                panel.set_title(SETS[number][0], loc="left", fontweight="bold")
                draw(measured, number, panel)
            for panel in axes[:, 0]:
                panel.set_ylabel(label)
            text = title.format(m=measured, window=window(measured.num_epochs))
            figure.suptitle(text, fontsize=11)
            paths += _save(figure, directory, name)
    return paths


def _save(figure: Figure, directory: str, name: str) -> list[str]:
    paths = [os.path.join(directory, name + suffix) for suffix in SUFFIXES]
    for path in paths:
        date = {"Date": None} if path.endswith(".svg") else {}
        figure.savefig(path, metadata=picture_metadata(path) | date)
    return paths


def _rows(number: str) -> list[Row]:
    return [row for row in read_rows() if row.set == number]


def _damage(measured: Measured) -> Figure:
    """Draws the damage over the share of poison, a line for each set."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    ours, papers = figure.subplots(1, 2, sharey=True)
    baseline = _rows("none")[0].paper_test_error or 0
    errors = measured.errors["test"]
    for number, (title, colour) in SETS.items():
        rows = _rows(number)
        shares = [share_of(row, measured.config) for row in rows]
        damages = [difference(errors, row.name, BASELINE) for row in rows]
        _bars(ours, zip(shares, damages, strict=True), colour, title)
        paper = [(row.paper_test_error or 0) - baseline for row in rows]
        papers.plot(shares, paper, "*-", ms=9, color=colour, label=title)
        alone = measured.poison_alone.get(number)
        if alone is not None and errors.get(BASELINE):
            # Equation (1): if only the share counted, damage would grow so.
            full = alone - of_row(errors, BASELINE).mean
            label = f"{title}: share times poison alone"
            ours.plot([0, 1], [0, full], ":", color=colour, label=label)
    for panel, title in (ours, "here"), (papers, "the paper, 300 epochs"):
        panel.set_title(title, loc="left", fontweight="bold")
        panel.set_xlabel("share of poison at the uniform controller, Eq. (1)")
        panel.set_xlim(0, 1)
    ours.set_ylabel("test error minus that of the clean search (points)")
    _legend(ours, "upper left")
    figure.suptitle(f"Damage over the share of poison\n{measured.caption}")
    return figure


def _bars(
    panel: Any, pairs: Iterable[tuple[float, Estimate]], colour: str, label: str
) -> None:
    """Plots (x, Estimate) pairs that are known, with their intervals."""
    found = [(x, e.mean, e.half) for x, e in pairs if e.n]
    if found:
        xs, means, _ = zip(*found, strict=True)
        panel.plot(xs, means, "o-", color=colour, label=label)
    if known := [each for each in found if each[2] == each[2]]:
        style = {"fmt": "none", "color": colour, "capsize": 3}
        panel.errorbar(*zip(*known, strict=True), **style)


def _chosen(measured: Measured, number: str) -> list[tuple[Row, str, str]]:
    """Returns [(row, colour, label)] of a panel, the clean search first."""
    colours = zip(_rows(number), ORDERED, strict=True)
    entries = [(r, CLEAN, "no poison") for r in _rows("none")]
    entries += [(r, colour, f"{r.name}: q = {r.q}") for r, colour in colours]
    return [e for e in entries if measured.curve(e[0].name, "valid_acc")]


def _figure4(measured: Measured, number: str, panel: Any) -> None:
    last = measured.num_epochs
    for row, colour, label in _chosen(measured, number):
        curve = measured.curve(row.name, "valid_acc")
        # Every epoch trains; not every one need be evaluated.
        done = measured.curve(row.name, "train_acc")[-1].epoch
        if done < last:
            label += f" ({done} of {last} epochs)"
        epochs = [point.epoch for point in curve]
        errors = [100 * (1 - point.mean) for point in curve]
        panel.plot(epochs, errors, color=colour, alpha=0.25, linewidth=1)
        label += _n(curve)
        means = moving_average(curve, window(last))
        smooth = [100 * (1 - mean) for mean in means]
        panel.plot(epochs, smooth, color=colour, linewidth=2, label=label)
        star = [last * 1.06], [row.paper_valid_error]
        panel.plot(*star, "*", color=colour, markersize=11, clip_on=False)
    panel.set_xlim(1, last * 1.08)
    _epochs(panel)


def _figure5(measured: Measured, number: str, panel: Any) -> None:
    rows = [*_rows("none"), *_rows(number)]
    qs = [row.q for row in rows]
    for split, (name, colour) in SPLITS.items():
        paper = [getattr(row, f"paper_{split}_error") for row in rows]
        style = {"color": colour, "label": f"{name}, the paper"}
        panel.plot(qs, paper, "*--", alpha=0.55, markersize=9, **style)
        found = [of_row(measured.errors[split], r.name) for r in rows]
        _bars(panel, zip(qs, found, strict=True), colour, f"{name}, here")
    # q on a true axis: equal factors are equally wide, and 0 is on it.
    panel.set_xscale("symlog", linthresh=1)
    panel.set_xticks(qs, list(map(str, qs)), minor=False)
    panel.minorticks_off()
    panel.set_xlabel("copies q of every poisoning op (logarithmic)")
    panel.set_ylim(0, 100)
    _legend(panel, "lower right", ncols=2)


def _shares(measured: Measured, number: str, panel: Any) -> None:
    for row, colour, label in _chosen(measured, number):
        if row.name == BASELINE:
            continue
        curve = measured.curve(row.name, "poison_share")
        xs, shares = [p.epoch for p in curve], [100 * p.mean for p in curve]
        label += _n(curve)
        panel.plot(xs, shares, color=colour, linewidth=2, label=label)
        space = space_of(measured.config, row)
        least = 1 - space.max_good_share(measured.config.tanh_constant)
        for share, style in (space.uniform_poison_share, "--"), (least, ":"):
            panel.axhline(100 * share, color=colour, ls=style, linewidth=1)
    panel.set_xlim(1, max(2, measured.num_epochs))
    _epochs(panel)


_PANELS = {
    "figure4": (
        _figure4,
        "validation error (%)",
        "Validation error over the search, moving average over {window} epochs"
        " (faint: each epoch); stars: the paper after 300"
        "\n{m.scale}, {m.printed}, mean over n seeds",
    ),
    "figure5": (
        _figure5,
        "error (%)",
        "Final errors over the number of copies q\n{m.caption}",
    ),
    "poison_share": (
        _shares,
        "poison among sampled ops (%)",
        "Share of poison among sampled ops; dashed: uniform controller,"
        " Equation (1); dotted: least that the bounded logits allow"
        "\n{m.scale}, mean over n seeds",
    ),
}


def _epochs(panel: Any) -> None:
    panel.set_ylim(0, 102)
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.set_xlabel("epoch")
    # Below the lines, not over them.
    style = {"columnspacing": 1.0, "handlelength": 1.2, "handletextpad": 0.5}
    place = {"ncols": 3, "bbox_to_anchor": (0.5, -0.16)}
    _legend(panel, "upper center", **style, **place)


def _legend(panel: Any, place: str, **style: Any) -> None:
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc=place, **style)


def draw_defences(
    errors: Mapping[str, Errors],
    attacks: Sequence[str],
    caption: str,
    directory: str,
) -> list[str]:
    """Draws error by attack, a bar for each defence; returns the paths.

    The clean search, row baseline of defence "none", is a line.
    """
    greys = ("#999999", "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc79a7")
    width = 0.8 / len(errors)
    with plain_style(), matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        panel: Any = figure.subplots()
        for place, (defence, found) in enumerate(errors.items()):
            # After the last colour the first comes again, hatched.
            again, number = divmod(place, len(greys))
            style = {"color": greys[number], "hatch": "//" * again}
            known = [
                (x + place * width, of_row(found, attack))
                for x, attack in enumerate(attacks)
                if found.get(attack)
            ]
            xs, means = [x for x, _ in known], [e.mean for _, e in known]
            panel.bar(xs, means, width, label=defence, **style)
            for x, e in known:
                if e.n > 1 and e.half:
                    panel.errorbar(x, e.mean, e.half, color=CLEAN, capsize=3)
        clean = of_row(errors["none"], BASELINE)
        if clean.n:
            line = panel.axhline(clean.mean, linestyle="--", linewidth=1)
            line.set(color=CLEAN, label="clean, no defence")
        middle = (len(errors) - 1) * width / 2
        panel.set_xticks([x + middle for x in range(len(attacks))], attacks)
        panel.set_ylabel("test error (%)")
        panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
        figure.suptitle(f"Attack and defence\n{caption}", fontsize=11)
        return _save(figure, directory, "defences")
