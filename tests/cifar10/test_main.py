"""The whole program, through the real script: files, log, resume, failure."""

import csv
import dataclasses
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import types
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.audit import audit
from enas.cifar10 import main as main_program
from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import PROFILES
from enas.cifar10.config import Config
from enas.cifar10.main import main, train
from enas.cifar10.metrics import COLUMNS, TAGS
from enas.errors import Stopped, UserError
from enas.run import checkpoint, checkpoint_names
from enas.run.autosave import StopSignals
from enas.run.run_dir import RunDir

ROOT = helpers.ROOT
SEARCH = ROOT / "scripts/cifar10_macro_search.sh"
# The quick preset at its smallest.
SMALLEST = (
    f"--flagfile={ROOT}/scripts/presets/quick.flags",
    "--num_train=40",
    "--num_valid=30",
    "--num_test=30",
    "--batch_size=10",
    "--child_num_layers=3",
    "--child_out_filters=2",
    "--controller_train_steps=2",
    "--controller_num_aggregate=3",
    "--log_every=2",
    "--poison=identity,dropout",
    "--q=150",
    "--readings=all",
    # Pictures and the audit are those of `small_run`, in test_events.py.
    "--pictures_every=0",
)
# Profile -> further flags, and its candidate ops.
CASES = {"enas": ((), 6), "paper": ((helpers.FEW_OPS,), 2)}
SECONDS = [column for column in COLUMNS if column.startswith("seconds")]


def script(*arguments, folder):
    """Runs the search script in a new process; returns the process."""
    environment = os.environ | {"ENAS_PYTHON": sys.executable}
    return subprocess.run(
        ["bash", str(SEARCH), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def flags_of(profile):
    more, _ = CASES[profile]
    return *SMALLEST, f"--profile={profile}", *more, "--num_epochs=3"


@pytest.fixture(scope="module", params=CASES)
def runs(tmp_path_factory, request):
    """Returns the folder of a run of 3 epochs, `whole`."""
    folder = tmp_path_factory.mktemp("runs")
    whole = *flags_of(request.param), f"--output_dir={folder}/whole"
    assert main(["program", *whole]) == 0
    return folder


def test_an_audit_that_fails_ends_no_search(monkeypatch):
    def fail(*unused):
        raise ValueError("no kernel")

    monkeypatch.setattr(audit, "audit_child", fail)
    (line,) = main_program._audited(
        mock.MagicMock(arcs=mock.Mock(fixed_arc=None))
    )
    assert "could not be audited: no kernel" in line


def rows(path):
    with open(path / "metrics.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def without_seconds(row):
    return {name: row[name] for name in row if name not in SECONDS}


@pytest.mark.parametrize("runs", ["paper"], indirect=True)
def test_a_stopped_run_continues_as_if_it_had_not_stopped(runs):
    # As after a kill between the row of the last epoch and its checkpoint.
    # The other profile: test_search.py, tests/defences, tests/faults.
    shutil.copytree(runs / "whole", runs / "stopped")
    shutil.rmtree(runs / "stopped/checkpoints/epoch-3")
    with open(runs / "stopped/arcs.jsonl", "a") as stream:
        stream.write('{"epoch": 3, "ar')
    done = script(*flags_of("paper"), "--output_dir=stopped", folder=runs)
    assert done.returncode == 0, done.stderr
    # Notes of TensorFlow are not the user's.
    assert done.stderr == ""
    # The script gives this flag, as the original's does.
    assert "controller_op_tanh_reduce has no effect" in done.stdout
    assert "Continuing after epoch 2" in done.stdout
    whole, stopped = (
        checkpoint.read(str(runs / name / "checkpoints/epoch-3"))
        for name in ("whole", "stopped")
    )
    assert set(whole) == set(stopped)
    for name, tensor in whole.items():
        np.testing.assert_array_equal(tensor, stopped[name], err_msg=name)
    assert [without_seconds(row) for row in rows(runs / "whole")] == [
        without_seconds(row) for row in rows(runs / "stopped")
    ]
    for name in ("arcs.jsonl", "best_arc.txt"):
        one, two = (runs / run / name for run in ("whole", "stopped"))
        assert one.read_text() == two.read_text()


def test_the_run_directory_holds_its_files(runs):
    run = runs / "whole"
    for name in ("flags.txt", "stdout", "versions.jsonl", ".enas_run"):
        assert (run / name).stat().st_size > 0, name
    assert sorted(os.listdir(run / "checkpoints")) == ["epoch-2", "epoch-3"]
    assert not glob.glob(f"{run}/**/*.part", recursive=True)
    (versions,) = (run / "versions.jsonl").read_text().splitlines()
    assert json.loads(versions)["tensorflow"] == tf.__version__


def test_metrics_have_every_column_in_every_row(runs):
    table = rows(runs / "whole")
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    for row in table:
        assert tuple(row) == COLUMNS
        numbers = {name: float(cell) for name, cell in row.items()}
        assert np.all(np.isfinite(list(numbers.values())))
        for name in COLUMNS:
            if "_acc" in name or name.endswith(("_share", "_rate")):
                assert 0 <= numbers[name] <= 1, name
        assert numbers["good_layers"] + numbers["bad_layers"] == 3


def test_the_result_repeats_the_rows_and_names_the_arc(runs):
    run = runs / "whole"
    result = json.loads((run / "result.json").read_text())
    table = rows(run)
    assert result["finished"] is True
    assert result["last"]["valid_acc"] == float(table[-1]["valid_acc"])
    best = max(float(row["best_valid_acc"]) for row in table)
    assert result["best"]["best_valid_acc"] == best
    assert result["settings"]["q"] == 150
    assert result["behaviours"] == dataclasses.asdict(
        PROFILES[result["settings"]["profile"]]
    )
    assert (run / "best_arc.txt").read_text().strip() == result["arc"]
    num_ops = CASES[result["settings"]["profile"]][1] + 300
    assert Arc.parse(result["arc"], 3, num_ops).num_layers == 3


def test_reports_name_ten_arcs_an_epoch_and_measure_the_best(runs):
    lines = (runs / "whole/arcs.jsonl").read_text().splitlines()
    reports = [json.loads(line) for line in lines]
    assert [r["epoch"] for r in reports] == [1] * 10 + [2] * 10 + [3] * 10
    for epoch, row in enumerate(rows(runs / "whole"), 1):
        measured = [
            r for r in reports if r["epoch"] == epoch and "valid_acc" in r
        ]
        assert len(measured) == 1
        assert measured[0]["valid_acc"] == float(row["best_valid_acc"])
        assert measured[0]["test_acc"] == float(row["best_test_acc"])


def test_tensorboard_has_the_same_numbers(runs):
    found = {}
    for path in glob.glob(str(runs / "whole/events/*")):
        for event in tf.compat.v1.train.summary_iterator(path):
            for value in event.summary.value:
                number = tf.make_ndarray(value.tensor)
                found[value.tag, event.step] = number
    assert ("flags", 0) in found
    for row in rows(runs / "whole"):
        for column, tag in TAGS.items():
            number = found[tag, int(row["epoch"])]
            assert number == pytest.approx(float(row[column]), rel=1e-6)


def shape_of(line):
    """Returns a log line without its numbers and their padding."""
    line = re.sub(r"-?\d+(\.\d+)?", lambda m: "." if m[1] else "0", line)
    return re.sub(r"(?<=[0.]) +|(?<=/) +", "", line)


def test_the_log_has_the_lines_of_the_original(runs):
    ours = (runs / "whole/stdout").read_text().splitlines()
    original = (helpers.GOLDEN / "enas/stdout.txt").read_text().splitlines()
    marks = (
        "epoch=",
        "ctrl_step=",
        "Epoch ",
        "Here are 10",
        "val_acc=",
        "Eval at ",
        "valid_accuracy: ",
        "test_accuracy: ",
        "mean: [",
        "Model has ",
        "Starting session",
        "Reading data",
        "Prepropcess",
    )
    for mark in marks:
        shapes = {shape_of(line) for line in original if line.startswith(mark)}
        lines = {shape_of(line) for line in ours if line.startswith(mark)}
        assert lines and shapes, mark
        if mark != "mean: [":
            assert lines <= shapes, mark


def test_the_log_lists_every_choice_in_force(runs):
    result = json.loads((runs / "whole/result.json").read_text())
    log = (runs / "whole/stdout").read_text()
    assert f"Profile {result['settings']['profile']}, behaviours" in log
    for name, value in result["behaviours"].items():
        assert re.search(rf"^  row +[-\d]+ {name}={value} \(", log, re.M), name


def test_the_log_says_what_was_built(runs):
    log = (runs / "whole/stdout").read_text()
    built = {
        "enas": (
            "306 op ids, 8 branches per layer",
            "op ids 6 to 155: identity, poison, 150 copies, shared",
            "op ids 156 to 305: dropout, poison",
            "(Equation 1): 0.9804",
            "bounded logits can reach: 0.2866",
        ),
        "paper": (
            "302 op ids, 4 branches per layer",
            "op ids 2 to 151: identity, poison, 150 copies, shared",
            "op ids 152 to 301: dropout, poison",
            "(Equation 1): 0.9934",
            "bounded logits can reach: 0.1181",
        ),
    }
    result = json.loads((runs / "whole/result.json").read_text())
    for words in built[result["settings"]["profile"]]:
        assert words in log, words
    assert "Shapes drawn from seed" in log
    idle = "--child_grad_bound has no effect" in log
    assert idle == ("clip=none" in log)


def test_flags_txt_has_every_setting_of_the_run(runs):
    result = json.loads((runs / "whole/result.json").read_text())
    place = f"--output_dir={runs}/whole"
    given = flags_of(result["settings"]["profile"])
    wanted, _ = helpers.read_command(*given, place)
    flags = f"--flagfile={runs}/whole/flags.txt"
    assert helpers.read_command(flags, place)[0] == wanted


def test_a_run_from_before_a_flag_existed_continues(tmp_path):
    (tmp_path / ".enas_run").touch()
    (tmp_path / "flags.txt").write_text("--seed=3\n")
    RunDir(Config(output_dir=str(tmp_path), seed=3)).check()
    other = Config(output_dir=str(tmp_path), seed=3, child_lr_max=0.1)
    with pytest.raises(UserError, match="has --child_lr_max=0.05; received"):
        RunDir(other).check()


def test_flags_txt_repeats_a_run_of_rows_without_a_checkpoint(
    small_run, tmp_path
):
    # As after a kill between the row of the first epoch and its checkpoint.
    run = shutil.copytree(small_run, tmp_path / "run")
    first = without_seconds(rows(run)[0])
    shutil.rmtree(run / "checkpoints/epoch-1")
    with open(run / "arcs.jsonl", "a") as stream:
        stream.write('{"epoch": 1, "ar')
    assert (
        main(["p", f"--flagfile={run}/flags.txt", f"--output_dir={run}"]) == 0
    )
    assert "Continuing" not in (run / "stdout").read_text()
    assert [row["epoch"] for row in rows(run)] == ["1"]
    lines = (run / "arcs.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1] * 10
    assert without_seconds(rows(run)[0]) == first


def test_other_flags_are_refused_with_the_differences(runs, capsys):
    before = (runs / "whole/flags.txt").read_text()
    arguments = ["p", *SMALLEST, f"--output_dir={runs}/whole", "--seed=1"]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "--seed=69" in message and "--seed=1" in message
    assert (runs / "whole/flags.txt").read_text() == before


def test_only_the_files_of_a_run_that_are_there_are_named(tmp_path):
    run_dir, lines = RunDir(Config(output_dir=str(tmp_path))), []
    run_dir.resume = lambda search: False
    # Long trained, and never evaluated.
    config = Config(num_epochs=1, eval_every_epochs=5, pictures_every=0)
    search = types.SimpleNamespace(
        config=config, whole_epochs=1, global_step=5, train_step=0
    )
    (tmp_path / "stdout").touch()
    assert train(search, run_dir, lines.append, StopSignals()) == 0
    assert lines[-1] == f"Results are in {tmp_path}: stdout"
    assert "result.json" not in "".join(lines)


def test_a_loss_that_is_not_finite_ends_the_run_with_one_sentence(
    tmp_path, capsys
):
    flags = [*SMALLEST, "--child_lr_max=1e30", "--child_lr_min=1e30"]
    assert main(["p", *flags, f"--output_dir={tmp_path}/r"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"error: The loss is (nan|inf) at child step \d+", out)
    assert "Last finite values: loss 2." in out and 'arc "' in out
    assert "Traceback" not in out
    # The state is there to look at, and no search goes on from it.
    run = str(tmp_path / "r")
    assert checkpoint.read(f"{run}/checkpoints/nonfinite")
    assert checkpoint_names.positions(run) == []


@pytest.mark.parametrize("positions", [0, 1])
@pytest.mark.parametrize(
    ("cause", "code", "wanted"),
    [
        (Stopped(15), 143, "last checkpoint is good"),
        (Stopped(15, saved=True), 143, "All steps that were done are saved"),
        (OSError("no space"), 1, "last checkpoint is good"),
    ],
)
def test_what_cuts_a_run_off_promises_no_more_than_is_saved(
    cause, code, wanted, positions, tmp_path, monkeypatch, capsys
):
    for epoch in range(positions):
        (tmp_path / f"run/checkpoints/epoch-{epoch + 1}").mkdir(parents=True)
    monkeypatch.setattr(main_program, "_run", mock.Mock(side_effect=cause))
    assert main(["x", f"--output_dir={tmp_path}/run"]) == code
    message = capsys.readouterr().err
    assert (wanted in message) == bool(positions)
    assert ("Nothing was saved" in message) == (not positions)
