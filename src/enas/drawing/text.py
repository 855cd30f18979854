"""An architecture as a table of plain text. No TensorFlow here."""

from enas.drawing.costs import Cost
from enas.drawing.plan import Drawing, skip_sources
from enas.utils import columns

COUNTED = (
    "Parameters: trainable weights that this architecture uses. Multiply-adds:"
    " of convolutions\nand the last matrix, for one image."
)


def describe(drawing: Drawing) -> list[str]:
    """Returns the lines that describe an architecture layer by layer."""
    arc, search_space, nodes, options = drawing
    costs = drawing.costs
    sizes = {node.layer: node.size for node in nodes if node.kind == "op"}
    head = ("", "op id", "op", "map", "parameters", "multiply-adds", "skips")
    size = f"{nodes[0].size}x{nodes[0].size}"
    rows = [head, ("stem", "", "conv_3x3", size, *costs["stem"].texts(), "")]
    for k, op_id in enumerate(arc.op_ids):
        name = search_space.label(op_id)
        poison = "  POISON" if search_space.is_poison(op_id) else ""
        skips = ", ".join(skip_sources(arc, k, options.profile))
        size = f"{sizes[k]}x{sizes[k]}"
        what = f"layer {k}", str(op_id), name + poison, size
        rows.append((*what, *costs[k].texts(), skips))
        if maps := drawing.pool(k):
            size = f"{maps[0].size}x{maps[0].size}"
            what = "", "", f"{len(maps)} maps halved", size
            rows.append((*what, *costs["pool", k].texts(), ""))
    rows.append(("head", "", "mean, matrix", "", *costs["head"].texts(), ""))
    total = sum(costs.values(), Cost())
    rows.append(("total", "", "", "", *total.texts(), ""))
    bad = sum(map(search_space.is_poison, arc.op_ids))
    lines = [
        *columns(rows, "<><>>><"),
        "",
        f"{arc.num_layers} layers, {nodes[0].channels} filters, "
        f"{bad} layers of poison, {sum(arc.skips)} of {len(arc.skips)} skips.",
        *COUNTED.split("\n"),
    ]
    if not total.known:
        lines.append("?: an op that does not say its cost is not counted.")
    return [*lines, f"As --child_fixed_arc takes it: {arc}"]
