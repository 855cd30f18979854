"""Images of other sizes: scaling, and whole runs at other sizes than 32."""

import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.cifar10.batches import augment, channel_statistics
from enas.cifar10.config import Config
from enas.cifar10.data_utils import read_data
from enas.cifar10.main import main
from enas.cifar10.readers.scaling import fitted, fitted_all
from enas.errors import UserError
from enas.tools import draw, evaluate, export
from helpers import FEW_OPS

TINY = (
    "--batch_size=8",
    "--child_num_layers=3",
    "--child_out_filters=4",
    "--num_epochs=1",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
    "--output_dir=run",
    "--pictures_every=0",
    FEW_OPS,
)


pytestmark = pytest.mark.usefixtures("own_folder")


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 12, 16, 28]))
def test_a_pixel_is_the_mean_of_what_it_covers(height, width, size):
    rng = np.random.default_rng([height, width])
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    fine = image.repeat(size, 0).repeat(size, 1).astype(np.int64)
    sums = fine.reshape(size, height, size, width, 3).sum((1, 3))
    area = height * width
    wanted = (2 * sums + area) // (2 * area)
    found = fitted(image, size, "area")
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.uint8 and found.shape == (size, size, 3)


def test_white_stays_white_at_the_largest_sides():
    for shape in ((4000, 3000, 3), (65_000, 2, 3), (1, 65_000, 3)):
        image = np.full(shape, 255, np.uint8)
        assert fitted(image, 32, "area").min() == 255


def test_a_crop_is_the_largest_centred_square():
    image = np.zeros((20, 33, 3), np.uint8)
    image[:, 6:26] = 9
    np.testing.assert_array_equal(fitted(image, 20, "crop"), image[:, 6:26])
    assert fitted(image, 16, "crop").min() == 9
    assert fitted(image.transpose(1, 0, 2), 16, "crop").min() == 9
    assert fitted(image, 16, "area").min() == 0


def test_images_of_this_size_are_not_touched():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    assert fitted_all(images, 32) is images
    assert fitted(images[0], 32, "area").base is images


def test_a_size_that_no_memory_holds_is_told():
    images = np.broadcast_to(np.uint8(0), (60_000, 2, 2, 3))
    with pytest.raises(UserError, match="60000 images at --image_size=100000"):
        fitted_all(images, 100_000)


def test_statistics_do_not_depend_on_how_many_images_are_taken_at_a_time():
    images = np.random.default_rng(0).integers(0, 256, (70, 128, 128, 3))
    mean, std = channel_statistics(images.astype(np.uint8))
    np.testing.assert_allclose(
        mean.ravel(), (images / 255).mean((0, 1, 2)), rtol=1e-5
    )
    np.testing.assert_allclose(
        std.ravel(), (images / 255).std((0, 1, 2)), rtol=1e-5
    )


@pytest.mark.parametrize(("side", "padding"), [(16, 2), (32, 4), (128, 16)])
def test_images_are_shifted_by_an_eighth_of_their_side(side, padding):
    images = np.ones((500, side, side, 1), np.float32)
    rng = np.random.default_rng(0)
    found = augment(images, rng, np.zeros((1, 1, 1, 1), np.float32))
    rows = found[..., 0].max(axis=2)
    lost = side - rows.sum(axis=1)
    assert lost.min() == 0 and lost.max() == padding


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"image_size": 30}, "multiple of 4.*received 30. Try 28"),
        ({"image_size": 4}, "at least 8"),
        ({"image_size": 1024}, "at most 512"),
        ({"child_cutout_size": 17, "image_size": 16}, "17 and 16"),
        ({"child_cutout_size": 33}, "33 and 32"),
        ({"resize": "stretch"}, "area, crop"),
    ],
)
def test_illegal_sizes(settings, wanted):
    with pytest.raises(UserError, match=wanted):
        Config(**settings)
    assert Config(child_cutout_size=64, image_size=64).image_size == 64


def write_images():
    """Writes grey, colour and transparent images of many sizes."""
    rng = np.random.default_rng(0)
    sides = ((28, 28, 1), (256, 256, 4), (50, 80, 3), (90, 30, 3), (8, 8, 3))
    for name in ("cat", "dog"):
        pathlib.Path("mine", name).mkdir(parents=True)
        for i in range(20):
            image = rng.integers(0, 256, sides[i % 5], np.uint8)
            content = tf.io.encode_png(image)
            tf.io.write_file(f"mine/{name}/{i}.png", content)


@pytest.mark.parametrize("size", [16, 64])
def test_a_run_at_another_size_from_search_to_export(size, capsys):
    write_images()
    data = read_data(
        "folder:mine", image_size=size, resize="crop", log=lambda line: None
    )
    assert data.train.images.shape[1:] == (size, size, 3)
    flags = ["--dataset=folder:mine", f"--image_size={size}", "--resize=crop"]
    assert main(["main", *TINY, *flags, "--poison=dropout", "--q=2"]) == 0
    text = capsys.readouterr().out
    assert f"images of {size}x{size}x3 in 2 classes" in text
    result = json.loads(pathlib.Path("run/result.json").read_text())
    assert result["data"]["fingerprint"] == data.facts["fingerprint"]
    run = "--output_dir=run"
    assert evaluate.main(["x", run, "--num_arcs=1"]) == 0
    assert evaluate.main(["x", run, "--predict", "mine/cat/2.png"]) == 0
    assert re.search(r"2.png: (cat|dog) \d", capsys.readouterr().out)
    to = "--to=net.keras"
    assert export.main(["x", run, to, "--statistics=measured"]) == 0
    import keras

    model = keras.saving.load_model("net.keras")
    assert model.input_shape == (None, size, size, 3)
    # What is drawn and counted is of this size.
    assert draw.main(["x", "--draw=run/best_arc.txt"]) == 0
    assert re.search(rf"\b{size}x{size}\b", capsys.readouterr().out)


def test_a_network_is_trained_from_scratch_at_another_size():
    write_images()
    flags = ["--dataset=folder:mine", "--image_size=64", "--child_from_scratch"]
    arc = "--child_fixed_arc=0  1 1  0 0 1"
    assert main(["main", *TINY, *flags, arc]) == 0


def test_shapes_are_scaled_too():
    small = read_data("shapes", image_size=16, log=lambda line: None)
    large = read_data("shapes", log=lambda line: None)
    pixels = large.train.images[0].reshape(16, 2, 16, 2, 3).astype(int)
    np.testing.assert_array_equal(
        small.train.images[0], (pixels.sum((1, 3)) + 2) // 4
    )
    assert len(small.train) == len(large.train)
