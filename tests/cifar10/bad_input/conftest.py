"""Every mistake of a user ends in one paragraph, and changes no file.

All goes through `main`, as the scripts do. A paragraph names what is wrong,
what is legal, what was received and what to do.
"""

import functools

import pytest
from mistakes import SMALL, listing

from enas.cifar10 import build, data_utils
from enas.cifar10 import main as main_program
from enas.cifar10.main import main
from enas.cifar10.readers.shapes import make_shapes

build_search = build.build_search


@pytest.fixture(autouse=True)
def folder(own_folder, offline, tmp_path, monkeypatch):
    """Runs every test in a folder of its own, and neither builds nor trains.

    What is refused is refused before; the shapes are drawn once.
    """
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ENAS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(data_utils, "make_shapes", shapes)
    monkeypatch.setattr(build, "build_search", lambda *unused: None)
    monkeypatch.setattr(main_program, "train", lambda *unused: 0)
    monkeypatch.setattr(build.tf1_checkpoint, "start", lambda *unused: None)
    monkeypatch.setattr(build.tf1_export, "export", lambda *unused: None)


@functools.cache
def shapes():
    return make_shapes()


@pytest.fixture
def refused(capsys):
    """Returns a function that proves that arguments are refused."""

    def check(*arguments, wanted):
        before = listing()
        code = main(["program", *SMALL, *arguments])
        text = capsys.readouterr().err
        assert code == 2, f"accepted, code {code}"
        assert text.startswith("error: ")
        assert text.count("\n") == 1 and text.endswith("\n"), text
        assert len(text) < 1500
        assert "Traceback" not in text
        for words in wanted:
            assert words in text
        assert listing() == before

    return check
