"""Where hostile input does no harm."""

import functools

import pytest

from enas.cifar10 import build, data_utils
from enas.cifar10 import main as main_program
from enas.cifar10.readers import tfds
from enas.cifar10.readers.shapes import make_shapes


@pytest.fixture
def harmless(tmp_path, monkeypatch):
    """Runs in a folder of its own; nothing is built, trained or asked for."""
    monkeypatch.chdir(tmp_path)
    shapes = functools.cache(make_shapes)
    monkeypatch.setattr(data_utils, "make_shapes", shapes)
    monkeypatch.setattr(tfds, "_probe", lambda *unused: "no network")
    monkeypatch.setattr(build, "build_search", lambda *unused: None)
    monkeypatch.setattr(main_program, "train", lambda *unused: 0)
    monkeypatch.setattr(build.tf1_checkpoint, "start", lambda *unused: None)
    monkeypatch.setattr(build.tf1_export, "export", lambda *unused: None)
