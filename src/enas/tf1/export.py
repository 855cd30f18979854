"""Writes a checkpoint that the original TensorFlow 1 program can restore.

It restores what the file `checkpoint` in its --output_dir names.
"""

import hashlib
import os
import pathlib
from typing import Any

import numpy as np

from enas.cifar10.behaviours import ENAS
from enas.cifar10.search import Search
from enas.errors import UserError
from enas.paths import check_loadable
from enas.run import checkpoint
from enas.run.files import append, read_lines
from enas.run.run_dir import RunDir, check_parent
from enas.tf1.files import named_in, write
from enas.tf1.load import restart_state
from enas.utils import Say

# In the run directory: which files a run may replace, being its own.
_RECORD = "exported.txt"


def check(run_dir: RunDir) -> None:
    """Refuses a place that an export may not be written to.

    Raises:
      UserError: it is a directory, cannot be made, or holds a checkpoint
        that this run has not written.
    """
    prefix = run_dir.config.export_tf1_checkpoint
    if prefix is None:
        return
    if not os.path.basename(prefix) or os.path.isdir(prefix):
        raise UserError(
            "--export_tf1_checkpoint is the path of a checkpoint's files "
            f"without their endings; received {prefix!r}, a directory. Name a "
            f"file in it, such as {os.path.join(prefix, 'model.ckpt')}."
        )
    check_loadable(prefix, "--export_tf1_checkpoint")
    folder = os.path.dirname(os.path.abspath(prefix))
    check_parent(folder, "export_tf1_checkpoint")
    state = os.path.join(folder, "checkpoint")
    if _is_own(run_dir, os.path.abspath(prefix)):
        named = named_in(folder)
        if named not in (None, os.path.basename(prefix)):
            raise UserError(
                f"--export_tf1_checkpoint={prefix} would replace {state}, "
                f"which names {named}: another program has gone on from an "
                "earlier export there. Name another folder."
            )
        return
    for path in (f"{prefix}.index", state):
        if os.path.lexists(path):
            raise UserError(
                f"--export_tf1_checkpoint={prefix} needs a folder without "
                f"another checkpoint, because the original restores the one "
                f"that is named there; {path} exists and is not of this run "
                "and name. Name another folder, or the same file again."
            )


def export(search: Search, run_dir: RunDir, log: Say) -> None:
    """Writes the checkpoint that --export_tf1_checkpoint asks for."""
    asked = run_dir.config.export_tf1_checkpoint
    if asked is None:
        return
    prefix, tensors = os.path.abspath(asked), export_tensors(search)

    def record(index: str) -> None:
        append(run_dir.file(_RECORD), f"{_line(prefix, index)}\n")

    write(prefix, tensors, record)
    log(f"Exported {len(tensors)} tensors as {asked}")
    space = search.config.poison, search.config.candidate_ops
    classes = search.data.num_classes
    if (*space, classes) != ("none", "enas6", 10) or search.profile != ENAS:
        log(
            "The original cannot restore it: it has other ops, classes or "
            "behaviours. --init_checkpoint can."
        )


def _is_own(run_dir: RunDir, prefix: str) -> bool:
    """Says whether what is at a place is an export of this run."""
    lines, index = read_lines(run_dir.file(_RECORD)), f"{prefix}.index"
    if not os.path.isfile(index):
        return any(line.partition("\t")[0] == prefix for line in lines)
    if any(line.startswith(f"{prefix}\t") for line in lines):
        return _line(prefix, index) in lines
    # An earlier version wrote down the place alone.
    return prefix in lines


def _line(prefix: str, index: str) -> str:
    """Returns what is written down of an export: its place and its index."""
    content = pathlib.Path(index).read_bytes()
    return f"{prefix}\t{hashlib.sha256(content).hexdigest()}"


def export_tensors(search: Search) -> dict[str, Any]:
    """Returns what the original saves, by name: variables and numbers."""
    variables, counters = checkpoint.search_tensors(search)
    config = search.config
    state = restart_state(config, search.epoch) if config.restarts else {}
    return {**variables, **counters, **{n: np.int32(state[n]) for n in state}}
