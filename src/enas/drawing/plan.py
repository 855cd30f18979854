"""What one architecture computes, as a list of steps. No TensorFlow here.

The steps are those of `MacroChild`, or of the network trained from scratch,
with everything left out that does not lead to the logits.
Costs, pictures and exported models are read off them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from enas.drawing.costs import Cost, layer_costs


@dataclasses.dataclass(frozen=True)
class Node:
    """One step.

    Attributes:
      name: unique; layers and weights of it are found by this.
      kind: "stem", "op", "sum" (of its inputs), "norm" (batch norm alone),
        "merge" (1x1 convolution over its concatenated inputs), "reduction"
        or "head".
      layer: the layer it belongs to; -1 for the stem.
      inputs: names of the steps it reads; one may stand twice.
      size: side of the map it gives out, pixels.
      channels: those of the map it gives out; `channels_in` of each input.
      op: name of what an "op" computes; its `op_id`, `copy` and `op_cost`
        follow.
    """

    name: str
    kind: str
    layer: int
    inputs: tuple[str, ...]
    size: int
    channels: int
    channels_in: int
    op: str | None = None
    op_id: int | None = None
    copy: int = 0
    op_cost: Cost = Cost()


class Drawing(NamedTuple):
    """An architecture with all that its table and picture are made from."""

    arc: Any
    search_space: Any
    nodes: list[Node]
    options: Any

    @classmethod
    def of(
        cls, arc: Any, search_space: Any, options: Any, final: bool = False
    ) -> Drawing:
        """Returns the drawing of an arc; arguments as `plan` takes them."""
        nodes = plan(arc, search_space, options, final)
        return cls(arc, search_space, nodes, options)

    @classmethod
    def of_search(cls, search: Any, arc: Any) -> Drawing:
        """Returns the drawing of an arc of a `Search`."""
        options = search.compiled.child.options
        final = search.config.child_from_scratch
        return cls.of(arc, search.search_space, options, final)

    @property
    def costs(self) -> dict[Any, Cost]:
        """What each part costs; see `layer_costs`."""
        return layer_costs(self.nodes, self.options)

    def pool(self, layer: int) -> list[Node]:
        """Returns the reductions after a layer."""
        pools = [node for node in self.nodes if node.kind == "reduction"]
        return [node for node in pools if node.layer == layer]


def pool_layers(num_layers: int) -> set[int]:
    """Returns the layers after which every cached output is halved.

    Source: row 7; same. Below three layers there is none.
    """
    distance = num_layers // 3
    return {distance - 1, 2 * distance - 1} - {-1}


def skip_sources(arc: Any, layer: int, profile: Any) -> list[str]:
    """Returns the outputs that a layer adds, such as ["stem", "layer 0"].

    Args:
      profile: `Profile`; its skip_candidates says what a bit means (row 5).
    """
    candidates = ["stem"] if profile.skip_candidates == "stem" else []
    candidates += [f"layer {k}" for k in range(layer)]
    return list(itertools.compress(candidates, arc.layer_skips(layer)))


def plan(
    arc: Any,
    search_space: Any,
    options: Any,
    final: bool = False,
    whole: bool = False,
) -> list[Node]:
    """Lists the steps of an architecture, every one after its inputs.

    Args:
      options: `ChildOptions`; its filters are those of the stem.
      final: whether it is the network trained from scratch: skips are
        concatenated and convolved, and channels double at every pooling.
      whole: also what does not lead to the logits, as `MacroChild` runs it.

    Source: rows 4 to 7; ENAS general_child.py `_enas_layer`, `_fixed_layer`.
    """
    steps = _Steps(arc, search_space, options, final)
    cache = [steps.add("stem_conv", "stem", -1, (), channels_in=3)]
    for k in range(arc.num_layers):
        cache = steps.layer(cache, k)
        if k in pool_layers(arc.num_layers):
            cache = steps.pool(cache, k)
    steps.add("fc", "head", arc.num_layers, cache[-1:])
    if whole:
        return steps.nodes
    wanted = {"fc"}
    for node in reversed(steps.nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
    return [node for node in steps.nodes if node.name in wanted]


class _Steps:
    """Collects steps; knows the width and size of the maps so far."""

    def __init__(
        self, arc: Any, search_space: Any, options: Any, final: bool
    ) -> None:
        self.nodes: list[Node] = []
        self.arc, self.search_space, self.options = arc, search_space, options
        self.channels, self.size = options.filters, options.image_size
        self.profile, self.final = options.profile, final

    def add(
        self, name: str, kind: str, k: int, inputs: Sequence[str], **more: Any
    ) -> str:
        place = name, kind, k, tuple(inputs), self.size, self.channels
        self.nodes.append(Node(*place, **{"channels_in": self.channels} | more))
        return name

    def layer(self, cache: list[str], k: int) -> list[str]:
        """Adds a layer; returns the cache with its output at the end."""
        space, op_id = self.search_space, self.arc.op_ids[k]
        name = space.op_name(op_id)
        if self.profile.branch_binding == "published" and not self.final:
            name = space.branches[-1]
        options = dataclasses.replace(self.options, filters=self.channels)
        op = space.described(name, options)
        what = {"op": name, "op_id": op_id, "copy": space.copy(op_id)}
        what["op_cost"] = op.cost(self.channels, self.size**2)
        out = self.add(f"layer_{k}/op", "op", k, cache[-1:], **what)
        if k > 0 or self.profile.first_layer == "normed":
            terms = [out, *itertools.compress(cache, self.arc.layer_skips(k))]
            if self.final:
                parts = [*terms[1:], out]
                out = self.add(f"layer_{k}/skip", "merge", k, parts)
            else:
                in_place = self.profile.skip_sum == "in_place"
                overwrites = in_place and op.returns_input(False)
                out = self._sum(cache, terms, k, overwrites)
        drops_stem = k == 0 and self.profile.skip_candidates == "direct"
        return [*cache, out][drops_stem:]

    def _sum(
        self, cache: list[str], terms: list[str], k: int, overwrites: bool
    ) -> str:
        """Adds up op and skips, then batch norm; in place in the cache too."""
        doubled = overwrites and terms[-1] == cache[-1]
        if doubled:  # The layer's own input is among the skips.
            terms = terms[:-1]
        total = terms[0]
        if len(terms) > 1:
            total = self.add(f"layer_{k}/sum", "sum", k, terms)
        if doubled:
            total = self.add(f"layer_{k}/double", "sum", k, [total, total])
        if overwrites:
            cache[-1] = total
        return self.add(f"layer_{k}/skip", "norm", k, [total])

    def pool(self, cache: Sequence[str], k: int) -> list[str]:
        before, self.size = self.channels, (self.size + 1) // 2
        if self.final:
            self.channels *= 2
        first = 0 if self.profile.skip_candidates == "stem" else 1
        name = f"layer_{k}/pool_at_{k}/from_"
        return [
            self.add(f"{name}{i}", "reduction", k, [x], channels_in=before)
            for i, x in enumerate(cache, first)
        ]
