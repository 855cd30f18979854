"""The arrays of a recording, and their names."""

import pathlib
from collections.abc import Iterable, Mapping

import keras
import numpy as np

from enas.errors import UserError


class Arrays(dict[str, np.ndarray]):
    """Name -> array; keeps which of them were read.

    Attributes:
      path: the file.
      used: the names that were read.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], path: pathlib.Path
    ) -> None:
        super().__init__(arrays)
        self.path = path
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> np.ndarray:
        """Returns an array, and notes that it was read."""
        self.used.add(name)
        return super().__getitem__(name)

    def below(self, prefix: str) -> dict[str, np.ndarray]:
        """Returns the arrays below a prefix, by the rest of their names."""
        names = [name for name in self if name.startswith(prefix)]
        return {name[len(prefix) :]: self[name] for name in names}


def load(path: pathlib.Path) -> Arrays:
    """Reads an .npz file of plain arrays, else raises a UserError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Arrays(dict(arrays), path)
    # What a damaged file raises has no common kind: BadZipFile, OSError, ..
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as an .npz file of plain arrays: {error}. "
            "Copy it again."
        ) from error


def named(model: keras.layers.Layer, arrays: Iterable) -> dict[str, np.ndarray]:
    """Returns the arrays by the paths of a model's trained variables."""
    names = [variable.path for variable in model.trainable_variables]
    return dict(zip(names, map(np.asarray, arrays), strict=True))


def pair_up(
    recorded: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns name -> (recorded, ours) of all that was recorded."""
    return {name: (array, ours[name]) for name, array in recorded.items()}
