"""Checkpoints of the original: loaded whole, continued and exported whole."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from original_checkpoint import (
    GOLDEN,
    SMALLEST,
    TINY,
    VALUES,
    copied,
    exported,
    loaded,
    make_search,
    saved,
)

import helpers
from enas.cifar10.main import main
from enas.errors import UserError
from enas.run import checkpoint
from enas.tf1 import export as tf1_export
from enas.tf1.files import find_prefix


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


@pytest.mark.parametrize("sharing", ["shared", "unique"])
def test_poisonings_may_be_missing_and_the_controller_left_out(sharing):
    settings = {"poison": "transposed_conv", "q": 2, "poison_sharing": sharing}
    search, lines = loaded(init_controller=False, **settings)
    assert any(line.startswith("Missing, as init") for line in lines)
    (line,) = (line for line in lines if line.startswith("Missing"))
    assert line.startswith("Missing, as initialised: 12 (child/layer_0/")
    assert "copies" not in line
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
    assert main(flags) == 0
    assert "--init_checkpoint is not read" in capsys.readouterr().out
    kept = checkpoint.read(f"{tmp_path}/run/checkpoints/epoch-1")
    held = checkpoint.read_tensors(find_prefix(f"{tmp_path}/out"))
    assert set(held) - set(kept) == {"last_reset", "T_i"}
    for name, tensor in kept.items():
        np.testing.assert_array_equal(held[name], tensor, err_msg=name)
    assert "--export" not in (tmp_path / "run/flags.txt").read_text()


def test_an_export_that_another_run_has_replaced_is_refused(tmp_path):
    search, prefix = make_search(tmp_path / "a"), tmp_path / "out/model.ckpt"
    for _ in range(2):
        exported(search, prefix, tmp_path / "a")
    shutil.rmtree(tmp_path / "out")
    search.baseline = np.float32(0.5)
    exported(search, prefix, tmp_path / "b")
    kept = prefix.with_suffix(".ckpt.index").read_bytes()
    # As an earlier version wrote it down.
    with open(tmp_path / "a/exported.txt", "a") as stream:
        stream.write(f"{prefix}\n")
    with pytest.raises(UserError, match="not of this run"):
        exported(search, prefix, tmp_path / "a")
    assert prefix.with_suffix(".ckpt.index").read_bytes() == kept
