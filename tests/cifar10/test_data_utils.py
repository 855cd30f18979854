import dataclasses
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from enas.cifar10 import data_utils
from enas.cifar10.batches import standardize
from enas.cifar10.behaviours import PAPER
from enas.cifar10.readers import tfds
from enas.cifar10.readers.published import CIFAR
from enas.errors import UserError

PER_FILE = 20
TRAIN, TEST = 5 * PER_FILE, PER_FILE
NAMES = tuple(CIFAR["cifar10"].files)


def quiet(line):
    pass


pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    set_images_per_file(monkeypatch, PER_FILE)


def set_images_per_file(monkeypatch, count):
    files = dict.fromkeys(NAMES, count)
    small = dataclasses.replace(CIFAR["cifar10"], files=files)
    monkeypatch.setitem(CIFAR, "cifar10", small)


@pytest.fixture(scope="session")
def published():
    """Images and labels as published, training images first."""
    rng = np.random.default_rng(0)
    count = TRAIN + TEST
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, count).astype(np.int32)


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


def python_2_pickle(planes, labels):
    """Writes the opcodes that Python 2 and its NumPy wrote, by hand."""

    def text(value):
        value = value.encode() if isinstance(value, str) else value
        return b"T" + len(value).to_bytes(4, "little") + value

    def number(value):
        return b"J" + int(value).to_bytes(4, "little", signed=True)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n"
        + b"(cnumpy\nndarray\n"
        + b"("
        + number(0)
        + b"t"
        + text("b")
        + b"tR("
        + number(1)
        + b"("
        + b"".join(number(size) for size in planes.shape)
        + b"t"
        + b"cnumpy\ndtype\n("
        + text("u1")
        + number(0)
        + number(1)
        + b"tR("
        + number(3)
        + text("|")
        + b"NNN"
        + number(-1)
        + number(-1)
        + number(0)
        + b"tb"
        + b"\x89"
        + text(planes.tobytes())
        + b"tb"
    )
    numbers = b"(" + b"".join(number(label) for label in labels) + b"l"
    entries = (text("data") + array, text("labels") + numbers)
    return b"\x80\x02(" + b"".join(entries) + b"d."


@pytest.fixture(scope="session")
def tfds_template(tmp_path_factory, published):
    """A prepared TFDS folder, made once; its images are in shuffled order."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    root = tmp_path_factory.mktemp("tfds")
    images, labels = published

    def rows(split, part):
        order = np.random.default_rng(1).permutation(len(labels[part]))
        ids = [f"{split}_{i:05d}" for i in order]
        return tf.data.Dataset.from_tensor_slices(
            {
                "id": ids,
                "image": images[part][order],
                "label": labels[part][order].astype(np.int64),
            }
        )

    tfds.disable_progress_bar()
    tfds.dataset_builders.store_as_tfds_dataset(
        name="cifar10",
        version="3.0.2",
        data_dir=root,
        features=tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={
            "train": rows("train", slice(0, TRAIN)),
            "test": rows("test", slice(TRAIN, None)),
        },
    )
    return root


@pytest.fixture
def tfds_root(tfds_template, tmp_path):
    root = tmp_path / "tfds"
    shutil.copytree(tfds_template, root)
    return root


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


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_python_batches_of_every_protocol(protocol, tmp_path, published):
    folder = write_python(tmp_path / "any", published, protocol)
    assert_published(read(folder), published)


def test_python_batches_as_python_2_wrote_them(tmp_path, published):
    for name, planes, labels in files(published):
        (tmp_path / name).write_bytes(python_2_pickle(planes, labels))
    assert_published(read(tmp_path), published)


def test_python_batches_with_numpy_labels_and_numpy_1_names(
    tmp_path, published
):
    for name, planes, labels in files(published):
        content = {b"data": planes, b"labels": list(labels)}
        pickled = pickle.dumps(content, 2)
        pickled = pickled.replace(b"numpy._core", b"numpy.core")
        (tmp_path / name).write_bytes(pickled)
    assert_published(read(tmp_path), published)


def test_binary_version(tmp_path, published):
    folder = write_binary(tmp_path / "any", published)
    assert_published(read(folder), published)


@pytest.mark.parametrize("place", ["", "cifar10", "cifar10/3.0.2"])
def test_prepared_tfds_folder_in_the_published_order(
    place, tfds_root, published
):
    assert_published(read(tfds_root / place), published)


def test_every_version_of_tfds_is_read_the_newest_first(tfds_root, published):
    versions = tfds_root / "cifar10"
    shutil.copytree(versions / "3.0.2", versions / "3.0.10")
    (versions / "incomplete.AB_4.0.0").mkdir()
    (versions / "incomplete.AB_4.0.0" / "dataset_info.json").write_text("{}")
    assert str(versions / "3.0.10") in read(tfds_root).source


@pytest.mark.parametrize("place", ["", "copy", "copy/of it"])
def test_a_tfds_folder_may_have_another_name(
    place, tfds_template, tmp_path, published
):
    shutil.copytree(
        tfds_template / "cifar10/3.0.2",
        tmp_path / "tfds" / place,
        dirs_exist_ok=True,
    )
    assert_published(read(tmp_path / "tfds"), published)


def test_tfds_writes_nothing_to_the_terminal(tfds_root, capfd):
    read(tfds_root)
    written = capfd.readouterr()
    assert written.out == ""
    assert "it/s" not in written.err


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


class Touch:
    """Unpickled without care, this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_malicious_pickle_does_not_run(protocol, tmp_path, published):
    folder = write_python(tmp_path / "any", published)
    made = tmp_path / "made"
    content = {"data": Touch(made), "labels": []}
    (folder / "data_batch_3").write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(UserError, match=r"data_batch_3 .*mkdir.*not run"):
        read(folder)
    assert not made.exists()


def test_the_malicious_pickle_would_have_run(tmp_path):
    made = tmp_path / "made"
    pickle.loads(pickle.dumps(Touch(made)))
    assert made.exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"cnumpy\nload\n.",
        b"cnumpy\ndtype\n(X\x01\x00\x00\x00OtR.",
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.",
        b"cposix\nsystem\n.",
    ],
)
def test_nothing_but_arrays_of_numbers_is_admitted(
    pickled, tmp_path, published
):
    folder = write_python(tmp_path / "any", published)
    (folder / "test_batch").write_bytes(pickled)
    with pytest.raises(UserError, match="test_batch .*UnpicklingError"):
        read(folder)


def foreign_pickles(good):
    planes, labels = good["data"], good["labels"]
    return {
        "a pickled list": [1, 2],
        "keys labels": {"labels": labels},
        "float32": good | {"data": planes.astype(np.float32)},
        "3071": good | {"data": planes[:, :3071]},
        "19, 3072": good | {"data": planes[:19]},
        r"int64 \[19\]": good | {"labels": labels[:19]},
        r"\[0, 10\]": good | {"labels": [*labels[:19], 10]},
        r"\[-1, ": good | {"labels": [-1, *labels[:19]]},
        "<U1": good | {"labels": ["a"] * PER_FILE},
        "object": good | {"labels": [None] * PER_FILE},
        "ValueError": good | {"labels": [[1], *labels[:19]]},
    }


FOREIGN = foreign_pickles(
    {"data": np.zeros((PER_FILE, 3072), np.uint8), "labels": [0] * PER_FILE}
)


@pytest.mark.parametrize("received", FOREIGN)
def test_a_foreign_python_batch_is_named(received, tmp_path, published):
    folder = write_python(tmp_path / "any", published)
    content = pickle.dumps(FOREIGN[received])
    (folder / "data_batch_2").write_bytes(content)
    with pytest.raises(UserError, match=f"data_batch_2 .*{received}") as error:
        read(folder)
    assert "--data_path" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["empty", "half", "text", "noise"])
def test_a_damaged_python_batch_is_named(content, tmp_path, published):
    path = write_python(tmp_path / "any", published) / "data_batch_5"
    whole = path.read_bytes()
    contents = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "text": b"<html>404</html>",
        "noise": np.random.default_rng(0).bytes(5000),
    }
    path.write_bytes(contents[content])
    with pytest.raises(UserError, match="data_batch_5 "):
        read(path.parent)


@pytest.mark.parametrize("missing", ["data_batch_1", "data_batch_4"])
def test_a_missing_python_batch_is_named(missing, tmp_path, published):
    folder = write_python(tmp_path / "any", published)
    (folder / missing).unlink()
    with pytest.raises(UserError, match=rf"{missing} .*all six"):
        read(folder)


def test_trouble_with_a_binary_file_is_named(tmp_path, published):
    path = write_binary(tmp_path / "any", published) / "data_batch_4.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"data_batch_4.bin .*61459 bytes"):
        read(path.parent)
    path.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(UserError, match=r"data_batch_4.bin .*, 10\]"):
        read(path.parent)
    path.unlink()
    with pytest.raises(UserError, match=r"data_batch_4.bin .*all six"):
        read(path.parent)


def test_trouble_with_a_tfds_folder_is_named(tfds_root):
    folder = tfds_root / "cifar10/3.0.2"
    shard = folder / "cifar10-train.tfrecord-00000-of-00001"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"3.0.2 \(split train\) .*received"):
        read(folder)
    shard.unlink()
    with pytest.raises(UserError, match=r"split train.*00000-of-00001"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ({"name": "mnist"}, "received 'mnist'"),
        ({"splits": []}, r"cifar10/3.0.2 \(split train\) "),
        (None, "JSONDecodeError"),
    ],
)
def test_a_foreign_tfds_folder_is_named(change, received, tfds_root):
    path = tfds_root / "cifar10/3.0.2/dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text("{" if change is None else json.dumps(info | change))
    with pytest.raises(UserError, match=received):
        read(tfds_root)


def test_a_tfds_folder_of_other_size_is_named(tfds_root, monkeypatch):
    set_images_per_file(monkeypatch, PER_FILE + 1)
    with pytest.raises(UserError, match=r"105 images; received 100\."):
        read(tfds_root)


def test_without_cifar_and_network_the_ways_out_are_told(tmp_path):
    with pytest.raises(UserError, match="no network in tests") as error:
        read(data_dir=tmp_path / "data")
    for part in ("data'", "--data_path", "--dataset=shapes", "cs.toronto.edu"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_probe_that_hangs_is_given_up(monkeypatch):
    monkeypatch.undo()
    hang = threading.Event()

    def urlopen(*_, **__):
        hang.wait(30)
        raise TimeoutError

    monkeypatch.setattr(tfds.urllib.request, "urlopen", urlopen)
    start = time.monotonic()
    reason = tfds._probe("https://example.invalid/", 0.2)
    hang.set()
    assert time.monotonic() - start < 5
    assert reason == "no answer within 0.2 seconds"
    # Leaves room for the rest of the 15 seconds that a user may wait.
    assert tfds.PROBE_TIMEOUT_S <= 10


def test_a_probe_that_fails_tells_why(monkeypatch):
    monkeypatch.undo()
    reason = tfds._probe("file:///nowhere/at/all", 5)
    assert "URLError" in reason


class Downloader:
    """Stands in for TFDS and, told to, puts a prepared folder in place."""

    def __init__(self, folder, template):
        self.folder, self.template = folder, template

    def builder(self, name, data_dir):
        assert (name, data_dir) == ("cifar10", self.folder)
        return self

    def download_and_prepare(self):
        print("TFDS talks")
        if self.template is None:
            raise ConnectionError("the line\nbroke")
        shutil.copytree(self.template, self.folder)


@pytest.fixture
def downloader(monkeypatch, tmp_path):
    """Returns a function that installs a `Downloader`."""
    real = tfds._import_tfds

    def install(template=None):
        folder = tmp_path / "data"
        fake = Downloader(folder, template)

        def import_tfds():
            return real() if folder.exists() else fake

        monkeypatch.setattr(tfds, "_probe", lambda *_: None)
        monkeypatch.setattr(tfds, "_import_tfds", import_tfds)
        return folder

    return install


def test_a_download_is_read_from_where_it_was_put(
    downloader, tfds_template, published, capsys
):
    lines = []
    folder = downloader(tfds_template)
    data = read(data_dir=folder, log=lines.append)
    assert_published(data, published)
    assert capsys.readouterr().out == ""
    assert any(line.startswith("Downloading CIFAR-10") for line in lines)
    assert str(folder / "cifar10" / "3.0.2") in data.source


def test_a_download_that_breaks_is_told(downloader):
    folder = downloader()
    with pytest.raises(UserError, match=r"ConnectionError \(the line broke\)"):
        read(data_dir=folder)


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


def test_a_tfds_folder_without_ids_is_taken_in_its_own_order():
    positions = tfds._positions({"label": np.zeros(3)}, 5)
    np.testing.assert_array_equal(positions, [5, 6, 7])


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
