"""Which ops the child ran, layer by layer over the epochs, as heat maps.

Imports matplotlib; no TensorFlow here.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from enas.drawing.picture import POISON

ACROSS = 3


def heat_map(first: int, shares: np.ndarray, search_space: Any) -> Figure:
    """Draws a heat map for every layer; poison is below the line and red.

    Args:
      first: epoch of the first column.
      shares: float `[L, kinds, epochs]`, NaN where an epoch is missing.
    """
    layers, kinds, epochs = shares.shape
    across = min(ACROSS, math.ceil(math.sqrt(layers)))
    down = math.ceil(layers / across)
    figure, grid, beside = _grid(across, down, kinds)
    extent = first - 0.5, first + epochs - 0.5, kinds - 0.5, -0.5
    # By the root, since most shares are far below 1.
    style: dict[str, Any] = {"norm": PowerNorm(0.5, 0, 1)}
    style |= {"interpolation": "nearest", "aspect": "auto"}
    for layer, axes in enumerate(grid.flat):
        if layer >= layers:
            axes.axis("off")
            continue
        image = axes.imshow(shares[layer], extent=extent, **style)
        axes.set_title(f"layer {layer}", size=9, pad=3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _name_ops(axes, search_space, named=layer % across == 0)
        axes.tick_params(labelsize=8, labelbottom=layer + across >= layers)
    bar = figure.colorbar(image, cax=beside)
    bar.set_label("share of the epoch's child steps", size=9)
    figure.text(0.5, 0.01, "epoch", size=9)
    return figure


def _grid(across: int, down: int, kinds: int) -> tuple[Figure, Any, Axes]:
    """Returns a figure, its axes, and axes for the colours next to them."""
    width, height = 2.6 + 2.6 * across, 0.6 + down * (0.4 + 0.17 * kinds)
    figure = Figure(figsize=(width, height))
    # Set by hand: a layout that measures all texts takes a second.
    edges = 1.7 / width, 0.45 / height, 1 - 0.9 / width, 1 - 0.25 / height
    gap = 0.35 / (0.17 * kinds)
    figure.subplots_adjust(*edges, wspace=0.08, hspace=gap)
    beside = figure.add_axes((1 - 0.75 / width, 0.2, 0.12 / width, 0.6))
    return figure, figure.subplots(down, across, squeeze=False), beside


def _name_ops(axes: Axes, search_space: Any, named: bool) -> None:
    good, kinds = len(search_space.candidate_ops), search_space.kinds
    poison = [f"{name} x{search_space.q}" for name in kinds[good:]]
    names = [*kinds[:good], *poison]
    axes.set_yticks(range(len(kinds)), names if named else [""] * len(names))
    for label in axes.get_yticklabels()[good:]:
        label.set(color=POISON, weight="bold")
    if good < len(kinds):
        axes.axhline(good - 0.5, color=POISON, linewidth=1.5)
