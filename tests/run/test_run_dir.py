"""The run directory: resuming, locks, full disks, and what is deleted."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys

import pytest
from made_run import make_run, search_of

from enas.cifar10 import build
from enas.cifar10 import main as main_program
from enas.cifar10.config import Config
from enas.cifar10.epoch_progress import EpochProgress
from enas.cifar10.main import main
from enas.errors import UserError, WriteError
from enas.run import checkpoint, lock
from enas.run.checkpoint_names import directories, positions
from enas.run.events import RunEvents, read_events
from enas.run.files import append, cut_torn_line, write_whole
from enas.run.run_dir import RunDir
from enas.utils import Log


def damage(directory, kind):
    (data,) = pathlib.Path(directory).glob("*.data-*")
    contents = data.read_bytes()
    middle = len(contents) // 2
    if kind == "gone":
        data.unlink()
    elif kind == "index":
        data.with_name("model.ckpt.index").write_bytes(b"")
    else:
        flipped = bytearray(contents)
        flipped[middle] ^= 1
        data.write_bytes(
            {
                "truncated": contents[:middle],
                "zeroed": bytes(len(contents)),
                "flipped": bytes(flipped),
            }[kind]
        )


@pytest.mark.parametrize(
    "kind", ["truncated", "zeroed", "flipped", "gone", "index"]
)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(kind, tmp_path):
    run = make_run(tmp_path / "run", epochs=(1, 2))
    newest = directories(run.path)[-1]
    damage(newest, kind)
    search = search_of(0)
    assert run.resume(search)
    assert (search.whole_epochs, search.global_step) == (1, 5)
    warning = search.lines[0]
    assert warning.startswith("warning: ") and newest in warning
    assert [row["epoch"] for row in run.tables.rows()] == [1]
    # Kept to look at, and out of the way of the next one.
    assert os.path.isdir(f"{newest}.damaged")
    run.save(search_of(2))
    assert directories(run.path)[-1] == newest
    run.close()


def test_without_a_readable_checkpoint_nothing_starts_anew(tmp_path):
    run = make_run(tmp_path / "run", epochs=(1, 2))
    for directory in directories(run.path):
        damage(directory, "flipped")
    with pytest.raises(UserError, match="2 that cannot be read.*copy.*reset"):
        run.resume(search_of(0))
    assert len(directories(run.path)) == 2
    for directory in directories(run.path):
        shutil.rmtree(directory)
    with pytest.raises(UserError, match="none, and rows of 2 epochs"):
        run.resume(search_of(0))
    assert len(run.tables.rows()) == 2
    run.close()


def test_a_checkpoint_within_an_epoch_brings_the_part_back(tmp_path):
    run = make_run(tmp_path / "run", epochs=(1,))
    search = search_of(1)
    search.global_step += 3
    search.progress = EpochProgress(
        losses=[0.1, 0.2, 1 / 3], correct=7, images=30
    )
    search.progress.numbers.seconds_child = 1.5
    run.save(search)
    again = search_of(0)
    assert run.resume(again)
    assert again.progress == search.progress
    assert (again.whole_epochs, again.global_step) == (1, 8)
    # At the end of the epoch it is not needed any more.
    run.save(search_of(2))
    assert positions(run.path) == directories(run.path)
    run.close()


def test_a_checkpoint_without_its_row_is_not_gone_on_from(tmp_path):
    run = make_run(tmp_path / "run", epochs=(1, 2))
    table = tmp_path / "run/metrics.csv"
    table.write_text(table.read_text()[:-3])  # torn
    search = search_of(0)
    assert run.resume(search)
    assert search.whole_epochs == 1
    assert "no row of epoch 2" in search.lines[0]
    run.close()


def test_points_of_epochs_without_checkpoint_are_not_doubled(tmp_path):
    folder = str(tmp_path / "events")
    for done in (0, 1, 2, 2):  # the row of epoch 3 is written twice
        events = RunEvents(folder, done)
        events.add({"epoch": done + 1, "child_loss": 0.5})
        events.close()
    newest = max(pathlib.Path(folder).iterdir(), key=os.path.getmtime)
    newest.write_bytes(newest.read_bytes()[:-5])  # torn
    RunEvents(folder, 3).close()
    steps = [
        event.step
        for path in pathlib.Path(folder).iterdir()
        for event in read_events(str(path))
        if event.summary.value
    ]
    assert sorted(steps) == [1, 2]


def test_a_torn_line_is_cut_off(tmp_path):
    path = tmp_path / "arcs.jsonl"
    path.write_text("one\ntw")
    cut_torn_line(str(path))
    append(str(path), "two\n")
    assert path.read_text() == "one\ntwo\n"
    cut_torn_line(str(path))
    assert path.read_text() == "one\ntwo\n"


# Two processes


def test_a_second_process_is_refused_and_names_the_first(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    assert main(["search", f"--output_dir={tmp_path}/run"]) == 2
    message = capsys.readouterr().err
    assert f"in use by process {os.getpid()} on " in message
    run.close()
    RunDir(Config(output_dir=str(tmp_path / "run"))).check()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    path = str(tmp_path / ".lock")
    program = (
        "import os, sys; from enas.run import lock\n"
        f"with lock.held({path!r}, print):\n"
        "    print(os.getpid(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        number = first.stdout.readline().strip()
        with pytest.raises(UserError, match=f"by process {number} on"):
            with lock.held(path, print):
                pass
        first.kill()
        first.wait()
    lines = []
    with lock.held(path, lines.append):
        assert f"Process {number}" in lines[0] and "taking it over" in lines[0]
        assert json.loads(pathlib.Path(path).read_text())["pid"] == os.getpid()
    assert pathlib.Path(path).read_text() == ""


# No room, no permission


@contextlib.contextmanager
def no_file_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_without_room_names_its_path(tmp_path):
    run = make_run(tmp_path / "run", epochs=(1,))
    with no_file_larger_than(1000), pytest.raises(WriteError, match="epoch-2"):
        run.save(search_of(2))
    assert os.listdir(tmp_path / "run/checkpoints") == ["epoch-1"]
    assert run.resume(search_of(0))
    run.close()


def test_tables_log_and_events_without_room_name_their_path(tmp_path, capsys):
    path = tmp_path / "table"
    write_whole(str(path), "good\n")
    log = Log()
    log.attach(str(tmp_path / "stdout"))
    events = RunEvents(str(tmp_path / "events"), 0)
    events.add({"epoch": 1, "child_loss": 1.0})
    # Standard output is a file too, unless it is captured in memory.
    assert capsys  # Standard output would be a file too.
    with no_file_larger_than(10):
        with pytest.raises(WriteError, match="table cannot be written"):
            write_whole(str(path), "x" * 100)
        with pytest.raises(WriteError, match="table cannot be written"):
            append(str(path), "x" * 100)
        with pytest.raises(WriteError, match="stdout cannot be written"):
            log("x" * 100)
        with pytest.raises(WriteError, match="events cannot be written"):
            events.add({"epoch": 2, "child_loss": 1.0})
    assert path.read_text().startswith("good\n")
    assert not (tmp_path / "table.part").exists()
    log.close()


@pytest.fixture
def tmpfs(tmp_path):
    """Returns a file system of 400 kB, and how to make it read-only."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fails_in(monkeypatch, capsys, path, harm):
    """Runs the program with a search that is only its second checkpoint."""

    def train(search, run_dir, log, signals):
        run_dir.save(search_of(1))
        harm()
        for epoch in range(2, 40):
            run_dir.save(search_of(epoch))
            append(run_dir.file("stdout"), "x" * 20_000)

    nothing = lambda *unused: None  # noqa: E731
    monkeypatch.setattr(build, "build_search", nothing)
    monkeypatch.setattr(main_program, "train", train)
    monkeypatch.setattr(build.tf1_checkpoint, "start", nothing)
    code = main(["search", "--dataset=shapes", f"--output_dir={path}"])
    text = capsys.readouterr().err
    assert code == 1
    assert text.startswith(f"error: {path}/") and "cannot be written" in text
    assert text.count("\n") == 1 and "resumes" in text
    checkpoints = positions(str(path))
    checkpoint.restore(search_of(0), checkpoints[-1])
    return text


def test_a_full_file_system_ends_with_1(tmpfs, monkeypatch, capsys):
    text = fails_in(monkeypatch, capsys, tmpfs / "run", lambda: None)
    assert "No space left" in text


def test_a_read_only_file_system_ends_with_1(tmpfs, monkeypatch, capsys):
    def harm():
        # Busy while files are open: lazily, as a failing disk turns it.
        remount = ["mount", "-o", "remount,ro", str(tmpfs)]
        if subprocess.run(remount, capture_output=True).returncode:
            raise WriteError(f"{tmpfs}/run/x", "continues: not testable here")

    fails_in(monkeypatch, capsys, tmpfs / "run", harm)


# Flags and deleting


def test_epochs_may_grow_and_what_is_logged_may_change(tmp_path):
    make_run(tmp_path / "run", num_epochs=5).close()
    for settings in (
        {"num_epochs": 9},
        {"num_epochs": 5, "log_every": 3, "checkpoint_every_steps": 7},
    ):
        RunDir(Config(output_dir=str(tmp_path / "run"), **settings)).check()
    fewer = Config(output_dir=str(tmp_path / "run"), num_epochs=4)
    with pytest.raises(UserError, match="--num_epochs=5; received --num_ep"):
        RunDir(fewer).check()


def test_checkpoints_without_flags_are_refused(tmp_path):
    make_run(tmp_path / "run", epochs=(1,)).close()
    (tmp_path / "run/flags.txt").unlink()
    with pytest.raises(UserError, match="flags.txt.*missing or empty"):
        RunDir(Config(output_dir=str(tmp_path / "run"))).check()
