"""The words that tools and the Python API take. No TensorFlow here."""

import reprlib
from collections.abc import Sequence, Sized

from enas.errors import UserError

# What the child does with dropout and noise: off, or on.
MODES = ("eval", "train")
SPLITS = ("valid", "test")


def check_word(name: str, word: object, legal: Sequence[str]) -> None:
    """Refuses a word that is none of the legal ones, with a UserError."""
    if not isinstance(word, str) or word not in legal:
        raise UserError(
            f"--{name} is one of {', '.join(legal)}; received "
            f"{reprlib.repr(word)}."
        )


def check_split(name: str, split: Sized) -> None:
    """Refuses to measure on a split without images, with a UserError."""
    if not len(split):
        raise UserError(
            f"--split={name} is empty: this run trained on all training "
            "images. Measure on --split=test."
        )
