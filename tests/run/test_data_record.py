"""A run knows its images by what they are, wherever they lie."""

import functools
import itertools
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest

import helpers
from enas.cifar10 import data_utils
from enas.cifar10.config import Config
from enas.cifar10.main import main
from enas.cifar10.readers.fingerprint import describe, fingerprint_of
from enas.cifar10.readers.shapes import make_shapes
from enas.errors import DamagedError, UserError
from enas.experiments.plan import _compared
from enas.experiments.reevaluate import main as reevaluate
from enas.run import data_record, flag_file, versions
from enas.tools import evaluate, export
from enas.tools.api import Run

SETTINGS = (
    "--num_valid=40",
    "--child_num_layers=2",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
    "--pictures_every=0",
)


@pytest.fixture
def run(small_run, tmp_path):
    """Returns a copy of a run of one epoch."""
    return shutil.copytree(small_run, tmp_path / "run")


def search(path, *flags):
    """Continues the run."""
    flags = [*helpers.SMALL, *SETTINGS, f"--output_dir={path}", *flags]
    return main(["main", *flags])


OPEN = {
    "search": lambda path, *flags: search(path, "--num_epochs=2", *flags),
    "evaluate": lambda path, *flags: evaluate.main(
        ["x", f"--output_dir={path}", "--num_arcs=1", *flags]
    ),
    "predict": lambda path, *flags: evaluate.main(
        ["x", f"--output_dir={path}", *flags, "--predict", f"{path}/p.png"]
    ),
    "export": lambda path, *flags: export.main(
        [
            *("x", f"--output_dir={path}", "--statistics=measured"),
            *(f"--to={path}/model.keras", *flags),
        ]
    ),
    "reevaluate": lambda path, *flags: reevaluate(["x", str(path), *flags]),
}


def other_images(monkeypatch):
    """Has `shapes` drawn with labels that are shifted by one."""
    drawn = make_shapes()

    def shifted():
        return tuple((x, np.int32((y + 1) % 10)) for x, y in drawn)

    monkeypatch.setattr(data_utils, "make_shapes", shifted)


def write_picture(path, value=0):
    import tensorflow as tf

    image = np.full((32, 32, 3), value, np.uint8)
    tf.io.write_file(str(path), tf.io.encode_png(image))


@pytest.mark.parametrize("tool", OPEN)
def test_other_images_are_refused_and_may_be_allowed(
    tool, run, monkeypatch, capsys
):
    write_picture(run / "p.png")
    kept = json.loads((run / "data.jsonl").read_text())
    other_images(monkeypatch)
    assert OPEN[tool](run) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and kept["fingerprint"] in message
    assert message.count("Shapes drawn from seed 0") == 2
    assert "train, valid, test" in message and "--data_changed" in message
    assert OPEN[tool](run, "--data_changed=allow") == 0
    text = capsys.readouterr().out
    assert f"has seen fingerprint {kept['fingerprint']}" in text
    assert "--data_changed=allow was given" in text


@pytest.mark.parametrize("tool", OPEN)
def test_images_of_more_classes_are_refused_and_change_no_file(
    tool, run, tmp_path, capsys
):
    for label, k in itertools.product("abc", range(12)):
        path = tmp_path / f"p/{label}/{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, 20 * k)
    folder = f"--dataset=folder:{tmp_path}/p", "--data_changed=allow"
    write_picture(run / "p.png")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    sizes = "--num_train=1", "--num_valid=1", "--num_test=1"
    assert OPEN[tool](run, *folder, *sizes) == 2
    assert "another number of classes" in capsys.readouterr().err
    after = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert after == before


@pytest.mark.parametrize("tool", OPEN)
def test_every_tool_says_its_device_and_which_images_it_reads(
    tool, run, capsys
):
    write_picture(run / "p.png")
    kept = json.loads((run / "data.jsonl").read_text())
    assert OPEN[tool](run) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("Data: ")]
    assert kept["fingerprint"] in line and "Shapes drawn" in line
    assert any(line.startswith("Devices: ") for line in lines)


def test_the_python_api_compares_too(run, monkeypatch):
    assert Run(run).data["fingerprint"] == fingerprint(run)
    other_images(monkeypatch)
    with pytest.raises(UserError, match="data_changed"):
        Run(run).accuracy()
    with pytest.warns(UserWarning, match="has seen fingerprint"):
        assert 0 <= Run(run, data_changed="allow").accuracy() <= 1


def fingerprint(path):
    lines = pathlib.Path(path, "data.jsonl").read_text().splitlines()
    return json.loads(lines[-1])["fingerprint"]


def test_a_continued_run_says_that_its_images_changed(run, monkeypatch, capsys):
    first = fingerprint(run)
    result = json.loads((run / "result.json").read_text())
    assert result["data"]["fingerprint"] == first
    assert result["data"]["classes"][0] == "rows"
    assert result["data"]["changes"] == []
    other_images(monkeypatch)
    assert search(run, "--num_epochs=2", "--data_changed=allow") == 0
    second = fingerprint(run)
    (change,) = json.loads((run / "result.json").read_text())["data"]["changes"]
    for part in ("after epoch 1", first, second):
        assert part in change
    capsys.readouterr()
    # It is not allowed for ever, and whoever opens the run hears of it.
    assert "data_changed" not in (run / "flags.txt").read_text()
    assert OPEN["evaluate"](run) == 0
    assert f"warning: {change}" in capsys.readouterr().out
    monkeypatch.undo()
    assert OPEN["evaluate"](run) == 2


def test_a_part_of_the_images_is_other_images(run, capsys):
    assert OPEN["evaluate"](run, "--num_test=30") == 2
    assert "Different: test." in capsys.readouterr().err
    assert OPEN["evaluate"](run, "--num_train=47") == 2
    assert "Different: train." in capsys.readouterr().err


def test_an_epoch_may_get_more_steps(run):
    more = ["--num_train=90", "--num_epochs=2", "--data_changed=allow"]
    assert search(run, *more, "--log_every=1") == 0
    # Three steps in the first epoch, six in the second, told after each.
    log = (run / "stdout").read_text()
    told = re.findall(r"^epoch=(\d+) +ch_step=(\d+)", log, re.MULTILINE)
    assert told == [*(("1", str(n)) for n in range(4, 9)), ("2", "9")]
    rows = (run / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
    assert search(run, "--num_train=90", "--num_epochs=3") == 0
    assert os.path.isdir(run / "checkpoints/epoch-3")


def test_a_run_of_an_earlier_version_continues_and_is_tied(run, capsys):
    (run / "data.jsonl").unlink()
    assert OPEN["evaluate"](run) == 0
    assert "kept no fingerprint" in capsys.readouterr().out
    assert not (run / "data.jsonl").exists()
    assert search(run, "--num_epochs=2") == 0
    assert "kept no fingerprint" in capsys.readouterr().out
    record = json.loads((run / "data.jsonl").read_text())
    assert record["after_epoch"] == 1
    (change,) = json.loads((run / "result.json").read_text())["data"]["changes"]
    assert "up to epoch 1" in change


def test_a_start_that_saved_nothing_ties_the_run_to_nothing(
    run, monkeypatch, capsys
):
    shutil.rmtree(run / "checkpoints")
    for name in ("metrics.csv", "arcs.jsonl", "ops.jsonl"):
        (run / name).unlink()
    first = fingerprint(run)
    other_images(monkeypatch)
    assert search(run) == 0
    assert "warning" not in capsys.readouterr().out
    assert fingerprint(run) != first
    result = json.loads((run / "result.json").read_text())
    assert result["data"]["changes"] == []


def test_a_damaged_record_is_refused(run):
    for text in ("{", "[1]", '{"fingerprint": "a"}', "[" * 100_000):
        (run / "data.jsonl").write_text(text + "\n")
        with pytest.raises(DamagedError, match="data.jsonl says which images"):
            data_record.summary(str(run))


# What a fingerprint is of


def of(images, labels, classes=("cat", "dog")):
    return fingerprint_of({"train": describe(images, labels)}, classes)


def test_a_fingerprint_is_of_pixels_labels_order_sizes_and_names():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 4, 4, 3), np.uint8)
    labels = np.int32([0, 1, 0, 1, 1, 0])
    pixel = images.copy()
    pixel[5, 3, 3, 2] ^= 1
    order = [1, 0, 2, 3, 4, 5]
    found = [
        of(images, labels),
        of(pixel, labels),
        of(images, 1 - labels),
        of(images[order], labels[order]),
        of(images[:5], labels[:5]),
        of(images.reshape(6, 2, 8, 3), labels),
        of(images, labels, ("dog", "cat")),
    ]
    assert len(set(found)) == len(found)
    assert of(np.asfortranarray(images), labels.astype(np.int64)) == found[0]


def test_a_fingerprint_does_not_depend_on_threads(monkeypatch):
    images = np.arange(25_000 * 12, dtype=np.uint8).reshape(-1, 2, 2, 3)
    labels = np.zeros(len(images), np.int32)
    one = describe(images, labels)
    assert describe(images, labels) == one
    images[20_001] += 1
    assert describe(images, labels)["hash"] != one["hash"]


# Places are no identity


def checked(path, **settings):
    config = Config(output_dir=str(path), **settings)
    flag_file.check(config, trained=True)
    return config


def test_images_may_move_and_a_checkpoint_may_be_spelled_otherwise(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ckpt").mkdir()
    os.symlink("ckpt", "link")
    flag_file.keep(
        Config(output_dir=".", data_path="a", init_checkpoint="ckpt/m")
    )
    assert (
        f"--data_path={tmp_path}/a\n" in pathlib.Path("flags.txt").read_text()
    )
    for place in ("a/", "b/c", None):
        checked(".", data_path=place, init_checkpoint="link/../ckpt/m")
    checked(".", init_checkpoint="link/m")
    with pytest.raises(UserError, match="init_checkpoint"):
        checked(".", init_checkpoint="other/m")


def test_a_folder_of_images_may_move(tmp_path):
    flag_file.keep(Config(output_dir=str(tmp_path), dataset="folder:a"))
    checked(tmp_path, dataset="folder:b")
    with pytest.raises(UserError, match="--dataset=folder:..; received --da"):
        checked(tmp_path, dataset="shapes")


def test_flags_txt_of_an_earlier_version_may_hold_relative_paths(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    flag_file.keep(Config(output_dir="."))
    path = pathlib.Path("flags.txt")
    path.write_text(path.read_text() + "--init_checkpoint=ckpt/m\n")
    checked(".", init_checkpoint="ckpt/m")


def test_the_last_value_of_a_choice_is_compared(tmp_path):
    norm, none = "clip=norm", "clip=none"
    flag_file.keep(Config(output_dir=str(tmp_path), override=(norm, none)))
    checked(tmp_path, override=(none,))
    with pytest.raises(UserError, match=f"override={none}; received .*{norm}"):
        checked(tmp_path, override=(none, norm))
    settings = ["--op_setting=a=1=2", "--op_setting=b=1", "--op_setting=a=3"]
    assert flag_file.in_force(settings) == {*settings[1:]}
    # Of a sweep.
    assert _compared("flags", ["--seed=1", "--seed=2"]) == {"--seed=2"}


# What a run ran on


def test_every_start_is_kept_and_a_change_is_logged(tmp_path, monkeypatch):
    old = {"tensorflow": "2.16.1", "keras": "3.3.3", "commit": None}
    (tmp_path / "versions.json").write_text(json.dumps(old))
    lines = []
    versions.keep(str(tmp_path), lines.append)
    assert lines[0].startswith("warning: ")
    for change in ("tensorflow 2.16.1 -> 2.", "keras 3.3.3 -> 3."):
        assert change in lines[0]
    versions.keep(str(tmp_path), lines.append)
    assert len(lines) == 1
    monkeypatch.setattr(
        versions, "_versions", functools.partial(dict, commit="another")
    )
    versions.keep(str(tmp_path), lines.append)
    assert "-> another" in lines[1] and "tensorflow" not in lines[1]
    found = versions.read(str(tmp_path))
    assert [each["commit"] for each in (found[0], found[3])] == [
        None,
        "another",
    ]
    assert found[1]["start"] and len(found) == 4


def test_versions_that_cannot_be_read_stop_nothing(tmp_path):
    (tmp_path / "versions.json").write_bytes(b"\xff[1")
    (tmp_path / "versions.jsonl").write_text("1\n" + "[" * 100_000 + "\n{")
    versions.keep(str(tmp_path), pytest.fail)
    assert len(versions.read(str(tmp_path))) == 1
