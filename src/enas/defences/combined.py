"""The defence that a search runs: the members of --defence, one by one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.op_prior import OpPrior
from enas.cifar10.search_space import SearchSpace
from enas.defences.members import DEFENCES, REMOVED, Function, Member
from enas.probing.findings import findings, measured
from enas.probing.probes import feature_maps


class Combined(OpPrior):
    """Several defences, applied in the order of their names, `last` ones last.

    Args:
      names: keys of `DEFENCES`.
      functions: what the op ids of the space are.
    """

    prior: tf.Variable

    def __init__(
        self,
        names: Sequence[str],
        functions: Sequence[Function],
        num_layers: int,
        num_ops: int,
    ) -> None:
        shape = num_layers, num_ops
        self.functions = functions
        self.members = {name: DEFENCES[name](functions) for name in names}
        self.prior = tf.Variable(tf.zeros(shape), trainable=False)
        self.variables = {"defence/prior": self.prior}
        for path, member, part in self._states():
            start = member.state[part]
            self.variables[path] = tf.Variable(start, trainable=False)
        self._set_prior()

    def _states(self) -> Iterator[tuple[str, Member, str]]:
        """Yields (path of a variable, member, what the member calls it)."""
        for name, member in self.members.items():
            for part in member.state:
                yield f"defence/{name}/{part}", member, part

    def observe(self, op_ids: np.ndarray, advantages: np.ndarray) -> list[str]:
        for path, member, part in self._states():
            # A checkpoint may have set it.
            member.state[part] = self.variables[path].numpy().copy()
        lines = []
        for member in self.members.values():
            lines += member.observe(op_ids, advantages)
        for path, member, part in self._states():
            self.variables[path].assign(member.state[part])
        self._set_prior()
        return lines

    def _set_prior(self) -> None:
        prior = np.zeros(self.prior.shape, np.float32)
        for member in sorted(self.members.values(), key=lambda m: m.last):
            prior = member.apply(prior)
        self.prior.assign(prior)

    @property
    def alive(self) -> np.ndarray:
        """Which op ids the controller may still choose in some layer, bool."""
        return np.any(self.prior.numpy() > REMOVED, axis=0)

    def describe(self) -> list[str]:
        alive, ids = self.alive, self.prior.shape[1]
        useless = sum(bool(f.useless) for f in self.functions)
        return [
            f"Defence {','.join(self.members)}: {ids} op ids are "
            f"{len(self.functions)} functions, {useless} of them of little use;"
            f" {int(alive.sum())} op ids may be chosen at the start"
        ]

    def numbers(self) -> dict[str, float]:
        """Returns what TensorBoard shows of an epoch, tag -> number."""
        prior = np.exp(self.prior.numpy().astype(float)).mean(axis=0)
        useless = [i for f in self.functions if f.useless for i in f.op_ids]
        functions_alive = [self._is_alive(f) for f in self.functions]
        return {
            "defence/op_ids_alive": float(self.alive.sum()),
            "defence/functions_alive": float(sum(functions_alive)),
            "defence/useless_share_of_prior": float(
                prior[useless].sum() / prior.sum()
            ),
        }

    def _is_alive(self, function: Function) -> bool:
        return bool(self.alive[list(function.op_ids)].any())

    def report(self) -> dict:
        return {
            "names": list(self.members),
            "op_ids_alive": np.flatnonzero(self.alive).tolist(),
            "functions": [
                {
                    "op_ids": list(function.op_ids),
                    "useless": list(function.useless),
                    "alive": self._is_alive(function),
                }
                for function in self.functions
            ],
        }


def functions_of(
    child: Any, space: SearchSpace, images: np.ndarray
) -> list[Function]:
    """Returns the functions of a space, by probing the child's first layer.

    `child` and `images` are those of `feature_maps`.
    """
    functions = []
    for found, measures in measured(child, space, feature_maps(child, images)):
        reasons = tuple(f.text for f in findings(measures))
        functions.append(Function(found.op_ids, reasons, measures.linear))
    return functions
