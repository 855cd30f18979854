"""Paths and text files as users give them, the same for all programs.

By a flag, in a flagfile, after a script or from Python. No TensorFlow here.
"""

import os
import pathlib
import reprlib
from collections.abc import Sequence

from enas.errors import UserError

# Stands in every picture, table and model that this project writes.
MARK = "enas-ssp"
# In exported models: who wrote them, and the names of the classes.
CLASSES = "classes.json"
PICTURES = (".png", ".svg", ".pdf")


def user_path(path: str | os.PathLike[str]) -> str:
    """Returns a path with `~` and `$NAME` expanded, where no shell did.

    Raises:
      UserError: it is not a path, or there is no such user or variable.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text.strip():
        raise UserError(
            "A path is text or a pathlib.Path, and not empty; received "
            f"{reprlib.repr(path)}."
        )
    text = os.path.expanduser(os.path.expandvars(text))
    if text[:1] in ("~", "$"):
        raise UserError(
            f"{text} begins with a user or a variable that does not exist. Use"
            f" another path, or ./{text} for a name that begins so."
        )
    return text


def command_words(argv: Sequence[str]) -> list[str]:
    """Returns a command line, program first, with `~` and `$NAME` expanded.

    Raises:
      UserError: a word, or the value of a flag, is empty.
    """
    return [argv[0], *map(_command_word, argv[1:])]


def _command_word(word: str) -> str:
    flag, equals, value = word.partition("=")
    if not (flag.startswith("-") and equals):
        flag, equals, value = "", "", word
    check_not_empty(flag or "A word of the command line", value)
    value = user_path(value) if value[:1] in ("~", "$") else value
    return flag + equals + value


def check_not_empty(name: str, value: str) -> None:
    """Refuses empty text, which no flag accepts, with a UserError."""
    if not value.strip():
        raise UserError(
            f"{name} is empty: received {value!r}. Give it a value, or leave"
            " it out for its default. (A $(cat FILE) whose file does not exist"
            " gives an empty value.)"
        )
    if "\0" in value:
        raise UserError(f"{name} has a zero byte in it: {value!r}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{name} is text in UTF-8, as a run stores it; received {value!r}. "
            "Rename what it names, or name it by a link."
        ) from None


def full_path(path: str | os.PathLike[str]) -> str:
    """Returns a path that holds in every folder."""
    return os.path.abspath(user_path(path))


def read_text(path: str | os.PathLike[str], what: str) -> str:
    """Reads a text file of a user's; a byte order mark is skipped.

    `what` it should be is such as "--draw names a text file with an arc".

    Raises:
      UserError: it cannot be read, or is not UTF-8 text.
    """
    try:
        return pathlib.Path(user_path(path)).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{what}; {path} cannot be read: {error}.") from error


def check_free(
    path: str,
    flag: str,
    overwrite: bool = False,
    folder: bool = False,
    mark: str = MARK,
) -> None:
    """Refuses to overwrite what this project has not written.

    Args:
      flag: the flag that names the path, such as "--picture".
      overwrite: whether the user gave --overwrite.
      folder: whether a folder is written, and not a file.
      mark: what all such files of this project hold.

    Raises:
      UserError: something else exists there, or its folder cannot be written.
    """
    if not isinstance(overwrite, bool):
        raise UserError(
            f"overwrite is True or False; received {reprlib.repr(overwrite)}."
        )
    parent = os.path.dirname(os.path.abspath(path))
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        raise UserError(
            f"{flag}={path} cannot be written: {parent} is not a folder that "
            f"you may write to. Name another place by {flag}."
        )
    if not os.path.lexists(path):
        return
    if os.path.isdir(path) != folder:
        wanted, found = ("folder", "file") if folder else ("file", "folder")
        raise UserError(
            f"{flag}={path} is a {found}. Name a {wanted} by {flag}."
        )
    if not (overwrite or _holds(path, mark)):
        raise UserError(
            f"{flag}={path} exists, and this project has not written it. Name "
            f"another place by {flag}, or add --overwrite to replace it."
        )


def has_pattern(path: str) -> bool:
    """Says whether TensorFlow takes a path to load from for a pattern.

    One with `[` or a backslash need not match itself, as one with `*` does.
    """
    return not {"[", "\\"}.isdisjoint(path)


def check_loadable(path: str, flag: str) -> None:
    """Refuses a place that TensorFlow could not load from, a UserError."""
    if has_pattern(os.path.abspath(path)):
        raise UserError(
            f"{flag}={path} would be written and not found again: TensorFlow "
            "takes the path of what it loads for a pattern, so it may have no "
            f"[ and no \\ in it; received {os.path.abspath(path)}. Name "
            "another place."
        )


def check_picture(path: str, overwrite: bool = False) -> None:
    """Refuses a --picture that cannot be drawn; arguments as `check_free`."""
    if not path.lower().endswith(PICTURES):
        raise UserError(
            f"--picture ends in one of {', '.join(PICTURES)}; received {path}."
        )
    check_free(path, "--picture", overwrite)


def picture_metadata(path: str) -> dict[str, str]:
    """Returns what matplotlib writes into a picture, so that it is ours."""
    key = "Software" if path.lower().endswith(".png") else "Creator"
    return {key: MARK}


def _holds(path: str, mark: str) -> bool:
    try:
        if os.path.isdir(path):
            # An empty folder holds nothing that could be lost.
            if not os.listdir(path):
                return True
            path = os.path.join(path, CLASSES)
        return mark.encode() in pathlib.Path(path).read_bytes()
    except OSError:
        return False
