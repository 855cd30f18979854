"""The architectures of an epoch beside each other on one sheet.

Imports matplotlib; no TensorFlow here.
"""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from enas.drawing.picture import HIGH, POISON, WIDE, graph, rows_of
from enas.drawing.plan import Drawing

# Three are as wide as the page of TensorBoard leaves room for.
ACROSS = 3
# Units to the left and right of the middle of the boxes.
LEFT, RIGHT = -1.3, 3.4


def sheet(
    drawings: Sequence[Drawing], titles: Sequence[tuple[str, bool]]
) -> Figure:
    """Draws several architectures.

    Args:
      drawings: at least one, all of the same depth.
      titles: a line above each, and whether it is red.
    """
    depth = rows_of(drawings[0].arc.num_layers)
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
