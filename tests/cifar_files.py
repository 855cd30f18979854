"""Small CIFAR-10 files in every form that is read, and what they hold."""

import dataclasses
import pickle

import numpy as np

from enas.cifar10 import data_utils
from enas.cifar10.readers.published import CIFAR

PER_FILE = 20
TRAIN, TEST = 5 * PER_FILE, PER_FILE
NAMES = tuple(CIFAR["cifar10"].files)


def quiet(line):
    pass


def set_images_per_file(monkeypatch, count):
    files = dict.fromkeys(NAMES, count)
    small = dataclasses.replace(CIFAR["cifar10"], files=files)
    monkeypatch.setitem(CIFAR, "cifar10", small)


def files(published):
    """Yields name, planes `[images, 3072]` and labels of the six files."""
    images, labels = published
    planes = images.transpose(0, 3, 1, 2).reshape(-1, 3072)
    for i, name in enumerate(NAMES):
        part = slice(i * PER_FILE, (i + 1) * PER_FILE)
        yield name, planes[part], labels[part]


def write_python(folder, published, protocol=2):
    folder.mkdir(parents=True)
    for name, planes, labels in files(published):
        content = {"data": planes, "labels": labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol))
    return folder


def write_binary(folder, published):
    folder.mkdir(parents=True)
    for name, planes, labels in files(published):
        rows = np.concatenate([labels[:, None], planes], axis=1)
        rows.astype(np.uint8).tofile(folder / f"{name}.bin")
    return folder


def read(data_path=None, log=quiet, **arguments):
    arguments = {"num_valids": 10, "data_dir": "nowhere"} | arguments
    return data_utils.read_data("cifar10", data_path, log=log, **arguments)


def assert_published(data, published):
    images, labels = published
    parts = {
        "train": slice(0, TRAIN - 10),
        "valid": slice(TRAIN - 10, TRAIN),
        "test": slice(TRAIN, None),
    }
    for name, part in parts.items():
        split = getattr(data, name)
        np.testing.assert_array_equal(split.images, images[part])
        np.testing.assert_array_equal(split.labels, labels[part])
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
