"""The argument parser of programs whose options are not flags of a search."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from enas.errors import UserError
from enas.paths import command_words


class Parser(argparse.ArgumentParser):
    """Reads words as all programs do; its complaints are `UserError`s."""

    def parse_words(
        self, argv: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parses a command line without the program's name, sys.argv's if None.

        Raises:
          UserError: a word is not legal, or empty.
          SystemExit: after --help.
        """
        words = sys.argv[1:] if argv is None else argv
        return self.parse_args(command_words([self.prog, *words])[1:])

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. `{self.prog} --help` lists what is legal.")
