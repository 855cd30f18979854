"""A sweep is tied to its images by what they are, not by where they lie."""

import concurrent.futures
import json
import os
import pathlib
import types

import pytest

import helpers
from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments import table1
from enas.experiments.jobs import Job
from enas.experiments.report import _data
from enas.experiments.sweep import Sweep


def test_images_of_a_sweep_may_be_elsewhere(tmp_path):
    def plan(*flags):
        return plans.Plan(scale="smoke", flags=flags)

    first = plan("--data_path=/wrong", "--dataset=folder:a", "--q=3")
    plans.remember(str(tmp_path), first, [])
    for flags in (
        ("--data_path=/right/", "--q=3", "--dataset=folder:b"),
        ("--q=3", "--dataset", "folder:a/"),
        ("--q=3", "--dataset=folder:a", "--data_path=/x"),
        ("--q=3", "--dataset=folder:a", "--data_changed=allow"),
    ):
        plans.check(str(tmp_path), plan(*flags))
    with pytest.raises(UserError, match="holds a sweep with flags"):
        plans.check(str(tmp_path), plan("--data_path=/wrong", "--q=4"))


def test_a_sweep_keeps_what_is_in_a_flagfile(tmp_path):
    path = tmp_path / "mine.flags"
    path.write_text("# twice\n--num_epochs=2\n--data_path=~/c\n")
    read = table1._read_arguments(["--", f"--flagfile={path}", "--q=3"])
    home = pathlib.Path.home()
    wanted = (f"--data_path={home}/c", "--q=3", "--num_epochs=2")
    assert table1._plan(read).flags == wanted


def test_places_in_the_flags_of_a_sweep_hold_in_every_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ["--", "--dataset", "folder:a", "-init_checkpoint=c", "--data_path"]
    read = table1._read_arguments([*words, "../d", "--candidate_ops=o.py:Mix"])
    assert table1._plan(read).flags == (
        f"--dataset=folder:{tmp_path}/a",
        f"--data_path={tmp_path.parent}/d",
        f"--candidate_ops={tmp_path}/o.py:Mix",
        f"--init_checkpoint={tmp_path}/c",
    )


def test_new_runs_of_a_sweep_see_the_images_of_the_first(
    small_run, tmp_path, capfd, monkeypatch
):
    def here(count, context):
        return concurrent.futures.ThreadPoolExecutor(count)

    def jobs(*flags):
        settings = (*helpers.SMALL, "--num_valid=40", *flags)
        first = Job("baseline", "", 1, (*settings, f"--output_dir={small_run}"))
        new = f"--output_dir={tmp_path}/runs/1a"
        return first, Job("1a", "", 1, (*settings, new))

    plans.check_images(jobs(), str(tmp_path))
    plans.remember(str(tmp_path), plans.Plan(scale="smoke"), [jobs()[0]])
    (tmp_path / "runs").mkdir()
    os.symlink(small_run, tmp_path / "runs" / jobs()[0].name)
    # In a process, as always; the others in a thread, without TensorFlow's
    # start.
    with pytest.raises(UserError, match="Different: test"):
        plans.check_images(jobs("--num_test=39"), str(tmp_path))
    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", here)
    plans.check_images(jobs(), str(tmp_path))
    other = jobs("--num_test=39", "--data_changed=allow")
    plans.check_images(other, str(tmp_path))
    assert "allow was given" in capfd.readouterr().out
    # Those that have begun compare themselves.
    plans.check_images(jobs("--num_test=39")[:1], str(tmp_path))


def test_a_report_says_that_runs_have_seen_other_images():
    one, two = ({"data": {"fingerprint": name}} for name in ("aa", "bb"))
    assert list(_data([one, one])) == ["* fingerprint of the images: aa"]
    lines = list(_data([one, two, {}]))
    assert lines[0].endswith("aa, bb, unknown")
    assert "not all seen the same images" in lines[1]
    changed = {"data": {"fingerprint": "aa", "changes": ["after epoch 1 .."]}}
    assert "after epoch 1 .." in list(_data([changed]))[1]


def test_a_report_reads_every_start_of_every_run(tmp_path):
    (tmp_path / "versions.json").write_text('{"commit": "old"}')
    line = json.dumps({"commit": "new"})
    (tmp_path / "versions.jsonl").write_text(f"{line}\n")
    job = types.SimpleNamespace(directory=str(tmp_path))
    group = types.SimpleNamespace(states=[types.SimpleNamespace(job=job)])
    found = Sweep(str(tmp_path), {}, {"row": group}).versions()
    assert [each["commit"] for each in found] == ["old", "new"]
