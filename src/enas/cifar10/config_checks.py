"""How the values of a `Config` are declared, read and checked.

Whoever makes a `Config` - the flags, a flagfile, a notebook - goes through
here. No TensorFlow.
"""

import dataclasses
import math
import os
import re
import reprlib
import typing
from typing import Any

import numpy as np

from enas.cifar10.arc import as_text
from enas.cifar10.behaviours import make_profile
from enas.cifar10.search_space import CANDIDATE_OPS, expand
from enas.errors import UserError
from enas.paths import check_not_empty, full_path, user_path

__all__ = [
    "check_combinations",
    "checked",
    "setting",
    "shown_default",
]

# Those of `enas.defences`, which needs TensorFlow.
DEFENCES = ("deduplicate", "reweight", "discard", "prune")
DATA_SETS = ("cifar10", "cifar100", "shapes")
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
}


def _folder_path(dataset: str) -> str:
    """Returns folder:PATH with a full path, and other names as they are."""
    kind, colon, path = dataset.partition(":")
    if kind == "folder" and path:
        return kind + colon + full_path(path)
    return dataset


def ops_paths(ops: str) -> str:
    """Returns a comma list of ops with a full path in every file:name."""
    if ":" not in ops:
        return ops
    parts = [word.strip().rpartition(":") for word in ops.split(",")]
    return ",".join(
        f"{full_path(path)}:{name}" if colon else name
        for path, colon, name in parts
    )


_PATHS = {
    "full": full_path,
    "home": user_path,
    "folder": _folder_path,
    "ops": ops_paths,
}


def setting(default: Any, group: str, text: str, **rules: Any) -> Any:
    """Declares one setting.

    Args:
      default: its value if none is given.
      group: heading in --help.
      text: its help: unit, range and meaning.
      **rules: lower, upper, choices; path ("full": kept as a full path;
        "home": only `~` is expanded; "folder": the path in folder:PATH;
        "ops": those in a list of ops);
        logging (it may differ when a run continues); alias, another name;
        shown, the default to show.
    """
    metadata = {"group": group, "help": text, **rules}
    return dataclasses.field(default=default, metadata=metadata)


def checked(field: dataclasses.Field, value: Any) -> Any:
    """Returns a value as its field holds it.

    NumPy scalars become Python's numbers, paths text with `~` expanded.

    Raises:
      UserError: its type or its range is not legal, or it is empty text.
    """
    if value is None and _may_be_none(field):
        return None
    value = _typed(field, value)
    if value is None:
        return None
    if isinstance(value, str):
        check_not_empty(f"--{field.name}", value)
        if "path" in field.metadata:
            value = _PATHS[field.metadata["path"]](value)
    _check_range(field, value)
    return value


def _may_be_none(field: dataclasses.Field) -> bool:
    return field.default is None or type(None) in typing.get_args(field.type)


def _typed(field: dataclasses.Field, value: Any) -> Any:
    if field.type == tuple[str, ...]:
        if isinstance(value, (list, tuple)):
            return tuple(_typed_as(str, field, item) for item in value)
        raise _wrong_type(field, "a tuple of texts", value)
    if field.name == "child_fixed_arc":
        text = as_text(value)
        return None if text.strip().lower() == "none" else text
    kind = (typing.get_args(field.type) or (field.type,))[0]
    return _typed_as(kind, field, value)


def _typed_as(kind: type, field: dataclasses.Field, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if kind is str and isinstance(value, os.PathLike):
        value = os.fspath(value)
    # In Python True is an int, too; here it is a slip.
    if kind is float and type(value) is int:
        value = _as_float(value)
    if type(value) is not kind:
        raise _wrong_type(field, _WORDS[kind], value)
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _wrong_type(field: dataclasses.Field, wanted: str, value: Any) -> UserError:
    return UserError(
        f"--{field.name} is {wanted}; received {reprlib.repr(value)}, which is"
        f" of type {type(value).__name__}. {field.metadata['help']}"
    )


def shown_default(field: dataclasses.Field) -> Any:
    """Returns the default of a setting, to be shown."""
    return field.metadata.get("shown", field.default)


def _check_range(field: dataclasses.Field, value: Any) -> None:
    rules = field.metadata
    if isinstance(value, tuple):
        return
    if "choices" in rules and value not in rules["choices"]:
        raise UserError(
            f"--{field.name} is one of {', '.join(rules['choices'])}; received"
            f" {value!r}. {rules['help']}"
        )
    lower, upper = rules.get("lower"), rules.get("upper")
    low = lower is not None and not value >= lower
    high = upper is not None and not value <= upper
    if low or high or value in (math.inf, -math.inf):
        least = "any number" if lower is None else f"at least {lower}"
        most = "" if upper is None else f" and at most {upper}"
        raise UserError(
            f"--{field.name} must be {least}{most}; received"
            f" {reprlib.repr(value)}. {rules['help']}"
        )


def check_combinations(config: Any) -> None:
    """Refuses values that contradict each other, with a UserError."""
    folder = re.match(r"folder:.", config.dataset)
    if config.dataset not in DATA_SETS and not folder:
        raise UserError(
            f"--dataset is one of {', '.join(DATA_SETS)}, or folder:PATH; "
            f"received {config.dataset!r}. For images of your own give the "
            "folder that holds one sub-folder for each class."
        )
    if config.image_size % 4:
        raise UserError(
            "--image_size is a multiple of 4, because it is halved twice; "
            f"received {config.image_size}. Try {config.image_size // 4 * 4}."
        )
    if config.child_cutout_size > config.image_size:
        raise UserError(
            "--child_cutout_size is at most --image_size; received "
            f"{config.child_cutout_size} and {config.image_size}."
        )
    if config.child_out_filters % 2:
        raise UserError(
            "--child_out_filters must be even, because the factorized reduction"
            " halves the channels between its two paths; received"
            f" {config.child_out_filters}. Try {config.child_out_filters + 1}."
        )
    if config.child_lr_min > config.child_lr_max:
        raise UserError(
            "--child_lr_min must not be above --child_lr_max; received "
            f"{config.child_lr_min} and {config.child_lr_max}. Swap them."
        )
    if config.search_for != "macro":
        raise UserError(
            "--search_for is macro, or a number of epochs; received "
            f"{config.search_for!r}. Only macro search exists here."
        )
    checkpoints = config.init_checkpoint or config.export_tf1_checkpoint
    if config.child_from_scratch and checkpoints:
        raise UserError(
            "--child_from_scratch goes with neither --init_checkpoint nor "
            "--export_tf1_checkpoint, which are of a search's child; received "
            f"{checkpoints!r}. Leave them out."
        )
    make_profile(config.override)
    _check_defence(config.defence)
    ops = len(expand(config.candidate_ops, CANDIDATE_OPS))
    number = config.child_num_branches
    if number not in (None, ops):
        first = ",".join(CANDIDATE_OPS["enas6"][:number])
        raise UserError(
            f"--candidate_ops={config.candidate_ops} has {ops} ops; received "
            f"--child_num_branches={number}. Leave it out, or choose the ops "
            f"by --candidate_ops: the original's first are {first}."
        )


def _check_defence(text: str) -> None:
    names = text.split(",")
    if text != "none" and (
        not set(names) <= set(DEFENCES) or len(set(names)) != len(names)
    ):
        raise UserError(
            "--defence is none, or a comma list without blanks of "
            f"{', '.join(DEFENCES)}, each at most once; received {text!r}. "
            "For example --defence=deduplicate,prune."
        )
