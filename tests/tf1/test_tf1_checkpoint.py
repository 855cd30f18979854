"""Checkpoints of the original: loaded whole, exported whole, or refused."""

import dataclasses
import os
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.cifar10 import build
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.main import main
from enas.cifar10.search import Search
from enas.cifar10.search_space import make_search_space
from enas.errors import UserError
from enas.run import checkpoint
from enas.run.run_dir import RunDir
from enas.tf1 import export as tf1_export
from enas.tf1 import load as tf1_checkpoint
from enas.tf1.files import find_prefix

GOLDEN = helpers.GOLDEN / "enas/ckpt"
VALUES = helpers.load("enas/ckpt/values.npz")
TINY = {
    "child_num_layers": 2,
    "child_out_filters": 2,
    "controller_lstm_size": 4,
}


def make_search(path=GOLDEN, **settings):
    """Returns a search at its beginning: 4 steps an epoch, no images."""
    sizes = {"child_num_layers": 6, "child_out_filters": 8}
    config = Config(**{**sizes, "init_checkpoint": str(path), **settings})
    search_space = make_search_space(
        config.poison, config.q, config.poison_sharing, config.candidate_ops
    )
    compiled = Compiled(
        build.build_child(config, search_space),
        build.build_controller(config, search_space),
        config,
    )
    data = types.SimpleNamespace(train=range(4 * config.batch_size))
    return Search(config, search_space, data, compiled, log=None)


def loaded(path=GOLDEN, **settings):
    """Returns (search after loading, lines of the log)."""
    search, lines = make_search(path, **settings), []
    tf1_checkpoint.initialise(search, lines.append)
    return search, lines


def copied(folder):
    """Copies the recorded checkpoint; returns the folder."""
    shutil.copytree(GOLDEN, folder)
    return folder


def saved(prefix, tensors):
    """Writes tensors as a checkpoint; returns its prefix."""
    checkpoint.save(str(prefix), tensors)
    return prefix


@pytest.fixture(scope="module")
def continued():
    """Returns (search, log) loaded with slots; not to be changed."""
    return loaded(init_slots=True)


def test_every_tensor_of_the_original_is_loaded(continued):
    search, lines = continued
    variables, counters = checkpoint.search_tensors(search)
    ours = set(variables) | set(counters)
    assert set(VALUES) - ours == {"last_reset", "T_i"}
    assert ours - set(VALUES) == set()
    for name, value in {**variables, **counters}.items():
        np.testing.assert_array_equal(value, VALUES[name], err_msg=name)
    assert search.epoch == 3
    assert lines[1:] == [
        "Loaded: 852",
        "Missing, as initialised: 0",
        "Left over: 0",
        "Not asked for by --init_slots and --init_controller: 0",
    ]


def test_without_slots_only_weights_and_statistics_are_loaded():
    search, lines = loaded()
    variables, counters = checkpoint.search_tensors(search)
    slots = ("/Momentum", "/Adam", "/Adam_1")
    for name, variable in variables.items():
        if name.endswith(slots):
            assert not np.any(variable), name
        elif not name.endswith("_power"):
            np.testing.assert_array_equal(variable, VALUES[name], err_msg=name)
    assert not any(counters.values()) and search.epoch == 0
    assert "Loaded: 593" in lines
    assert lines[-1].endswith(": 259")


def test_the_shadows_are_those_of_their_statistics():
    # Zero-debiased: moving = biased / (1 - .9 ** local_step), row 11.
    shadows = [name for name in VALUES if name.endswith("/biased")]
    assert len(shadows) == 100
    for name in shadows:
        scope, _, statistic = name.removesuffix("/biased").rpartition("/")
        scope = scope[: len(scope) // 2]
        moving = VALUES[f"{scope}/{statistic}"]
        steps = VALUES[name.removesuffix("biased") + "local_step"]
        wanted = VALUES[name] / (1 - 0.9**steps)
        np.testing.assert_allclose(moving, wanted, rtol=2e-5, err_msg=name)


def exported(search, prefix, run):
    """Exports a search as a run in the folder `run` would; returns the log."""
    os.makedirs(run, exist_ok=True)
    lines = []
    config = dataclasses.replace(
        Config(), output_dir=str(run), export_tf1_checkpoint=str(prefix)
    )
    tf1_export.check(RunDir(config))
    tf1_export.export(search, RunDir(config), lines.append)
    return lines


def test_the_child_computes_what_the_original_s_graph_computes(continued):
    search, _ = continued
    recorded = helpers.load("enas/child_intended.npz")
    logits = np.load(GOLDEN / "logits.npy", allow_pickle=False)
    for flat, wanted in zip(recorded["_arcs"], logits, strict=True):
        arc = tuple(map(tf.constant, helpers.arc_arrays(flat)))
        ours = search.compiled.child(tf.constant(recorded["_images"]), arc)
        # Kernels of other processors add in another order.
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=2e-5)


def test_a_saver_of_tensorflow_1_restores_an_export(continued, tmp_path):
    search, _ = continued
    prefix = tmp_path / "model.ckpt-12"
    exported(search, prefix, tmp_path / "run")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {
            name: tf.compat.v1.Variable(np.zeros_like(value))
            for name, value in VALUES.items()
        }
        saver = tf.compat.v1.train.Saver(variables)
        newest = tf.compat.v1.train.latest_checkpoint(str(tmp_path))
        assert newest == str(prefix)
        saver.restore(session, newest)
        restored = session.run(variables)
    for name, value in restored.items():
        np.testing.assert_array_equal(value, VALUES[name], err_msg=name)


def test_an_export_computes_the_same_bit_for_bit(tmp_path):
    search = make_search(None, **TINY, poison="transposed_conv", q=1)
    variables = checkpoint.search_variables(search.compiled)
    rng = np.random.default_rng(0)
    for variable in variables.values():
        variable.assign(rng.uniform(0.1, 1.0, variable.shape))
    search.whole_epochs, search.global_step, search.train_step = 2, 8, 5
    search.baseline = np.float32(0.25)
    lines = exported(search, tmp_path / "model.ckpt", tmp_path / "run")
    assert "The original cannot restore it" in lines[-1]
    same = {"poison": "transposed_conv", "q": 1, "init_slots": True}
    again, _ = loaded(tmp_path, **TINY, **same)
    for name, variable in checkpoint.search_variables(again.compiled).items():
        np.testing.assert_array_equal(variable, variables[name], err_msg=name)
    assert (again.epoch, again.global_step, again.train_step) == (2, 8, 5)
    assert again.baseline == np.float32(0.25)
    images = tf.constant(rng.normal(size=(3, 32, 32, 3)), tf.float32)
    for op_id in range(8):
        arc = tf.constant([op_id, 7 - op_id]), tf.constant([1])
        logits = [s.compiled.child(images, arc) for s in (search, again)]
        np.testing.assert_array_equal(*logits)
        assert np.any(logits[0])


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


def test_poisonings_may_be_missing_and_the_controller_left_out():
    settings = {"poison": "transposed_conv", "q": 2}
    search, lines = loaded(init_controller=False, **settings)
    assert any(line.startswith("Missing, as init") for line in lines)
    (line,) = (line for line in lines if line.startswith("Missing"))
    assert line.startswith("Missing, as initialised: 12 (child/layer_0/")
    variables = checkpoint.search_variables(search.compiled)
    for name in ("child/fc/w", "child/layer_5/skip/bn/moving_mean"):
        np.testing.assert_array_equal(variables[name], VALUES[name])
    assert variables["controller/emb/w"].shape == [10, 64]


def test_a_folder_names_its_checkpoint(tmp_path):
    golden = str(GOLDEN / "model.ckpt-12")
    for path in (GOLDEN, golden, f"{golden}.index"):
        assert find_prefix(str(path)) == golden
    single = copied(tmp_path / "single")
    (single / "checkpoint").write_text(
        'model_checkpoint_path: "/elsewhere/model.ckpt-12"\n'
    )
    assert find_prefix(str(single)) == str(single / "model.ckpt-12")
    (single / "checkpoint").unlink()
    assert find_prefix(str(single)) == str(single / "model.ckpt-12")
    run = tmp_path / "run"
    for epoch in (9, 10):
        copied(run / f"checkpoints/epoch-{epoch}")
    wanted = str(run / "checkpoints/epoch-10" / checkpoint.PREFIX)
    assert find_prefix(str(run)) == wanted


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


def test_an_export_to_a_folder_or_below_a_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="a directory. Name a file in it"):
        exported(None, tmp_path, tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be made"):
        exported(None, tmp_path / "file/model.ckpt", tmp_path / "run")


def test_a_run_replaces_its_own_export(continued, tmp_path):
    search, _ = continued
    prefix = tmp_path / "out/model.ckpt"
    for _ in range(2):
        exported(search, prefix, tmp_path / "run")
    assert sorted(os.listdir(tmp_path / "out")) == [
        "checkpoint",
        "model.ckpt.data-00000-of-00001",
        "model.ckpt.index",
    ]


def test_a_half_written_export_is_none(continued, tmp_path, monkeypatch):
    def fail(**unused):
        raise OSError("no space")

    monkeypatch.setattr(checkpoint.tf.raw_ops, "SaveV2", fail)
    with pytest.raises(OSError, match="no space"):
        exported(continued[0], tmp_path / "out/model.ckpt", tmp_path / "run")
    assert os.listdir(tmp_path / "out") == ["model.ckpt.part"]


SMALLEST = (
    "p",
    "--dataset=shapes",
    "--num_train=10",
    "--num_valid=10",
    "--num_test=10",
    "--batch_size=10",
    "--child_num_layers=2",
    "--child_out_filters=2",
    "--controller_lstm_size=4",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
)


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


def test_a_run_starts_from_a_checkpoint_and_exports_one(tmp_path, capsys):
    first = make_search(None, **TINY)
    tensors = tf1_export.export_tensors(first)
    saved(tmp_path / "start", tensors)
    flags = [
        *SMALLEST,
        "--num_epochs=1",
        f"--init_checkpoint={tmp_path}/start",
        f"--output_dir={tmp_path}/run",
    ]
    assert main(flags) == 0
    log = (tmp_path / "run/stdout").read_text()
    assert f"Starting from the checkpoint {tmp_path}/start" in log
    # A run that is complete exports too, and reads its own checkpoint.
    flags.append(f"--export_tf1_checkpoint={tmp_path}/out/model.ckpt-1")
    for _ in range(2):
        assert main(flags) == 0
        assert "--init_checkpoint is not read" in capsys.readouterr().out
    kept = checkpoint.read(f"{tmp_path}/run/checkpoints/epoch-1")
    held = checkpoint.read_tensors(find_prefix(f"{tmp_path}/out"))
    assert set(held) - set(kept) == {"last_reset", "T_i"}
    for name, tensor in kept.items():
        np.testing.assert_array_equal(held[name], tensor, err_msg=name)
    assert "--export" not in (tmp_path / "run/flags.txt").read_text()
