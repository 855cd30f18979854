"""What several test files use: places, small runs, recordings, children."""

import dataclasses
import functools
import pathlib
import types

import numpy as np
import tensorflow as tf

from enas.cifar10.arc import Arc
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.config import Config
from enas.cifar10.data_utils import DataSet, Split
from enas.cifar10.epoch_progress import EpochProgress
from enas.cifar10.flags import make_flags, read_flags
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.op_prior import OpPrior
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.cifar10.train_steps import StepInput, child_step
from enas.optimizers import Adam, GradientRules
from enas.run import checkpoint

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"
CLEAN = SearchSpace(CANDIDATE_OPS["enas6"])
LAYERS, FILTERS = 6, 8
# Of the settings of a search, by name.
FIELDS = {field.name: field for field in dataclasses.fields(Config)}
# Two candidates, one with weights: what it takes to trace a search grows with
# the branches of a layer, and few tests are about all six.
FEW_OPS = "--candidate_ops=sep_conv_3x3,max_pool_3x3"
# Flags of a search that takes seconds.
SMALL = (
    "--dataset=shapes",
    "--num_train=48",
    "--num_test=40",
    "--batch_size=16",
    "--child_out_filters=4",
    "--num_epochs=1",
    FEW_OPS,
    "--poison=identity,transposed_conv",
    "--q=2",
)
SMALL_ARC = "0  2 1"


def with_rule(rule):
    """Returns the names of the settings that have a rule, such as `lower`."""
    return [name for name, field in FIELDS.items() if rule in field.metadata]


def read_command(*arguments):
    """Returns (config, idle flags) of a command line."""
    return read_flags(make_flags(), ["program", *arguments])


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


def small_search(step=0, layers=2, space=CLEAN):
    """Returns what a checkpoint reads and writes of a search."""
    child = small_child(space, layers=layers, filters=2)
    controller = MacroController(ControllerOptions(layers, 6, lstm_size=4))
    controller.build()
    compiled = types.SimpleNamespace(
        child=child,
        controller=controller,
        child_optimizer=ChildOptimizer(child, GradientRules()),
        controller_optimizer=Adam(controller),
    )
    return types.SimpleNamespace(
        compiled=compiled,
        global_step=step,
        train_step=3 * step,
        baseline=np.float32(step / 7),
        whole_epochs=step // 5,
        progress=EpochProgress(),
        defence=OpPrior(),
        steps_per_epoch=5,
    )


def filled(search):
    """Gives every variable numbers of its own, and returns them by name."""
    variables, _ = checkpoint.search_tensors(search)
    rng = np.random.default_rng(0)
    values = {
        name: rng.normal(size=variable.shape).astype(np.float32)
        for name, variable in variables.items()
    }
    assign(variables, values)
    return values


def child_gradients(child, images, labels, arc, seed, rules):
    """Returns (loss, gradients, norm, logits) of a step of rate 0."""
    optimizer = _optimizer(child, rules)
    step = child_step(
        child, optimizer, (images, labels), arc, StepInput(0.0, seed)
    )
    return step.loss, step.gradients, step.norm, step.logits


@functools.lru_cache(maxsize=4)
def _optimizer(child, rules):
    # A function that is traced may make no variables.
    with tf.init_scope():
        return ChildOptimizer(child, rules)


def small_data(images=4):
    """Returns grey images of ten classes, all alike."""
    splits = [
        Split(np.full((images, 32, 32, 3), 7, np.uint8), np.zeros(images, "i"))
        for _ in range(3)
    ]
    return made_data(*splits)


def made_data(train, valid, test):
    """Returns a data set of splits that are standardised already."""
    one = np.ones((1, 1, 1, 3), np.float32)
    splits = train, valid, test
    return DataSet("shapes", "made for a test", *splits, 0 * one, one, 0 * one)
