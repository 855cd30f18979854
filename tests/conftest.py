"""Runs that several test files look at, made once in each process."""

import functools
import gc
import signal

import pytest

from enas import tf_settings
from enas.cifar10.main import main

# The recordings' tolerances hold for kernels like those that made them; what
# oneDNN's, which searches use, differ by is in test_onednn.py.
tf_settings.before_import(onednn="0")
import helpers  # noqa: E402 (it imports TensorFlow)
from enas.cifar10 import build, data_utils, user_ops  # noqa: E402
from enas.cifar10 import main as main_program  # noqa: E402
from enas.cifar10.ops import OPS  # noqa: E402
from enas.cifar10.readers import shapes, tfds  # noqa: E402


@functools.cache
def _shapes():
    """Draws the embedded data set once in each process, not to be changed."""
    splits = shapes.make_shapes()
    for array in (array for pair in splits for array in pair):
        array.setflags(write=False)
    return splits


data_utils.make_shapes = _shapes

# A shell ignores SIGINT for what it starts in the background, and programs
# started from there inherit that; tests send it and want it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Files of few tests that take long, the longest first: with these begun last,
# one of two processes would be left alone with its file.
LONG = (
    "test_parity_recordings",
    "test_main",
    "test_export",
    "test_audit",
    "test_experiments_local",
    "test_data_record",
    "test_bench",
    "test_image_size",
    "test_macro_child",
    "test_hidden_and_honest_ops",
    "test_tf1_checkpoint",
    "test_faults",
    "test_copy_momentum",
    "test_onednn",
    "test_behaviours",
    "test_run_dir",
    "test_defended_search",
    "test_earlier_versions",
    "test_api",
    "test_own_ops",
    "test_doc_commands",
)


def pytest_collection_modifyitems(items):
    """Begins with the files that take long."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


def pytest_collection_finish():
    """Has the garbage collector pass over what was imported."""
    gc.freeze()


@pytest.fixture(autouse=True)
def registry():
    """Starts without ops of files, leaves the table of ops as it was.

    For every test, because any may run a command that adds an op.
    """
    user_ops._forget_earlier_files()
    kept = dict(OPS)
    yield
    user_ops._forget_earlier_files()
    OPS.clear()
    OPS.update(kept)


@pytest.fixture
def own_folder(monkeypatch, tmp_path):
    """Runs a test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def offline(monkeypatch, tmp_path_factory):
    """Hides the images of this machine and of the network from a test."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp() / "home"))
    for name in ("KERAS_HOME", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tfds, "_probe", lambda *unused: "no network in tests")


@pytest.fixture
def untrained(own_folder, offline, monkeypatch):
    """Reads and refuses as a search does, but neither builds nor trains."""
    monkeypatch.setattr(build, "build_search", lambda *unused: None)
    monkeypatch.setattr(main_program, "train", lambda *unused: 0)
    monkeypatch.setattr(build.tf1_checkpoint, "start", lambda *unused: None)
    monkeypatch.setattr(build.tf1_export, "export", lambda *unused: None)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Returns the run directory of a search of two layers, one epoch."""
    path = str(tmp_path_factory.mktemp("search") / "run")
    code = main(
        [
            "main",
            *helpers.SMALL,
            "--num_valid=40",
            "--child_num_layers=2",
            "--controller_train_steps=1",
            "--controller_num_aggregate=2",
            f"--output_dir={path}",
        ]
    )
    assert code == 0
    return path


@pytest.fixture(scope="session")
def small_final(tmp_path_factory):
    """Returns the run directory of a final network of two layers."""
    path = str(tmp_path_factory.mktemp("final") / "run")
    arc = f"--child_fixed_arc={helpers.SMALL_ARC}"
    flags = ["--child_from_scratch", arc, f"--output_dir={path}"]
    assert main(["main", *helpers.SMALL, *flags]) == 0
    return path
