"""Small files of a sweep: written whole or not at all."""

import csv
import os

__all__ = ["Line", "last_lines", "read_table", "write_whole"]

Line = dict[str, str]


def read_table(path: str) -> list[Line]:
    """Returns the lines of a CSV file, [] if there is none."""
    if not os.path.isfile(path):
        return []
    with open(path, newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def write_whole(path: str, text: str) -> None:
    """Writes a text file so that a reader never sees half of it."""
    # The name is the process's own: sweeps may share a directory.
    aside = f"{path}.{os.getpid()}.part"
    with open(aside, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(aside, path)


def last_lines(path: str, count: int, start: int = 0) -> list[str]:
    """Returns the last lines of a file that are not blank, list of str.

    Args:
      start: bytes at the beginning to leave out.
    """
    with open(path, encoding="utf-8", errors="replace") as stream:
        stream.seek(start)
        lines = [line.rstrip() for line in stream if line.strip()]
    return lines[-count:]
