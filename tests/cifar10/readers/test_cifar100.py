"""CIFAR-100: what is read and what is refused."""

import dataclasses
import pathlib
import pickle

import numpy as np
import pytest

from enas.cifar10 import data_utils
from enas.cifar10.readers.published import CIFAR
from enas.errors import UserError

COUNTS = {"train": 60, "test": 20}


pytestmark = pytest.mark.usefixtures("own_folder", "offline")


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    small = dataclasses.replace(CIFAR["cifar100"], files=COUNTS)
    monkeypatch.setitem(CIFAR, "cifar100", small)


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
    with pytest.raises(UserError, match="'here'.*'data'.*no network"):
        read("cifar100", data_path="here")
    write_binary("a")
    pathlib.Path("a/test.bin").write_bytes(b"short")
    with pytest.raises(UserError, match="test.bin is not CIFAR-100"):
        read("cifar100", data_path="a")
