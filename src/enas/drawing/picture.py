"""An architecture as a picture: ops by name, poison red, skips as arcs.

Imports matplotlib; no TensorFlow here.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import matplotlib.style
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from enas.drawing.costs import Cost
from enas.drawing.plan import Drawing, Node, pool_layers, skip_sources
from enas.paths import picture_metadata

POISON, CONV, POOL, OTHER = "#d62728", "#9ecae1", "#c7e9c0", "#d9d9d9"
SKIP = "#6a51a3"
HALF_WIDTH, HALF_HEIGHT = 1.15, 0.3
# Inches of a unit to the right and of a unit down.
WIDE, HIGH = 0.75, 0.42
CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}
# Pictures in a row of a sheet: what the page of TensorBoard leaves room for.
ACROSS = 3
# Units to the left and right of the middle of the boxes.
LEFT, RIGHT = -1.3, 3.4
# Name of a box -> its height from the top.
Places = dict[str, float]


def plain_style() -> Any:
    """Draws as matplotlib does by default, whatever the user's own style.

    A context, or in brackets behind @ a decorator.
    """
    return matplotlib.style.context("default")


@plain_style()
def draw(path: str, drawing: Drawing) -> None:
    """Writes the picture of an architecture: a .png, .svg or .pdf."""
    metadata, figure = picture_metadata(path), picture(drawing)
    figure.savefig(path, dpi=150, bbox_inches="tight", metadata=metadata)


@plain_style()
def picture(drawing: Drawing) -> Figure:
    """Returns the picture of an architecture with costs and legend."""
    places = _places(drawing.arc.num_layers)
    depth = places["head"]
    figure = Figure(figsize=(7.8 * WIDE, (depth + 3.5) * HIGH))
    axes = figure.add_axes((0, 0, 1, 1))
    _graph(axes, places, drawing)
    axes.set(xlim=(-4.2, 3.6), ylim=(depth + 2.3, -1.2))
    _cost_column(axes, places, drawing.costs)
    _legend(axes, drawing)
    return figure


@plain_style()
def sheet(
    drawings: Sequence[Drawing], titles: Sequence[tuple[str, bool]]
) -> Figure:
    """Draws architectures of one depth, each below a title, red or not."""
    places = _places(drawings[0].arc.num_layers)
    depth = places["head"]
    down = math.ceil(len(drawings) / ACROSS)
    size = ACROSS * (RIGHT - LEFT) * WIDE, down * (depth + 1.9) * HIGH
    figure = Figure(figsize=size)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0, hspace=0)
    pairs = zip(drawings, titles, strict=True)
    for i, (drawing, (title, red)) in enumerate(pairs, 1):
        axes = figure.add_subplot(down, ACROSS, i)
        _graph(axes, places, drawing)
        axes.set(xlim=(LEFT, RIGHT), ylim=(depth + 0.6, -1.3))
        colour = POISON if red else "black"
        axes.text(LEFT + 0.2, -0.8, title, size=8, weight="bold", color=colour)
    return figure


def _graph(axes: Axes, places: Places, drawing: Drawing) -> None:
    """Draws boxes around 0, one row 1 down, pools, arrows and skips."""
    arc, search_space, _, options = drawing
    axes.axis("off")
    _box(axes, places["stem"], "stem: conv_3x3", OTHER)
    for k, op_id in enumerate(arc.op_ids):
        text = f"{k}: {search_space.label(op_id)}"
        _box(axes, places[f"layer {k}"], text, _colour(op_id, search_space))
    _box(axes, places["head"], "mean, matrix", OTHER)
    for k in sorted(pool_layers(arc.num_layers)):
        _pool(axes, places[f"layer {k}"] + 0.9, drawing.pool(k))
    style = {"arrowstyle": "->", "color": "#333333", "lw": 1.0}
    for above, below in itertools.pairwise(places.values()):
        ends = (0, below - HALF_HEIGHT), (0, above + HALF_HEIGHT)
        axes.annotate("", *ends, arrowprops=style)
    for k in range(arc.num_layers):
        for source in skip_sources(arc, k, options.profile):
            target = places[f"layer {k}"]
            _skip(axes, places[source], target, places["head"])


def _places(num_layers: int) -> Places:
    places, y = {"stem": 0.0}, 1.0
    for k in range(num_layers):
        places[f"layer {k}"] = y
        # A line of its own says that the maps are halved.
        y += 1.8 if k in pool_layers(num_layers) else 1.0
    return places | {"head": y}


def _colour(op_id: int, search_space: Any) -> str:
    if search_space.is_poison(op_id):
        return POISON
    name = search_space.op_name(op_id)
    if "pool" in name:
        return POOL
    return CONV if "conv" in name else OTHER


def _box(axes: Axes, y: float, text: str, colour: str) -> None:
    place = (-HALF_WIDTH, y - HALF_HEIGHT), 2 * HALF_WIDTH, 2 * HALF_HEIGHT
    box = FancyBboxPatch(*place, "round,pad=0,rounding_size=0.12", zorder=3)
    box.set(facecolor=colour, edgecolor="#555555", linewidth=0.8)
    axes.add_patch(box)
    text = text if len(text) <= 26 else text[:25] + "…"
    ink = "white" if colour == POISON else "black"
    axes.text(0, y, text, size=7.5, color=ink, zorder=4, **CENTRED)


def _skip(axes: Axes, source: float, target: float, depth: float) -> None:
    """Draws an arc on the right, the wider the farther it goes."""
    distance = target - source
    width = 0.2 + 2.1 * (distance / depth) ** 0.8
    # arc3 bends by a share of the distance, and a unit down is shorter than
    # one to the right.
    bend = 2 * width / distance * WIDE / HIGH
    ends = (HALF_WIDTH, source), (HALF_WIDTH, target)
    arrow = FancyArrowPatch(*ends, arrowstyle="->", shrinkA=0, shrinkB=0)
    arrow.set(connectionstyle=f"arc3,rad={-bend}", mutation_scale=7)
    colour = colormaps["viridis"](0.85 * source / depth)
    arrow.set(color=colour, alpha=0.8, linewidth=1.0)
    axes.add_patch(arrow)


def _pool(axes: Axes, y: float, maps: Sequence[Node]) -> None:
    size, channels = maps[0].size, maps[0].channels
    axes.axhline(y, color="#999999", linestyle=":", linewidth=1.0, zorder=0)
    text = f"{len(maps)} maps to {size}x{size}, {channels} channels"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(0, y, text, size=7, bbox=box, zorder=5, **CENTRED)


def _cost_column(axes: Axes, places: Places, costs: dict[Any, Cost]) -> None:
    """Writes parameters and multiply-adds left of the boxes."""
    lines = [(-0.8, "parameters", "multiply-adds")]
    for part, cost in costs.items():
        name = part if isinstance(part, str) else f"layer {part}"
        pooled = isinstance(part, tuple)
        y = places[f"layer {part[1]}"] + 0.9 if pooled else places[name]
        lines.append((y, *cost.texts(short=True)))
    parameters, multiply_adds = sum(costs.values(), Cost()).texts(short=True)
    lines.append((places["head"] + 1.0, f"total {parameters}", multiply_adds))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2.5}
    for y, *texts in lines:
        for x, text in zip((-2.9, -1.4), texts, strict=True):
            axes.text(x, y, text, ha="right", va="center", size=7, bbox=box)


def _legend(axes: Axes, drawing: Drawing) -> None:
    arc = drawing.arc
    poison = sum(map(drawing.search_space.is_poison, arc.op_ids))
    labels = {
        CONV: "convolution",
        POOL: "pooling",
        POISON: f"poison: {poison} layers",
        SKIP: f"skips: {sum(arc.skips)} of {len(arc.skips)}",
    }
    patches = [Patch(color=c, label=text) for c, text in labels.items()]
    style: dict[str, Any] = {"ncols": 4, "fontsize": 7, "frameon": False}
    style |= {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0)}
    axes.legend(handles=patches, **style)
