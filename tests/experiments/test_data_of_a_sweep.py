"""A sweep is tied to its images by what they are, not by where they lie."""

import json
import pathlib
import types

import pytest

from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments import table1
from enas.experiments.report import _data
from enas.experiments.results import Sweep


def test_images_of_a_sweep_may_be_elsewhere(tmp_path):
    def plan(*flags):
        return plans.Plan(scale="smoke", flags=flags)

    plans.remember(str(tmp_path), plan("--data_path=/wrong", "--q=3"), [])
    for flags in (
        ("--data_path=/right/", "--q=3"),
        ("--q=3",),
        ("--q=3", "--data_path=/x", "--data_changed=allow"),
    ):
        plans.check(str(tmp_path), plan(*flags))
    with pytest.raises(UserError, match="holds a sweep with flags"):
        plans.check(str(tmp_path), plan("--data_path=/wrong", "--q=4"))


def test_a_sweep_keeps_what_is_in_a_flagfile(tmp_path):
    path = tmp_path / "mine.flags"
    path.write_text("# twice\n--num_epochs=2\n--data_path=~/c\n")
    read = table1._read_arguments(["--", f"--flagfile={path}", "--q=3"])
    home = pathlib.Path.home()
    wanted = ("--num_epochs=2", f"--data_path={home}/c", "--q=3")
    assert table1._plan(read).flags == wanted


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
