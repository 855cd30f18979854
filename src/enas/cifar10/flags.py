"""The flag table: absl flags made from the fields of `Config`.

Only `main.py` calls this; everything else receives a `Config`. No TensorFlow.
"""

import dataclasses
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import flags

from enas.cifar10.config import Config
from enas.cifar10.config.values import checked, kind_of
from enas.errors import UserError
from enas.paths import check_not_empty, command_words

# Flags of the original's main.py and script that change nothing in macro
# search: name -> (kind, why).
WITHOUT_EFFECT = {
    "child_block_size": (int, "it is of micro search"),
    "child_num_cells": (int, "it is of micro search"),
    "child_num_cell_layers": (int, "the original never reads it"),
    "child_use_aux_heads": (bool, "it is of micro search"),
    "child_drop_path_keep_prob": (float, "it is of micro search"),
    "child_filter_size": (int, "the ops of macro search fix their size"),
    "child_skip_pattern": (str, "the original never reads it"),
    "child_num_aggregate": (int, "one process trains the child"),
    "child_num_replicas": (int, "one process trains the child"),
    "child_sync_replicas": (bool, "one process trains the child"),
    "controller_forwards_limit": (int, "the original never reads it"),
    "controller_keep_prob": (float, "the original never reads it"),
    "controller_lr_dec_rate": (
        float,
        "the original decays every 1,000,000 steps, which no run reaches",
    ),
    "controller_num_replicas": (int, "one process trains the controller"),
    "controller_op_tanh_reduce": (
        float,
        "macro search does not reduce the op logits (row 20)",
    ),
    "controller_search_whole_channels": (
        bool,
        "the search always takes whole channels",
    ),
    "controller_sync_replicas": (
        bool,
        "an update always averages --controller_num_aggregate arcs",
    ),
    "controller_use_critic": (bool, "the original never reads it"),
}

_DEFINE: dict[type, Callable[..., Any]] = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
    tuple: flags.DEFINE_multi_string,
}


def make_flags(**own: Any) -> flags.FlagValues:
    """Returns one flag per field of `Config`, aliases, and idle flags.

    `own` are a program's own flags, name=default. The default says the type: a
    tuple is of texts, None stands for text.
    """
    values = flags.FlagValues()
    for field in dataclasses.fields(Config):
        name, rules = field.name, field.metadata
        define = _DEFINE[kind_of(field)]
        define(name, field.default, rules["help"], flag_values=values)
        if "alias" in rules:
            flags.DEFINE_alias(rules["alias"], name, flag_values=values)
    for name, (kind, why) in WITHOUT_EFFECT.items():
        _DEFINE[kind](name, None, f"Without effect: {why}.", flag_values=values)
    flags.DEFINE_boolean(
        "help", False, "Show this text.", short_name="h", flag_values=values
    )
    for name, default in own.items():
        define = _DEFINE.get(type(default), flags.DEFINE_string)
        define(name, default, "", flag_values=values)
    return values


def read_flags(
    values: flags.FlagValues, argv: Sequence[str]
) -> tuple[Config, list[str]]:
    """Parses a command line, the program's name first, into a `Config`.

    Returns:
      (config, names of flags without effect that were given).

    Raises:
      UserError: a flag is unknown, cannot be read or is out of range.
    """
    _parse(values, argv)
    settings: dict[str, Any] = {
        field.name: values[field.name].value
        for field in dataclasses.fields(Config)
    }
    idle = [name for name in WITHOUT_EFFECT if values[name].present]
    return Config(**settings), idle


def spelled_out(words: Sequence[str]) -> tuple[str, ...]:
    """Returns the settings that flags give, each once, in one spelling.

    Flagfiles are read and paths are full ones, so they hold in every folder.
    They are words --name=value in the order of `Config`, without idle flags.

    Raises:
      UserError: as `read_flags`.
    """
    values = make_flags()
    _parse(values, ["flags", *words])
    lines = []
    for field in dataclasses.fields(Config):
        if values[field.name].present:
            value = checked(field, values[field.name].value)
            several = value if isinstance(value, tuple) else (value,)
            lines += [f"--{field.name}={each}" for each in several]
    return tuple(lines)


def _parse(values: flags.FlagValues, argv: Sequence[str]) -> None:
    words = list(_with_epochs(_without_flagfiles(values, argv)))
    try:
        rest = values(words)[1:]
    except flags.Error as error:
        raise UserError(f"{error}. See --help for all flags.") from error
    if rest:
        raise UserError(
            "All settings are given as --name=value; received the bare words "
            f"{' '.join(map(repr, rest))}. See --help."
        )
    for name in values:
        given = values[name].value if values[name].present else []
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str):
                _check_text(name, value, values)


def _with_epochs(words: Sequence[str]) -> Iterator[str]:
    """Yields words with --search_for=300, of the paper, as --num_epochs=300."""
    for word, following in itertools.zip_longest(words, words[1:]):
        flag, equals, value = word.partition("=")
        given = value if equals else str(following)
        if flag.lstrip("-") == "search_for" and re.fullmatch(
            "[0-9]{1,9}", given
        ):
            word = word.replace("search_for", "num_epochs")
        yield word


def _without_flagfiles(
    values: flags.FlagValues, argv: Sequence[str]
) -> list[str]:
    """Returns argv with the flagfiles in it read, byte order marks skipped."""
    words = command_words(argv)
    # Of a comment and of an empty line, which absl does not know by its mark.
    idle = re.compile(r"\ufeff+(#|//|\Z)")
    try:
        while True:
            words = values.read_flags_from_files(words, force_gnu=False)
            if not any(word.startswith("\ufeff") for word in words):
                return words
            words = [w.lstrip("\ufeff") for w in words if not idle.match(w)]
    except (flags.Error, OSError) as error:
        raise UserError(
            f"{error}. --flagfile names a text file. See --help for all flags."
        ) from error
    # Bytes that are not text, or a file name with a zero byte in it.
    except ValueError as error:
        raise UserError(
            "A flagfile must be text that names flags and files; received one "
            f"that cannot be read: {error}. See --help for all flags."
        ) from error


def _check_text(name: str, value: str, values: flags.FlagValues) -> None:
    """Refuses a flag without a value, which takes the flag after it."""
    check_not_empty(f"--{name}", value)
    if value.startswith("-") and value.strip("-").split("=")[0] in values:
        raise UserError(
            f"--{name} has no value: the word after it is {value}. Write "
            f"--{name}=VALUE, or leave it out for its default."
        )


def help_text(script: str, values: flags.FlagValues | None = None) -> str:
    """Returns what --help of a script prints: all flags, with defaults.

    Those of a script are what it gives before the user's, in `values`.
    """
    lines = [f"Usage: {script} [--flag=value ..]", ""]
    group = None
    for field in dataclasses.fields(Config):
        rules = field.metadata
        if rules["group"] != group:
            group = rules["group"]
            lines += [f"{group}:"]
        shown = rules.get("shown", field.default)
        if values and values[field.name].present:
            shown = values[field.name].value
        # The arc of the original's final script has many lines.
        first, *rest = str(shown).strip().split("\n")
        lines += [f"  --{field.name}={first}{' ..' if rest else ''}"]
        text = rules["help"]
        if "choices" in rules:
            text += f" One of: {', '.join(rules['choices'])}."
        if "alias" in rules:
            text += f" Also --{rules['alias']}."
        lines += _indented(text)
    lines += ["Accepted from the original's scripts, without effect:"]
    return "\n".join(lines + _indented(", ".join(WITHOUT_EFFECT)))


def _indented(text: str) -> list[str]:
    margin = " " * 6
    return textwrap.wrap(
        text, 80, initial_indent=margin, subsequent_indent=margin
    )
