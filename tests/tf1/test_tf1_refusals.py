"""Checkpoints that do not fit, and exports that would do harm, are refused."""

import os

import numpy as np
import pytest
from original_checkpoint import (
    SMALLEST,
    TINY,
    VALUES,
    copied,
    exported,
    make_search,
    saved,
)

from enas.cifar10.main import main
from enas.errors import UserError
from enas.tf1 import load as tf1_checkpoint
from enas.tf1.files import find_prefix


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (
            {"child_out_filters": 4},
            r"child/stem_conv/w has \[3, 3, 3, 8\], needed \[3, 3, 3, 4\]",
        ),
        (
            {"controller_lstm_size": 32},
            r"lstm/layer_0/w has \[128, 256\], needed \[64, 128\]",
        ),
        (
            {"poison": "dropout", "q": 3},
            r"emb/w has \[6, 64\], needed \[9, 64\].*--noinit_controller",
        ),
        ({"child_num_layers": 7}, "child/layer_6/.* is missing.*num_layers"),
        ({"child_num_layers": 5}, "154 tensors differ: child/layer_0/pool_at"),
        ({"candidate_ops": "paper5"}, "other shapes|another network"),
    ],
)
def test_another_network_is_refused_by_name(settings, wanted):
    search = make_search(**settings)
    before = search.compiled.child.fc.w.numpy().copy()
    with pytest.raises(UserError, match=wanted):
        tf1_checkpoint.initialise(search, print)
    np.testing.assert_array_equal(search.compiled.child.fc.w, before)


def test_where_no_checkpoint_is_the_message_says_so(tmp_path):
    with pytest.raises(UserError, match="no file of that name"):
        find_prefix(str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds 0 files"):
        find_prefix(str(tmp_path))
    for name in ("a.index", "b.index"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="holds 2 files"):
        find_prefix(str(tmp_path))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "c"')
    with pytest.raises(UserError, match="names 'c', not there"):
        find_prefix(str(tmp_path))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    prefix = saved(tmp_path / "other", {"dense/kernel": np.ones(3, np.float32)})
    with pytest.raises(UserError, match="none of the child's weights"):
        tf1_checkpoint.initialise(make_search(prefix, **TINY), print)


@pytest.mark.parametrize(
    ("settings", "changed", "wanted"),
    [
        ({}, {"global_step": 13}, "after 13 child steps.*of 4 steps"),
        ({"num_epochs": 3}, {}, "before the last, 3"),
        ({"child_lr_T_0": 5}, {}, "T_i=10 after 3 epochs.* has 5"),
        ({}, {"last_reset": 10}, "last_reset=10 after 3 epochs.* has 0"),
        ({}, {"beta1_power": None}, "beta1_power is missing"),
    ],
)
def test_counters_that_no_run_can_have_are_refused(
    settings, changed, wanted, tmp_path
):
    tensors = dict(VALUES)
    for name, value in changed.items():
        tensors[name] = None if value is None else np.int32(value)
    tensors = {name: t for name, t in tensors.items() if t is not None}
    prefix = saved(tmp_path / "changed", tensors)
    search = make_search(prefix, init_slots=True, **settings)
    with pytest.raises(UserError, match=wanted):
        tf1_checkpoint.initialise(search, print)
    assert (search.epoch, search.global_step) == (0, 0)


def test_a_layer_too_many_is_refused_and_a_stranger_is_left_over(tmp_path):
    search = make_search(tmp_path / "more", init_controller=False)
    stranger = {"sync_rep_local_step": np.int32(0)}
    saved(tmp_path / "more", {**VALUES, **stranger})
    lines = []
    tf1_checkpoint.initialise(search, lines.append)
    assert "Left over: 1 (sync_rep_local_step)" in lines
    layer = {"child/layer_6/branch_0/inp_conv_1/w": np.float32(0)}
    saved(tmp_path / "more", {**VALUES, **layer})
    with pytest.raises(UserError, match="layer_6/.*/w is left over"):
        tf1_checkpoint.initialise(search, print)


@pytest.mark.parametrize("flag", ["--init_slots", "--noinit_controller"])
def test_slots_need_a_checkpoint(flag, tmp_path, capsys):
    assert main([*SMALLEST, flag, f"--output_dir={tmp_path}/run"]) == 2
    assert "without a checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("taken", ["model.ckpt.index", "checkpoint"])
def test_an_export_beside_another_checkpoint_is_refused(taken, tmp_path):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(UserError, match="not of this run"):
        exported(None, tmp_path / "model.ckpt", tmp_path / "run")
    assert (tmp_path / taken).read_text() == "mine"


def test_an_export_that_the_original_has_gone_on_from_is_kept(tmp_path):
    prefix, run = tmp_path / "tf1/model.ckpt", tmp_path / "run"
    search = make_search(**TINY)
    for _ in range(2):
        exported(search, prefix, run)
    state = tmp_path / "tf1/checkpoint"
    state.write_text('model_checkpoint_path: "model.ckpt-99"\n')
    with pytest.raises(UserError, match="names model.ckpt-99: another program"):
        exported(search, prefix, run)
    assert "ckpt-99" in state.read_text()


def test_an_export_to_a_folder_or_below_a_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="a directory. Name a file in it"):
        exported(None, tmp_path, tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be made"):
        exported(None, tmp_path / "file/model.ckpt", tmp_path / "run")


def test_an_export_that_the_original_could_not_find_is_refused(tmp_path):
    with pytest.raises(UserError, match="for a pattern"):
        exported(None, tmp_path / "[1]/model.ckpt", tmp_path / "run")


def test_a_reset_does_not_delete_what_the_run_starts_from(tmp_path, capsys):
    run = tmp_path / "run"
    copied(run / "checkpoints/epoch-1")
    (run / ".enas_run").touch()
    flags = (f"--init_checkpoint={run}", f"--output_dir={run}")
    assert main([*SMALLEST, *flags, "--reset_output_dir"]) == 2
    assert "would delete" in capsys.readouterr().err
    assert len(os.listdir(run / "checkpoints/epoch-1")) == 5


@pytest.mark.parametrize("damage", ["truncated", "zeroed", "no index", "index"])
def test_damage_ends_with_code_2_and_nothing_written(damage, tmp_path, capsys):
    folder = copied(tmp_path / "ckpt")
    data = folder / "model.ckpt-12.data-00000-of-00001"
    index = folder / "model.ckpt-12.index"
    if damage == "truncated":
        data.write_bytes(data.read_bytes()[:300_000])
    elif damage == "zeroed":
        data.write_bytes(bytes(data.stat().st_size))
    elif damage == "index":
        index.write_bytes(index.read_bytes()[:1000])
    else:
        index.unlink()
    flags = (f"--init_checkpoint={folder}", f"--output_dir={tmp_path}/run")
    assert main([*SMALLEST, *flags]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and str(folder) in message
    assert "Traceback" not in message
    assert not (tmp_path / "run").exists()
