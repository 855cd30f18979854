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
    """

    op_ids: tuple[int, ...]
    relation: str


@dataclasses.dataclass
class _Group:
    op_ids: list[int]
    relation: str
    probed: Probed
    signature: Signature
    answer: np.ndarray
    noise: tuple[float, float]


def function_classes(
    child: Any, space: SearchSpace, maps: Sequence[tf.Tensor]
) -> list[OpClass]:
    """Groups the op ids of a space by what they do in the child's first layer.

    Each branch is probed once. Only where the number of a copy decides more
    than which weights are read, each copy is.

    Args:
      child: a built `MacroChild`, fresh or trained.
      space: what its op ids stand for.
      maps: float32 `[batch, size, size, channels]`, see `feature_maps`; small
        ones, since hundreds of copies may have to answer.
    """
    groups: list[_Group] = []
    for branch, op_ids in enumerate(_op_ids_of_branches(child, space)):
        layer = child.enas_layers[0].branches[branch]
        for group in _groups_of(layer, op_ids, space, maps):
            _join(groups, group)
    groups.sort(key=lambda group: min(group.op_ids))
    return [OpClass(tuple(sorted(g.op_ids)), g.relation) for g in groups]


def _op_ids_of_branches(child: Any, space: SearchSpace) -> list[list[int]]:
    op_ids: list[list[int]] = [[] for _ in space.branches]
    for op_id, branch in enumerate(child.branch_of):
        op_ids[branch].append(op_id)
    return op_ids


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
        probed = Probed(layer, space.copy(op_ids[0]))
        return [_group(op_ids, relation, probed, found, maps)]
    groups: list[_Group] = []
    for op_id in op_ids:
        probed = Probed(layer, space.copy(op_id))
        # Of one graph, but not of one computation: the copy decides.
        own = Signature(f"{found.digest} of copy {op_id}", found.copy)
        _join(groups, _group([op_id], "one op id", probed, own, maps))
    return groups


def _group(
    op_ids: list[int],
    relation: str,
    probed: Probed,
    found: Signature,
    maps: Sequence[tf.Tensor],
) -> _Group:
    if len(op_ids) == 1:
        relation = "one op id"
    answer, noise = probed.answer(maps), probed.noise(maps)
    return _Group(list(op_ids), relation, probed, found, answer, noise)


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
    if a.signature.digest == b.signature.digest:
        return "same computation"
    return "alike" if apart <= ALIKE and noise <= NOISE else None
