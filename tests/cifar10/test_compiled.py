"""A search traces each of its steps once, whatever runs through it."""

import numpy as np
import pytest

from enas.cifar10 import build
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.macro_child import MacroChild
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
        steps.train_child(*BATCH, *arc, np.float32(0.01), seed)
        steps.count_correct(*BATCH, *arc)
    assert traced == [True, False]
    # What is not finite is told, in whichever image of the batch.
    images = BATCH[0].copy()
    images[2, 3, 4, 1] = np.inf
    assert int(steps.count_correct(images, BATCH[1], *arc)) == -1
    assert int(steps.count_correct(*BATCH, *arc)) >= 0
