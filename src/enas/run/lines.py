"""A file of a run that holds one JSON object per line."""

import json
from collections.abc import Iterable
from typing import Any

from enas.errors import UserError
from enas.run.files import append, cut_torn_line, read_lines, write_whole

ADVICE = "It was changed from outside; fix it, or take another --output_dir."


class RunLines:
    """Objects that each belong to an epoch.

    Args:
      path: the file; it need not exist.
      key: what every object has besides "epoch".
    """

    def __init__(self, path: str, key: str) -> None:
        self.path = path
        self._key = key

    def mend(self) -> None:
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
