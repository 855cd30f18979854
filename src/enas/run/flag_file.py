"""The flags of a run: flags.txt, a flagfile that repeats it."""

import dataclasses
import os
import re
from collections.abc import Collection, Iterable

from enas.cifar10.config import Config
from enas.errors import UserError
from enas.paths import full_path
from enas.run.files import read_lines, write_whole

FILE = "flags.txt"
# A repetition gets its own place, and asks again to use other images.
_NOT_REPEATED = (
    "output_dir",
    "reset_output_dir",
    "export_tf1_checkpoint",
    "data_changed",
)
_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
# What may differ when a run continues, and what else with other images.
_FREE = {name for name in _FIELDS if _FIELDS[name].metadata.get("logging")}
_IMAGES = {"dataset", "num_train", "num_valid", "num_test"}


def lines_of(config: Config, skip: Collection[str] = ()) -> list[str]:
    """Returns the flagfile of a run, a line per flag."""
    lines = []
    for name in _FIELDS:
        if name not in (*_NOT_REPEATED, *skip):
            value = getattr(config, name)
            values = value if isinstance(value, tuple) else (value,)
            lines += [f"--{name}={v}" for v in values if v is not None]
    return lines


def keep(config: Config) -> None:
    """Writes the flags of a run into it, or raises WriteError."""
    text = "\n".join(lines_of(config)) + "\n"
    write_whole(os.path.join(config.output_dir, FILE), text)


def check_lines(config: Config) -> None:
    """Refuses, by a UserError, a value of several lines, each a flag then."""
    torn = [line for line in lines_of(config) if "\n" in line]
    if torn:
        raise UserError(
            f"A value must be on one line, as {FILE} keeps it; received "
            f"{torn[0]!r}. Take the line break out."
        )


def check(config: Config, trained: bool) -> None:
    """Refuses to continue a run, perhaps a new one, under other flags.

    Args:
      trained: whether it has a checkpoint.

    Raises:
      UserError: a flag differs that may not, or flags.txt of a trained run is
        missing.
    """
    path = os.path.join(config.output_dir, FILE)
    lines = read_lines(path)
    if not lines and trained:
        raise UserError(
            f"{path} says which flags its checkpoints were made with; it is "
            "missing or empty. Put it back, or take another --output_dir."
        )
    if not lines:
        return
    free = _FREE | (_IMAGES if config.data_changed == "allow" else set())
    new = in_force(lines_of(config, free))
    old = in_force(line for line in lines if _name(line) not in free)
    # A flag that is newer than the run had its default there.
    known = {_name(line) for line in lines}
    old |= set(lines_of(Config(), {*free, *known}))
    old, new = old - new, new - old
    for line in lines:
        # A run may grow and not shrink.
        found = re.fullmatch(r"--num_epochs=(\d{1,18})", line)
        if found and int(found[1]) > config.num_epochs:
            old.add(line)
            new.add(f"--num_epochs={config.num_epochs}")
    if old or new:
        raise UserError(
            f"--output_dir={config.output_dir} holds a run with other flags. "
            f"It has {', '.join(sorted(old)) or 'none'}; received "
            f"{', '.join(sorted(new)) or 'none'}. Give the same flags to "
            "continue it (--num_epochs may grow; what only concerns the log "
            "and where images are may change), or another --output_dir, or "
            "--reset_output_dir to delete it."
        )


def in_force(lines: Iterable[str]) -> set[str]:
    """Returns flag lines, paths in one spelling; of one thing the last."""
    last = {}
    for line in map(_spelled, lines):
        field = _FIELDS.get(_name(line))
        # --override and --op_setting say one thing per choice.
        several = field is not None and isinstance(field.default, tuple)
        last[tuple(line.split("=", 2)[: 1 + several])] = line
    return set(last.values())


def _spelled(line: str) -> str:
    """Returns a flag line with one spelling of every path.

    Where a folder of images or a file of ops is, is left out: what is in them
    is compared.
    """
    name, _, value = line.partition("=")
    field = _FIELDS.get(_name(line))
    kind = field and field.metadata.get("path")
    if kind == "full":
        return f"{name}={os.path.realpath(full_path(value))}"
    if kind == "folder" and value.startswith("folder:"):
        return f"{name}=folder:.."
    if kind == "ops":
        words = map(str.strip, value.split(","))
        return f"{name}={','.join(map(os.path.basename, words))}"
    return line


def _name(line: str) -> str:
    return line.removeprefix("--").partition("=")[0]
