"""A search traces each of its steps once, whatever runs through it."""

import keras
import numpy as np
import pytest

from enas.cifar10 import build
from enas.cifar10.branches import Branch
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import OPS, Op
from enas.cifar10.search_space import make_search_space

CANDIDATES = "sep_conv_3x3,max_pool_3x3"
POISON = "identity,transposed_conv"
BATCH = (np.zeros((4, 32, 32, 3), np.float32), np.arange(4, dtype=np.int32))


@pytest.mark.parametrize("sharing", ["shared", "unique"])
@pytest.mark.parametrize("q", [1, 300])
def test_every_arc_runs_through_one_trace_at_any_q(q, sharing, monkeypatch):
    config = Config(
        poison=POISON,
        candidate_ops=CANDIDATES,
        q=q,
        poison_sharing=sharing,
        child_num_layers=2,
        child_out_filters=2,
        controller_lstm_size=4,
    )
    space = make_search_space(POISON, q, sharing, CANDIDATES)
    steps = Compiled(
        build.build_child(config, space),
        build.build_controller(config, space),
        config,
    )
    traced, call = [], MacroChild.call

    def counted(self, images, arc, training=False, seed=None):
        traced.append(training)
        return call(self, images, arc, training=training, seed=seed)

    monkeypatch.setattr(MacroChild, "call", counted)
    for op_id in (0, 1, 2, space.num_ops - 1):
        arc = np.int32([op_id, 0]), np.int32([op_id % 2])
        seed = np.int32([0, op_id])
        steps.child_step(*BATCH, *arc, np.float32(0.01), seed)
        steps.count_correct(*BATCH, *arc)
    assert traced == [True, False]
    # What is not finite is told, in whichever image of the batch.
    images = BATCH[0].copy()
    images[2, 3, 4, 1] = np.inf
    assert int(steps.count_correct(images, BATCH[1], *arc)) == -1
    assert int(steps.count_correct(*BATCH, *arc)) >= 0


class Moving(Branch):
    """A Keras batch norm, and a count of its calls, in all modes."""

    def build(self, shape):
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.norm.build(shape)
        self.drop = keras.layers.Dropout(0.5, name="drop")
        self.calls = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="calls"
        )

    def call(self, x, copy, training, seed):
        self.calls.assign_add(1.0)
        x = self.drop(x, training=bool(training))
        return self.norm(x, training=bool(training))


def test_measuring_moves_nothing_and_training_does(monkeypatch):
    monkeypatch.setitem(OPS, "moving", Op("moving", Moving))
    config = Config(
        candidate_ops="moving",
        child_num_layers=2,
        child_out_filters=2,
        child_keep_prob=1.0,
        controller_lstm_size=4,
    )
    space = make_search_space("none", None, "shared", "moving")
    child = build.build_child(config, space)
    steps = Compiled(child, build.build_controller(config, space), config)
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    batch, seed = (images.astype(np.float32), BATCH[1]), np.int32([0, 1])
    arc = np.int32([0, 0]), np.int32([1])
    before = [v.numpy() for v in child.variables]
    steps.logits(batch[0], *arc)
    steps.count_correct(*batch, *arc)
    steps.logits_in_training(batch[0], *arc, seed)
    steps.count_correct_in_training(*batch, *arc, seed)
    for variable, old in zip(child.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old, variable.path)
    # What Keras draws at random differs by the seed, and by nothing else.
    drawn = [
        steps.logits_in_training(batch[0], *arc, np.int32([0, s])).numpy()
        for s in (1, 2, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert np.abs(drawn[0] - drawn[1]).max() > 0
    steps.child_step(*batch, *arc, np.float32(0.01), seed)
    moved = {v.name for v in child.non_trainable_variables if v.numpy().any()}
    assert {"calls", "moving_mean"} <= moved
