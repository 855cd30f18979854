"""Every mistake of a user ends in one paragraph, and changes no file.

All goes through `main`, as the scripts do. A paragraph names what is wrong,
what is legal, what was received and what to do.
"""

import pytest
from mistakes import SMALL, listing

from enas.cifar10.main import main


@pytest.fixture(autouse=True)
def folder(untrained, tmp_path, monkeypatch):
    """Runs every test in a folder of its own, which holds no images."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ENAS_DATA_DIR", str(tmp_path / "data"))


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
