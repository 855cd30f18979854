"""The computation of an op as its traced graph, whatever its parts are called.

Two ops of one signature compute the same, each with its own weights.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import (
    function_def_to_graph,
)

# Operations that hand a tensor on as it is.
_PASSES = {"Identity", "IdentityN", "ReadVariableOp"}
# Where a number comes from is also asked through those that stop gradients.
_FOLLOWED = _PASSES | {"StopGradient"}
_READS = {"ReadVariableOp", "ResourceGather", "ResourceGatherNd"}
_NAMES = {"shared_name", "container"}
_KERNELS = {"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput"}
# What may lie between a weight and the kernel that is cut out of it.
_CUTS = _FOLLOWED | {
    "GatherV2",
    "ResourceGather",
    "StridedSlice",
    "Slice",
    "Reshape",
    "ExpandDims",
}
_USES = ("nothing", "weights", "more")
Place = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a branch computes.

    Attributes:
      digest: of the canonical graphs in evaluation and in training mode: types
        of operations, their attributes, shapes of weights, constants, values of
        weights that are never trained.
      copy: what the number of the copy decides: "nothing", "weights", which of
        the stacked weights are read, or "more".
      claims: side of the square that its kernels span, one after the other.
      run: whether in training -> the traced function of (x, copy, seed).
    """

    digest: str
    copy: str
    claims: int
    run: Mapping[bool, Any]


@dataclasses.dataclass(frozen=True)
class _Weight:
    """A variable that a graph reads; its text is what it is without a name."""

    text: str
    # Of one copy.
    shape: tuple[int, ...]
    # Whether every copy has a part of its own.
    stacked: bool


def signature(branch: Any, channels: int) -> Signature:
    """Traces a built branch on maps of any size and returns its signature."""
    run = {mode: _traced(branch, channels, mode) for mode in (False, True)}
    trained = run[True].graph
    moving = {id(o) for o, i in trained.captures if not _only_read(i)}
    digests, uses, claims = [], [], []
    for graph in (run[False].graph, trained):
        library = _library(graph)
        weights = {
            _place(inside): _weight(outside, branch, moving)
            for outside, inside in graph.captures
        }
        digests.append(_digest(graph, weights, library))
        uses.append(_use_of(graph.inputs[1], weights))
        claims.append(max(_span(graph, weights, library)))
    copy = max(uses, key=_USES.index)
    return Signature("-".join(digests), copy, max(claims) + 1, run)


def _traced(branch: Any, channels: int, training: bool) -> Any:
    def run(x: tf.Tensor, copy: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return branch(x, copy=copy, training=training, seed=seed)

    forms = (
        tf.TensorSpec([None, None, None, channels], tf.float32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([2], tf.int32),
    )
    traced = tf.function(run, autograph=False)
    return traced.get_concrete_function(*forms)


def _place(tensor: Any) -> Place:
    return tensor.op.name, tensor.value_index


def _only_read(inside: Any) -> bool:
    return all(op.type in _READS for op in inside.consumers())


def _weight(outside: Any, branch: Any, moving: set[int]) -> _Weight:
    """Describes a captured tensor; one that is trained or moves, by its shape.

    `moving` are the ids of captures that training assigns.
    """
    if outside.dtype != tf.resource:
        # A constant: two fixed filters are two computations.
        return _Weight(f"constant {_value_of(outside)}", (), False)
    if outside._handle_data is None:
        # A table: what is in it is not looked at, so each is one of its own.
        return _Weight(f"resource {id(outside)}", (), False)
    ((shape, dtype),) = [
        (tuple(dim.size for dim in each.shape.dim), each.dtype)
        for each in outside._handle_data.shape_and_type
    ]
    mine = {id(v.value.handle): v for v in branch.variables}
    variable = mine.get(id(outside))
    trainable = variable is not None and variable.trainable
    fixed = not trainable and id(outside) not in moving
    # A fixed table by the number of the copy decides more than which weights.
    stacked = branch.copies > 1 and shape[:1] == (branch.copies,) and not fixed
    own = shape[1:] if stacked else shape
    text = f"variable {own}"
    if fixed:
        value = tf.raw_ops.ReadVariableOp(resource=outside, dtype=dtype)
        text += f" {_value_of(value)}"
    return _Weight(text, own, stacked)


def _digest(
    graph: Any, weights: Mapping[Place, _Weight], library: Mapping[str, Any]
) -> str:
    """Returns the digest of a graph's outputs."""
    known = {place: _hash(each.text) for place, each in weights.items()}
    for number, tensor in enumerate(graph.inputs):
        known.setdefault(_place(tensor), _hash(f"input {number}"))
    for op in graph.get_operations():
        inputs = [known[_place(tensor)] for tensor in op.inputs]
        passes = op.type in _PASSES or _changes_no_number(op)
        whole = "" if passes else _hash(op.type, *inputs, *_facts(op, library))
        for i in range(len(op.outputs)):
            text = inputs[i] if passes else _hash(whole, str(i))
            known.setdefault((op.name, i), text)
    return _hash(*(known[_place(tensor)] for tensor in graph.outputs))


def _changes_no_number(op: Any) -> bool:
    ends = [*op.inputs, *op.outputs]
    return op.type == "Cast" and all(end.dtype.is_floating for end in ends)


def _facts(op: Any, library: Mapping[str, Any]) -> Iterator[str]:
    """Yields the attributes of an operation; a function by its own digest."""
    for name, value in sorted(op.node_def.attr.items()):
        if name.startswith("_") or name in _NAMES:
            continue
        called = [f.name for f in _functions_in(value)]
        if called:
            value = [_digest(library[each], {}, library) for each in called]
        yield f"{name}={value}"


def _functions_in(value: Any) -> list[Any]:
    return [value.func] if value.HasField("func") else [*value.list.func]


def _library(graph: Any) -> dict[str, Any]:
    """Returns the graphs of the functions that a graph calls, by name."""
    library = graph.as_graph_def().library
    with tf.Graph().as_default():
        # What a function calls must be known.
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef(library=library))
        return {
            each.signature.name: function_def_to_graph(each)
            for each in library.function
        }


def _hash(*parts: Any) -> str:
    made = hashlib.blake2b(digest_size=12)
    for part in parts:
        made.update(part.encode() if isinstance(part, str) else part)
        made.update(b"\n")
    return made.hexdigest()


def _value_of(tensor: Any) -> str:
    # Of any type, strings too.
    return _hash(tf.io.serialize_tensor(tensor).numpy())


def _use_of(copy: Any, weights: Mapping[Place, _Weight]) -> str:
    """Returns what the number of the copy decides in a graph."""
    stacked = {place for place, each in weights.items() if each.stacked}
    uses = set()
    for op in copy.consumers():
        if op.type in _FOLLOWED:
            uses |= {_use_of(output, weights) for output in op.outputs}
        elif op.type in ("ResourceGather", "GatherV2", "ResourceScatterUpdate"):
            by_copy = op.inputs[1] is copy and _source(op.inputs[0]) in stacked
            uses.add("weights" if by_copy else "more")
        else:
            uses.add("more")
    return max(uses, key=_USES.index, default="nothing")


def _source(tensor: Any, through: set[str] = _FOLLOWED) -> Place:
    """Returns where a tensor comes from, through operations of some types."""
    while tensor.op.type in through and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return _place(tensor)


def _span(
    graph: Any, weights: Mapping[Place, _Weight], library: Mapping[str, Any]
) -> tuple[int, int]:
    """Returns how many pixels beyond its own (height, width) a value may see.

    Kernels one after the other add up, of those side by side the largest
    counts. A dilation is no part of it: a kernel claims what its taps do.
    """
    reach: dict[str, tuple[int, int]] = {}
    for op in graph.get_operations():
        so_far = [reach.get(tensor.op.name, (0, 0)) for tensor in op.inputs]
        own = [_own_span(op, weights)] if op.type in _KERNELS else []
        for value in op.node_def.attr.values():
            for called in _functions_in(value):
                own.append(_span(library[called.name], {}, library))
        before, within = _largest(so_far), _largest(own)
        reach[op.name] = before[0] + within[0], before[1] + within[1]
    return _largest([reach[tensor.op.name] for tensor in graph.outputs])


def _own_span(op: Any, weights: Mapping[Place, _Weight]) -> tuple[int, int]:
    """Returns how many pixels of its input beyond one an operation meets."""
    # What Keras makes of a convolution over something else than the map.
    if op.inputs[0].op.type == "ExpandDims":
        return 0, 0
    height, width = _kernel(op.inputs[1], weights)
    if op.type != "Conv2DBackpropInput":
        return height, width
    # Each of its outputs meets every stride-th tap.
    first = 1 if op.get_attr("data_format") == b"NHWC" else 2
    strides = op.get_attr("strides")
    return height // strides[first], width // strides[first + 1]


def _largest(sides: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Returns the largest height and the largest width, (0, 0) of none."""
    heights, widths = zip((0, 0), *sides, strict=True)
    return max(heights), max(widths)


def _kernel(kernel: Any, weights: Mapping[Place, _Weight]) -> tuple[int, int]:
    """Returns height and width of a kernel, less one.

    One that is cut out of a weight, as the only tap that meets a pixel, claims
    what the weight does.
    """
    weight = weights.get(_source(kernel, _CUTS))
    shape = list(weight.shape) if weight else []
    if len(shape) != 4:
        shape = kernel.shape.as_list() if kernel.shape.rank == 4 else [1, 1]
    return max(0, (shape[0] or 1) - 1), max(0, (shape[1] or 1) - 1)
