"""Checkpoints: nothing is missing, and damage is seen."""

import glob
import os
import types

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.search_space import make_search_space
from enas.errors import UserError
from enas.optimizers import Adam, GradientRules
from enas.run import checkpoint
from helpers import filled, small_child, small_search


def test_everything_comes_back_bit_for_bit(tmp_path):
    search = small_search(step=10)
    values = filled(search)
    checkpoint.write(search, str(tmp_path))
    again = small_search()
    checkpoint.restore(again, str(tmp_path / "epoch-2"))
    variables, _ = checkpoint.search_tensors(again)
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, values[name], err_msg=name)
    assert (again.global_step, again.train_step) == (10, 30)
    assert again.baseline == np.float32(10 / 7)
    assert again.whole_epochs == 2


def test_whole_numbers_are_kept(tmp_path):
    search = small_search()
    count = tf.Variable(3, dtype=tf.int64)
    search.defence = types.SimpleNamespace(variables={"count": count})
    checkpoint.write(search, str(tmp_path))
    count.assign(4)
    checkpoint.restore(search, str(tmp_path / "epoch-0"))
    assert count.numpy() == 3


@pytest.mark.parametrize("name", ["run[1]", "a\\b", "*[!a]?"])
def test_a_path_is_no_pattern(name, tmp_path, monkeypatch):
    prefix = tmp_path / name / f"{name}.ckpt"
    prefix.parent.mkdir()
    checkpoint.save(str(prefix), {"x": np.float32(3)})
    assert checkpoint.read_tensors(str(prefix)) == {"x": 3}
    monkeypatch.chdir(prefix.parent)
    assert checkpoint.read_tensors(prefix.name) == {"x": 3}


def test_the_file_holds_every_tensor_of_the_original():
    # The recorded TensorFlow 1 steps name the child's weights, statistics and
    # slots; the controller's recording names its own.
    search = small_search()
    search.compiled.child = small_child()
    search.compiled.child_optimizer = ChildOptimizer(
        search.compiled.child, GradientRules()
    )
    controller = MacroController(ControllerOptions(6, 6))
    controller.build()
    search.compiled.controller = controller
    search.compiled.controller_optimizer = Adam(controller)
    variables, counters = checkpoint.search_tensors(search)
    recorded = {
        name.removeprefix("step0/")
        for file in ("train_step", "controller")
        for name in helpers.load(f"enas/{file}.npz")
        if name.startswith("step0/")
    }
    ours = set(variables) | set(counters)
    assert recorded - ours == {"last_reset", "T_i"}
    assert ours - recorded == set()
    assert len(ours) == 850


def test_the_file_holds_as_many_tensors_as_the_search(tmp_path):
    search = small_search()
    checkpoint.write_unchecked(search, str(tmp_path / "epoch-1"))
    variables, counters = checkpoint.search_tensors(search)
    held = checkpoint.read(str(tmp_path / "epoch-1"))
    assert len(held) == len(variables) + len(counters) > 200


def with_copies():
    return small_search(
        space=make_search_space("transposed_conv", 3, "unique", "enas6")
    )


def test_what_is_still_to_be_done_to_copies_comes_back(tmp_path):
    search = with_copies()
    matrices = search.compiled.child_optimizer.copies.matrices
    matrices.assign(np.random.default_rng(0).normal(size=matrices.shape))
    checkpoint.write_unchecked(search, str(tmp_path / "epoch-1"))
    again = with_copies()
    checkpoint.restore(again, str(tmp_path / "epoch-1"))
    found = again.compiled.child_optimizer.copies
    np.testing.assert_array_equal(found.matrices, matrices)
    np.testing.assert_array_equal(
        found.squares, search.compiled.child_optimizer.copies.squares
    )


def test_nothing_is_to_be_done_where_a_checkpoint_does_not_know_of_it(tmp_path):
    search = with_copies()
    weight = search.compiled.child.enas_layers[1].branches[6].w
    weight.assign(weight * 2)
    variables, counters = checkpoint.search_tensors(search)
    tensors = {
        name: tensor
        for name, tensor in {**variables, **counters}.items()
        if not name.startswith("child/copies/")
    }
    os.makedirs(tmp_path / "epoch-1")
    checkpoint.save(str(tmp_path / "epoch-1" / checkpoint.PREFIX), tensors)
    again = with_copies()
    again.compiled.child_optimizer.copies.matrices.assign(
        again.compiled.child_optimizer.copies.matrices * 3
    )
    checkpoint.restore(again, str(tmp_path / "epoch-1"))
    copies = again.compiled.child_optimizer.copies
    wanted = np.tile(np.eye(2), [copies.matrices.shape[0], 1, 1])
    np.testing.assert_array_equal(copies.matrices, wanted)
    i = [v.path for v in copies.variables].index(weight.path)
    squares = np.sum(np.square(weight.numpy()), axis=(1, 2, 3, 4))
    found = copies.squares.numpy()[copies.starts[i] :][:3, 0]
    np.testing.assert_allclose(found, squares, rtol=1e-6)


def test_a_checkpoint_of_another_search_is_refused(tmp_path):
    checkpoint.write_unchecked(small_search(), str(tmp_path / "epoch-1"))
    with pytest.raises(UserError, match="of another search.*flags"):
        checkpoint.restore(small_search(layers=1), str(tmp_path / "epoch-1"))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "gone"])
def test_damage_is_seen(damage, tmp_path):
    directory = str(tmp_path / "epoch-1")
    search = small_search()
    filled(search)
    checkpoint.write_unchecked(search, directory)
    (path,) = glob.glob(os.path.join(directory, "*.data-*"))
    with open(path, "rb") as stream:
        data = bytearray(stream.read())
    if damage == "gone":
        os.remove(path)
    else:
        data[len(data) // 2] ^= 1
        kept = data if damage == "flipped" else data[: len(data) // 2]
        with open(path, "wb") as stream:
            stream.write(kept)
    with pytest.raises(UserError, match="cannot be read"):
        checkpoint.read(directory)


def test_a_half_written_checkpoint_is_none(tmp_path, monkeypatch):
    def fail(**unused):
        raise OSError("no space")

    monkeypatch.setattr(checkpoint.tf.raw_ops, "SaveV2", fail)
    with pytest.raises(OSError, match="no space"):
        checkpoint.write_unchecked(small_search(), str(tmp_path / "epoch-1"))
    assert not (tmp_path / "epoch-1").exists()
