"""An audit for people: as lines, and as a picture."""

import textwrap
from collections.abc import Iterator

from enas.audit.audit import Audit, ClassAudit
from enas.paths import picture_metadata

WIDTH = 132
USELESS, REPEATED, FINE = "#d62728", "#ff9896", "#9ecae1"


def lines_of(audit: Audit) -> list[str]:
    """Returns the table, most suspicious first, and what it means."""
    lines = [
        f"{audit.num_ops} op ids, {len(audit.classes)} functions; "
        f"{audit.num_layers} layers",
        "",
        f"{'function':28} {'op ids':>6} {'share':>7} {'at least':>8} "
        f"{'layers':>6} {'weights':>8} {'M mult.':>8}  why",
    ]
    for each in audit.classes:
        lines += _rows(each, audit.num_layers)
    return [*lines, "", *short_lines(audit)]


def _rows(each: ClassAudit, num_layers: int) -> Iterator[str]:
    cost = each.measures
    weights, mults = "?", "?"
    if cost.parameters is not None and cost.multiply_adds is not None:
        weights, mults = f"{cost.parameters}", f"{cost.multiply_adds / 1e6:.2f}"
    label = each.label
    label = label if len(label) <= 28 else label[:25] + " .."
    head = (
        f"{label:28} "
        f"{each.multiplicity:6d} {100 * each.share:6.1f}% "
        f"{100 * each.least:7.1f}% {num_layers * each.share:6.1f} "
        f"{weights:>8} {mults:>8}  "
    )
    for reason in each.reasons or ["-"]:
        for line in textwrap.wrap(reason, WIDTH - len(head)):
            yield head + line
            head = " " * len(head)


def short_lines(audit: Audit) -> list[str]:
    """Returns the verdict in a few lines: what a log and TensorBoard show."""
    if audit.clean:
        return ["Nothing suspicious: every op id is a different function."]
    lines = []
    repeated = [each for each in audit.classes if each.multiplicity > 1]
    if repeated:
        ids = sum(each.multiplicity for each in repeated)
        lines.append(
            f"{ids} of {audit.num_ops} op ids are only {_count(repeated)}."
        )
    useless = [each for each in audit.classes if each.findings]
    if useless:
        share, least = audit.useless_share, audit.least_useless_share
        layers = audit.num_layers
        lines.append(
            f"Of little use: {_count(useless)}. The uniform "
            f"controller chooses such in {share * layers:.1f} of {layers} "
            f"layers ({100 * share:.1f} %); the bounded logits cannot get below"
            f" {least * layers:.1f} layers ({100 * least:.1f} %)."
        )
    if audit.linear_chain is not None:
        lines.append(
            "The linear ones, one after the other, are affine to "
            f"{audit.linear_chain:.0e}: a child of them alone has no ReLU."
        )
    if audit.defence != "none":
        lines.append(f"This is the space without --defence={audit.defence}.")
    return lines


def _count(functions: list[ClassAudit]) -> str:
    return f"{len(functions)} function" + "s" * (len(functions) != 1)


def draw(path: str, audit: Audit) -> None:
    """Draws a bar for each function, and how far bounded logits can go."""
    from enas.drawing.picture import plain_style

    with plain_style():
        _draw(path, audit)


def _draw(path: str, audit: Audit) -> None:
    from matplotlib.figure import Figure

    classes = audit.classes[::-1]
    figure = Figure(figsize=(8, 1.6 + 0.34 * len(classes)))
    axes = figure.add_subplot()
    for row, each in enumerate(classes):
        colour = REPEATED if each.multiplicity > 1 else FINE
        colour = USELESS if each.findings else colour
        axes.barh(row, 100 * each.share, color=colour)
        axes.plot([100 * each.least, 100 * each.most], [row, row], "k-", lw=1)
        axes.plot(100 * each.least, row, "k|", ms=9)
    labels = [f"{each.label[:34]} x{each.multiplicity}" for each in classes]
    axes.set_yticks(range(len(classes)), labels, fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_xlabel(
        "probability of the function, %. Bar: uniform controller; line: what "
        "bounded logits can reach"
    )
    axes.set_title(
        "red: of little use; pink: several op ids, one function", fontsize=9
    )
    figure.tight_layout()
    figure.savefig(path, dpi=150, metadata=picture_metadata(path))
