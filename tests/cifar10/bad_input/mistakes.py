"""A search too small to matter, and what a user's mistake may not do."""

import hashlib
import os
import pathlib

import pytest

from enas.cifar10.main import main

# Sizes that end soon, should a mistake ever pass for good input.
SMALL = (
    "--dataset=shapes",
    "--num_train=32",
    "--num_valid=16",
    "--num_test=16",
    "--batch_size=8",
    "--child_num_layers=2",
    "--child_out_filters=4",
    "--num_epochs=1",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
    "--output_dir=run",
)

RESET = pytest.mark.parametrize(
    "reset", [[], ["--reset_output_dir"]], ids=["keep", "reset"]
)


def listing(place="."):
    """Returns dict, path -> what is there: link target, contents or folder."""
    found = {}
    for path in pathlib.Path(place).rglob("*"):
        if path.is_symlink():
            found[str(path)] = ("link", os.readlink(path))
        elif path.is_file():
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = ("file", contents)
        else:
            found[str(path)] = ("folder", None)
    return found


def accepted(*arguments):
    return main(["program", *SMALL, *arguments]) == 0


def write(path, contents=b""):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
