"""Reading logs of both dialects into numbers with a place in the run."""

import itertools
import json
import math
import pathlib

import pytest

import helpers
from enas.cifar10.metrics import COLUMNS
from enas.parity.diff_enas import main
from enas.parity.log_file import (
    events_of,
    lines_of,
    place,
    read_log,
    step_bounds,
)
from enas.parity.logs import _name, _place
from enas.utils import child_line, controller_line

GOLDEN = helpers.ROOT / "tests/golden"
ENAS = str(GOLDEN / "enas/stdout.txt")
PAPER = str(GOLDEN / "paper/stdout.txt")


def child(step, loss=2.0, steps=4, lr=0.05):
    return child_line(step // steps, step, loss, lr, 1.0, 16, 128, 0.1)


def placed(path):
    log = read_log(str(path))
    return place(log, step_bounds(log)[0])[0]


def write(path, *lines, end="\n"):
    path.write_text("".join(line + end for line in lines), encoding="utf-8")
    return str(path)


def compare(*arguments):
    return main(["logs", *map(str, arguments), "--tensorboard=none"])


def test_recorded_log_of_the_original_in_common_units():
    log = read_log(ENAS)
    assert (log.dialect, step_bounds(log)) == ("enas", (4, 4))
    found, remarks = place(log, 4)
    assert remarks == []
    assert {
        key: list(epochs[0].items())[0]
        for key, epochs in found.items()
        if key[0] == "child"
    } == {
        ("child", "loss"): (2, 2.477989),
        ("child", "accuracy"): (2, 8 / 128),
        ("child", "lr"): (2, 0.05),
        ("child", "grad_norm"): (2, 1.4003),
    }
    # Printed under epochs 0, 1, 1, 2, 2, 3: counted after the step.
    positions = {e: list(n) for e, n in found["child", "loss"].items()}
    assert positions == {0: [2, 4], 1: [2, 4], 2: [2, 4]}
    arcs = found["evaluation", "arc_accuracy"]
    assert [len(numbers) for numbers in arcs.values()] == [10, 10, 10]


def test_controller_arcs_of_the_original_are_counted_by_log_every():
    arcs = placed(ENAS)["controller", "accuracy"]
    assert {epoch: list(numbers) for epoch, numbers in arcs.items()} == {
        epoch: [*range(0, 60, 2)] for epoch in range(3)
    }
    assert arcs[0][2] == 0.2734
    # The line says ctrl_step=1, and is of arc 0 of update 1.
    assert placed(ENAS)["controller", "loss"][0][20] == 1.716


def test_recorded_log_of_the_paper_in_common_units():
    log = read_log(PAPER)
    assert (log.dialect, step_bounds(log)) == ("paper", (16, 20))
    found, remarks = place(log, 18)
    assert remarks == []
    assert list(found["child", "loss"][2]) == [1, 6, 11, 16]
    assert found["child", "accuracy"][0][16] == 0.2125
    assert list(found["controller", "loss"][0]) == [39, 79, 119, 159, 199]
    assert found["evaluation", "arc_accuracy"][0][2] == 0.1562
    assert found["evaluation", "test_accuracy"][2] == {0: 0.22}
    assert (
        found["epoch", "best_test_acc"]
        == (found["evaluation", "test_accuracy"])
    )


def test_paper_s_notebook_numbers_updates_instead_of_arcs(tmp_path):
    text = pathlib.Path(PAPER).read_text()
    for arc in (39, 79, 119, 159, 199):
        text = text.replace(f"ctrl_step={arc}\t", f"ctrl_step={arc // 20}\t")
    path = write(tmp_path / "log", text, end="")
    assert placed(path) == placed(PAPER)


@pytest.mark.parametrize("shown", ["0.1796875", "tensor(0.18)", "1.0", "nan"])
def test_accuracies_of_the_ten_in_all_spellings(shown):
    (event,), damaged = events_of(f"val_acc={shown}")
    assert event[0] == "evaluation" and not damaged
    (on_gpu,), _ = events_of("val_acc=tensor(0.25, device='cuda:0')")
    assert on_gpu[2] == {"arc_accuracy": 0.25}


def test_steps_per_epoch_without_an_evaluation(tmp_path):
    def bounds(*lines):
        return step_bounds(read_log(write(tmp_path / "log", *lines)))

    assert bounds(*(child(step) for step in range(1, 10))) == (4, 4)
    lines = [child(step, steps=352) for step in (100, 300, 400)]
    assert bounds(*lines) == (301, 400)
    assert bounds(child(1), child(2)) == (3, math.inf)


def test_steps_per_epoch_that_fit_all_logs_are_taken(tmp_path, capsys):
    lines = [child(step, steps=18) for step in range(1, 20)]
    fitting = write(tmp_path / "log", *lines)
    for other, steps in ((fitting, [18, 18]), (ENAS, [16, 4])):
        assert _place([read_log(PAPER), read_log(other)])[0] == steps
    assert "(the log allows 16 to 20)" in capsys.readouterr().out


def test_runs_are_named_after_the_file_or_its_folder(tmp_path):
    names = ENAS, f"{tmp_path}/a b/stdout", f"{tmp_path}/x.log", str(tmp_path)
    assert [_name(name) for name in names] == [
        *("enas", "a_b", "x.log", tmp_path.name)
    ]


def test_continued_run_counts_as_logged_last(tmp_path):
    head = ["log_every....2", child(2, 9.0)]
    phase = ["Epoch 1: Training controller", *[ctrl(9.0)] * 3]
    again = [child(2, 1.0), child(4, 1.0), phase[0], *[ctrl(1.0)] * 3]
    whole = placed(write(tmp_path / "log", *head, *phase, *again))
    assert whole["child", "loss"] == {0: {2: 1.0, 4: 1.0}}
    assert whole["controller", "loss"] == {0: {0: 1.0, 2: 1.0, 4: 1.0}}


def test_what_a_killed_run_logs_twice_counts_once(tmp_path):
    # Stopped while it measured the ten, and before while the controller
    # learned: it goes on from the update of its last checkpoint, 2.
    head = ["log_every....2", child(2), child(4)]
    phase, ten = "Epoch 1: Training controller", "Here are 10 architectures"
    first = [phase, *(ctrl(9.0, step) for step in (0, 1, 2, 3))]
    again = [phase, *(ctrl(1.0, step) for step in (2, 3, 4))]
    cut = ["Epoch 1: Eval", ten, "val_acc=0.9", "val_acc=0.8"]
    full = ["Epoch 1: Eval", ten, *(f"val_acc=0.{k}" for k in range(3))]
    lines = head + first + again + cut + full
    series = placed(write(tmp_path / "log", *lines))
    wanted = {0: 9.0, 2: 9.0, 4: 1.0, 6: 1.0, 8: 1.0}
    assert series["controller", "loss"] == {0: wanted}
    assert series["evaluation", "arc_accuracy"] == {0: {0: 0.0, 1: 0.1, 2: 0.2}}


def test_the_ten_of_an_epoch_without_a_controller_are_its_own(tmp_path):
    lines, ten = ["log_every....2"], "Here are 10 architectures"
    for epoch in 1, 2, 3:
        lines += [child(4 * epoch - 2)] if epoch == 3 else []
        lines += [ten, f"val_acc=0.{epoch}", f"val_acc=0.{epoch + 5}"]
        lines += [f"Epoch {epoch}: Eval", "valid_accuracy: 0.1"]
    series = placed(write(tmp_path / "log", *lines))
    assert series["evaluation", "arc_accuracy"] == {
        0: {0: 0.1, 1: 0.6},
        1: {0: 0.2, 1: 0.7},
        2: {0: 0.3, 1: 0.8},
    }


def test_log_every_may_change_within_a_phase(tmp_path):
    head = [child(2), "Epoch 1: Training controller"]
    before = [ctrl(1.0, arc // 4) for arc in range(0, 12, 2)]
    after = [ctrl(2.0, arc // 4) for arc in (12, 18)]
    lines = ["log_every....2", *head, *before, "log_every....6", *after]
    series = placed(write(tmp_path / "log", *lines))
    (arcs,) = series["controller", "loss"].values()
    assert list(arcs) == [0, 2, 4, 6, 8, 10, 12, 18]


def ctrl(loss, step=0):
    return controller_line(step, loss, 7.0, 1e-3, 0.1, 0.2, 0.1, 0.1)


def test_lines_before_the_first_epoch_are_left_out_and_told(tmp_path, capsys):
    path = write(tmp_path / "log", ctrl(1.0), "val_acc=0.1250", child(4))
    assert compare(path, path) == 0
    assert "2 lines before the first epoch" in capsys.readouterr().out


def damaged(path, data):
    path.write_bytes(data)
    return placed(path)


def test_line_ends_tabs_and_stray_bytes_change_nothing(tmp_path):
    original, paper = placed(ENAS), placed(PAPER)
    data = pathlib.Path(ENAS).read_bytes()
    path = tmp_path / "log"
    assert damaged(path, data.replace(b"\n", b"\r\n")) == original
    assert damaged(path, b"\xef\xbb\xbf" + data) == original
    assert damaged(path, b"\xff\xfe\x00 noise\n" + data) == original
    # The original's evaluation counts on one line before its result.
    counter = data.replace(b"\ntest_acc", b"\n\r22   /  100\r33\ntest_acc")
    assert damaged(path, counter) == original
    data = pathlib.Path(PAPER).read_bytes()
    assert damaged(path, data.replace(b"\t", b"   ")) == paper


def test_torn_last_line_is_left_out_and_told(tmp_path):
    data = pathlib.Path(ENAS).read_bytes().rstrip()
    path = tmp_path / "log"
    found = damaged(path, data[:-2])  # test_accuracy: 0.20
    accuracies = found["evaluation", "test_accuracy"]
    assert sorted(accuracies) == [0, 1]
    assert "the last line is truncated" in read_log(str(path)).remarks[-1]


def test_damaged_records_are_counted_with_their_place(tmp_path):
    lines = child(2), child(4).replace("loss=2", "loss=two"), "something"
    log = read_log(write(tmp_path / "log", *lines))
    assert len(log.events) == 1
    assert "1 hold no numbers" in log.remarks[0]
    assert log.remarks[1] == "1 lines are damaged, first 2"


def test_numbers_that_are_not_finite_are_left_out_and_told(tmp_path, capsys):
    values = math.nan, 1.0, math.inf, 3.0
    lines = [child(step, loss) for step, loss in enumerate(values, 1)]
    path = write(tmp_path / "log", *lines)
    assert placed(path)["child", "loss"] == {0: {2: 1.0, 4: 3.0}}
    assert compare(path, path) == 0
    shown = capsys.readouterr().out
    assert "2 values that are nan or inf left out" in shown
    (line,) = [x for x in shown.splitlines() if x.startswith("child loss")]
    assert line.split()[2:6] == ["2", "lines", "2", "2"]


def test_run_directory_counts_its_table(tmp_path):
    write(tmp_path / "stdout", child(4))
    row = {"epoch": "1", "best_valid_acc": "0.25", "seconds_eval": "9"}
    cells = [row.get(column, "") for column in COLUMNS]
    write(tmp_path / "metrics.csv", ",".join(COLUMNS), ",".join(cells))
    whole = placed(tmp_path)
    assert whole["epoch", "best_valid_acc"] == {0: {0: 0.25}}
    assert ("epoch", "best_valid_acc") not in placed(tmp_path / "stdout")


# What may stand around the records of a log.
STAMPS = [
    "2026-11-27 13:19:38,123 INFO enas: ",
    "[2026-11-27T13:19:38.123456Z] ",
    "Nov 27 13:19:38 node17 python[4711]: ",
    "I1127 13:19:38.123456 140 main.py:45] ",
    "13:19:38 | ",
    "[1,0]<stdout>:",
    "rank0:",
    "[rank0]: ",
    "[default0]:",
    "0: ",
    "worker-1  | ",
    "2026-11-27T13:19:38.123456789Z stdout F ",
    "(pid=4711, ip=10.0.0.3) ",
    "> ",
    "- `",
    "\x1b[32m",
    "[0m",
    "\u2502 ",
    "100%|##########| 22/22 [00:01<00:00, 19.8it/s] ",
    "12:",
    "C:\\runs\\new> ",
]


@pytest.mark.parametrize("name", [ENAS, PAPER], ids=["enas", "paper"])
@pytest.mark.parametrize("stamp", STAMPS)
def test_what_stands_before_a_record_is_passed_over(stamp, name, tmp_path):
    text = pathlib.Path(name).read_text()
    lines = [stamp + line for line in text.splitlines()]
    assert placed(write(tmp_path / "log", *lines)) == placed(name)


AROUND = {
    "fence": lambda text: f"# A run\n\n```text\n{text}```\n",
    "ticks": lambda text: "".join(f"`{x}`\n" for x in text.splitlines()),
    "colours": lambda text: text.replace("loss=", "\x1b[1mloss=\x1b[0m"),
    "lost escapes": lambda text: text.replace("loss=", "[1;31mloss=[0m"),
    "bar": lambda text: text.replace("\n", "\n 5/9 [0:01]\r 9/9 [0:02]\r"),
    "old line ends": lambda text: text.replace("\n", "\r"),
    "docker": lambda text: "".join(
        json.dumps({"log": f"{x}\n", "stream": "stdout", "time": "1:2"}) + "\n"
        for x in text.splitlines()
    ),
    "json": lambda text: "".join(
        json.dumps({"level": "info", "message": x, "n": 3}) + "\n"
        for x in text.splitlines()
    ),
    "bytes": lambda text: "".join(
        f"{x.encode()!r}\n" for x in text.splitlines()
    ),
    "table": lambda text: "".join(
        f"| 3 | {x.replace('|', chr(92) + '|')} |\n" for x in text.splitlines()
    ),
    "numbered": lambda text: "".join(
        f"{i}: {x}\n" for i, x in enumerate(text.splitlines(), 1)
    ),
    "two ranks": lambda text: "".join(
        f"[1,{rank}]<stdout>:{x}\n"
        for x, rank in itertools.product(text.splitlines(), (0, 1))
    ),
    "ten ranks": lambda text: "".join(
        f"{rank}: {x}\n"
        for x, rank in itertools.product(text.splitlines(), range(11, 1, -1))
    ),
}


@pytest.mark.parametrize("name", [ENAS, PAPER], ids=["enas", "paper"])
@pytest.mark.parametrize("around", AROUND)
def test_what_stands_around_records_is_passed_over(around, name, tmp_path):
    text = AROUND[around](pathlib.Path(name).read_text())
    (tmp_path / "log").write_bytes(text.encode())
    assert placed(tmp_path / "log") == placed(name)


@pytest.mark.parametrize("name", [ENAS, PAPER], ids=["enas", "paper"])
@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-16-be-sig",
    ],
)
def test_text_in_other_encodings_is_read(encoding, name, tmp_path):
    text = pathlib.Path(name).read_text() + "\u2588 \u010d \u00e9\r\n"
    if encoding.endswith("-be-sig"):
        text, encoding = "\ufeff" + text, "utf-16-be"
    (tmp_path / "log").write_bytes(text.encode(encoding))
    assert placed(tmp_path / "log") == placed(name)


@pytest.mark.parametrize(
    "line",
    [
        "best_valid_accuracy: 0.93",
        "valid_accuracy: 0.93 was the best so far",
        "num_log_every....5",
        "Epoch 3: Evaluating",
        "see val_acc=0.93 in epoch 4",
    ],
)
def test_prose_is_no_record(line):
    assert events_of(line)[0] == []


def test_a_bar_may_follow_a_step_and_steps_each_other():
    bar = " 9/9 [00:01<00:00, 5.5it/s]"
    (line,) = lines_of((child(4) + bar + child(8) + bar).encode())
    events, damaged = events_of(line)
    assert [fields["step"] for _, _, fields in events] == [4, 8]
    assert not damaged


def test_several_ranks_are_told(tmp_path, capsys):
    text = AROUND["two ranks"](pathlib.Path(ENAS).read_text())
    path = write(tmp_path / "log", text, end="")
    assert compare(path, ENAS) == 0
    assert "2 ranks, of which 0 counts" in capsys.readouterr().out


def test_a_rank_of_one_record_is_a_rank(tmp_path):
    text = pathlib.Path(ENAS).read_text()
    first = [f"rank0: {line}" for line in text.splitlines()]
    (line, *_) = [x for x in first if "ch_step=" in x]
    cut = line.replace("rank0", "rank1").replace("loss=", "loss=9")
    log = read_log(write(tmp_path / "log", *first, cut))
    assert "2 ranks, of which 0 counts" in log.remarks
    assert log.events == read_log(ENAS).events
