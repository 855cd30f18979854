"""The public names: lazy, and the ten lines of the document run."""

import re
import subprocess
import sys

import numpy as np
import pytest

import enas.cifar10
import helpers
from enas.cifar10 import Config, Run, run_search
from enas.errors import UserError

ROOT = helpers.ROOT


def test_public_names_exist_and_are_documented():
    text = (ROOT / "docs/PYTHON.md").read_text()
    for name in enas.cifar10.__all__:
        assert getattr(enas.cifar10, name).__name__ == name
        assert f"`{name}" in text
        assert name in dir(enas.cifar10)
    with pytest.raises(AttributeError, match="arsenic"):
        enas.cifar10.arsenic  # noqa: B018


def test_what_needs_no_tensorflow_does_without_it():
    code = (
        "import sys, enas.cifar10; from enas.cifar10 import Arc, Config;"
        "from enas.cifar10 import Run, SearchSpace, make_search_space;"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_lines_of_the_document_run(tmp_path, monkeypatch, capsys):
    text = (ROOT / "docs/PYTHON.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, flags=re.S)[1]
    assert len(code.strip().splitlines()) <= 12
    smaller = {
        '"num_epochs": 2': '"num_epochs": 1, "num_train": 64, "num_test": 40',
        '"controller_train_steps": 5': (
            '"controller_train_steps": 1, "controller_num_aggregate": 2'
        ),
        '"child_out_filters": 8': '"child_out_filters": 4, "num_valid": 40',
    }
    for old, new in smaller.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/PYTHON.md", "exec"), {})
    assert "multiply-adds" in capsys.readouterr().out
    assert (tmp_path / "network.keras").is_file()


def test_a_run_of_the_past(small_run, tmp_path):
    run = Run(small_run)
    arc = run.best_arc
    assert str(arc) == run.result["arc"]
    assert len(run.sample(3)) == 3
    images = run.search.data.test.images[:2]
    assert run.predict(images).shape == (2, 10)
    model = run.export(statistics="measured")
    assert np.isfinite(model(images.astype(np.float32))).all()
    assert run.draw().axes
    with pytest.raises(UserError, match="nothing is overwritten"):
        run.export(str(tmp_path))


def test_a_mistake_is_an_exception(tmp_path):
    with pytest.raises(UserError, match="poison"):
        run_search(Config(poison="arsenic", output_dir=str(tmp_path / "x")))
    with pytest.raises(UserError, match=r"flags\.txt"):
        Run(str(tmp_path))
