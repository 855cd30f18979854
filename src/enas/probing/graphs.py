"""The computation of an op as its traced graph, whatever its parts are called.

Two ops of one signature compute the same, each with its own weights.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
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
_NO_SPAN = np.zeros(2, int)
Place = tuple[str, int]


class Signature(NamedTuple):
    """What a branch computes.

    Attributes:
      digest: of the graphs in evaluation and in training: types of operations
        and attributes, shapes of weights, values of those never trained.
      copy: what the number of the copy decides: "nothing", "weights", which of
        the stacked weights are read, or "more".
      claims: side of the square that its kernels span, one after the other.
      run: whether in training -> the traced function of (x, copy, seed).
    """

    digest: str
    copy: str
    claims: int
    run: Mapping[bool, Any]


class _Weight(NamedTuple):
    """A variable that a graph reads; its text is what it is without a name."""

    text: str
    # Of one copy.
    shape: tuple[int, ...]
    # Whether every copy has a part of its own.
    stacked: bool


def signature(branch: Any, channels: int) -> Signature:
    """Traces a built branch on maps of any size and returns its signature."""
    run = {mode: _traced(branch, channels, mode) for mode in (False, True)}
    graphs = [run[mode].graph for mode in (False, True)]
    libraries = list(map(_library, graphs))
    moving = _moving(graphs[1], libraries[1])
    digests, uses, claims = [], [], []
    for graph, library in zip(graphs, libraries, strict=True):
        weights = {
            _place(inside): _weight(outside, branch, moving)
            for outside, inside in graph.captures
        }
        digests.append(_digest(graph, weights, library))
        uses.append(_use_of(graph.inputs[1], weights))
        claims.append(max(_span(graph, weights, library)))
    copy = max(uses, key=_USES.index)
    return Signature("-".join(digests), copy, int(max(claims)) + 1, run)


def _moving(graph: Any, library: Mapping[str, Any]) -> set[int]:
    """Returns the ids of what a graph captures and may assign."""
    return {
        id(outside)
        for outside, inside in graph.captures
        if _is_assigned(inside, library)
    }


def _is_assigned(variable: Any, library: Mapping[str, Any]) -> bool:
    """Returns whether more than reads follow a variable, in functions too."""
    for op in variable.consumers():
        called = _called_by(op)
        if not called and op.type not in _READS:
            return True
        for function in called:
            inputs = library[function.name].inputs
            # A condition comes before what the function takes.
            given = list(op.inputs)[-len(inputs) :] if inputs else []
            for tensor, inside in zip(given, inputs, strict=True):
                if tensor is variable and _is_assigned(inside, library):
                    return True
    return False


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
    (form,) = outside._handle_data.shape_and_type
    shape = tuple(dim.size for dim in form.shape.dim)
    mine = {id(v.value.handle): v for v in branch.variables}
    variable = mine.get(id(outside))
    trainable = variable is not None and variable.trainable
    fixed = not trainable and id(outside) not in moving
    # A fixed table by the number of the copy decides more than which weights.
    stacked = branch.copies > 1 and shape[:1] == (branch.copies,) and not fixed
    own = shape[1:] if stacked else shape
    text = f"variable {own}"
    if fixed:
        value = tf.raw_ops.ReadVariableOp(resource=outside, dtype=form.dtype)
        text += f" {_value_of(value)}"
    return _Weight(text, own, stacked)


def _digest(
    graph: Any, weights: Mapping[Place, _Weight], library: Mapping[str, Any]
) -> str:
    known = {place: _hash(each.text) for place, each in weights.items()}
    for number, tensor in enumerate(graph.inputs):
        known.setdefault(_place(tensor), _hash(f"input {number}"))
    for op in graph.get_operations():
        inputs = [known[_place(tensor)] for tensor in op.inputs]
        ends = [*op.inputs, *op.outputs]
        floats = all(end.dtype.is_floating for end in ends)
        # Where a gradient is replaced, two graphs compute two things.
        replaced = "_gradient_op_type" in op.node_def.attr
        passes = op.type in _PASSES or (op.type == "Cast" and floats)
        passes = passes and not replaced
        whole = "" if passes else _hash(op.type, *inputs, *_facts(op, library))
        for i in range(len(op.outputs)):
            text = inputs[i] if passes else _hash(whole, str(i))
            known.setdefault((op.name, i), text)
    return _hash(*(known[_place(tensor)] for tensor in graph.outputs))


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


def _called_by(op: Any) -> list[Any]:
    return [f for v in op.node_def.attr.values() for f in _functions_in(v)]


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


def _hash(*parts: str | bytes) -> str:
    whole = b"\n".join(p.encode() if isinstance(p, str) else p for p in parts)
    return hashlib.blake2b(whole, digest_size=12).hexdigest()


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
) -> np.ndarray:
    """Returns how many pixels beyond its own a value may see, (height, width).

    Kernels one after the other add up, of those side by side the largest
    counts. A dilation is no part of it: a kernel claims what its taps do.
    """
    reach: dict[str, np.ndarray] = {}
    for op in graph.get_operations():
        before = [reach[t.op.name] for t in op.inputs if t.op.name in reach]
        own = [_own_span(op, weights)] if op.type in _KERNELS else []
        for called in _called_by(op):
            own.append(_span(library[called.name], {}, library))
        reach[op.name] = _largest(before) + _largest(own)
    return _largest([reach[tensor.op.name] for tensor in graph.outputs])


def _largest(spans: list[np.ndarray]) -> np.ndarray:
    return np.max([_NO_SPAN, *spans], axis=0)


def _own_span(op: Any, weights: Mapping[Place, _Weight]) -> np.ndarray:
    """Returns how many pixels of its input beyond one an operation meets."""
    # What Keras makes of a convolution over something else than the map.
    if op.inputs[0].op.type == "ExpandDims":
        return _NO_SPAN
    # A kernel that is cut out of a weight, as the only tap that meets a pixel,
    # claims what the weight does.
    kernel = op.inputs[1]
    weight = weights.get(_source(kernel, _CUTS))
    shape = list(weight.shape) if weight else []
    if len(shape) != 4:
        shape = kernel.shape.as_list() if kernel.shape.rank == 4 else [1, 1]
    span = np.array([max(0, (side or 1) - 1) for side in shape[:2]])
    if op.type != "Conv2DBackpropInput":
        return span
    # Each of its outputs meets every stride-th tap.
    first = 1 if op.get_attr("data_format") == b"NHWC" else 2
    return span // op.get_attr("strides")[first : first + 2]
