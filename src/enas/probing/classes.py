"""Which op ids are the same function, whatever they are called."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.search_space import SearchSpace
from enas.probing.graphs import Signature, signature
from enas.probing.probes import Probed, relative_distance

# Largest relative distance of the answers of two ops that count as alike, and
# how far their noise in training may differ.
ALIKE = 0.1
NOISE = 0.2
EXACT = 1e-5


@dataclasses.dataclass(frozen=True)
class OpClass:
    """Op ids that are one choice.

    Attributes:
      op_ids: its members, in order; the first stands for all.
      relation: "one op id"; "same function", equal answers; "same computation",
        with separate weights; "alike", answers within 10 %.
      claims: side of the square that its kernels span.
      probed: the first of them, to be measured.
    """

    op_ids: tuple[int, ...]
    relation: str
    claims: int
    probed: Probed


class _Group:
    def __init__(
        self,
        op_ids: Sequence[int],
        relation: str,
        probed: Probed,
        found: Signature,
        maps: Sequence[tf.Tensor],
    ) -> None:
        self.op_ids = list(op_ids)
        self.probed = probed
        self.relation = relation if len(op_ids) > 1 else "one op id"
        self.digest, self.claims = found.digest, found.claims
        self.answer, self.noise = probed.answer(maps), probed.noise(maps)


def function_classes(
    child: Any, space: SearchSpace, maps: Sequence[tf.Tensor]
) -> list[OpClass]:
    """Groups the op ids of a space by what they do in the child's first layer.

    Each branch is probed once. Only where the number of a copy decides more
    than which weights are read, each copy is.

    Args:
      child: a built `MacroChild`, fresh or trained.
      maps: float32 `[batch, size, size, channels]`, see `feature_maps`; small
        ones, since hundreds of copies may have to answer.
    """
    groups: list[_Group] = []
    for branch, layer in enumerate(child.enas_layers[0].branches):
        op_ids = [i for i, b in enumerate(child.branch_of) if b == branch]
        for group in _groups_of(layer, op_ids, space, maps):
            _join(groups, group)
    groups.sort(key=lambda group: min(group.op_ids))
    return [
        OpClass(tuple(sorted(g.op_ids)), g.relation, g.claims, g.probed)
        for g in groups
    ]


def _groups_of(
    layer: Any, op_ids: list[int], space: SearchSpace, maps: Sequence[tf.Tensor]
) -> list[_Group]:
    """Returns the groups within one branch."""
    if not op_ids:
        return []
    found = signature(layer, maps[0].shape[-1])
    if found.copy != "more":
        relation = "same function"
        if found.copy == "weights" and layer.copies > 1:
            relation = "same computation"
        probed = Probed(layer, space.copy(op_ids[0]), found.run)
        return [_Group(op_ids, relation, probed, found, maps)]
    groups: list[_Group] = []
    for op_id in op_ids:
        probed = Probed(layer, space.copy(op_id), found.run)
        # Of one graph, but not of one computation: the copy decides.
        digest = f"{found.digest} of copy {op_id}"
        own = dataclasses.replace(found, digest=digest)
        _join(groups, _Group([op_id], "one op id", probed, own, maps))
    return groups


def _join(groups: list[_Group], new: _Group) -> None:
    """Adds a group to the one that it is the same as, or to the list."""
    for group in groups:
        relation = _relation(group, new)
        if relation:
            order = ("same function", "same computation", "alike")
            given = [r for r in (group.relation, new.relation) if r in order]
            group.relation = max([relation, *given], key=order.index)
            group.op_ids += new.op_ids
            return
    groups.append(new)


def _relation(a: _Group, b: _Group) -> str | None:
    """Returns how two groups are the same, or None."""
    apart = relative_distance(a.answer, b.answer)
    noise = np.abs(np.subtract(a.noise, b.noise)).max()
    if apart <= EXACT and noise <= EXACT:
        return "same function"
    if a.digest == b.digest:
        return "same computation"
    return "alike" if apart <= ALIKE and noise <= NOISE else None
