"""CIFAR-10 as it lies there: archives, npz, and other programs' folders."""

import io
import os
import pathlib
import pickle
import shutil
import tarfile

import numpy as np
import pytest

from cifar_files import NAMES, set_images_per_file
from enas.cifar10.data_utils import read_data
from enas.errors import UserError

COUNT = 20
PY, BIN = "cifar-10-batches-py", "cifar-10-batches-bin"


@pytest.fixture(autouse=True)
def small_files(monkeypatch, own_folder, offline):
    monkeypatch.setenv("HOME", os.path.abspath("home"))
    set_images_per_file(monkeypatch, COUNT)


def published():
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (6 * COUNT, 3072), np.uint8)
    return planes, rng.integers(0, 10, 6 * COUNT)


def python_files():
    planes, labels = published()
    for i, name in enumerate(NAMES):
        part = slice(i * COUNT, (i + 1) * COUNT)
        content = {b"data": planes[part], b"labels": labels[part].tolist()}
        yield f"{PY}/{name}", pickle.dumps(content)


def binary_files():
    planes, labels = published()
    rows = np.concatenate([labels[:, None], planes], axis=1).astype(np.uint8)
    for i, name in enumerate(NAMES):
        part = rows[i * COUNT : (i + 1) * COUNT]
        yield f"{BIN}/{name}.bin", part.tobytes()


def write_folder(place, files):
    for name, content in files:
        path = pathlib.Path(place, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_archive(path, files, mode="w:gz"):
    """Writes files in the odd order of the published archive."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = next(iter(files))[0].split("/")[0]
    files = [(f"{folder}/batches.meta", b"names"), *files[::-1]]
    files.insert(1, (f"{folder}/._data_batch_1", b"of macOS"))
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_npz(path, planes=None, **changed):
    pixels, labels = published()
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    images = images if planes is None else pixels.reshape(-1, *planes)
    count = 5 * COUNT
    arrays = {
        "x_train": images[:count],
        "y_train": labels[:count, None].astype(np.uint8),
        "x_test": images[count:],
        "y_test": labels[count:],
    }
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, **{k: v for k, v in (arrays | changed).items() if v is not None}
    )


def read(data_path=None, **arguments):
    lines = []
    data = read_data(
        "cifar10", data_path, num_valids=10, log=lines.append, **arguments
    )
    return data, lines


def assert_published(data):
    planes, labels = published()
    images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    parts = data.train, data.valid, data.test
    np.testing.assert_array_equal(
        np.concatenate([part.images for part in parts]), images
    )
    np.testing.assert_array_equal(
        np.concatenate([part.labels for part in parts]), labels
    )
    assert data.train.labels.dtype == np.int32


PLACES = {
    "archive as the path": lambda: write_archive(
        "x/any name", [*python_files()]
    ),
    "archive in the path": lambda: write_archive(
        "x/cifar-10-python.tar.gz", [*python_files()]
    ),
    "binary archive": lambda: write_archive(
        "x/cifar-10-binary.tar.gz", [*binary_files()]
    ),
    "archive unzipped": lambda: write_archive(
        "x/cifar-10-python.tar", [*python_files()], "w"
    ),
    "old Keras": lambda: write_archive(
        "x/cifar-10-batches-py.tar.gz", [*python_files()]
    ),
    "archive of Keras": lambda: write_archive(
        "x/cifar-10-batches-py-target_archive", [*python_files()]
    ),
    "folder of Keras": lambda: write_folder(f"x/{PY}-target", python_files()),
    "torchvision": lambda: write_folder("x", python_files()),
    "npz": lambda: write_npz("x/cifar10.npz"),
    "npz by name": lambda: write_npz("x/mine.npz"),
    "npz of planes": lambda: write_npz("x/cifar10.npz", (3, 32, 32)),
    "npz of rows": lambda: write_npz("x/cifar10.npz", (3072,)),
}
AS_THE_PATH = {"archive as the path": "x/any name", "npz by name": "x/mine.npz"}


@pytest.mark.parametrize("case", PLACES)
def test_what_lies_there_is_read_and_nothing_is_written(case, tmp_path):
    PLACES[case]()
    before = sorted(tmp_path.rglob("*"))
    data, lines = read(AS_THE_PATH.get(case, "x"))
    assert_published(data)
    assert sorted(tmp_path.rglob("*")) == before
    assert str(tmp_path / "x") in data.source and data.source in lines


@pytest.mark.parametrize("case", ["folder of Keras", "old Keras", "npz"])
def test_the_folder_of_keras_is_known(case, tmp_path, monkeypatch):
    PLACES[case]()
    place = tmp_path / "home/.keras/datasets"
    shutil.copytree("x", place)
    shutil.rmtree("x")
    data, _ = read()
    assert_published(data)
    assert str(place) in data.source
    # What is in data/ comes first.
    write_folder("data", binary_files())
    assert str(tmp_path / "data") in read()[0].source
    shutil.rmtree("data")
    shutil.move(tmp_path / "home/.keras", "elsewhere")
    monkeypatch.setenv("KERAS_HOME", "elsewhere")
    assert str(tmp_path / "elsewhere/datasets") in read()[0].source
    # What another program's variable says hides no images.
    monkeypatch.setenv("KERAS_HOME", "~nobody_of_that_name")
    shutil.move("elsewhere/datasets", "x")
    assert_published(read("x")[0])


def test_every_form_has_one_fingerprint(tmp_path):
    found = set()
    for case, write in PLACES.items():
        write()
        found.add(read(AS_THE_PATH.get(case, "x"))[0].facts["fingerprint"])
        shutil.rmtree("x")
    assert len(found) == 1


def test_an_archive_is_read_though_another_is_beside_it():
    PLACES["archive in the path"]()
    write_archive("x/cifar-10-matlab.tar.gz", [("m/data_batch_1.mat", b"x")])
    whole = pathlib.Path("x/cifar-10-python.tar.gz").read_bytes()
    for name in ("cifar-10-binary.tar.gz.part", "cifar-10-a.crdownload"):
        pathlib.Path("x", name).write_bytes(whole[:100])
    assert_published(read("x")[0])


def damage(how):
    write_archive("x/cifar-10-python.tar.gz", [*python_files()])
    path = pathlib.Path("x/cifar-10-python.tar.gz")
    whole = path.read_bytes()
    if how == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "end":
        path.write_bytes(whole[:-20])
    elif how == "flipped":
        middle = len(whole) // 2
        changed = bytes(b ^ 255 for b in whole[middle : middle + 50])
        path.write_bytes(whole[:middle] + changed + whole[middle + 50 :])
    elif how == "page":
        path.write_bytes(b"<html>404 not found</html>")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "lacking":
        write_archive(path, [*python_files()][:4])
    else:
        write_archive(path, [("other/readme", b"text")])


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("half", "readable and whole"),
        ("end", "readable and whole"),
        ("flipped", "cifar-10-python.tar.gz"),
        ("page", "readable and whole"),
        ("empty", "readable and whole"),
        ("lacking", "data_batch_5 .*all six"),
        ("other", "it holds data_batch_1, .*received none of these"),
    ],
)
def test_a_damaged_archive_is_named(how, wanted):
    damage(how)
    with pytest.raises(UserError, match=wanted) as error:
        read("x")
    assert "x/cifar-10-python.tar.gz" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_pickle_in_an_archive_runs_nothing():
    class Harmful:
        def __reduce__(self):
            return os.mkdir, ("harmed",)

    files = [*python_files()]
    content = pickle.dumps({b"data": Harmful(), b"labels": []})
    files[3] = (files[3][0], content)
    write_archive("x/cifar-10-python.tar.gz", files)
    with pytest.raises(UserError, match="mkdir.*not run"):
        read("x")
    assert not os.path.exists("harmed")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"x_test": None}, "has the arrays x_train, .*received x_train, y_"),
        ({"x_test": np.zeros((COUNT, 28, 28, 3), np.uint8)}, r"\[20, 28, 28"),
        ({"x_test": np.zeros((COUNT, 32, 32, 3))}, "float64"),
        ({"x_test": np.zeros((3, 32, 32, 3), np.uint8)}, r"uint8 \[3, 32"),
        ({"y_test": np.full(COUNT, 10)}, r"labels in \[10, 10\]"),
        ({"y_test": np.zeros(COUNT)}, "20 integers; received float64"),
        ({"y_test": np.array([None] * COUNT)}, "allow_pickle"),
    ],
)
def test_a_foreign_npz_is_named(changed, wanted):
    write_npz("x/cifar10.npz", **changed)
    with pytest.raises(UserError, match=f"x/cifar10.npz .*{wanted}"):
        read("x")
    pathlib.Path("x/cifar10.npz").write_bytes(b"PK nonsense")
    with pytest.raises(UserError, match="cifar10.npz .*readable and whole"):
        read("x")


def test_what_lies_there_and_is_not_read_is_named():
    os.mkdir("x")
    pathlib.Path("x/cifar-10-python.zip").write_bytes(b"PK")
    pathlib.Path("x/file.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cifar-10-python.zip, file.parquet"):
        read("x")
    with pytest.raises(UserError, match="is a file of another kind"):
        read("x/file.parquet")
