"""Training one architecture from scratch: the network, the loop, the files."""

import json
import os
import pathlib
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10 import data_utils
from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import PAPER
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.layers.image_ops import FROZEN
from enas.cifar10.main import main
from enas.cifar10.ops import OPS, ChildOptions
from enas.cifar10.search_space import SearchSpace, make_search_space
from enas.cifar10.train_steps import StepInput, child_step
from enas.drawing import costs as arc_costs
from enas.final.final_child import FinalChild
from enas.final.training import FinalTraining
from enas.optimizers import GradientRules
from enas.run.checkpoint import model_variables
from faults import fingerprint
from helpers import CLEAN, SMALL, SMALL_ARC

IMAGES = tf.random.stateless_normal([4, 32, 32, 3], [1, 2])
LABELS = tf.constant([0, 1, 2, 3])
SEED = tf.constant([3, 4])
POISONS = sorted(name for name, op in OPS.items() if op.poison)
EVERYTHING = SearchSpace(CLEAN.candidate_ops, tuple(POISONS), 2)


def final_child(text, layers, space=CLEAN, filters=4, **options):
    arc = Arc.parse(text, layers, space.num_ops)
    child = FinalChild(arc, space, ChildOptions(filters, **options))
    child.build()
    return child


class ByHand:
    """The original's fixed child written down once more, in plain ops.

    For three layers, which halve behind layers 0 and 1, so that the stem goes
    through two reductions. Batch norm is that of training.
    """

    def __init__(self, child):
        self.w = {n: v.numpy() for n, v in model_variables(child).items()}

    def bn(self, x, scope):
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        scale, offset = (
            self.w[f"child/{scope}/bn/{name}"] for name in ("scale", "offset")
        )
        return (x - mean) / tf.sqrt(variance + 1.001e-5) * scale + offset

    def conv(self, x, scope):
        w = self.w[f"child/{scope}/w"]
        return self.bn(tf.nn.conv2d(x, w, 1, "SAME"), scope)

    def halve(self, x, scope):
        one, two = x[:, ::2, ::2], tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
        paths = [one, two[:, 1::2, 1::2]]
        paths = [
            tf.nn.conv2d(
                path, self.w[f"child/{scope}/path{i}_conv/w"], 1, "SAME"
            )
            for i, path in enumerate(paths, 1)
        ]
        return self.bn(tf.concat(paths, 3), scope)

    def op(self, x, k, size):
        x = self.conv(tf.nn.relu(x), f"layer_{k}/op/conv_1x1")
        return self.conv(tf.nn.relu(x), f"layer_{k}/op/conv_{size}x{size}")

    def merge(self, inputs, k):
        return self.conv(tf.nn.relu(tf.concat(inputs, 3)), f"layer_{k}/skip")

    def logits(self, images):
        stem = self.conv(images, "stem_conv")
        cache = [stem, self.op(stem, 0, 3)]
        pool = "layer_0/pool_at_0/from_{}"
        cache = [self.halve(x, pool.format(i)) for i, x in enumerate(cache)]
        out = self.merge([cache[0], self.op(cache[-1], 1, 5)], 1)
        pool = "layer_1/pool_at_1/from_{}"
        first, last = (
            self.halve(x, pool.format(i)) for i, x in ((1, cache[1]), (2, out))
        )
        out = self.merge([first, self.op(last, 2, 3)], 2)
        return tf.reduce_mean(out, [1, 2]) @ self.w["child/fc/w"]


def test_the_network_is_that_of_the_original():
    child = final_child("0  2 1  0 0 1", 3)
    expected = ByHand(child).logits(IMAGES)
    logits = child(IMAGES, None, training=FROZEN, seed=SEED)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    widths = {tuple(v.shape)[-1] for v in child.variables if v.name == "w"}
    assert {4, 8, 16} <= widths


def test_separable_ops_are_separable():
    # The original runs op ids 1 and 3 as plain convolutions.
    names = [v.path for v in final_child("1  3 0", 2).variables]
    assert "child/layer_0/op/conv_3x3/w_depth" in names
    assert "child/layer_1/op/conv_5x5/w_point" in names


@pytest.mark.parametrize("op_id", range(EVERYTHING.num_ops))
def test_every_op_id_trains(op_id):
    child = final_child(f"{op_id}", 1, EVERYTHING)
    optimizer = ChildOptimizer(child, GradientRules())
    loss, _, logits, gradients = child_step(
        child, optimizer, (IMAGES, LABELS), None, StepInput(0.0, SEED)
    )
    assert np.isfinite(loss) and logits.shape == (4, 10)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    if EVERYTHING.op_name(op_id) != "dropout":
        assert any(np.any(gradient != 0) for gradient in gradients)


def test_one_conv_layer_uses_relu_pooling_and_skips_as_the_search_does_not():
    child = final_child("4  5 1", 2, profile=PAPER)
    names = [v.path for v in child.variables]
    # Layer 0 of the paper is merged as well, and its stem is no candidate.
    assert "child/layer_0/skip/w" in names and "child/fc/b" in names
    assert child(IMAGES, None).shape == (4, 10)


def test_parameters_are_those_that_the_table_tells():
    arc = "0  3 1  6 1 0  4 0 1 1  9 1 1 0 1"
    space = make_search_space("grouped", 1, "shared", "enas6")
    child = final_child(arc, 5, space, filters=6)
    costs = arc_costs.layer_costs(child.nodes, child.options).values()
    wanted = sum(cost.parameters for cost in costs)
    assert wanted == sum(
        int(np.prod(v.shape)) for v in child.trainable_variables
    )


def test_a_network_trains_on_all_images_and_keeps_the_order():
    quiet = {"log": lambda line: None}
    apart = data_utils.read_data("shapes", **quiet)
    data = data_utils.read_data("shapes", all_train=True, **quiet)
    assert (len(data.train), len(data.valid)) == (6000, 0)
    together = [*apart.train.labels, *apart.valid.labels]
    np.testing.assert_array_equal(data.train.labels, together)


def test_a_run_leaves_what_it_did(small_final):
    folder = pathlib.Path(small_final)
    result = json.loads((folder / "result.json").read_text())
    assert result["arc"] == SMALL_ARC and result["finished"]
    assert 0 <= result["last"]["test_acc"] <= 1
    assert "valid_acc" not in result["last"]
    assert result["settings"]["child_num_layers"] == 2
    flags = (folder / "flags.txt").read_text()
    assert "--child_from_scratch=True\n" in flags
    assert "test_accuracy: " in (folder / "stdout").read_text()
    assert (folder / "best_arc.txt").read_text() == SMALL_ARC + "\n"


def stop_after(monkeypatch, step):
    """Lets SIGTERM come within a child step of the next training."""
    whole_step = FinalTraining._child_step

    def child_step(self, *arguments):
        if self.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(self, *arguments)

    monkeypatch.setattr(FinalTraining, "_child_step", child_step)


def test_stopped_twice_and_continued_it_ends_as_if_left_alone(
    small_final, tmp_path, monkeypatch, capsys
):
    # Three steps an epoch: the first stop is at the end of one epoch, the
    # second behind a step of the next.
    harmed, alone = tmp_path / "harmed", tmp_path / "alone"
    shutil.copytree(small_final, harmed)
    flags = ["main", f"--flagfile={harmed}/flags.txt", "--num_epochs=2"]
    with monkeypatch.context() as patches:
        stop_after(patches, 4)
        assert main([*flags, f"--output_dir={harmed}"]) == 143
    assert main([*flags, f"--output_dir={harmed}"]) == 0
    log = capsys.readouterr().out
    assert "Continuing after epoch 1" in log and "after child step 5" in log
    assert main([*flags, f"--output_dir={alone}"]) == 0
    for run in (harmed, alone):
        fingerprint.write(str(run), f"{run}.json")
    wanted, found = (fingerprint.read(f"{run}.json") for run in (alone, harmed))
    # A run that was stopped within an epoch keeps one checkpoint more.
    newest = [each.pop("checkpoints")[-1] for each in (wanted, found)]
    assert newest[0] == newest[1]
    assert fingerprint.differences(wanted, found) == {}
    assert len(wanted["rows"]) == 2 and len(wanted["tensors"]) > 50


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ([], "received no --child_fixed_arc"),
        (["--child_fixed_arc=0 1"], "L(L+1)/2 numbers"),
        (
            ["--child_fixed_arc=0  1 1", "--child_num_layers=3"],
            "3 layers has 6 numbers",
        ),
        (["--child_fixed_arc=0  12 1"], "Op ids of this search space are"),
        (
            ["--child_fixed_arc=0  1 1", "--init_checkpoint=x"],
            "excludes --init_checkpoint",
        ),
    ],
)
def test_mistakes_are_told(flags, wanted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["main", *SMALL, "--child_from_scratch", *flags]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message
    assert not list(tmp_path.iterdir())
