"""Python batches and the binary version: read, and refused by name."""

import os
import pickle

import numpy as np
import pytest

from cifar_files import (
    PER_FILE,
    assert_published,
    files,
    read,
    write_binary,
    write_python,
)
from enas.errors import UserError

pytestmark = pytest.mark.usefixtures("small_files")


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
