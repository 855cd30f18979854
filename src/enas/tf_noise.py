"""Keeps TensorFlow's notes at import off the user's terminal.

TensorFlow's C++ code writes to file descriptor 2 before any level can be set.
"""

import contextlib
import os
import re
import sys
import tempfile

__all__ = ["without_noise"]

# Notes (I), the header of early lines, and the complaint that there is no
# driver on a machine that has no NVIDIA device at all.
_NOTES = (
    r"WARNING: All log messages before absl::InitializeLog\(\) is called .*",
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?I\d* .*",
    r"To enable the following instructions: .*",
)
_NO_DRIVER = r"(\S+ \S+: )?E\d* .*failed call to cuInit: .*"


@contextlib.contextmanager
def without_noise():
    """Holds back what is written to stderr, then passes on all but notes.

    Warnings and errors come through, when the block ends, also by an
    exception.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            text = held.read().decode(errors="replace")
            sys.stderr.write("".join(_worth_telling(text)))


def _worth_telling(text):
    notes = _NOTES
    if not os.path.exists("/dev/nvidiactl"):
        notes += (_NO_DRIVER,)
    note = re.compile("|".join(f"(?:{pattern})" for pattern in notes))
    return [
        line
        for line in text.splitlines(keepends=True)
        if not note.fullmatch(line.rstrip("\n"))
    ]
