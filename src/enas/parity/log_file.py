"""Reads one training log: finds its records and places them in epochs.

Dialect "enas" is printed by the original ENAS and by this project, "paper" by
the paper's PyTorch code. No TensorFlow here.
"""

import bisect
import itertools
import math
import os
import pathlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from enas import tf_settings
from enas.errors import UserError

# Kind, the dialect it proves or None, its numbers.
Event = tuple[str, str | None, dict[str, Any]]
_STEP = "step={step:d} loss={loss:f}"
_NORM = " lr={lr:f} |g|={grad_norm:f}"
_CHILD = "epoch={epoch:d} ch_" + _STEP + _NORM
_ARC = "ctrl_" + _STEP + " ent={entropy:f}" + _NORM
_ARC += " acc={accuracy:f} bl={baseline:f}"
# The whole grammar. A blank stands for any number of blanks and tabs.
FORMATS = (
    ("child", "enas", _CHILD + " tr_acc={correct:d} / {images:d} mins={:f}"),
    ("child", "paper", _CHILD + " acc={accuracy:f} time={:f}it/s"),
    ("controller", "enas", _ARC + " mins={:f}"),
    ("controller", "paper", _ARC + " time={:f}it/s"),
    ("phase", None, "Epoch {epoch:d}: Training controller"),
    ("phase", None, "Epoch {epoch:d}: Eval"),
    ("ten", "paper", "Here are {:d} architectures:"),
    ("ten", "enas", "Here are {:d} architectures"),
    ("eval_at", "enas", "Eval at {step:d}"),
    ("evaluation", None, "val_acc={arc_accuracy:f}"),
    ("evaluation", "paper", "val_acc=tensor({arc_accuracy:f}{:any})"),
    ("evaluation", None, "valid_accuracy: {valid_accuracy:f}"),
    ("evaluation", None, "test_accuracy: {test_accuracy:f}"),
    ("log_every", None, "log_every{:any}{value:d}"),
)
# Counts end at nine digits, so that step times epoch fits into TensorBoard.
_FIELDS = {
    "d": r"\d{1,9}",
    "f": r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)",
    "any": r"(?:\W[^()]*?)?",
}
_FLAGS = re.ASCII | re.IGNORECASE
_STARTS = re.compile(
    r"(?<![\w.=])(?:((?:epoch|ctrl_step|val_acc)=|(?:valid|test)_accuracy:)"
    r"|Epoch |Here are|Eval at|log_every)",
    _FLAGS,
)
# After a short record, which prose could hold too, there are signs only, or
# the rest of a quotation: {"log":"Eval at 4","time":"12:00"}.
_END = r"(?![\w.])(?=\W*?(?:[\"'<&]|$))"
# MPI, torchrun and srun --label say which process wrote a line.
_RANK = re.compile(
    r"(?:\[\d+,(?=\d+\]<)|\b(?:rank|default)\W?|^\[?(?=\d+\]?: ))(\d{1,9})",
    _FLAGS,
)
# Colours and the like, also where the escape sign itself was lost.
_TERMINAL = re.compile(r"(?:\x1b|\x9b|\^\[|␛)\[?[0-?]*[ -/]*[@-~]|\[[\d;]*m")
_CODE = re.compile(r"\\(?:u00|x)([0-9a-f]{2})", re.IGNORECASE)


def lines_of(data: bytes) -> list[str]:
    """Returns the lines of a log, without colours, runs of blanks as one.

    Records are ASCII, so UTF-16 without its zero bytes reads as UTF-8. Every
    redrawing of a progress bar is a line.
    """
    text = data.replace(b"\0", b"").decode("utf-8", errors="replace")
    if "\\" in text:  # of JSON, Markdown, or for colours
        text = text.replace(r"\033", "\x1b").replace(r"\t", "\t")
        text = _CODE.sub(lambda code: chr(int(code[1], 16)), text)
        text = re.sub(r"\\(?=[^\w\s])", "", re.sub(r"\\[nr]", "\n", text))
    lines = re.split(r"\r\n|[\n\r\v\f\b]", _TERMINAL.sub("", text))
    return [" ".join(line.split()) for line in lines]


def events_of(line: str) -> tuple[list[Event], bool]:
    """Returns the records of a line, and whether what starts as one is none."""
    starts, events = list(_STARTS.finditer(line)), []
    for start in starts:
        for kind, dialect, pattern in _PATTERNS:
            if match := pattern.match(line, start.start()):
                found = match.groupdict().items()
                numbers = {name: _number(text) for name, text in found}
                events.append((kind, dialect, numbers))
                break
    return events, not events and any(start[1] for start in starts)


def _number(text: str) -> float:
    """Reads a number; one that is too large for float32 becomes inf."""
    if text.isdigit() and len(text) < 10:
        return int(text)
    value = float(text)
    return value if abs(value) <= 3.4e38 else value * float("inf")


def _pattern(kind: str, template: str) -> re.Pattern[str]:
    def field(found: re.Match[str]) -> str:
        name = f"?P<{found[1]}>" if found[1] else "?:"
        return f" ?({name}{_FIELDS[found[2]]})"

    text = re.escape(re.sub(r" *\{", "{", template)).replace(r"\ ", " ?")
    text = re.sub(r"\\\{(\w*):(\w+)\\\}", field, text)
    end = "" if kind in ("child", "controller") else _END
    return re.compile(text + end, _FLAGS)


_PATTERNS = [(kind, who, _pattern(kind, form)) for kind, who, form in FORMATS]
LEGAL = (
    "Legal is what the original ENAS, this project or the paper's code prints "
    "while it searches, or a run directory, whose file stdout has that."
)


# (phase, quantity) -> epoch from 0 -> position -> number. The position is the
# child's step in the epoch, from 1; the controller's arc, from 0; which of the
# ten architectures, from 0. Accuracies are shares, losses and entropies nats.
Series = dict[tuple[str, str], dict[int, dict[int, float]]]
# A log has the same accuracies, and times do not depend on the program only.
_LEFT_OUT = ("epoch", "valid_acc", "test_acc", "seconds_")


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


def file_of(path: str) -> str:
    """Returns the log file of a path: of a directory its stdout."""
    return os.path.join(path, "stdout") if os.path.isdir(path) else path


def read_log(path: str) -> Log:
    """Reads a log file, or the files stdout and metrics.csv of a directory.

    Raises:
      UserError: there is no such file, it holds no record, or records of
        both dialects.
    """
    rows = []
    if os.path.isdir(path):
        with tf_settings.quiet_import():
            from enas.run.rows import RunRows
        rows = RunRows(path).rows()
    try:
        lines = lines_of(pathlib.Path(file_of(path)).read_bytes())
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UserError(f"{path} cannot be read: {error}. {LEGAL}") from None
    events, remarks = _events(lines)
    kinds = {kind for kind, _, _ in events}
    if not kinds & {"child", "controller", "evaluation"}:
        raise UserError(f"No record of any dialect found in {path}. {LEGAL}")
    dialects = {dialect for _, dialect, _ in events if dialect} or {"enas"}
    if len(dialects) > 1:
        raise UserError(
            f"{path} holds lines of both dialects, the original's and the "
            "paper's. A log is of one program; split the file."
        )
    return Log(path, dialects.pop(), events, rows, remarks)


def _events(lines: list[str]) -> tuple[list[Event], list[str]]:
    """Returns records and remarks; the last line is unfinished or empty."""
    read = [events_of(line) for line in lines[:-1]]
    full = [i for i, (found, _) in enumerate(read) if found]
    broken = [i for i, (_, is_broken) in enumerate(read, 1) if is_broken]
    others = len(read) - len(full) - len(broken)
    remarks = [f"{len(full)} lines read, {others} hold no numbers"]
    if broken:
        remarks.append(f"{len(broken)} lines are damaged, first {broken[0]}")
    if lines[-1]:
        remarks.append("the last line is truncated and left out")
    ranks = {i: found[1] for i in full if (found := _RANK.search(lines[i]))}
    counts = Counter(ranks.values())
    # Numbers of which most occur once or twice are those of lines.
    if len(counts) > 1 and counts.total() > 2 * len(counts):
        first = min(counts, key=int)
        remarks.append(f"{len(counts)} ranks, of which {first} counts")
        full = [i for i in full if ranks.get(i, first) == first]
    return [event for i in full for event in read[i][0]], remarks


def step_bounds(log: Log) -> tuple[int, float]:
    """Returns the fewest and the most child steps that an epoch can have.

    The original prints epoch = step // n and evaluates at n * epoch (ENAS
    main.py `train`). The paper's steps count from 0 and restart each epoch.
    Raises a UserError if the lines contradict each other.
    """
    steps = log.printed_steps("child")
    if log.dialect == "paper":
        low, every = max(steps, default=0) + 1, math.gcd(*steps)
        whole = any(kind == "phase" for kind, _, _ in log.events)
        return low, low - 1 + every if whole and every else math.inf
    low, high, epoch, last, exact = 1, math.inf, 0, 0, Counter[int]()
    for kind, _, fields in log.events:
        step, epoch = fields.get("step", 0), fields.get("epoch", epoch)
        if kind == "phase" and epoch:
            low = max(low, math.ceil(last / epoch))
        elif kind == "child":
            last = step
            low = max(low, step // (epoch + 1) + 1)
            high = min(high, step // epoch if epoch else math.inf)
        elif kind == "eval_at" and epoch and step and not step % epoch:
            exact[step // epoch] += 1
    if exact:
        low = high = exact.most_common(1)[0][0]
    if low > high:
        raise UserError(
            f"The child lines of {log.path} contradict each other: an epoch "
            f"has at least {low} and at most {high} steps. If the file is of "
            "several runs, split it."
        )
    return low, high


def place(log: Log, steps: int) -> tuple[Series, list[str]]:
    """Returns the finite numbers of a log, and what was left out.

    What is logged twice, by a run that was continued, counts as logged last.
    `steps` are the child steps of an epoch. Raises a UserError if the epoch of
    no record can be told.
    """
    series: Series = defaultdict(lambda: defaultdict(dict))
    left_out: Counter[str] = Counter()
    for phase, epoch, position, values in _moments(log, steps):
        if not 0 <= epoch < 10**9 or position < 0:
            left_out["lines before the first epoch"] += 1
            continue
        for name, value in values.items():
            numbers = series[phase, name][epoch]
            numbers[position] = value
            if not math.isfinite(value):
                del numbers[position]
                left_out["values that are nan or inf"] += 1
    if not series:
        raise UserError(
            f"No line of {log.path} can be placed in an epoch, because it has "
            "no child lines (epoch= ..), 'Epoch 1: Training controller' or "
            "'Epoch 1: Eval'. Give the log from its beginning."
        )
    return series, [f"{n} {what} left out" for what, n in left_out.items()]


def _headers_after(events: list[Event]) -> list[int | None]:
    """Returns the epoch of the header after each, None if steps come first."""
    header: int | None = None
    found = []
    for kind, _, fields in reversed(events):
        found.append(header)
        if kind in ("phase", "child"):
            header = fields["epoch"] if kind == "phase" else None
    return found[::-1]


def _moments(log: Log, steps: int) -> Iterator[tuple[str, int, int, dict]]:
    """Yields (phase, epoch, position, numbers); -1 for what is unknown."""
    paper = log.dialect == "paper"
    log_every = math.gcd(*log.printed_steps("child"))
    # The paper's code counts arcs: 39, 79, ..; its notebook updates: 1, ..
    counts_arcs = min(log.printed_steps("controller"), default=0) > 1
    epoch = -1  # of the phase whose header was read last
    ten = itertools.count()
    # (ctrl_step, arc) of the phase's lines so far, and whether the phase began
    # again: a run that was killed logs some updates twice.
    arcs: list[tuple[int, int]] = []
    again = False
    followed = zip(log.events, _headers_after(log.events), strict=True)
    for (kind, _, fields), header in followed:
        values = dict(fields)
        if kind == "log_every":
            log_every = values["value"]
        elif kind == "phase":
            before, epoch = epoch, values["epoch"] - (not paper)
            again = epoch == before
            if not again:
                ten, arcs = itertools.count(), []
        elif kind == "ten":
            ten = itertools.count()
        elif kind == "child":
            epoch, of, step = -1, values.pop("epoch"), values.pop("step")
            if not paper:
                images = values.pop("images") or math.nan
                values["accuracy"] = values.pop("correct") / images
                # Counted after the step: an epoch's last has the next's number.
                of, step = divmod(step - 1, steps)
            yield kind, of, step + 1, values
        elif kind == "controller":
            step = values.pop("step")
            arc = (step + 1) * (1 if counts_arcs else 20) - 1
            if not paper:
                if again:
                    first = bisect.bisect_left(arcs, (step,))
                    arcs, again = arcs[:first], False
                # Not by ctrl_step, which lags behind in the original (row 28).
                arc = arcs[-1][1] if arcs else -1
                arc = (arc // log_every + 1) * log_every if log_every else -1
                arcs.append((step, arc))
            yield kind, epoch, arc, values
        elif kind == "evaluation":
            ((name, value),) = values.items()
            one_of_ten = name == "arc_accuracy"
            # An epoch without a controller has no header before them.
            place = (epoch, 0)
            if one_of_ten:
                of = epoch if header is None else header - (not paper)
                place = (of, next(ten))
            yield kind, *place, values
            if paper and not one_of_ten and epoch >= 0:
                # What the paper's code prints is what metrics.csv calls so.
                column = f"best_{name.removesuffix('uracy')}"
                yield "epoch", epoch, 0, {column: value}
    for row in log.rows:
        values = {c: v for c, v in row.items() if not c.startswith(_LEFT_OUT)}
        yield "epoch", int(row["epoch"]) - 1, 0, values
