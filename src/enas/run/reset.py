"""What --reset_output_dir deletes, and what it never does."""

import os
from collections.abc import Iterable

import enas
from enas.errors import UserError


def check(path: str) -> None:
    """Refuses to delete what no run made, whatever marker is in it.

    Raises:
      UserError: it is a link, or holds a home, this program or a checkout.
    """
    if os.path.realpath(path) != _lexical(path):
        raise UserError(
            f"--output_dir={path} is a link or leads through one, and "
            "--reset_output_dir does not delete what a link points to. "
            f"Name the directory, {os.path.realpath(path)}."
        )
    inside = [os.path.expanduser("~"), os.getcwd(), enas.__file__]
    kept = _holds(path, inside) or _strangers(path)
    if kept:
        raise UserError(
            f"--output_dir={path} holds {kept}, so --reset_output_dir "
            "does not delete it, although a run was in it. Name another "
            "directory."
        )


def _lexical(path: str) -> str:
    """Returns what a path says, with no link of its own followed.

    Links above the working directory or in a parent are the machine's own
    (/home, /var); only the named directory itself must be none.
    """
    full = os.path.abspath(path)
    return os.path.join(
        os.path.realpath(os.path.dirname(full)), os.path.basename(full)
    )


def _holds(path: str, places: Iterable[str]) -> str | None:
    """Returns the first of some places that is in a directory, or None."""
    root = os.path.realpath(path)
    for place in map(os.path.realpath, places):
        if os.path.commonpath([root, place]) == root:
            return place
    return None


def _strangers(path: str) -> str | None:
    """Returns a name in a directory that no run writes, or None."""
    for name in (".git", ".hg", ".svn", "setup.py", "pyproject.toml"):
        if os.path.lexists(os.path.join(path, name)):
            return name
    return None
