"""Reads single lines of the two kinds of training log. No TensorFlow here.

Dialect "enas" is printed by the original ENAS and by this project, dialect
"paper" by the paper's PyTorch code. `FORMATS` is the whole grammar.
"""

import re
import string
from typing import NamedTuple

__all__ = ["Event", "parse_line", "promises_numbers"]

# What a field of a format may hold. Counts end at nine digits, so that step
# times epoch stays far inside what TensorBoard can store.
FIELDS = {
    "d": r"\d{1,9}",
    "f": r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)",
    "dots": r"\.+",
    "any": r".*",
}

# (kind of event, dialect it proves, line). A blank stands for any number of
# blanks and tabs: terminals turn one into the other.
FORMATS = (
    (
        "child",
        "enas",
        "epoch={epoch:d} ch_step={step:d} loss={loss:f} lr={lr:f}"
        " |g|={grad_norm:f} tr_acc={correct:d} / {images:d} mins={mins:f}",
    ),
    (
        "child",
        "paper",
        "epoch={epoch:d} ch_step={step:d} loss={loss:f} lr={lr:f}"
        " |g|={grad_norm:f} acc={accuracy:f} time={speed:f}it/s",
    ),
    (
        "controller",
        "enas",
        "ctrl_step={step:d} loss={loss:f} ent={entropy:f} lr={lr:f}"
        " |g|={grad_norm:f} acc={accuracy:f} bl={baseline:f} mins={mins:f}",
    ),
    (
        "controller",
        "paper",
        "ctrl_step={step:d} loss={loss:f} ent={entropy:f} lr={lr:f}"
        " |g|={grad_norm:f} acc={accuracy:f} bl={baseline:f}"
        " time={speed:f}it/s",
    ),
    ("phase", None, "Epoch {epoch:d}: Training controller"),
    ("phase", None, "Epoch {epoch:d}: Eval"),
    ("ten", "enas", "Here are {count:d} architectures"),
    ("ten", "paper", "Here are {count:d} architectures:"),
    ("eval_at", "enas", "Eval at {step:d}"),
    ("arc_accuracy", None, "val_acc={accuracy:f}"),
    ("arc_accuracy", "paper", "val_acc=tensor({accuracy:f}{device:any})"),
    ("valid_accuracy", None, "valid_accuracy: {accuracy:f}"),
    ("test_accuracy", None, "test_accuracy: {accuracy:f}"),
    ("log_every", None, "log_every{dots:dots}{value:d}"),
    ("aggregate", None, "controller_num_aggregate{dots:dots}{value:d}"),
)

# A larger number than float32 holds is no measurement; squares of smaller
# ones fit into float64.
LARGEST = 3.4e38


class Event(NamedTuple):
    """One understood line.

    Attributes:
      kind: str, as in `FORMATS`.
      dialect: "enas", "paper", or None if both print this line.
      fields: dict, name -> int or float, as printed; inf and nan may occur.
    """

    kind: str
    dialect: str | None
    fields: dict


def parse_line(line):
    """Returns the `Event` of a line, or None if it is none.

    Args:
      line: str, without its end.
    """
    text = line.strip()
    for kind, dialect, pattern, types in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            fields = {
                name: _NUMBER[types[name]](found)
                for name, found in match.groupdict().items()
                if types[name] in _NUMBER
            }
            return Event(kind, dialect, fields)
    return None


def promises_numbers(line):
    """Returns whether a line that is no event starts as one."""
    starts = ("epoch=", "ctrl_step=", "val_acc=", "valid_acc", "test_acc")
    return line.strip().startswith(starts)


def _real(text):
    value = float(text)
    return value if abs(value) <= LARGEST else value * float("inf")


_NUMBER = {"d": int, "f": _real}


def _compile(template):
    """Returns (pattern, dict field -> type) of a format."""
    pattern, types = "", {}
    for literal, name, kind, _ in string.Formatter().parse(template):
        pattern += re.escape(literal).replace(r"\ ", r"\s*")
        if name:
            pattern += rf"\s*(?P<{name}>{FIELDS[kind]})"
            types[name] = kind
    return re.compile(pattern, re.ASCII | re.IGNORECASE), types


_PATTERNS = [
    (kind, dialect, *_compile(template)) for kind, dialect, template in FORMATS
]
