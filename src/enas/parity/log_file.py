"""Reads whole training logs and run directories. No TensorFlow here."""

import collections
import csv
import io
import os
import re
from typing import NamedTuple

from enas.cifar10.metrics import COLUMNS
from enas.errors import UserError
from enas.parity.log_lines import parse_line, promises_numbers
from enas.parity.log_steps import step_range

__all__ = ["Log", "read_log"]

LEGAL = (
    "Legal is what the original ENAS, this project or the paper's code prints "
    "while it searches, or a run directory, which holds that in a file "
    "called stdout."
)


class Log(NamedTuple):
    """One log, read but not yet placed in epochs.

    Attributes:
      path: str, as the user gave it.
      name: str, short, of letters, digits and -_. only.
      dialect: "enas" (also this project's) or "paper".
      events: list of `log_lines.Event`.
      rows: list of dicts column -> float, from metrics.csv.
      steps: `log_steps.StepRange`.
      remarks: list of str, what was odd about the file.
    """

    path: str
    name: str
    dialect: str
    events: list
    rows: list
    steps: tuple
    remarks: list


def read_log(path):
    """Reads a log file, or the files stdout and metrics.csv of a directory.

    Bytes that are not UTF-8 are replaced, which spoils at most their line. A
    last line without an end was torn while it was written, and is left out.

    Args:
      path: str.

    Returns:
      A `Log`.

    Raises:
      UserError: there is no such file, it holds no record, records of both
        dialects, or steps that contradict its epochs.
    """
    directory = os.path.isdir(path)
    text = _read(os.path.join(path, "stdout") if directory else path)
    lines = re.split(r"\r\n|\n|\r", text)
    events, remarks = _events(lines)
    dialect = _dialect(path, events)
    rows, table = [], os.path.join(path, "metrics.csv")
    if directory and os.path.isfile(table):
        rows = _rows(table)
    steps = step_range(path, dialect, events)
    return Log(path, _name(path), dialect, events, rows, steps, remarks)


def _read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8-sig", errors="replace")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UserError(
            f"{path} cannot be read: {error}. {LEGAL} Name one that exists."
        ) from None


def _events(lines):
    """Returns (events, remarks) of lines; the last one has no end."""
    events, others, broken, remarks = [], 0, [], []
    for number, line in enumerate(lines[:-1], 1):
        event = parse_line(line)
        if event:
            events.append(event)
        elif promises_numbers(line):
            broken.append(number)
        else:
            others += 1
    remarks.append(f"{len(events)} lines read, {others} hold no numbers")
    if broken:
        remarks.append(
            f"{len(broken)} lines begin as a record and cannot be read; the "
            f"first is line {broken[0]}"
        )
    if lines[-1]:
        remarks.append("the last line is torn off and left out")
    return events, remarks


def _dialect(path, events):
    records = [e for e in events if e.kind not in ("log_every", "aggregate")]
    if not any(e.kind not in ("phase", "ten", "eval_at") for e in records):
        raise UserError(f"No record of any dialect found in {path}. {LEGAL}")
    found = collections.Counter(e.dialect for e in records if e.dialect)
    if len(found) > 1:
        raise UserError(
            f"{path} holds lines of both dialects: {found['enas']} of the "
            f"original's or this project's and {found['paper']} of the "
            "paper's code. A log is of one program; split the file."
        )
    return next(iter(found), "enas")


def _rows(path):
    stream = io.StringIO(_read(path), newline="")
    try:
        rows = [_row(row) for row in csv.DictReader(stream, strict=True)]
    except (csv.Error, ValueError) as error:
        raise UserError(
            f"{path} is not a table of numbers as a run writes it: {error}. "
            "Mend it, or name the file stdout beside it instead."
        ) from None
    return rows


def _row(row):
    numbers = {c: float(row[c]) for c in COLUMNS if row.get(c)}
    if not 1 <= numbers.get("epoch", 0) < 1e9:
        raise ValueError(f"epoch is {row.get('epoch')!r}, legal is 1, 2, ..")
    return numbers


def _name(path):
    """Returns the run's name: that of the directory for a file stdout."""
    full = os.path.abspath(path)
    stem = os.path.splitext(os.path.basename(full))[0]
    if os.path.isdir(full):
        stem = os.path.basename(full)
    elif stem == "stdout":
        stem = os.path.basename(os.path.dirname(full))
    return re.sub(r"[^\w.-]", "_", stem, flags=re.ASCII)[:100] or "log"
