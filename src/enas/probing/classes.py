"""Which op ids are the same function, whatever they are called."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.lazy_weights.graph_rewriting import rewrite
from enas.cifar10.search_space import SearchSpace
from enas.probing.graphs import signature
from enas.probing.judged import JUDGED, judged, loses_information
from enas.probing.probes import Probed, Told, relative_distance

# Largest relative distance of the answers of two ops that count as alike, and
# how far their noise in training and what it reaches may differ.
ALIKE = 0.1
NOISE = 0.2
EXACT = 1e-5
# How op ids can be one choice, from the closest on, and what is alike in them.
RELATIONS = {
    "one op id": "no other is like it",
    "same function": "equal answers",
    "same computation": "one computation, separate weights",
    "alike": "answers within 10 %",
}
_rank = list(RELATIONS).index


@dataclasses.dataclass(eq=False)
class OpClass:
    """Op ids that are one choice.

    Attributes:
      op_ids: its members, in order; the first stands for all.
      relation: one of `RELATIONS`.
      claims: side of the square that its kernels span.
      probed: the first of them, to be measured.
      digest: of its computation, see `Signature`.
      maps: what tells it from others, the smallest first.
      told: number of a map -> what the map tells of it.
    """

    op_ids: tuple[int, ...]
    relation: str
    claims: int
    probed: Probed
    digest: str
    maps: Sequence[tf.Tensor]
    told: Callable[[int], Told]

    @functools.cached_property
    def suspicious(self) -> bool:
        """Whether the first of them is of little use on the smallest map."""
        x, probed = self.maps[0], self.probed
        found = judged(probed, x, probed.evaluated(x), probed.trained(x))
        small = any(value <= JUDGED[name][1] for name, value in found.items())
        return small or loses_information(*self.told(0).noise)


def function_classes(
    child: Any, space: SearchSpace, maps: Sequence[tf.Tensor]
) -> list[OpClass]:
    """Groups the op ids of a space by what they do in the child's first layer.

    Each branch is probed once. Only where the number of a copy decides more
    than which weights are read, each copy is.

    Args:
      child: a built `MacroChild`, fresh or trained.
      maps: those of `feature_maps`.
    """
    # Hundreds of copies may have to answer: all on the smallest random map,
    # those that it does not tell apart by an evaluation of others and larger.
    maps = [maps[5], maps[2], maps[4][:1], maps[3][:1]]
    rewrite(False)
    classes: list[OpClass] = []
    for branch, layer in enumerate(child.enas_layers[0].branches):
        op_ids = [i for i, b in enumerate(child.branch_of) if b == branch]
        for found in _classes_of(layer, op_ids, space, maps):
            _join(classes, found)
    return sorted(classes, key=lambda each: each.op_ids)


def _classes_of(
    layer: Any, op_ids: list[int], space: SearchSpace, maps: Sequence[tf.Tensor]
) -> list[OpClass]:
    if not op_ids:
        return []
    found = signature(layer, maps[0].shape[-1])

    def probe(op_ids: list[int], relation: str, digest: str) -> OpClass:
        probed = Probed(layer, space.copy(op_ids[0]), found.run)
        relation = relation if len(op_ids) > 1 else "one op id"
        told = functools.cache(lambda n: probed.told(maps[n], whole=n == 0))
        of_graph = found.claims, probed, digest
        return OpClass(tuple(op_ids), relation, *of_graph, maps, told)

    if found.copy != "more":
        separate = found.copy == "weights" and layer.copies > 1
        relation = "same computation" if separate else "same function"
        return [probe(op_ids, relation, found.digest)]
    classes: list[OpClass] = []
    for op_id in op_ids:
        # Of one graph, but not of one computation: the copy decides.
        digest = f"{found.digest} of copy {op_id}"
        _join(classes, probe([op_id], "one op id", digest))
    return classes


def _join(classes: list[OpClass], new: OpClass) -> None:
    """Adds a class to the one that it is the same as, or to the list."""
    for each in classes:
        relation = _relation(each, new)
        if relation:
            relations = relation, each.relation, new.relation
            each.relation = max(relations, key=_rank)
            each.op_ids = tuple(sorted(each.op_ids + new.op_ids))
            return
    classes.append(new)


def _relation(a: OpClass, b: OpClass) -> str | None:
    """Returns how two classes are the same on all maps, or None."""
    found = []
    for number in range(len(a.maps)):
        told = a.told(number), b.told(number)
        relation = _relation_on_a_map(*told, a.digest == b.digest)
        if relation is None:
            return None
        found.append(relation)
    relation = max(found, key=_rank)
    # A copy that is worth choosing must not stand for those that are not.
    if relation == "alike" and a.suspicious != b.suspicious:
        return None
    return relation


def _relation_on_a_map(a: Told, b: Told, same_graph: bool) -> str | None:
    apart = relative_distance(a.answer, b.answer)
    random = min(a.noise[0], b.noise[0]) < 1 - EXACT
    if not random:
        apart = max(apart, relative_distance(a.trained, b.trained))
    noise = np.abs(np.subtract(a.noise, b.noise)).max()
    reached = np.abs(np.subtract(a.reached, b.reached)).max()
    if max(apart, noise, reached) <= EXACT:
        return "same function"
    # A gradient may be stopped where no graph shows it.
    if reached > NOISE:
        return None
    if same_graph:
        return "same computation"
    return "alike" if apart <= ALIKE and noise <= NOISE else None
