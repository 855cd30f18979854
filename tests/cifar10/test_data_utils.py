"""Which images a search gets, from where, and what the log says."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from cifar_files import (
    NAMES,
    PER_FILE,
    TEST,
    TRAIN,
    assert_published,
    quiet,
    read,
    write_binary,
    write_python,
)
from enas.cifar10 import data_utils
from enas.cifar10.batches import standardize
from enas.cifar10.behaviours import PAPER
from enas.errors import UserError

pytestmark = pytest.mark.usefixtures("small_files")


def test_places_and_forms_are_searched_in_order(tmp_path, published):
    given, default = tmp_path / "given", tmp_path / "data"
    write_binary(default / "cifar-10-batches-bin", published)
    arguments = {"data_dir": default}
    assert "binary version" in read(**arguments).source
    write_python(default / "cifar-10-batches-py", published)
    assert "Python batches" in read(**arguments).source
    write_binary(given / "cifar-10-batches-bin", published)
    source = read(given, **arguments).source
    assert "binary version" in source
    assert str(given) in source


def test_data_dir_may_hold_tfds_alone(tfds_root, published):
    data = read(data_dir=tfds_root)
    assert "TFDS" in data.source
    assert_published(data, published)


@pytest.mark.parametrize("place", ["missing", "empty", "archive"])
def test_data_path_without_cifar_is_told_and_data_dir_is_next(
    place, tmp_path, published
):
    write_python(tmp_path / "data/cifar-10-batches-py", published)
    (tmp_path / "empty").mkdir()
    (tmp_path / "archive").write_bytes(b"not a folder")
    lines = []
    data = read(tmp_path / place, data_dir=tmp_path / "data", log=lines.append)
    assert_published(data, published)
    assert any(place in line and "looking in" in line for line in lines)


def test_log_has_the_lines_of_the_original(tmp_path, published):
    lines = []
    folder = write_python(tmp_path / "any", published)
    data = read(folder, log=lines.append)
    images = data.train.images.astype(np.float64)
    assert lines[:3] == [
        "-" * 80,
        "Reading data",
        f"CIFAR-10 as Python batches, from {folder}",
    ]
    assert lines[2] == data.source
    assert lines[3:9] == list(NAMES)
    assert lines[9] == "Prepropcess: [subtract mean], [divide std]"
    assert lines[10].startswith("mean: [")
    assert lines[11].startswith("std: [")
    printed = [
        np.array(line.split(": ")[1].strip("[]").split(), float)
        for line in lines[10:]
    ]
    np.testing.assert_allclose(printed[0], images.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(printed[1], images.std((0, 1, 2)), rtol=1e-6)


def test_first_images_are_kept_and_measured(tmp_path, published):
    folder = write_python(tmp_path / "any", published)
    data = read(folder, num_train=7, num_valid=3, num_test=20)
    assert (len(data.train), len(data.valid), len(data.test)) == (7, 3, 20)
    images = published[0]
    np.testing.assert_array_equal(data.train.images, images[:7])
    np.testing.assert_array_equal(data.valid.images, images[TRAIN - 10 :][:3])
    mean = (images[:7] / 255).mean((0, 1, 2))
    np.testing.assert_allclose(data.mean.ravel(), mean, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_train": 0},
        {"num_train": TRAIN - 9},
        {"num_valid": 11},
        {"num_test": -1},
        {"num_test": TEST + 1},
        {"num_valids": 0},
        {"num_valids": TRAIN},
    ],
)
def test_illegal_numbers_of_images(arguments, tmp_path, published):
    folder = write_binary(tmp_path / "any", published)
    (name,) = arguments
    with pytest.raises(UserError, match=rf"{name} .*received -?\d+\. "):
        read(folder, **arguments)


def test_unknown_data_set():
    with pytest.raises(UserError, match="folder:PATH; received 'mnist'"):
        data_utils.read_data("mnist", log=quiet)


def test_shapes_need_no_files():
    lines = []
    data = data_utils.read_data("shapes", num_train=100, log=lines.append)
    assert (len(data.train), len(data.valid)) == (100, 1000)
    assert data.source in lines


def test_without_cifar_and_network_the_ways_out_are_told(tmp_path):
    with pytest.raises(UserError, match="no network in tests") as error:
        read(data_dir=tmp_path / "data")
    for part in ("data'", "--data_path", "--dataset=shapes", "cs.toronto.edu"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_place_that_cannot_be_looked_into_is_passed_over(tmp_path, published):
    # As a folder of another user, which root may read.
    folder = write_python(tmp_path / "data", published)
    assert_published(read("x" * 300, data_dir=folder), published)
    with pytest.raises(UserError, match="cannot be read .* so holds none"):
        read("x" * 300, data_dir=tmp_path / "empty")


def test_a_home_folder_is_expanded(tmp_path, published, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_binary(tmp_path / "cifar", published)
    assert_published(read("~/cifar"), published)


def test_reading_files_needs_no_tensorflow(tmp_path, published):
    folder = write_binary(tmp_path / "any", published)
    code = (
        "import sys; from enas.cifar10 import data_utils; "
        "from enas.cifar10.readers.published import CIFAR; "
        f"CIFAR['cifar10'].files.update(dict.fromkeys({NAMES}, {PER_FILE})); "
        "data_utils.read_data('cifar10', sys.argv[1], num_valids=10); "
        "assert 'tensorflow' not in sys.modules"
    )
    source = pathlib.Path(data_utils.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(source)}
    command = [sys.executable, "-c", code, str(folder)]
    subprocess.run(command, check=True, env=environment)


def test_the_paper_has_fixed_statistics_and_a_black_border():
    data = data_utils.read_data("shapes", profile=PAPER, log=quiet)
    expected = np.float32([125.3, 123.0, 113.9]) / 255
    np.testing.assert_allclose(data.mean.ravel(), expected, rtol=1e-6)
    expected = np.float32([63.0, 62.1, 66.7]) / 255
    np.testing.assert_allclose(data.std.ravel(), expected, rtol=1e-6)
    black = np.zeros((1, 1, 1, 3), np.uint8)
    np.testing.assert_array_equal(
        data.border, standardize(black, data.mean, data.std)
    )
    enas = data_utils.read_data("shapes", log=quiet)
    np.testing.assert_array_equal(enas.border, np.zeros((1, 1, 1, 3)))


@pytest.mark.parametrize("grey", [0, 100, 128, 255])
def test_a_channel_of_one_grey_becomes_0(grey, tmp_path, published):
    changed = [each.copy() for each in published]
    changed[0][..., 2] = grey
    data = read(write_python(tmp_path / "grey", changed))
    images = standardize(data.train.images, data.mean, data.std)
    assert not images[..., 2].any() and images[..., 1].any()
    # Other images are not blown up.
    others = standardize(data.test.images, data.mean, data.std)
    assert np.abs(others[..., 2]).max() <= 1
