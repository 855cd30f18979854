"""Log lines blank for blank as in a real log, and the other helpers."""

import io
import os
import pathlib
import re
import subprocess
import sys

import pytest
import tqdm
from hypothesis import given, settings
from hypothesis import strategies as st

import enas
import helpers
from enas.utils import (
    DASHES,
    Log,
    child_line,
    controller_line,
    flag_lines,
    progress,
    seed_pair,
)

RECORDED = (
    (helpers.ROOT / "tests/golden/enas/stdout.txt")
    .read_text(encoding="utf-8")
    .splitlines()
)
WITHOUT_TENSORFLOW = (
    "enas.errors",
    "enas.utils",
    "enas.schedules",
    "enas.cifar10.arc",
    "enas.cifar10.search_space",
    "enas.cifar10.config",
    "enas.cifar10.flags",
    "enas.cifar10.metrics",
    "enas.cifar10.main",
)
drawn = settings(max_examples=60, derandomize=True, deadline=None)


def numbers(line, integers):
    """Returns dict, name -> number, of the name=value pairs of a log line."""
    pairs = re.findall(r"([\w|]+)=(-?[\d.]+)", line)
    return {
        name: int(text) if name in integers else float(text)
        for name, text in pairs
    }


def recorded(start):
    return [line for line in RECORDED if line.startswith(start)]


def test_child_lines_are_the_original_s_blank_for_blank():
    lines = recorded("epoch=")
    assert len(lines) == 6
    for line in lines:
        found = numbers(line, ("epoch", "ch_step", "tr_acc"))
        batch_size = int(re.search(r"/ *(\d+)", line)[1])
        ours = child_line(
            found["epoch"],
            found["ch_step"],
            found["loss"],
            found["lr"],
            found["|g|"],
            found["tr_acc"],
            batch_size,
            found["mins"],
        )
        assert ours == line


def test_controller_lines_are_the_original_s_blank_for_blank():
    lines = recorded("ctrl_step=")
    assert len(lines) == 90
    for line in lines:
        found = numbers(line, ("ctrl_step",))
        ours = controller_line(
            found["ctrl_step"],
            found["loss"],
            found["ent"],
            found["lr"],
            found["|g|"],
            found["acc"],
            found["bl"],
            found["mins"],
        )
        assert ours == line


def test_flag_listing_is_the_original_s_blank_for_blank():
    start, end = [n for n, line in enumerate(RECORDED) if line == DASHES][:2]
    lines = RECORDED[start + 1 : end]
    assert len(lines) == 55
    pairs = [re.fullmatch(r"(\w+?)\.+([^.].*)", line) for line in lines]
    settings_ = {pair[1]: pair[2] for pair in pairs}
    backwards = dict(reversed(settings_.items()))
    assert flag_lines(backwards) == lines


def test_child_line_by_hand():
    # A small batch, a large step and a large loss: columns give way.
    assert child_line(3, 1234567, 12.5, 0.05, 1234.5, 7, 16, 0.5) == (
        "epoch=3     ch_step=1234567 loss=12.500000 lr=0.0500   |g|=1234.5000"
        " tr_acc=7  / 16 mins=0.50      "
    )


def test_flag_lines_are_80_columns_wide_and_lose_nothing():
    lines = flag_lines({"b": None, "a": 0.05, "c": "x" * 100})
    assert lines == [
        "a" + "." * 75 + "0.05",
        "b" + "." * 75 + "None",
        "c" + "x" * 100,
    ]
    assert {len(line) for line in lines[:2]} == {80}


def test_log_keeps_early_lines_for_the_file(tmp_path, capsys):
    path = tmp_path / "stdout"
    log = Log()
    log("early")
    log()
    log.attach(path)
    assert path.read_text() == "early\n\n"
    log("late \u00e9")
    # Written through at once: an interrupted run keeps what it printed.
    assert path.read_text(encoding="utf-8") == "early\n\nlate \u00e9\n"
    log.close()
    printed = capsys.readouterr()
    assert printed.out == "early\n\nlate \u00e9\n"
    assert printed.err == ""


def test_log_appends_when_a_run_goes_on(tmp_path):
    path = tmp_path / "stdout"
    for word in ("first", "second"):
        log = Log()
        log.attach(path)
        log(word)
        log.close()
    assert path.read_text() == "first\nsecond\n"


def test_log_without_a_file_closes():
    Log().close()


def test_progress_yields_everything_and_is_silent_without_a_terminal(
    monkeypatch,
):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress(range(5), "text", 5)) == [0, 1, 2, 3, 4]
    assert stream.getvalue() == ""


def test_progress_shows_a_bar_on_a_terminal(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress(range(2), "epoch 1: child", 2)
    assert isinstance(bar, tqdm.tqdm)
    assert list(bar) == [0, 1]
    assert "epoch 1: child" in stream.getvalue()


def test_seeds_are_the_same_in_every_process():
    # Python's own hash of a string would differ from process to process.
    assert seed_pair(0, "reward", 7) == (0x4ED17253, 7)
    assert seed_pair(69, "reward", 7) == (69 ^ 0x4ED17253, 7)


@drawn
@given(st.integers(0, 2**31 - 1), st.text(max_size=20), st.integers(0, 10**6))
def test_seeds_fit_an_int32(seed, stream, number):
    first, second = seed_pair(seed, stream, number)
    assert 0 <= first < 2**31
    assert second == number


def test_seeds_differ_by_seed_stream_and_number():
    streams = ("arc", "dropout", "reward", "ten", "controller", "eval_valid")
    pairs = {
        seed_pair(seed, stream, number)
        for seed in range(20)
        for stream in streams
        for number in range(20)
    }
    assert len(pairs) == 20 * len(streams) * 20


@pytest.fixture(scope="module")
def imported():
    """Returns dict, module -> whether TensorFlow was there after it."""
    script = (
        "import importlib, sys\n"
        f"for name in {WITHOUT_TENSORFLOW!r}:\n"
        "    importlib.import_module(name)\n"
        "    print(name, 'tensorflow' in sys.modules)\n"
    )
    source = pathlib.Path(enas.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.parametrize("module", WITHOUT_TENSORFLOW)
def test_importing_does_not_import_tensorflow(imported, module):
    assert imported[module] == "False"
