"""What users name: `~`, empty values, byte order marks, files that exist."""

import os

import pytest

from enas.audit import main as audit
from enas.bench import __main__ as bench
from enas.cifar10 import main as search
from enas.errors import UserError
from enas.experiments import reevaluate, table1
from enas.parity import diff_enas
from enas.parser import Parser
from enas.paths import (
    MARK,
    check_free,
    check_loadable,
    command_words,
    full_path,
    read_text,
    user_path,
)
from enas.tools import draw, evaluate, export, export_files

HOME = os.path.expanduser("~")


def test_a_home_folder_is_expanded_wherever_it_stands():
    words = ["program", "--to=~/a", "~/b", "--x", "--n=3", "a~b", "--y=c~d"]
    assert command_words(words) == [
        "program",
        f"--to={HOME}/a",
        f"{HOME}/b",
        "--x",
        "--n=3",
        "a~b",
        "--y=c~d",
    ]
    assert user_path("~/a") == f"{HOME}/a" and user_path("a") == "a"
    assert full_path("~/a/../b/") == f"{HOME}/b"
    assert full_path("a") == os.path.abspath("a")


def test_a_variable_is_expanded_and_an_unknown_name_is_refused(monkeypatch):
    monkeypatch.setenv("RUNS", "/runs")
    monkeypatch.delenv("NONE", raising=False)
    assert command_words(["x", "--to=$RUNS/a", "${RUNS}"])[1:] == [
        "--to=/runs/a",
        "/runs",
    ]
    assert full_path("$RUNS/../b") == "/b"
    assert user_path("./~none") == "./~none"
    for path in ("~no_such_user/a", "$NONE/a"):
        with pytest.raises(UserError, match="does not exist"):
            command_words(["x", f"--output_dir={path}"])


@pytest.mark.parametrize("word", ["", " ", "--arc=", "--arc= \n", "-arc="])
def test_an_empty_word_or_value_is_refused(word):
    with pytest.raises(UserError, match="is empty"):
        command_words(["program", word])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_is_read_with_and_without_a_byte_order_mark(encoding, tmp_path):
    path = tmp_path / "arc.txt"
    path.write_text("0  3 0", encoding=encoding)
    assert read_text(path, "An arc") == "0  3 0"


@pytest.mark.parametrize("contents", [None, b"\xff\xfe0\x00"])
def test_what_is_no_text_is_refused(contents, tmp_path):
    path = tmp_path / "arc.txt"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(UserError, match="An arc; .*arc.txt cannot be read"):
        read_text(path, "An arc")


def test_only_what_this_project_wrote_is_overwritten_unasked(tmp_path):
    path = tmp_path / "cat.png"
    check_free(str(path), "--picture")
    path.write_bytes(b"a picture of a cat")
    with pytest.raises(UserError, match="--picture=.*add --overwrite"):
        check_free(str(path), "--picture")
    check_free(str(path), "--picture", overwrite=True)
    path.write_bytes(b"Software" + MARK.encode())
    check_free(str(path), "--picture")


def test_an_empty_folder_may_be_written_to(tmp_path):
    check_free(str(tmp_path), "--to", folder=True)
    (tmp_path / "a").touch()
    with pytest.raises(UserError, match="add --overwrite"):
        check_free(str(tmp_path), "--to", folder=True)


def test_a_folder_is_never_overwritten(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        check_free(str(tmp_path), "--picture", overwrite=True)
    with pytest.raises(UserError, match="not a folder that you may write"):
        check_free(str(tmp_path / "none" / "a.png"), "--picture")


@pytest.mark.parametrize(
    "program",
    [
        lambda word: table1.main([word, "--", "--q=1"]),
        lambda word: table1.main(["--report", "--", word]),
        lambda word: bench.main([word]),
        lambda word: diff_enas.main(["logs", "a", "b", word]),
        lambda word: evaluate.main(["x", word]),
        lambda word: export.main(["x", word]),
        lambda word: draw.main(["x", word]),
        lambda word: audit.main(["x", word]),
        lambda word: reevaluate.main(["x", "run", word]),
        lambda word: search.main(["x", word]),
    ],
)
def test_every_program_refuses_an_empty_value(program, capsys, own_folder):
    assert program("--data_path=") == 2
    assert "--data_path is empty" in capsys.readouterr().err


def test_argparse_programs_expand_a_home_folder():
    parser = Parser(prog="x")
    parser.add_argument("--to")
    assert parser.parse_words(["--to=~/a"]).to == f"{HOME}/a"
    words = ["--output_dir=~/s", "--", "--data_path=~/c"]
    read = table1._read_arguments(words)
    assert read.output_dir == f"{HOME}/s"
    assert table1._plan(read).flags == (f"--data_path={HOME}/c",)


@pytest.mark.parametrize("name", ["run[1]", "a\\b"])
def test_what_tensorflow_would_not_find_again_is_refused(
    name, tmp_path, monkeypatch
):
    check_loadable(str(tmp_path / "*?"), "--to")
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    with pytest.raises(UserError, match="for a pattern.*Name another place"):
        export_files.check_target("net")
    # Of the other kinds the whole file is read or written by Python.
    export_files.check_target("net.keras")


def test_a_word_that_is_not_utf_8_is_refused():
    with pytest.raises(UserError, match=r"--dataset is text in UTF-8.*udce9"):
        command_words(["program", "--dataset=folder:a\udce9"])
