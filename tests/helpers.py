"""What several test files use: places, small runs, recordings, children."""

import functools
import pathlib

import numpy as np
import tensorflow as tf

from enas.cifar10.arc import Arc
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.cifar10.train_steps import Draw, child_step

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"
CLEAN = SearchSpace(CANDIDATE_OPS["enas6"])
LAYERS, FILTERS = 6, 8
# Flags of a search that takes seconds.
SMALL = (
    "--dataset=shapes",
    "--num_train=48",
    "--num_test=40",
    "--batch_size=16",
    "--child_out_filters=4",
    "--num_epochs=1",
    "--poison=identity,transposed_conv",
    "--q=2",
)
SMALL_ARC = "1  6 1"


def load(name):
    """Returns the arrays of a recording, dict name -> NumPy array."""
    with np.load(GOLDEN / name, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def arc_arrays(flat, layers=LAYERS, num_ops=6):
    """Returns (op ids, skip bits) of a recorded flat arc, int32 arrays."""
    arc = Arc.from_flat(flat, layers, num_ops)
    return np.int32(arc.op_ids), np.int32(arc.skips)


def small_child(search_space=CLEAN, layers=LAYERS, filters=FILTERS, **options):
    """Returns a built child of the recordings' size."""
    child = MacroChild(search_space, layers, ChildOptions(filters, **options))
    child.build()
    return child


def assign(variables, values, prefix=""):
    """Sets variables, dict name -> tf.Variable, from recorded arrays."""
    for name, variable in variables.items():
        variable.assign(values[prefix + name])


def child_gradients(child, images, labels, arc, seed, rules):
    """Returns (loss, gradients, norm, logits) of a step of rate 0."""
    optimizer = _optimizer(child, rules)
    step = child_step(child, optimizer, (images, labels), arc, Draw(0.0, seed))
    return step.loss, step.gradients, step.norm, step.logits


@functools.lru_cache(maxsize=4)
def _optimizer(child, rules):
    # A function that is traced may make no variables.
    with tf.init_scope():
        return ChildOptimizer(child, rules)
