"""The verb `checkpoint`: the mapping, the accuracies, the exit code."""

import argparse
import re

import numpy as np
import pytest

import helpers
from enas.cifar10.arc import Arc
from enas.errors import UserError
from enas.parity.checkpoint_diff import add_arguments, read_sizes, run
from enas.run import checkpoint

GOLDEN = helpers.GOLDEN / "enas/ckpt"
VALUES = helpers.load("enas/ckpt/values.npz")
SHADOW = "child/stem_conv/bn/child/stem_conv/bn/moving_mean/biased"


def verb(capsys, *arguments):
    """Runs the verb; returns (exit code, lines)."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    code = run(parser.parse_args([str(word) for word in arguments]))
    return code, capsys.readouterr().out.splitlines()


def saved(folder, changes):
    """Writes the recorded tensors, some changed or (None) left out."""
    tensors = {**VALUES, **changes}
    tensors = {name: t for name, t in tensors.items() if t is not None}
    checkpoint.save(str(folder / "changed"), tensors)
    return folder / "changed"


def total(lines, kind):
    """Returns the counts of a kind: matched, missing, left over, differs."""
    (line,) = (line for line in lines if re.match(rf"{kind}\s+\d", line))
    return [int(word) for word in line.removeprefix(kind).split()]


def test_every_tensor_of_the_original_matches(capsys):
    code, lines = verb(capsys, GOLDEN, "--no_accuracy")
    assert code == 0
    assert lines[0] == (
        f"{GOLDEN}/model.ckpt-12: 852 tensors; 6 layers, 8 filters, 6 ops, "
        "1 LSTM layer(s) of 64"
    )
    assert sum(line.startswith("matched  ") for line in lines) == 852
    assert total(lines, "weight") == [245, 0, 0, 0]
    assert total(lines, "moving statistic") == [348, 0, 0, 0]
    assert total(lines, "slot") == [254, 0, 0, 0]
    assert total(lines, "counter") == [5, 0, 0, 0]
    (shadow,) = (line for line in lines if f" {SHADOW} " in line)
    assert shadow.split(None, 1)[1].startswith("moving statistic  [8] ")
    assert shadow.endswith(" (child/stem_conv/bn/moving_mean/biased)")


def test_what_does_not_match_is_named_and_ends_with_code_1(tmp_path, capsys):
    changes = {
        "child/fc/w": np.ones([8, 9], np.float32),
        "child/layer_5/skip/bn/scale": None,
        "child/layer_5/skip/bn/scale/Momentum": None,
        "aux": np.float32(0),
    }
    code, lines = verb(capsys, saved(tmp_path, changes), "--dataset=shapes")
    assert code == 1
    row = "shape differs  weight            [8, 9], port [8, 10] child/fc/w"
    assert row in lines
    assert total(lines, "weight") == [243, 1, 0, 1]
    assert total(lines, "slot") == [253, 1, 0, 0]
    assert total(lines, "other") == [0, 0, 1, 0]
    assert lines[-1] == "Accuracy: not measured, 2 tensors do not match."


def test_without_images_there_is_only_the_mapping(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("ENAS_DATA_DIR", str(tmp_path))
    code, lines = verb(capsys, GOLDEN)
    assert code == 0
    assert lines[-1].startswith("Accuracy: not measured, no CIFAR-10 here")


def test_accuracies_are_those_of_the_arcs_asked_for(capsys):
    arcs = ("0  1 0  2 0 0  3 0 0 0  4 0 0 0 0  5 0 0 0 0 0", "5 " + "0 " * 20)
    flags = ["--dataset=shapes", "--num_images=30", "--split=test"]
    flags += [f"--arc={arc}" for arc in arcs]
    code, lines = verb(capsys, GOLDEN, *flags)
    assert code == 0
    assert lines[-4] == "Accuracy on 30 images of the test set"
    accuracies = [float(line.split()[0]) for line in lines[-3:-1]]
    assert lines[-3].endswith(f"  {arcs[0]}")
    assert all(
        30 * a == pytest.approx(round(30 * a), abs=0.01) for a in accuracies
    )
    assert lines[-1] == (
        f"mean {np.mean(accuracies):.4f}, best {max(accuracies):.4f}"
    )


def test_a_poisoned_search_of_ours_needs_its_flags(tmp_path, capsys):
    changes = {
        "controller/emb/w": np.zeros([9, 64], np.float32),
        "controller/softmax/w": np.zeros([64, 9], np.float32),
    }
    prefix = saved(tmp_path, changes)
    with pytest.raises(UserError, match="9 op ids .* --poison and --q"):
        verb(capsys, prefix, "--no_accuracy")
    flags = ("--no_accuracy", "--poison=dropout", "--q=3")
    code, lines = verb(capsys, prefix, *flags)
    assert code == 0
    assert total(lines, "slot") == [250, 0, 0, 4]


def test_a_controller_with_a_defence_draws_what_it_may(tmp_path, capsys):
    prior = np.full((6, 6), -1e4, np.float32)
    prior[:, 2] = 0
    path = saved(tmp_path, {"defence/prior": prior})
    shapes = "--dataset=shapes", "--num_images=8"
    code, lines = verb(capsys, path, *shapes)
    assert code == 0
    arcs = [line.split(None, 1)[1] for line in lines if line.startswith("0.")]
    op_ids = [Arc.parse(arc, 6, 6).op_ids for arc in arcs]
    assert op_ids == [(2,) * 6] * 10


def test_sizes_are_read_off_the_original_at_its_real_size():
    text = (helpers.GOLDEN / "enas/variables.txt").read_text()
    shapes = {
        name: tuple(int(size) for size in sizes.split(",") if size)
        for name, sizes in re.findall(r"^(\S+) \[(.*)\] \w+$", text, re.M)
    }
    num_ops, sizes = read_sizes(shapes, "real")
    assert num_ops == 6
    assert sizes == {
        "child_num_layers": 12,
        "child_out_filters": 36,
        "controller_lstm_size": 64,
        "controller_lstm_num_layers": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--arc=0 1"], "An arc of 6 layers has 21 numbers"),
        (["--num_images=0"], "--num_images is how many.*received 0"),
        (["--override=bn_evaluation=maybe"], "moving|batch"),
        (["--poison=nothing", "--q=1"], "Unknown poison"),
    ],
)
def test_mistakes_are_told(arguments, wanted, capsys):
    with pytest.raises(UserError, match=wanted):
        verb(capsys, GOLDEN, *arguments)


def test_something_else_is_no_checkpoint_of_macro_search(tmp_path, capsys):
    checkpoint.save(str(tmp_path / "other"), {"dense/w": np.ones(2)})
    with pytest.raises(UserError, match="no child of ENAS macro search"):
        verb(capsys, tmp_path)
    with pytest.raises(UserError, match="no file of that name"):
        verb(capsys, tmp_path / "none")


def test_a_run_says_its_own_ops_and_sizes(small_run, capsys):
    # Its candidates are not the first ops of the original.
    code, lines = verb(capsys, small_run, "--no_accuracy")
    assert code == 0 and " 8 ops" in lines[0]
    code, _ = verb(capsys, small_run, "--no_accuracy", "--q=3")
    assert code == 1
