"""The computation of an op as its traced graph, whatever its parts are called.

Two ops of one signature compute the same, each with its own weights.
"""

import dataclasses
import hashlib
from typing import Any

import tensorflow as tf

from enas.cifar10.layers.image_ops import FROZEN

_PASSES = {"Identity", "ReadVariableOp", "StopGradient", "Cast"}
_NAMES = {"_output_shapes", "shared_name", "container", "_class"}


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a branch computes.

    Attributes:
      digest: of the canonical graphs in evaluation and in training mode: types
        of operations, their attributes, shapes of weights, constants.
      copy: what the number of the copy decides: "nothing", "weights", which of
        the stacked weights are read, or "more".
    """

    digest: str
    copy: str


def signature(branch: Any, channels: int) -> Signature:
    """Traces a built branch on maps of any size and returns its signature."""
    digests, uses = [], set()
    for mode in (False, FROZEN):
        graph = _traced(branch, channels, mode)
        copy = graph.inputs[1]
        places = {_id(x): f"input {i}" for i, x in enumerate(graph.inputs[:3])}
        for outside, inside in graph.captures:
            places[_id(inside)] = _weight(outside, branch.copies)
        digests.append(_digest(graph.outputs[0], places, {}))
        uses.add(_use_of(copy))
    return Signature("-".join(digests), max(uses, key=_USES.index))


_USES = ("nothing", "weights", "more")


def _traced(branch: Any, channels: int, mode: bool | str) -> Any:
    def run(x: tf.Tensor, copy: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return branch(x, copy=copy, training=mode, seed=seed)

    shape = [None, None, None, channels]
    return (
        tf.function(run, autograph=False)
        .get_concrete_function(
            tf.TensorSpec(shape, tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([2], tf.int32),
        )
        .graph
    )


def _id(tensor: Any) -> tuple[str, int]:
    return tensor.op.name, tensor.value_index


def _weight(outside: Any, copies: int) -> str:
    """Describes a captured tensor, a variable by the shape of one copy."""
    if outside.dtype != tf.resource:
        # A constant: two fixed filters are two computations.
        return f"constant {outside.numpy().tobytes().hex()}"
    data = outside._handle_data.shape_and_type[0]
    shape = tuple(dim.size for dim in data.shape.dim)
    if copies > 1 and shape[:1] == (copies,):
        shape = shape[1:]
    return f"variable {shape}"


def _digest(
    tensor: Any, places: dict[tuple[str, int], str], known: dict[str, str]
) -> str:
    """Returns the digest of the graph that ends in a tensor."""
    if _id(tensor) in places:
        return _hash(places[_id(tensor)])
    op = tensor.op
    if op.type in _PASSES:
        return _digest(op.inputs[0], places, known)
    if op.name not in known:
        inputs = [_digest(x, places, known) for x in op.inputs]
        attributes = sorted(
            f"{name}={value}"
            for name, value in op.node_def.attr.items()
            if name not in _NAMES
        )
        known[op.name] = _hash(op.type, *attributes, *inputs)
    return _hash(known[op.name], str(tensor.value_index))


def _hash(*parts: str) -> str:
    text = "\n".join(parts).encode()
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def _use_of(copy: Any) -> str:
    """Returns what the number of the copy decides in a graph."""
    uses = set()
    for op in copy.consumers():
        if op.type in _PASSES:
            uses |= {_use_of(output) for output in op.outputs}
        elif op.type == "ResourceGather" or _looks_up_a_weight(op, copy):
            uses.add("weights")
        else:
            uses.add("more")
    return max(uses, key=_USES.index, default="nothing")


def _looks_up_a_weight(op: Any, copy: Any) -> bool:
    if op.type != "GatherV2" or op.inputs[1] is not copy:
        return False
    source = op.inputs[0].op
    while source.type in _PASSES and source.type != "ReadVariableOp":
        source = source.inputs[0].op
    return source.type == "ReadVariableOp"
