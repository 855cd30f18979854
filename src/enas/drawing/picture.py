"""An architecture as a picture: ops by name, poison red, skips as arcs.

Imports matplotlib; no TensorFlow here.
"""

import math
from collections.abc import Sequence
from typing import Any

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
# Three are as wide as the page of TensorBoard leaves room for.
ACROSS = 3
# Units to the left and right of the middle of the boxes.
LEFT, RIGHT = -1.3, 3.4
# Name of a box -> its height from the top.
Places = dict[str, float]


def draw(path: str, drawing: Drawing) -> None:
    """Writes the picture of an architecture: a .png, .svg or .pdf."""
    figure = picture(drawing)
    figure.savefig(
        path, dpi=150, bbox_inches="tight", metadata=picture_metadata(path)
    )


def picture(drawing: Drawing) -> Figure:
    """Returns the picture of an architecture with costs and legend."""
    arc, search_space, *_ = drawing
    depth = _places(arc.num_layers)["head"]
    figure = Figure(figsize=(7.8 * WIDE, (depth + 3.5) * HIGH))
    axes = figure.add_axes((0, 0, 1, 1))
    graph(axes, drawing)
    axes.set_xlim(-4.2, 3.6)
    axes.set_ylim(depth + 2.3, -1.2)
    _cost_column(axes, _places(arc.num_layers), drawing.costs)
    _legend(axes, arc, search_space)
    return figure


def sheet(
    drawings: Sequence[Drawing], titles: Sequence[tuple[str, bool]]
) -> Figure:
    """Draws architectures of the same depth side by side.

    Args:
      titles: a line above each, and whether it is red.
    """
    depth = _places(drawings[0].arc.num_layers)["head"]
    down = math.ceil(len(drawings) / ACROSS)
    size = ACROSS * (RIGHT - LEFT) * WIDE, down * (depth + 1.9) * HIGH
    figure = Figure(figsize=size)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0, hspace=0)
    for i, (drawing, (title, red)) in enumerate(
        zip(drawings, titles, strict=True), 1
    ):
        axes = figure.add_subplot(down, ACROSS, i)
        graph(axes, drawing)
        axes.set_xlim(LEFT, RIGHT)
        axes.set_ylim(depth + 0.6, -1.3)
        colour = POISON if red else "black"
        axes.text(LEFT + 0.2, -0.8, title, size=8, weight="bold", color=colour)
    return figure


def graph(axes: Axes, drawing: Drawing) -> None:
    """Draws boxes, arrows and skips, without costs and legend.

    Args:
      axes: boxes are around 0, one row is 1 down.
    """
    arc, search_space, nodes, options = drawing
    places = _places(arc.num_layers)
    axes.axis("off")
    _boxes(axes, places, arc, search_space)
    _pools(axes, places, arc.num_layers, nodes)
    _arrows(axes, places)
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


def _boxes(axes: Axes, places: Places, arc: Any, search_space: Any) -> None:
    _box(axes, places["stem"], "stem: conv_3x3", OTHER)
    for k, op_id in enumerate(arc.op_ids):
        text = f"{k}: {search_space.label(op_id)}"
        poison = search_space.is_poison(op_id)
        ink = "white" if poison else "black"
        colour = _colour(op_id, search_space)
        _box(axes, places[f"layer {k}"], text, colour, ink)
    _box(axes, places["head"], "mean, matrix", OTHER)


def _box(
    axes: Axes, y: float, text: str, colour: str, ink: str = "black"
) -> None:
    corner = (-HALF_WIDTH, y - HALF_HEIGHT)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            2 * HALF_WIDTH,
            2 * HALF_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=colour,
            edgecolor="#555555",
            linewidth=0.8,
            zorder=3,
        )
    )
    text = text if len(text) <= 26 else text[:25] + "…"
    axes.text(
        0, y, text, ha="center", va="center", size=7.5, color=ink, zorder=4
    )


def _arrows(axes: Axes, places: Places) -> None:
    heights = list(places.values())
    for above, below in zip(heights, heights[1:], strict=False):
        axes.annotate(
            "",
            (0, below - HALF_HEIGHT),
            (0, above + HALF_HEIGHT),
            arrowprops={"arrowstyle": "->", "color": "#333333", "lw": 1.0},
        )


def _skip(axes: Axes, source: float, target: float, depth: float) -> None:
    """Draws an arc on the right, the wider the farther it goes."""
    distance = target - source
    width = 0.2 + 2.1 * (distance / depth) ** 0.8
    # arc3 bends by a share of the distance, and a unit down is shorter than
    # one to the right.
    bend = 2 * width / distance * WIDE / HIGH
    axes.add_patch(
        FancyArrowPatch(
            (HALF_WIDTH, source),
            (HALF_WIDTH, target),
            connectionstyle=f"arc3,rad={-bend}",
            arrowstyle="->",
            mutation_scale=7,
            color=colormaps["viridis"](0.85 * source / depth),
            alpha=0.8,
            linewidth=1.0,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _pools(
    axes: Axes, places: Places, num_layers: int, nodes: Sequence[Node]
) -> None:
    for k in sorted(pool_layers(num_layers)):
        y = places[f"layer {k}"] + 0.9
        maps = [n for n in nodes if n.kind == "reduction" and n.layer == k]
        size = maps[0].size
        axes.axhline(y, color="#999999", linestyle=":", linewidth=1.0, zorder=0)
        channels = maps[0].channels
        text = f"{len(maps)} maps to {size}x{size}, {channels} channels"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(
            0, y, text, ha="center", va="center", size=7, bbox=box, zorder=5
        )


def _cost_column(axes: Axes, places: Places, costs: dict[Any, Cost]) -> None:
    """Writes parameters and multiply-adds left of the boxes."""
    total = sum(costs.values(), Cost())
    lines: list[tuple[float, str, str]] = [
        (-0.8, "parameters", "multiply-adds")
    ]
    for part, cost in costs.items():
        name = part if isinstance(part, str) else f"layer {part}"
        pooled = isinstance(part, tuple)
        y = places[f"layer {part[1]}"] + 0.9 if pooled else places[name]
        lines.append((y, *_short(cost)))
    parameters, multiply_adds = _short(total)
    y = places["head"] + 1.0
    lines.append((y, f"total {parameters}", multiply_adds))
    for y, left, right in lines:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2.5}
        axes.text(-2.9, y, left, ha="right", va="center", size=7, bbox=box)
        axes.text(-1.4, y, right, ha="right", va="center", size=7, bbox=box)


def _short(cost: Cost) -> tuple[str, str]:
    mark = "" if cost.known else "?"
    millions = f"{cost.multiply_adds / 1e6:.2f}M"
    return f"{cost.parameters:,}{mark}", millions + mark


def _legend(axes: Axes, arc: Any, search_space: Any) -> None:
    poison = sum(map(search_space.is_poison, arc.op_ids))
    axes.legend(
        handles=[
            Patch(color=CONV, label="convolution"),
            Patch(color=POOL, label="pooling"),
            Patch(color=POISON, label=f"poison: {poison} layers"),
            Patch(
                color=SKIP, label=f"skips: {sum(arc.skips)} of {len(arc.skips)}"
            ),
        ],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=4,
        fontsize=7,
        frameon=False,
    )
