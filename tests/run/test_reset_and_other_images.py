"""What a reset deletes, and what an opened run writes down of its settings."""

import os
import pathlib

import pytest
from made_run import make_run, search_of

from enas.cifar10 import main
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags
from enas.errors import UserError
from enas.run import data_record
from enas.run.checkpoint_names import positions
from enas.run.run_dir import WRITTEN, RunDir
from enas.tools import open_run
from enas.utils import Log
from helpers import small_data


def reset(path):
    RunDir(Config(output_dir=str(path), reset_output_dir=True)).check()


@pytest.mark.parametrize("name", ["link", "link/", "link/.", "link/../run"])
def test_a_reset_follows_no_link(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("elsewhere/run")
    pathlib.Path("elsewhere/.enas_run").touch()
    pathlib.Path("elsewhere/run/.enas_run").touch()
    os.symlink("elsewhere/run" if ".." in name else "elsewhere", "link")
    with pytest.raises(UserError, match="link"):
        reset(name)


@pytest.mark.parametrize("what", [".git", "setup.py", "home", "here", "root"])
def test_a_reset_deletes_no_home_root_or_checkout(what, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".enas_run").touch()
    if what == "home":
        monkeypatch.setenv("HOME", str(run))
    elif what == "here":
        (run / "below").mkdir()
        monkeypatch.chdir(run / "below")
    elif what != "root":
        (run / what).touch()
    else:
        run = pathlib.Path("/")
    with pytest.raises(UserError):
        reset(run)


@pytest.mark.parametrize(
    "inner", ["clean", "table1/runs/1a_seed69", "my/sweeps/a/runs/1a_seed69"]
)
def test_a_run_and_its_reset_leave_the_runs_below_it_alone(inner, tmp_path):
    other = tmp_path / "outputs" / inner
    other.mkdir(parents=True)
    (other / ".enas_run").touch()
    (other / "result.json").write_text("precious")
    config = Config(output_dir=str(tmp_path / "outputs"), reset_output_dir=True)
    for _ in range(2):
        run = RunDir(config)
        run.check()
        run.open(Log(), small_data())
        (tmp_path / "outputs" / "result.json").write_text("old")
        run.close()
    assert (other / "result.json").read_text() == "precious"
    run.check()
    run.open(Log(), small_data())
    assert not (tmp_path / "outputs" / "result.json").exists()
    run.close()


def test_a_reset_empties_the_run_and_keeps_what_is_a_users(tmp_path):
    make_run(tmp_path / "run", epochs=(1,)).close()
    os.symlink(tmp_path, tmp_path / "run/link")
    (tmp_path / "run/notes.txt").write_text("precious")
    (tmp_path / "run/stdout.part").touch()
    # Without it an export of the run would be nobody's.
    (tmp_path / "run/exported.txt").write_text("place")
    run = RunDir(
        Config(output_dir=str(tmp_path / "run"), reset_output_dir=True)
    )
    run.check()
    run.open(Log(), small_data())
    assert positions(run.path) == [] and run.tables.rows() == []
    assert (tmp_path / "run/notes.txt").read_text() == "precious"
    assert (tmp_path / "run/link").is_symlink()
    assert not (tmp_path / "run/stdout.part").exists()
    assert (tmp_path / "run/exported.txt").read_text() == "place"
    run.close()


def test_all_that_a_run_writes_is_known_to_a_reset(small_run):
    left = set(os.listdir(small_run))
    assert left - WRITTEN <= {".enas_run", ".lock"}
    assert "result.json" in left and "events" in left


def test_what_another_process_did_since_the_check_is_seen(tmp_path):
    late = RunDir(Config(output_dir=str(tmp_path / "run"), seed=7))
    late.check()
    make_run(tmp_path / "run", epochs=(1,)).close()
    kept = (tmp_path / "run/flags.txt").read_text()
    with pytest.raises(UserError, match="a run with other flags"):
        late.open(Log(), small_data())
    late.close()
    assert (tmp_path / "run/flags.txt").read_text() == kept


def allowed(path):
    config = Config(output_dir=str(path), data_changed="allow", num_train=5)
    run = RunDir(config)
    run.check()
    return run


def test_a_run_is_not_tied_to_images_that_it_has_not_learned_from(tmp_path):
    make_run(tmp_path / "run", epochs=(1,)).close()
    files = [tmp_path / "run/flags.txt", tmp_path / "run/data.jsonl"]
    kept = [file.read_text() for file in files]
    run = allowed(tmp_path / "run")
    run.open(Log(), small_data(images=5))
    assert [file.read_text() for file in files] == kept
    run.save(search_of(2))
    assert "--num_train=5\n" in files[0].read_text()
    assert files[1].read_text().startswith(kept[1])
    assert len(files[1].read_text().splitlines()) == 2
    run.close()


def test_an_epoch_that_has_begun_goes_on_with_its_images(tmp_path):
    run = make_run(tmp_path / "run", epochs=(1,))
    search = search_of(1)
    search.progress.correct = 1
    run.save(search)
    run.close()
    run = allowed(tmp_path / "run")
    with pytest.raises(UserError, match="within an epoch"):
        run.open(Log(), small_data(images=5))
    run.close()
    run = allowed(tmp_path / "run")
    run.open(Log(), small_data())
    run.close()


@pytest.mark.parametrize("reset", [False, True])
def test_what_is_advised_after_a_stop_deletes_nothing(reset, tmp_path):
    make_run(tmp_path / "run", epochs=(1,)).close()
    values = make_flags()
    values(["main", f"--output_dir={tmp_path}/run"])
    values["reset_output_dir"].value = reset
    advice = main._next(values, saved=True)
    assert ("without --reset_output_dir resumes from" in advice) == reset


def test_a_stop_is_told_where_the_run_can_no_longer_be_read(
    tmp_path, monkeypatch
):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    values = make_flags()
    values(["main", f"--output_dir={tmp_path}/run"])
    monkeypatch.setattr(main, "positions", refused)
    assert main._next(values, False).endswith("the same command goes on.")


def test_what_is_only_read_is_compared_with_what_it_has_seen(tmp_path):
    make_run(tmp_path / "run", epochs=(1,)).close()
    words = ["evaluate", "--reset_output_dir"]
    config = open_run.read_config(make_flags(), words, str(tmp_path / "run"))
    with pytest.raises(UserError, match="has seen"):
        data_record.check(config, small_data(images=5), print)


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_flags_may_hold_what_unicode_takes_for_an_end_of_line(end, tmp_path):
    settings = {"dataset": f"folder:{tmp_path}/a{end}b"}
    for _ in range(2):
        make_run(tmp_path / "run", **settings).close()


def test_flags_hold_no_end_of_line(tmp_path):
    with pytest.raises(UserError, match="on one line"):
        make_run(tmp_path / "run", dataset="folder:a\nb")
    assert not (tmp_path / "run").exists()
