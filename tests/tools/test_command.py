"""How programs end: Ctrl-C, help, and output that cannot take every text."""

import io
import subprocess
import sys

import pytest

import helpers
from enas import utils
from enas.tools.command import exit_code, run_tool


def test_ctrl_c_ends_a_tool_with_one_word(capsys):
    def lines(argv):
        yield "first"
        raise KeyboardInterrupt

    assert run_tool(lines, ["tool"]) == 130
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("first\n", "\nInterrupted.\n")


@pytest.mark.parametrize(("leaving", "code"), [(0, 0), (None, 0), (3, 3)])
def test_the_end_of_help_is_the_end_of_the_program(leaving, code):
    def leave():
        raise SystemExit(leaving)

    assert exit_code(leave) == code


def test_what_the_encoding_lacks_is_printed_as_its_code(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    assert run_tool(lambda unused: ["épreuve 图"], ["tool"]) == 0
    stream.flush()
    assert stream.buffer.getvalue() == "épreuve \\u56fe\n".encode("latin-1")


def test_without_standard_output_nothing_is_printed_and_no_file_takes_it(
    tmp_path,
):
    program = (
        "from enas.utils import Log, open_output; open_output(); log = Log(); "
        f"log.attach({str(tmp_path / 'log')!r}); log('a line'); log.close()"
    )
    shell = '"$@" >&- 2>&-'
    words = ["bash", "-c", shell, "-", sys.executable, "-c", program]
    done = subprocess.run(words, cwd=helpers.ROOT / "src", timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "log").read_text() == "a line\n"


def test_a_stream_of_another_kind_is_left_alone(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    utils.open_output()
    assert sys.stdout is stream
