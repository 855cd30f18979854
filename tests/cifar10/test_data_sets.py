"""CIFAR-100 and folders of images: what is read and what is refused."""

import pathlib
import pickle

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10 import data_utils
from enas.cifar10.main import main
from enas.cifar10.readers import cifar10 as cifar10_files
from enas.cifar10.readers import cifar100 as cifar100_files
from enas.cifar10.readers.folder import full_name
from enas.errors import UserError

COUNTS = {"train": 60, "test": 20}


@pytest.fixture(autouse=True)
def few_images(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cifar100_files, "COUNTS", COUNTS)
    monkeypatch.setattr(cifar10_files, "_probe", lambda *unused: "no network")


def read(dataset, **settings):
    return data_utils.read_data(dataset, log=lambda line: None, **settings)


def drawn(count, seed):
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (count, 3072), np.uint8)
    return planes, rng.integers(0, 100, count), rng.integers(0, 20, count)


def write_python(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate(COUNTS.items()):
        planes, fine, coarse = drawn(count, seed)
        content = {
            b"data": planes,
            b"fine_labels": fine.tolist(),
            b"coarse_labels": coarse.tolist(),
        }
        (folder / name).write_bytes(pickle.dumps(content))


def write_binary(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate(COUNTS.items()):
        planes, fine, coarse = drawn(count, seed)
        rows = np.concatenate([coarse[:, None], fine[:, None], planes], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.astype(np.uint8).tobytes())


@pytest.mark.parametrize(
    ("write", "folder", "data_path"),
    [
        (write_python, "a/cifar-100-python", "a"),
        (write_python, "a", "a"),
        (write_binary, "a/cifar-100-binary", "a"),
        (write_binary, "data/cifar-100-binary", None),
        (write_python, "data/cifar-100-python", "elsewhere"),
    ],
)
def test_cifar100_is_read_with_its_fine_labels(write, folder, data_path):
    write(folder)
    data = read("cifar100", data_path=data_path, num_valids=10)
    assert (len(data.train), len(data.valid), len(data.test)) == (50, 10, 20)
    planes, fine, _ = drawn(60, 0)
    labels = np.concatenate([data.train.labels, data.valid.labels])
    np.testing.assert_array_equal(labels, fine)
    pixel = planes.reshape(60, 3, 32, 32)[7, :, 3, 5]
    np.testing.assert_array_equal(data.train.images[7, 3, 5], pixel)
    assert data.num_classes == 100
    assert data.class_names[0] == "apple" and data.class_names[99] == "worm"


def test_cifar100_that_is_missing_or_damaged_is_told():
    with pytest.raises(UserError, match="'here' or 'data'.*no network"):
        read("cifar100", data_path="here")
    write_binary("a")
    pathlib.Path("a/test.bin").write_bytes(b"short")
    with pytest.raises(UserError, match="test.bin is not CIFAR-100"):
        read("cifar100", data_path="a")


def write_images(folder, classes=("cat", "dog", "emu"), count=10, side=32):
    for label, name in enumerate(classes):
        place = pathlib.Path(folder, name)
        place.mkdir(parents=True)
        for i in range(count):
            image = np.full((side, side, 3), 10 * label + i, np.uint8)
            tf.io.write_file(str(place / f"{i}.png"), tf.io.encode_png(image))


def test_a_folder_of_classes_is_split_in_tenths():
    write_images("mine", count=20)
    pathlib.Path("mine/notes.txt").touch()
    data = read("folder:mine")
    assert data.class_names == ("cat", "dog", "emu")
    sizes = len(data.train), len(data.valid), len(data.test)
    assert sizes == (49, 5, 6)
    splits = data.train, data.valid, data.test
    for split in splits:
        assert split.images.dtype == np.uint8
        assert np.all(split.images[:, 0, 0, 0] // 10 >= split.labels)
    assert len(set(data.train.labels[:20].tolist())) == 3
    again = read("folder:mine")
    np.testing.assert_array_equal(data.train.labels, again.train.labels)


def test_a_folder_with_splits_keeps_them():
    write_images("mine/train")
    write_images("mine/test", count=5)
    data = read("folder:mine")
    assert (len(data.train), len(data.valid), len(data.test)) == (27, 3, 15)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({}, "needs at least 2 sub-folders"),
        ({"classes": ("cat",)}, "needs at least 2 sub-folders"),
        ({"count": 2}, "at least 10 are needed"),
        ({"side": 28}, "has 28x28"),
    ],
)
def test_mistakes_in_folders_are_told(made, wanted, capsys):
    if made:
        write_images("mine", **made)
    arguments = ["--dataset=folder:mine", "--output_dir=run"]
    assert main(["main", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message
    assert not pathlib.Path("run").exists()


def test_a_damaged_image_is_told():
    write_images("mine")
    pathlib.Path("mine/cat/3.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="3.png cannot be read"):
        read("folder:mine")


def test_a_search_on_a_folder_has_its_classes(capsys, tmp_path):
    write_images("mine")
    flags = [
        "--dataset=folder:mine",
        "--batch_size=8",
        "--child_num_layers=1",
        "--child_out_filters=2",
        "--num_epochs=1",
        "--controller_train_steps=1",
        "--controller_num_aggregate=2",
        "--output_dir=run",
    ]
    assert main(["main", *flags]) == 0
    assert (
        f"--dataset=folder:{tmp_path}/mine\n"
        in pathlib.Path("run/flags.txt").read_text()
    )
    from enas.tools import evaluate

    assert evaluate.main(["x", "--output_dir=run", "--num_arcs=1"]) == 0
    assert "most often taken for" in capsys.readouterr().out
    assert full_name("shapes") == "shapes"
