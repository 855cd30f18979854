"""How the values of a `Config` are declared, read and checked.

Whoever makes a `Config` - the flags, a flagfile, a notebook - goes through
here. No TensorFlow.
"""

import dataclasses
import math
import os
import reprlib
import typing
from typing import Any

import numpy as np

from enas.cifar10.arc import as_text
from enas.errors import UserError
from enas.paths import check_not_empty, full_path, user_path

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
    """Returns a comma list of ops with a full path in every file:name.

    It has no spaces, so that one list has one spelling.

    Raises:
      UserError: a full path has a comma.
    """
    words = []
    for word in ops.split(","):
        path, colon, name = word.strip().rpartition(":")
        words.append(f"{full_path(path)}:{name}" if colon else name)
        if "," in words[-1]:
            raise UserError(
                "A list of ops is split at commas, so the full path of a file "
                f"in it may have none; received {words[-1]}. Move the file, or "
                "run from another folder."
            )
    return ",".join(words)


_PATHS = {
    "full": full_path,
    "home": user_path,
    "folder": _folder_path,
    "ops": ops_paths,
}


def setting(default: Any, text: str, **rules: Any) -> Any:
    """Declares one setting, of which the text is the help.

    Rules are group (in --help); lower, upper, choices; path ("full": kept as a
    full path; "home": only `~` is expanded; "folder": the path in folder:PATH;
    "ops": those in a list of ops); logging (it may differ when a run
    continues); alias, another name; shown, the default to show; None is none.
    """
    given = {name: rule for name, rule in rules.items() if rule is not None}
    return dataclasses.field(default=default, metadata={"help": text, **given})


def checked(field: dataclasses.Field, value: Any) -> Any:
    """Returns a value as its field holds it.

    NumPy scalars become Python's numbers, paths text with `~` expanded.

    Raises:
      UserError: its type or its range is not legal, or it is empty text.
    """
    is_optional = type(None) in typing.get_args(field.type)
    if value is None and (is_optional or field.default is None):
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


def kind_of(field: dataclasses.Field) -> type:
    """Returns the type of a setting's values: tuple is of texts."""
    if field.type == tuple[str, ...]:
        return tuple
    return (typing.get_args(field.type) or (field.type,))[0]


def _typed(field: dataclasses.Field, value: Any) -> Any:
    if kind_of(field) is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_typed_as(str, field, item) for item in value)
        raise _wrong_type(field, "a tuple of texts", value)
    if field.name == "child_fixed_arc":
        text = as_text(value)
        return None if text.strip().lower() == "none" else text
    return _typed_as(kind_of(field), field, value)


def _typed_as(kind: type, field: dataclasses.Field, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if kind is str and isinstance(value, os.PathLike):
        value = os.fspath(value)
    # In Python True is an int, too; here it is a slip.
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if type(value) is not kind:
        raise _wrong_type(field, _WORDS[kind], value)
    return value


def _wrong_type(field: dataclasses.Field, wanted: str, value: Any) -> UserError:
    return UserError(
        f"--{field.name} is {wanted}; received {reprlib.repr(value)}, which is"
        f" of type {type(value).__name__}. {field.metadata['help']}"
    )


def _check_range(field: dataclasses.Field, value: Any) -> None:
    rules = field.metadata
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
