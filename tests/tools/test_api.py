"""The public names: lazy, and the ten lines of the document run."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.python.framework import config

import enas.cifar10
import helpers
from enas.cifar10 import Config, Run, main, run_search
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
        '"child_out_filters": 8': (
            '"child_out_filters": 4, "num_valid": 40, '
            '"pictures_every": 0, '
            '"candidate_ops": "sep_conv_3x3,max_pool_3x3"'
        ),
    }
    for old, new in smaller.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/PYTHON.md", "exec"), {})
    assert "multiply-adds" in capsys.readouterr().out
    assert (tmp_path / "network.keras").is_file()


def test_a_deterministic_run_is_one_in_python_too(tmp_path, monkeypatch):
    found, wanted = [], config.is_op_determinism_enabled
    trained = main.train

    def train(*given):
        found.append(wanted())
        return trained(*given)

    monkeypatch.setattr(main, "train", train)
    small = Config(
        dataset="shapes",
        num_train=8,
        num_valid=8,
        num_test=8,
        batch_size=8,
        child_num_layers=1,
        child_out_filters=4,
        num_epochs=1,
        controller_training=False,
        deterministic=True,
        pictures_every=0,
        output_dir=str(tmp_path),
    )
    run_search(small, quiet=True)
    # And nothing else in the process is.
    assert found == [True] and not wanted()


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
    (tmp_path / "mine").touch()
    with pytest.raises(UserError, match="has not written it"):
        run.export(str(tmp_path))


@pytest.mark.parametrize(
    "damaged", ["", '{"arc": "0', "[1]", "[" * 99999, "\xff\x00"]
)
def test_a_damaged_result_is_an_exception(small_run, tmp_path, damaged):
    run = Run(shutil.copytree(small_run, tmp_path / "run"))
    (tmp_path / "run" / "result.json").write_bytes(damaged.encode("latin-1"))
    with pytest.raises(UserError, match=r"result\.json"):
        _ = run.result


def test_a_mistake_is_an_exception(tmp_path):
    with pytest.raises(UserError, match="poison"):
        run_search(Config(poison="arsenic", output_dir=str(tmp_path / "x")))
    with pytest.raises(UserError, match=r"flags\.txt"):
        Run(str(tmp_path))


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(allow_nan=True),
    st.sampled_from(["", "test", "valid", "train", "eval", "0 0 1", "x"]),
    st.lists(st.integers(-1, 9), max_size=4),
    st.builds(lambda n: np.zeros((1, n, n, 3)), st.integers(0, 33)),
    st.builds(lambda n: np.zeros((2, 32, 32, n), np.uint8), st.integers(1, 4)),
    st.builds(object),
)
CALLS = {
    "arc": 1,
    "sample": 1,
    "draw": 1,
    "describe": 1,
    "accuracy": 3,
    "predict": 2,
}


@pytest.fixture(scope="module")
def past(small_run):
    return Run(small_run)


@given(st.sampled_from(sorted(CALLS)), st.lists(ANYTHING, max_size=3))
@settings(max_examples=150, deadline=None)
def test_methods_of_a_run_answer_or_say_what_is_wrong(past, name, arguments):
    arguments = arguments[: CALLS[name]]
    if name in ("arc", "predict") and not arguments:
        arguments = ["0"]
    with contextlib.suppress(UserError):
        getattr(past, name)(*arguments)


@given(ANYTHING)
@settings(max_examples=50, deadline=None)
def test_only_a_run_directory_is_a_run(thing):
    with pytest.raises(UserError):
        Run(thing)
    with pytest.raises(UserError):
        run_search(thing)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"mode": "test"}, "--mode is one of eval, train; received 'test'"),
        ({"split": "train"}, "--split is one of valid, test"),
        ({"arc": "9 9 9"}, "Op ids of this search space|Skip bits"),
    ],
)
def test_words_that_accuracy_does_not_know_are_refused(past, words, message):
    with pytest.raises(UserError, match=message):
        past.accuracy(**words)


def test_a_final_network_answers_for_no_other_arc(small_final):
    run = Run(small_final)
    images = run.search.data.test.images[:2]
    assert run.predict(images, helpers.SMALL_ARC).shape == (2, 10)
    other = "0  3 0"
    for call in (
        lambda: run.accuracy(other),
        lambda: run.predict(images, other),
        lambda: run.export(arc=other),
    ):
        with pytest.raises(UserError, match="holds one architecture"):
            call()
    assert "conv" in run.describe(other)


def test_pixels_from_0_to_1_are_refused_and_whole_numbers_taken(past):
    pixels = past.search.data.test.images[:2]
    with pytest.raises(UserError, match="whole numbers from 0 to 255"):
        past.predict(pixels / 255)
    with pytest.raises(UserError, match="received -1 to"):
        past.predict(pixels.astype(int) - pixels.min() - 1)
    np.testing.assert_array_equal(
        past.predict(pixels), past.predict(pixels.astype(np.int64))
    )


@pytest.mark.parametrize("arc", [b"0 1 1", {0, 1}, {0: 1}, bytearray(3)])
def test_things_that_only_look_like_lists_are_no_arcs(past, arc):
    with pytest.raises(UserError, match="An arc is text such as"):
        past.arc(arc)


@pytest.mark.parametrize("target", [5, b"net.keras", "", ["net.keras"], " "])
def test_what_is_no_path_is_no_target(past, target):
    with pytest.raises(UserError, match="A path is text"):
        past.export(target)


def test_overwrite_is_true_or_false(past, tmp_path):
    with pytest.raises(UserError, match="True or False; received 'False'"):
        past.export(tmp_path / "net.keras", overwrite="False")


@pytest.mark.parametrize(
    "settings", [{"overrides": (3,)}, {"data_path": 5}, {"data_changed": True}]
)
def test_what_changes_a_run_has_the_types_of_a_config(small_run, settings):
    with pytest.raises(UserError, match="which is of type"):
        Run(small_run, **settings)


def test_a_folder_of_images_that_has_moved_is_named_by_data_path(
    small_run, tmp_path
):
    run = shutil.copytree(small_run, tmp_path / "run")
    flags = run / "flags.txt"
    text = flags.read_text().replace("=shapes", "=folder:/gone")
    flags.write_text(text)
    found = Run(run, data_path=tmp_path / "here").config
    assert found.dataset == f"folder:{tmp_path}/here"


def test_arcs_come_as_text_lists_and_arcs(past):
    arc = past.best_arc
    forms = [str(arc), arc.flat(), arc.layers(), np.array(arc.flat()), arc]
    assert [past.arc(form) for form in forms] == [arc] * 5
    assert len({past.describe(form) for form in forms}) == 1


def test_a_run_is_the_same_in_another_folder(small_run, monkeypatch, tmp_path):
    folder, name = os.path.split(small_run)
    monkeypatch.chdir(folder)
    run = Run(name)
    arc = run.result["arc"]
    monkeypatch.chdir(tmp_path)
    assert run.result["arc"] == arc and run.config.output_dir == small_run


def test_a_home_folder_is_found(small_run, monkeypatch):
    folder, name = os.path.split(small_run)
    monkeypatch.setenv("HOME", folder)
    assert Run(f"~/{name}").path == small_run
    assert Run(pathlib.Path(small_run)).path == small_run
