"""Prepared folders of TFDS, and what a download may do."""

import json
import shutil
import threading
import time

import numpy as np
import pytest

from cifar_files import PER_FILE, assert_published, read, set_images_per_file
from enas.cifar10.readers import tfds
from enas.errors import UserError

pytestmark = pytest.mark.usefixtures("small_files")


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


@pytest.mark.parametrize("place", ["", "copy", "copy/of [1]"])
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


def test_a_tfds_folder_without_ids_is_taken_in_its_own_order():
    positions = tfds._positions({"label": np.zeros(3)}, 5)
    np.testing.assert_array_equal(positions, [5, 6, 7])
