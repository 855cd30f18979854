"""The comparison program: its verbs, its help, its mistakes."""

import subprocess
import sys
import types

import pytest

import helpers
from enas.errors import UserError
from enas.parity import diff_enas as program


@pytest.fixture
def verb(monkeypatch):
    """A verb that notes its arguments and ends as told."""
    module = types.ModuleType("enas.parity.trial")
    module.seen = []
    module.end = lambda: 7

    def run(arguments):
        module.seen.append(arguments.thing)
        return module.end()

    module.add_arguments = lambda parser: parser.add_argument("thing")
    module.run = run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = module.__name__, "does something"
    monkeypatch.setitem(program.VERBS, "trial", entry)
    return module


def raiser(error):
    def end():
        raise error

    return end


def test_help_lists_the_verbs_with_their_summaries(capsys):
    for option in ("--help", "-h"):
        assert program.main([option]) == 0
        shown = capsys.readouterr().out
        for name in ("recordings", "logs", "checkpoint"):
            assert f"  {name}" in shown and program.VERBS[name][1] in shown


@pytest.mark.parametrize("argv", [[], ["lgos"], [""], ["--logs"], ["main"]])
def test_no_verb_or_an_unknown_one_is_a_mistake(argv, capsys):
    assert program.main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "recordings, logs, checkpoint" in shown.err
    assert not argv or repr(argv[0]) in shown.err


def test_a_verb_gets_its_arguments_and_gives_the_exit_code(verb):
    assert program.main(["trial", "x"]) == 7
    assert verb.seen == ["x"]


def test_help_of_a_verb_names_its_arguments_and_runs_nothing(verb, capsys):
    assert program.main(["trial", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "does something" in shown and "thing" in shown
    assert verb.seen == []


@pytest.mark.parametrize("argv", [["trial"], ["trial", "x", "--no=1"]])
def test_wrong_arguments_of_a_verb_are_a_mistake(verb, argv, capsys):
    assert program.main(argv) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and "trial --help" in shown
    assert verb.seen == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("what to do"), 2),
        (PermissionError("what to do"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_are_told_without_a_traceback(verb, error, code, capsys):
    verb.end = raiser(error)
    assert program.main(["trial", "x"]) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert code == 130 or shown == "error: what to do\n"


def test_help_and_logs_need_no_tensorflow():
    code = (
        "import sys\n"
        "from enas.parity.diff_enas import main\n"
        "assert main(['--help']) == main(['logs', '--help']) == 0\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL
    )


def test_a_reader_that_has_had_enough_is_no_error():
    logs = str(helpers.GOLDEN / "enas/stdout.txt")
    command = [
        sys.executable,
        "-m",
        "enas.parity.diff_enas",
        "logs",
        logs,
        logs,
    ]
    command += ["--tensorboard", "none"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
