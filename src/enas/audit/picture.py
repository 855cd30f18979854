"""An audit as a picture: the share of every function, suspicious ones red."""

from matplotlib.figure import Figure

from enas.audit.audit import Audit
from enas.paths import picture_metadata

USELESS, REPEATED, FINE = "#d62728", "#ff9896", "#9ecae1"


def picture(audit: Audit) -> Figure:
    """Returns the picture: a bar for each function at the uniform controller.

    A line in each bar shows how far the bounded logits let the controller go.
    """
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
    return figure


def draw(path: str, audit: Audit) -> None:
    """Writes the picture to a .png, .svg or .pdf file."""
    figure = picture(audit)
    figure.savefig(path, dpi=150, metadata=picture_metadata(path))
