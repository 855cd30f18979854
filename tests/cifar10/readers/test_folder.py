"""Folders of images: which files are read, split and scaled, and how."""

import itertools
import os
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10.data_utils import read_data
from enas.cifar10.main import main
from enas.cifar10.readers import folder
from enas.errors import UserError
from enas.tools import evaluate

pytestmark = pytest.mark.usefixtures("own_folder")


def read(name="mine", **settings):
    lines = []
    data = read_data(f"folder:{name}", log=lines.append, **settings)
    return data, lines


def write_image(path, image, encode=tf.io.encode_png):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tf.io.write_file(str(path), encode(np.uint8(image)))


def write_images(folder, classes=("cat", "dog", "emu"), count=10, side=32):
    """Writes images whose every pixel says class and number."""
    for label, name in enumerate(classes):
        for i in range(count):
            image = np.full((side, side, 3), [label, i // 256, i % 256])
            write_image(f"{folder}/{name}/{i}.png", image)


def members(data):
    """Returns dict, (class, number) -> split."""
    return {
        tuple(pixel): name
        for name in ("train", "valid", "test")
        for pixel in getattr(data, name).images[:, 0, 0].tolist()
    }


def sizes(data):
    return len(data.train), len(data.valid), len(data.test)


def test_a_folder_of_classes_is_split_in_tenths():
    write_images("mine", count=200)
    data, lines = read()
    assert data.class_names == ("cat", "dog", "emu")
    assert sum(sizes(data)) == len(members(data)) == 600
    assert 35 <= sizes(data)[1] <= 75 and 40 <= sizes(data)[2] <= 80
    for split in (data.train, data.valid, data.test):
        assert split.images.dtype == np.uint8
        np.testing.assert_array_equal(split.images[:, 0, 0, 0], split.labels)
        # The first N are a mixture.
        assert len(set(split.labels[:20].tolist())) == 3
    assert (
        f"test: {sizes(data)[2]} images, a tenth of the classes' folders by "
        "name" in lines
    )
    assert data.facts == read()[0].facts


def test_an_image_more_or_less_moves_no_other():
    write_images("mine", count=60)
    first, _ = read()
    write_images("mine", count=64)
    os.unlink("mine/cat/7.png")
    second, _ = read()
    before, after = members(first), members(second)
    assert len(after) == 191
    assert all(after[key] == before[key] for key in before if key in after)
    assert first.facts["fingerprint"] != second.facts["fingerprint"]
    # Nor do the others change places.
    kept = [
        [key for key in members(data) if key in before and key in after]
        for data in (first, second)
    ]
    assert kept[0] == kept[1]


def test_a_folder_may_be_copied_and_named_otherwise():
    write_images("mine")
    os.rename("mine", "yours")
    moved, _ = read("yours")
    os.symlink("yours", "mine")
    assert read()[0].facts["fingerprint"] == moved.facts["fingerprint"]


COMBINATIONS = [
    (valid, test)
    for valid, test in itertools.product(
        (None, "val", "valid", "validation", "VAL"), (None, "test", "Test")
    )
]


@pytest.mark.parametrize(("valid", "test"), COMBINATIONS)
def test_splits_come_in_any_combination(valid, test):
    write_images("mine/train", count=40)
    if valid:
        write_images(f"mine/{valid}", count=3)
    if test:
        write_images(f"mine/{test}", count=2)
    data, lines = read()
    found = sizes(data)
    assert found[1] == 9 if valid else 5 <= found[1] <= 25
    assert found[2] == 6 if test else 5 <= found[2] <= 25
    drawn = (0 if valid else found[1]) + (0 if test else found[2])
    assert found[0] == 120 - drawn
    text = "\n".join(lines)
    assert f"train: {found[0]} images, train/" in text
    for name, place, count in (
        ("valid", valid, found[1]),
        ("test", test, found[2]),
    ):
        origin = f"{place}/" if place else "a tenth of train/ by name"
        assert f"{name}: {count} images, {origin}" in text


def test_a_drawn_test_set_does_not_depend_on_a_validation_folder():
    write_images("mine/train", count=40)
    first = read()[0].test.images
    write_images("mine/val", count=3)
    np.testing.assert_array_equal(read()[0].test.images, first)


def test_a_class_may_be_called_train():
    write_images("mine", classes=("car", "train", "test"))
    assert read()[0].class_names == ("car", "test", "train")


def test_few_images_fill_every_split():
    write_images("mine", count=2)
    data, _ = read()
    assert min(sizes(data)) >= 1 and sum(sizes(data)) == 6


def test_what_is_not_the_users_is_skipped_and_counted():
    write_images("mine")
    wanted = read()[0].facts["fingerprint"]
    for path in (
        "mine/.ipynb_checkpoints/a.png",
        "mine/__MACOSX/cat/._0.png",
        "mine/cat/._0.png",
        "mine/cat/Thumbs.db",
        "mine/dog/.DS_Store",
        "mine/dog/desktop.ini",
        "mine/dog/@eaDir/x.png",
        "mine/notes.txt",
        "mine/dog/notes.TXT",
        "mine/dog/x.webp",
        "mine/dog/more/x.png",
    ):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(b"nothing")
    pathlib.Path("mine/empty").mkdir()
    pathlib.Path("mine/hollow/.git").mkdir(parents=True)
    pathlib.Path("mine/emu/zero.png").touch()
    data, lines = read()
    assert data.class_names == ("cat", "dog", "emu")
    assert data.facts["fingerprint"] == wanted
    (line,) = [line for line in lines if line.startswith("Skipped: ")]
    for part in (
        "1 .txt",
        "1 .webp",
        "1 files beside the folders",
        "2 empty folders",
        "1 empty files",
        "1 folders within classes",
        "7 hidden or of the system",
    ):
        assert part in line


MISTAKES = {
    "nothing": ([], "mine, which cannot be read"),
    "one class": (["cat/0.png"], "at least 2 sub-folders.*has cat"),
    "flat": (["0.png", "1.png"], "at least 2 sub-folders.*has none"),
    "webp": (
        ["cat/0.png", "dog/a.webp", "dog/b.webp"],
        "dog holds no .*2 .webp",
    ),
    "within": (["cat/0.png", "dog/a/0.png"], "dog holds no .*1 folders"),
    "no train": (["val/cat/0.png", "test/cat/0.png"], "has test, val"),
    "flat val": (["train/cat/0.png", "val/0.png"], "val .without sub-fol"),
    "two vals": (
        ["train/cat/0.png", "val/cat/0.png", "valid/cat/0.png"],
        "has train, val, valid",
    ),
    "beside": (["train/cat/0.png", "emu/0.png"], "has emu, train"),
    "lacking": (
        ["train/cat/0.png", "train/dog/0.png", "test/cat/0.png"],
        "mine/test lacks dog and has nothing",
    ),
    "other": (
        [
            *("train/cat/0.png", "train/dog/0.png"),
            *("val/cat/0.png", "val/dogs/0.png"),
        ],
        "mine/val lacks dog and has dogs that",
    ),
    "few": (["cat/0.png", "dog/0.png"], "too few images for a"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_in_folders_are_told(case, capsys):
    files, wanted = MISTAKES[case]
    for path in files:
        write_image(f"mine/{path}", np.zeros((32, 32, 3)))
    with pytest.raises(UserError, match=wanted):
        read()
    assert main(["main", "--dataset=folder:mine", "--output_dir=run"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not pathlib.Path("run").exists()


# Contents


def bmp(image):
    """Returns a BMP of as many channels as the image has."""
    height, width, channels = image.shape
    rows = np.zeros((height, -(-width * channels // 4) * 4), np.uint8)
    pixels = image[::-1, :, [2, 1, 0, 3][:channels]] if channels > 2 else image
    rows[:, : width * channels] = pixels.reshape(height, -1)
    header = np.int32([54 + rows.size, 0, 54, 40, width, height])
    sizes = np.int16([1, 8 * channels])
    rest = np.int32([0, rows.size, 2835, 2835, 0, 0])
    parts = (header, sizes, rest, rows)
    return b"BM" + b"".join(part.tobytes() for part in parts)


@pytest.mark.parametrize(
    ("name", "encode", "channels"),
    [
        ("a.PNG", tf.io.encode_png, 3),
        ("a.png", tf.io.encode_png, 1),
        ("a.png", tf.io.encode_png, 2),
        ("a.Png", tf.io.encode_png, 4),
        ("a.JPG", tf.io.encode_jpeg, 3),
        ("a.jpeg", tf.io.encode_jpeg, 1),
        ("a.BMP", bmp, 3),
        ("a.bmp", bmp, 4),
        ("a.bmp", bmp, 1),
        # What is in it counts, where it can be read.
        ("a.jpg", tf.io.encode_png, 3),
    ],
)
def test_what_tensorflow_decodes_is_read(name, encode, channels):
    write_images("mine")
    pixel = np.uint8([200, 100, 50, 255])[:channels]
    write_image(
        f"mine/train/emu/{name}", np.full((32, 32, channels), pixel), encode
    )
    for other in ("cat", "dog"):
        write_image(f"mine/train/{other}/0.png", np.zeros((32, 32, 3)))
    os.rename("mine", "whole")
    os.rename("whole/train", "whole/test")
    os.mkdir("whole/train")
    for each in ("cat", "dog", "emu"):
        os.rename(f"whole/{each}", f"whole/train/{each}")
    data, _ = read("whole")
    (emu,) = data.test.images[data.test.labels == 2]
    wanted = pixel[:3] if channels > 2 else pixel[:1].repeat(3)
    assert np.abs(emu[5, 5] - wanted.astype(int)).max() <= 3


def test_a_bmp_with_a_table_of_colours_has_these_colours():
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 7, (4, 8, 1), np.uint8)
    colours = rng.integers(0, 256, (7, 3), np.uint8)
    content = bytearray(bmp(numbers))
    table = np.pad(colours[:, ::-1], ((0, 0), (0, 1))).tobytes()
    content[10:14] = np.int32(54 + len(table)).tobytes()
    content[46:50] = np.int32(7).tobytes()
    content[54:54] = table
    content[2:6] = np.int32(len(content)).tobytes()
    pathlib.Path("a.bmp").write_bytes(content)
    # The last row comes first.
    wanted = colours[numbers[::-1, :, 0]]
    assert np.array_equal(folder.decoded("a.bmp"), wanted)
    content[30] = 1
    pathlib.Path("a.bmp").write_bytes(content)
    with pytest.raises(UserError, match="a.bmp cannot be read"):
        folder.decoded("a.bmp")


@pytest.mark.parametrize("content", [b"no picture", b"RIFF1234WEBPVP8 ", b"BM"])
def test_a_picture_of_wrong_content_is_named(content):
    write_images("mine")
    pathlib.Path("mine/cat/3.png").write_bytes(content)
    with pytest.raises(UserError, match="cat/3.png cannot be read.*PNG"):
        read()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has UTF-8 names")
def test_names_need_not_be_utf_8():
    write_images("mine", classes=("cat", "dog"))
    os.rename("mine/dog", b"mine/d\xf6g")
    os.rename("mine/cat/0.png", b"mine/cat/\xe9.png")
    pathlib.Path(os.fsdecode(b"mine/cat/a.\xe9")).write_text("no picture")
    data, lines = read()
    assert data.class_names == ("cat", "d\\xf6g")
    assert len(members(data)) == 20
    assert "Skipped: 1 .\\xe9" in lines


def test_a_broken_link_is_named():
    write_images("mine")
    os.symlink("nowhere", "mine/cat/broken.png")
    with pytest.raises(UserError, match="broken.png cannot be read"):
        read()


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
    text = pathlib.Path("run/flags.txt").read_text()
    assert f"--dataset=folder:{tmp_path}/mine\n" in text
    assert evaluate.main(["x", "--output_dir=run", "--num_arcs=1"]) == 0
    assert "most often taken for" in capsys.readouterr().out
    # Elsewhere it is the same folder, and with an image less another one.
    os.rename("mine", "moved")
    flags[0] = "--dataset=folder:moved"
    assert main(["main", *flags]) == 0
    os.unlink("moved/cat/0.png")
    assert main(["main", *flags]) == 2
    assert "has seen fingerprint" in capsys.readouterr().err
    # The order of its images was another one in earlier versions.
    pathlib.Path("run/data.jsonl").unlink()
    assert main(["main", *flags]) == 2
    assert "split a folder differently" in capsys.readouterr().err
    assert main(["main", *flags, "--data_changed=allow"]) == 0
