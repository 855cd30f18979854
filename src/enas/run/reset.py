"""What --reset_output_dir deletes, and what it never does."""

import os
import pathlib

import enas
from enas.errors import UserError

# Names that no run writes.
_STRANGERS = (".git", ".hg", ".svn", "setup.py", "pyproject.toml")


def check(path: str) -> None:
    """Refuses to delete what no run made, whatever marker is in it.

    Raises:
      UserError: it is a link, or holds a home, this program or a checkout.
    """
    named = pathlib.Path(os.path.abspath(path))
    root = pathlib.Path(path).resolve()
    # Links in a parent are the machine's own (/home, /var); only the named
    # directory itself must be none.
    if root != named.parent.resolve() / named.name:
        raise UserError(
            f"--output_dir={path} is a link or leads through one, and "
            "--reset_output_dir does not delete what a link points to. "
            f"Name the directory, {root}."
        )
    places = [os.path.expanduser("~"), os.getcwd(), enas.__file__]
    inside = [os.path.realpath(place) for place in places]
    kept = [p for p in inside if pathlib.Path(p).is_relative_to(root)]
    kept += [name for name in _STRANGERS if os.path.lexists(root / name)]
    if kept:
        raise UserError(
            f"--output_dir={path} holds {kept[0]}, so --reset_output_dir "
            "does not delete it, although a run was in it. Name another "
            "directory."
        )
