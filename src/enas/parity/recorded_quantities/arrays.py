"""The arrays of a recording, and what is compared by their names."""

import collections
import pathlib
from collections.abc import Callable, Collection, Iterable

import keras
import numpy as np

from enas.errors import UserError
from enas.parity.comparison import ByName, Quantity


class Arrays(dict[str, np.ndarray]):
    """The arrays of the file `path` by name; `used` are the names read."""

    def __init__(self, path: pathlib.Path) -> None:
        """Reads an .npz file of plain arrays, else raises a UserError."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                super().__init__(arrays)
        # What a damaged file raises has no common kind: BadZipFile, OSError, ..
        except Exception as error:
            raise UserError(
                f"{path} cannot be read as an .npz file of plain arrays: "
                f"{error}. Copy it again."
            ) from error
        self.path = path
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> np.ndarray:
        self.used.add(name)
        return super().__getitem__(name)

    def below(self, prefix: str) -> dict[str, np.ndarray]:
        """Returns the arrays below a prefix, by the rest of their names."""
        names = [name for name in self if name.startswith(prefix)]
        return {name[len(prefix) :]: self[name] for name in names}

    def compared(
        self, ours: ByName, chains: Collection[str] = ()
    ) -> list[Quantity]:
        """Returns a quantity for each of ours; `chains` as `quantities`."""
        recorded = {name: self[name] for name in ours}
        return quantities(recorded, ours, chains=chains)


def named(model: keras.layers.Layer, arrays: Iterable) -> dict[str, np.ndarray]:
    """Returns the arrays by the paths of a model's trained variables."""
    names = [variable.path for variable in model.trainable_variables]
    return dict(zip(names, map(np.asarray, arrays), strict=True))


def quantities(
    recorded: ByName,
    ours: ByName,
    group: Callable[[str], str] = str,
    title: str = "{}",
    chains: Collection[str] = (),
) -> list[Quantity]:
    """Pairs up what was recorded with ours, one quantity a group of names.

    `chains` are the groups that are links of a chain, named after them.
    """
    groups: dict[str, dict] = collections.defaultdict(dict)
    for name, array in recorded.items():
        groups[group(name)][name] = array
    return [
        Quantity.of(title.format(key), some, ours, key * (key in chains))
        for key, some in groups.items()
    ]
