"""What a run ran on, one line for each start: versions.jsonl."""

import contextlib
import json
import os
import pathlib
import platform
import subprocess
import time
from typing import Any

import enas
from enas.run.checkpoint_names import last_whole_epoch
from enas.run.files import append, cut_torn_line, json_line
from enas.tf_settings import has_onednn
from enas.utils import Say

FILE = "versions.jsonl"
# Of versions that kept the last start alone.
OLD_FILE = "versions.json"


def keep(folder: str, log: Say) -> None:
    """Adds a line, or raises WriteError, and logs what has changed.

    Its `epochs` are those that are done.
    """
    last, now = (read(folder) or [{}])[-1], _versions()
    changes = [
        f"{name} {last[name]} -> {value}"
        for name, value in now.items()
        if name in last and last[name] != value
    ]
    if changes:
        log(
            "warning: this start differs from the last one, so numbers need "
            f"not be those of one program: {'; '.join(changes)}"
        )
    path = os.path.join(folder, FILE)
    cut_torn_line(path)
    start = time.strftime("%Y-%m-%d %H:%M:%S")
    epochs = last_whole_epoch(folder)
    append(path, json_line({"start": start, "epochs": epochs, **now}))


def read(folder: str) -> list[dict[str, Any]]:
    """Returns what the starts of a run ran on, oldest first, if readable."""
    found = []
    for name in (OLD_FILE, FILE):
        path = pathlib.Path(folder, name)
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        for part in [text] if name == OLD_FILE else text.splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                found.append(json.loads(part))
    return [start for start in found if start and isinstance(start, dict)]


def _versions() -> dict[str, Any]:
    """Returns what the numbers of a run depend on besides flags and data."""
    # A report reads the file, and needs none of these.
    import keras
    import numpy as np
    import tensorflow as tf

    return {
        "enas-ssp": enas.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "onednn": str(int(has_onednn())),
        "devices": [d.device_type for d in tf.config.list_physical_devices()],
    }


def _commit() -> str | None:
    """Returns the commit of the checkout this runs from, or None."""
    command = ["git", "rev-parse", "HEAD"]
    folder = os.path.dirname(os.path.abspath(enas.__file__))
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        found = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=10
        )
        return found.stdout.strip() or None
    return None
