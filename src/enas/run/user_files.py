"""Copies of a user's op files in the run directory, which they explain.

Nothing continues a run, or measures it, with other contents of these files.
"""

import os

from enas.cifar10 import user_ops
from enas.cifar10.config import Config
from enas.errors import UserError, naming
from enas.run.files import write_whole

FOLDER = "user_ops"


def keep(config: Config) -> None:
    """Copies the files of ops as `load` ran them, or raises WriteError."""
    for path, copy in copies(config).items():
        with naming(copy):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
        write_whole(copy, user_ops.source_of(path))


def check(config: Config) -> None:
    """Refuses, by a UserError, files that have changed since the run began.

    They were run by `user_ops.load`; the run may be a new one.
    """
    for path, copy in copies(config).items():
        if not os.path.isfile(copy):
            continue
        with naming(copy), open(copy, "rb") as stream:
            kept = stream.read()
        if user_ops.source_of(path) != kept:
            raise UserError(
                f"--output_dir={config.output_dir} holds a run with ops from "
                f"{path}, whose contents may not change; received others than "
                f"those kept in {copy}. Put that file back to continue the "
                "run or to measure it, or give the changed file its own run "
                "by another --output_dir."
            )


def copies(config: Config) -> dict[str, str]:
    """Returns dict, path of a file -> path of the run's copy of it."""
    folder = os.path.join(config.output_dir, FOLDER)
    # Two files in two folders may have one name.
    return {
        path: os.path.join(folder, f"{i}_{os.path.basename(path)}")
        for i, path in enumerate(user_ops.paths(config), 1)
    }
