"""Says in lines of text what a comparison of two logs gave."""

import csv
import os

from enas.errors import UserError

__all__ = ["check_csv", "describe", "table", "write_csv"]

HEADER = (
    *("phase", "quantity", "epoch", "position", "update", "arc"),
    *("a", "b", "lines_a", "lines_b"),
)
PROGRAM = {"enas": "original's format", "paper": "paper's code"}
COLUMN_NAMES = (
    *("quantity", "points", "mean A", "mean B", "B - A", "largest"),
    *("where", "spread", "noise", "ratio"),
)


def describe(letter, log, steps, all_records, unplaced):
    """Yields lines about one log.

    Args:
      letter: str, "A", "B" or "again".
      log: `Log`.
      steps: int, child steps per epoch as taken.
      all_records: list of `Record`.
      unplaced: int.
    """
    low, high = log.steps
    exact = low == high
    bounds = f"at least {low}" if high is None else f"{low} to {high}"
    taken = "" if exact else f" (the log allows {bounds})"
    epochs = [record.epoch for record in all_records]
    yield f"{letter}: {log.path}"
    yield (
        f"   {PROGRAM[log.dialect]}, epochs {min(epochs)} to {max(epochs)} "
        f"counted from 0, {steps} child steps in an epoch{taken}"
    )
    remarks = list(log.remarks)
    if unplaced:
        remarks.append(f"{unplaced} lines before the first epoch left out")
    odd = sum(
        not abs(value) < float("inf")
        for record in all_records
        for value in record.values.values()
    )
    if odd:
        remarks.append(f"{odd} values are nan or inf and left out")
    yield f"   {'; '.join(remarks)}"


def table(rows, updates_of):
    """Returns the lines of the table.

    Args:
      rows: dict (phase, quantity) -> `Row`.
      updates_of: int, arcs of a controller update.
    """
    cells = [COLUMN_NAMES]
    cells += [
        (f"{phase} {quantity}", *_cells(row, updates_of))
        for (phase, quantity), row in rows.items()
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = (0, 1, 6)  # text; the others are numbers
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _cells(row, updates_of):
    far = row.farthest
    return (
        _points(row.points),
        f"{row.mean_a:.5g}",
        f"{row.mean_b:.5g}",
        f"{_rounded(row.difference):+.3g}",
        f"{_rounded(abs(far.b - far.a)):.3g}",
        _where(far, updates_of),
        "-" if row.spread is None else f"{row.spread:.3g}",
        "-" if row.noise is None else f"{row.noise:.3g}",
        _ratio(row.ratio),
    )


def _ratio(ratio):
    if ratio is None:
        return "-"
    return f"{ratio:.1f}" if ratio < 1000 else ">999"


def _rounded(difference):
    """Removes what float arithmetic adds far behind the printed digits."""
    return round(difference, 12) + 0.0


def _points(points):
    means = sum(point.position is None for point in points)
    counts = (len(points) - means, "lines"), (means, "means")
    return ", ".join(f"{n} {what}" for n, what in counts if n)


def _where(point, updates_of):
    text = f"epoch {point.epoch}"
    if point.position is None or point.phase == "epoch":
        return text
    if point.phase == "child":
        return f"{text} step {point.position}"
    if point.phase == "controller":
        update, arc = divmod(point.position, updates_of)
        return f"{text} update {update} arc {arc}"
    named = point.quantity == "arc_accuracy"
    return f"{text} arc {point.position}" if named else text


def check_csv(path):
    """Refuses to overwrite a file that is not an earlier table.

    Raises:
      UserError: it cannot be written, or holds something else.
    """
    if not os.path.lexists(path):
        folder = os.path.dirname(os.path.abspath(path))
        if os.path.isdir(folder) and os.access(folder, os.W_OK):
            return
        raise UserError(
            f"--csv={path} cannot be made, because {folder} is not a "
            "directory that you may write to. Name another file."
        )
    try:
        with open(path, "rb") as stream:
            ours = stream.readline().strip() == ",".join(HEADER).encode()
    except OSError:
        ours = False
    if not ours:
        raise UserError(
            f"--csv={path} is there and is not a table of aligned points, so "
            "it is left alone. Name a new file."
        )


def write_csv(path, points, updates_of):
    """Writes aligned points, one a line.

    Args:
      path: str, checked by `check_csv`.
      points: list of `Point`.
      updates_of: int, arcs of a controller update.
    """
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        for p in points:
            exact = p.phase == "controller" and p.position is not None
            place = divmod(p.position, updates_of) if exact else ("", "")
            head = (p.phase, p.quantity, p.epoch, p.position, *place)
            writer.writerow((*head, p.a, p.b, p.lines_a, p.lines_b))
