"""Text files of a run that a kill or a full disk never leaves half written."""

import contextlib
import json
import os
from collections.abc import Iterable
from typing import IO, Any

from enas.errors import UserError, naming

ADVICE = "It was changed from outside; fix it, or take another --output_dir."


def write_whole(path: str, text: str | bytes) -> None:
    """Writes a file whole or not at all, also where the power fails.

    Raises:
      WriteError: it cannot be written; what was there is untouched.
    """
    content = text.encode() if isinstance(text, str) else text
    aside = f"{path}.part"
    with naming(path):
        try:
            with open(aside, "wb") as stream:
                stream.write(content)
                _sync(stream)
            rename(aside, path)
        except OSError:
            # What is half written would take the room that is missing.
            with contextlib.suppress(OSError):
                os.remove(aside)
            raise


def append(path: str, text: str) -> None:
    """Adds text to the end of a file.

    Args:
      path: the file, which need not exist.
      text: whole lines.

    Raises:
      WriteError: it cannot be written; a torn line may be left.
    """
    with naming(path), open(path, "a", encoding="utf-8") as stream:
        stream.write(text)
        _sync(stream)


def _sync(stream: IO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def rename(old: str, new: str) -> None:
    """Moves a file or directory, on the disk as well as in memory."""
    os.replace(old, new)
    sync_directory(os.path.dirname(os.path.abspath(new)))


def sync_directory(path: str) -> None:
    """Makes the names in a directory outlive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_torn_line(path: str) -> bool:
    """Cuts off a last line without an end, which a kill left half written.

    Args:
      path: the file, which need not exist.
    """
    if not os.path.isfile(path):
        return False
    with naming(path), open(path, "rb+") as stream:
        text = stream.read()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            stream.truncate(whole)
    return whole < len(text)


def read_lines(path: str) -> list[str]:
    """Returns the lines of a file without their ends, [] if there is none.

    Raises:
      UserError: it is not text.
    """
    if not os.path.isfile(path):
        return []
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is text in UTF-8, one line per entry; received bytes "
            f"that are not ({error.reason} at {error.start}). It was changed "
            "from outside; correct it, or take another --output_dir."
        ) from None


class RunLines:
    """A file that holds one JSON object per line, each of an epoch.

    Args:
      path: the file; it need not exist.
      key: what every object has besides "epoch".
    """

    def __init__(self, path: str, key: str) -> None:
        self.path = path
        self._key = key

    def repair(self) -> None:
        """Cuts off a line that a kill left half written."""
        cut_torn_line(self.path)

    def read(self) -> list[dict[str, Any]]:
        """Returns the objects.

        Raises:
          UserError: the file is not as a run writes it.
        """
        lines = read_lines(self.path)
        return [self._parse(n, line) for n, line in enumerate(lines, 1)]

    def _parse(self, number: int, line: str) -> dict[str, Any]:
        try:
            found = json.loads(line)
            if isinstance(found["epoch"], int) and found[self._key]:
                return found
        # Among them RecursionError: brackets in brackets.
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise UserError(
            f"{self.path}, line {number}, is not JSON with the keys epoch and "
            f"{self._key}: {line[:80]!r}. {ADVICE}"
        ) from None

    def add(self, objects: Iterable[dict[str, Any]]) -> None:
        """Adds objects to the end of the file."""
        append(self.path, "".join(map(_line, objects)))

    def keep(self, epochs: int) -> None:
        """Drops the objects of later epochs."""
        found = self.read()
        kept = [one for one in found if one["epoch"] <= epochs]
        if len(kept) < len(found):
            write_whole(self.path, "".join(map(_line, kept)))


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value) + "\n"
