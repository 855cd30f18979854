"""Reads whole training logs and run directories. No TensorFlow here."""

import collections
import os
import pathlib
from typing import NamedTuple

from enas import tf_settings
from enas.errors import UserError
from enas.parity.log_lines import RANK, Event, events_of, lines_of

__all__ = ["Log", "read_log"]

LEGAL = (
    "Legal is what the original ENAS, this project or the paper's code prints "
    "while it searches, or a run directory, which holds that in a file stdout."
)


class Log(NamedTuple):
    """One log, read but not yet placed in epochs."""

    path: str  # as the user gave it
    dialect: str  # "enas" (also this project's) or "paper"
    events: list[Event]
    rows: list[dict[str, float]]  # of metrics.csv, column -> number
    remarks: list[str]  # what was odd about the file

    def printed_steps(self, kind: str) -> list[int]:
        """Returns the steps of "child" or "controller" lines, as printed."""
        return [f["step"] for name, _, f in self.events if name == kind]


def read_log(path: str) -> Log:
    """Reads a log file, or the files stdout and metrics.csv of a directory.

    Raises:
      UserError: there is no such file, it holds no record, or records of
        both dialects.
    """
    file, rows = path, []
    if os.path.isdir(path):
        with tf_settings.quiet_import():
            from enas.run.rows import RunRows
        file, rows = os.path.join(path, "stdout"), RunRows(path).rows()
    try:
        lines = lines_of(pathlib.Path(file).read_bytes())
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UserError(f"{path} cannot be read: {error}. {LEGAL}") from None
    events, remarks = _events(lines)
    return Log(path, _dialect(path, events), events, rows, remarks)


def _events(lines: list[str]) -> tuple[list[Event], list[str]]:
    """Returns records and remarks; the last line is unfinished or empty."""
    read = [events_of(line) for line in lines[:-1]]
    full = [i for i, (found, _) in enumerate(read) if found]
    broken = [i + 1 for i, (_, is_broken) in enumerate(read) if is_broken]
    others = len(read) - len(full) - len(broken)
    remarks = [f"{len(full)} lines read, {others} hold no numbers"]
    if broken:
        remarks.append(f"{len(broken)} lines are damaged, first {broken[0]}")
    if lines[-1]:
        remarks.append("the last line is torn off and left out")
    matches = {i: RANK.search(lines[i]) for i in full}
    ranks = {i: match[1] for i, match in matches.items() if match}
    counts = collections.Counter(ranks.values())
    # Numbers that occur once are those of lines.
    if len(counts) > 1 and min(counts.values()) > 1:
        first = min(counts, key=int)
        remarks.append(f"{len(counts)} ranks, of which {first} counts")
        full = [i for i in full if ranks.get(i, first) == first]
    return [event for i in full for event in read[i][0]], remarks


def _dialect(path: str, events: list[Event]) -> str:
    measured = {"child", "controller", "evaluation"}
    if not any(kind in measured for kind, _, _ in events):
        raise UserError(f"No record of any dialect found in {path}. {LEGAL}")
    found = {dialect for _, dialect, _ in events if dialect} or {"enas"}
    if len(found) > 1:
        raise UserError(
            f"{path} holds lines of both dialects, the original's and the "
            "paper's. A log is of one program; split the file."
        )
    return found.pop()
