"""The files of a TensorFlow 1 checkpoint: finding them, writing them whole."""

import os
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from enas.errors import UserError
from enas.run import checkpoint, checkpoint_names


def find_prefix(path: str) -> str:
    """Returns the path of a checkpoint's files without their endings.

    Args:
      path: that path, one of the files, a folder with a `checkpoint` file or
        one checkpoint, or a run directory of this program.

    Raises:
      UserError: there is none, or more than one.
    """
    path = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path)
    if not os.path.isdir(path):
        if os.path.isfile(f"{path}.index"):
            return path
        raise _no_checkpoint(path, "has no file of that name with .index")
    own = checkpoint_names.directories(path)
    if own:
        return os.path.join(own[-1], checkpoint.PREFIX)
    return os.path.join(path, _name_in(path))


def named_in(folder: str) -> str | None:
    """Returns the checkpoint that the file `checkpoint` names, there or not."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except ValueError:  # Among them text that is not UTF-8.
        return None
    # A folder that was moved still names its old place.
    return os.path.basename(state.model_checkpoint_path) if state else None


def _name_in(folder: str) -> str:
    if os.path.isfile(os.path.join(folder, "checkpoint")):
        name = named_in(folder)
        if name and os.path.isfile(os.path.join(folder, f"{name}.index")):
            return name
        raise _no_checkpoint(
            folder, f"has a file `checkpoint` that names {name!r}, not there"
        )
    names = [n for n in sorted(os.listdir(folder)) if n.endswith(".index")]
    if len(names) != 1:
        raise _no_checkpoint(folder, f"holds {len(names)} files *.index")
    return names[0].removesuffix(".index")


def _no_checkpoint(path: str, found: str) -> UserError:
    return UserError(
        f"A checkpoint is PREFIX.index and PREFIX.data-00000-of-00001; {path} "
        f"{found}. Name the prefix, such as outputs/model.ckpt-12, or a folder "
        "with one checkpoint or with the file `checkpoint`."
    )


def write(
    prefix: str, tensors: dict[str, Any], record: Callable[[str], None]
) -> None:
    """Writes a checkpoint and the file `checkpoint` that names it.

    Args:
      prefix: absolute; what is there is replaced.
      record: gets the path of the written index before anything is replaced.
    """
    folder, name = os.path.split(prefix)
    aside = pathlib.Path(f"{prefix}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    checkpoint.save(str(aside / name), tensors)
    state = tf.compat.v1.train.generate_checkpoint_state_proto(folder, name)
    (aside / "checkpoint").write_text(str(state))
    record(str(aside / f"{name}.index"))
    # An index is what makes a checkpoint, so it leaves first and comes last.
    pathlib.Path(f"{prefix}.index").unlink(missing_ok=True)
    for part in (f"{name}.data-00000-of-00001", f"{name}.index", "checkpoint"):
        os.replace(aside / part, os.path.join(folder, part))
    aside.rmdir()
