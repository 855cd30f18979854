"""Text files of a run that a kill or a full disk never leaves half written."""

import contextlib
import csv
import io
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from enas.errors import UNREADABLE, UserError, naming
from enas.paths import read_text

ADVICE = "It was changed from outside; fix it, or take another --output_dir."
Line = dict[str, str]


def write_whole(path: str, text: str | bytes, shared: bool = False) -> None:
    """Writes a file whole or not at all, also where the power fails.

    Args:
      shared: whether other processes may be writing it at the same time.

    Raises:
      WriteError: it cannot be written; what was there is untouched.
    """
    content = text.encode() if isinstance(text, str) else text
    aside = f"{path}.{os.getpid()}.part" if shared else f"{path}.part"
    with naming(path):
        try:
            _write(aside, "wb", content)
            rename(aside, path)
        except OSError:
            # What is half written would take the room that is missing.
            with contextlib.suppress(OSError):
                os.remove(aside)
            raise


def read_result(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the contents of a run's result.json, or raises UserError."""
    text = read_text(path, "A run writes result.json after an evaluation")
    try:
        result = dict(json.loads(text))
        dict(result["settings"])
    except UNREADABLE as error:
        raise UserError(
            f"{path} is not JSON as a run writes it: {error!r}. {ADVICE}"
        ) from None
    return result


def append(path: str, text: str) -> None:
    """Adds whole lines to a file; a WriteError may leave a torn one."""
    with naming(path):
        _write(path, "ab", text.encode())


def _write(path: str, mode: str, content: bytes) -> None:
    with open(path, mode) as stream:
        stream.write(content)
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


def cut_torn_line(path: str) -> None:
    """Cuts off a last line without an end, if the file is there."""
    if os.path.isfile(path):
        with naming(path), open(path, "rb+") as stream:
            text = stream.read()
            whole = text.rfind(b"\n") + 1
            if whole < len(text):
                stream.truncate(whole)


def read_lines(path: str) -> list[str]:
    """Returns the lines of a file, [] if there is none, or raises UserError."""
    if not os.path.isfile(path):
        return []
    try:
        text = pathlib.Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is text in UTF-8, one line per entry; received bytes "
            f"that are not ({error.reason} at {error.start}). It was changed "
            "from outside; correct it, or take another --output_dir."
        ) from None
    # Values may hold what `splitlines` takes for an end of line.
    return text.removesuffix("\n").split("\n") if text else []


def read_table(path: str) -> list[Line]:
    """Returns the lines of a CSV file by column; else as `read_lines`."""
    return list(csv.DictReader(read_lines(path)))


def json_line(value: Mapping[str, Any]) -> str:
    """Returns an object as a line of JSON, with its end."""
    return json.dumps(value) + "\n"


def table_text(
    lines: Iterable[Mapping[str, Any]], columns: Sequence[str]
) -> str:
    """Returns a CSV file; what is not among the columns is left out."""
    stream = io.StringIO()
    writer = csv.DictWriter(
        stream, columns, extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


class RunLines:
    """A file, which need not exist, of JSON objects with `epoch` and a key."""

    def __init__(self, path: str, key: str) -> None:
        self.path, self._key = path, key

    def read(self) -> list[dict[str, Any]]:
        """Returns the objects, or raises UserError for a damaged file."""
        lines = read_lines(self.path)
        return [self._parse(n, line) for n, line in enumerate(lines, 1)]

    def _parse(self, number: int, line: str) -> dict[str, Any]:
        wrong = ValueError, TypeError, KeyError, RecursionError
        with contextlib.suppress(*wrong):
            found = json.loads(line)
            if isinstance(found["epoch"], int) and found[self._key]:
                return found
        raise UserError(
            f"{self.path}, line {number}, is not JSON with the keys epoch and "
            f"{self._key}: {line[:80]!r}. {ADVICE}"
        )

    def add(self, objects: Iterable[dict[str, Any]]) -> None:
        """Adds objects to the end of the file."""
        append(self.path, "".join(map(json_line, objects)))

    def keep(self, epochs: int) -> None:
        """Drops the objects of later epochs."""
        found = self.read()
        kept = [one for one in found if one["epoch"] <= epochs]
        if len(kept) < len(found):
            write_whole(self.path, "".join(map(json_line, kept)))
