"""Text files of a run that a kill or a full disk never leaves half written."""

import contextlib
import os
from typing import IO

from enas.errors import UserError, naming


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
