"""Where the arcs of a search come from."""

import numpy as np

from enas.cifar10.arc import Arc
from enas.cifar10.compiled import Compiled
from enas.cifar10.macro_controller import Sample
from enas.utils import seed_pair


class ArcSource:
    """Where arcs come from: the controller, or one fixed arc."""

    def __init__(
        self, compiled: Compiled, seed: int, fixed_arc: Arc | None = None
    ) -> None:
        self.fixed_arc = fixed_arc
        self._compiled = compiled
        self._seed = seed

    def draw(self, n: int, stream: str, number: int) -> Sample:
        """Returns n arcs as a `Sample` of NumPy arrays.

        Args:
          stream: what the arcs are for.
          number: which draw for it.
        """
        arc = self.fixed_arc
        if arc is not None:
            return Sample(
                op_ids=np.tile(np.array(arc.op_ids, np.int32), (n, 1)),
                skips=np.tile(np.array(arc.skips, np.int32), (n, 1)),
                **dict.fromkeys(Sample._fields[2:]),
            )
        seed = seed_pair(self._seed, stream, number)
        sample = self._compiled.sample(n, seed)
        return type(sample)(
            *(None if part is None else part.numpy() for part in sample)
        )
