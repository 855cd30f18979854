"""Finds the records of a training log, wherever they stand in a line.

Dialect "enas" is printed by the original ENAS and by this project, "paper" by
the paper's PyTorch code. No TensorFlow here.
"""

import re
from typing import Any

__all__ = ["RANK", "Event", "events_of", "lines_of"]

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
RANK = re.compile(
    r"(?:\[\d+,(?=\d+\]<)|\b(?:rank|default)\W?|^\[?(?=\d+\]?: ))(\d+)",
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
    starts = list(_STARTS.finditer(line))
    found = [_event_at(line, start.start()) for start in starts]
    events = [event for event in found if event]
    return events, not events and any(start[1] for start in starts)


def _event_at(line: str, place: int) -> Event | None:
    for kind, dialect, pattern in _PATTERNS:
        match = pattern.match(line, place)
        if match:
            found = match.groupdict().items()
            return kind, dialect, {k: _number(v) for k, v in found}
    return None


def _number(text: str) -> float:
    """What is larger than float32 holds is no measurement but inf."""
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
