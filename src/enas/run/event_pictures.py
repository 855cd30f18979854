"""The pictures and texts of an epoch in TensorBoard. Imports matplotlib."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from enas.cifar10.arc import Arc
from enas.cifar10.search import Search
from enas.cifar10.search_space import SearchSpace
from enas.drawing.op_shares import heat_map
from enas.drawing.picture import picture, plain_style, sheet
from enas.drawing.plan import Drawing
from enas.drawing.text import describe
from enas.errors import UserError
from enas.run.files import ADVICE, RunLines

Report = Mapping[str, Any]
DPI = 80
# 6 levels of a colour instead of 256 take half of the bytes.
LEVELS = np.uint8(np.round(np.arange(256) / 51) * 51)
# A long architecture gets a smaller picture, not one of 100 megapixels.
HIGHEST = 3000
LEGEND = (
    "Ops by name, #n is the copy of a poisoning; poison is red, skips are arcs"
)


@plain_style()
def write_arcs(search: Search, reports: Sequence[Report]) -> None:
    """Writes the architectures that an epoch has shown."""
    ranked = sorted(reports, key=lambda r: r["accuracy"], reverse=True)
    best = next(report for report in reports if "valid_acc" in report)
    write_arc(search, best["arc"], "best", "The best of the 10.", search.epoch)
    drawings = [Drawing.of_search(search, report["arc"]) for report in ranked]
    titles = [_title(search, report) for report in ranked]
    tf.summary.image(
        "arcs/sampled",
        LEVELS[_pixels(sheet(drawings, titles))],
        search.epoch,
        description="The architectures of the epoch, the best first. "
        f"{LEGEND}.",
    )
    tf.summary.text(
        "arcs/sampled_as_text",
        "\n".join(_list(search, ranked)),
        search.epoch,
        "The architectures of the epoch, the best on one batch first.",
    )


@plain_style()
def write_arc(
    search: Search, arc: Arc, name: str, what: str, step: int
) -> None:
    """Writes one architecture, as a picture and as text."""
    drawing = Drawing.of_search(search, arc)
    pixels, about = LEVELS[_pixels(picture(drawing))], f"{what} {LEGEND}."
    tf.summary.image(f"arcs/{name}", pixels, step, description=about)
    lines = [f"    {line}" for line in describe(drawing)]
    tf.summary.text(f"arcs/{name}_as_text", "\n".join(lines), step, what)


@plain_style()
def write_ops(search: Search, ops: RunLines) -> None:
    """Writes the heat maps of the ops that the child ran so far."""
    space = search.search_space
    first, shares = shares_of(ops, space, search.config.child_num_layers)
    tf.summary.image(
        "ops/share_per_layer",
        _pixels(heat_map(first, shares, space)),
        search.epoch,
        description="Share of each op among the epoch's child steps, layer by "
        "layer. The copies of a poisoning are one row; poison is red, below "
        "the line.",
    )


def shares_of(
    ops: RunLines, search_space: SearchSpace, num_layers: int
) -> tuple[int, np.ndarray]:
    """Returns the first epoch, and the share of each kind of op.

    That is float `[L, kinds, epochs]`, NaN where nothing was written down.

    Raises:
      UserError: the file holds other counts than the search has.
    """
    shape = num_layers, len(search_space.kinds)
    lines = ops.read()
    epochs = [line["epoch"] for line in lines] or [1]
    first = min(epochs)
    shares = np.full((*shape, max(epochs) - first + 1), np.nan)
    for line in lines:
        try:
            counts = np.array(line["counts"], float)
        except (TypeError, ValueError):
            counts = np.array([])
        if counts.shape != shape or not (counts.sum(1) > 0).all():
            raise UserError(
                f"{ops.path} holds counts of {shape[0]} layers and {shape[1]} "
                f"ops; received {str(line['counts'])[:80]}. {ADVICE}"
            )
        place = line["epoch"] - first
        shares[:, :, place] = counts / counts.sum(1, keepdims=True)
    return first, shares


def _title(search: Search, report: Report) -> tuple[str, bool]:
    text, poison = f"accuracy {report['accuracy']:.3f}", report["poison_layers"]
    if search.search_space.poison_ops:
        text += f", {poison} poison"
    return text, poison > 0


def _list(search: Search, ranked: Sequence[Report]) -> Iterator[str]:
    """Yields Markdown; TensorBoard's tables break words in narrow columns."""
    space = search.search_space
    for report in ranked:
        names = [
            f"**{space.label(op)}**" if space.is_poison(op) else space.label(op)
            for op in report["arc"].op_ids
        ]
        yield f"1. {_title(search, report)[0]}: {', '.join(names)}"
        yield from ("", f"    `{report['arc']}`", "")


def _pixels(figure: Figure) -> np.ndarray:
    """Returns a figure as uint8 `[1, height, width, 3]`."""
    figure.set_dpi(min(DPI, HIGHEST / figure.get_figheight()))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[None, ..., :3]
