"""Reading logs of both dialects into records of one kind."""

import math
import pathlib

import pytest

import helpers
from enas.cifar10.metrics import COLUMNS
from enas.parity.log_file import read_log
from enas.parity.log_lines import parse_line
from enas.parity.log_records import aggregate, records, series
from enas.parity.log_steps import StepRange, common_steps
from enas.parity.main import main
from enas.utils import child_line, controller_line

GOLDEN = helpers.ROOT / "tests/golden"
ENAS = str(GOLDEN / "enas/stdout.txt")
PAPER = str(GOLDEN / "paper/stdout.txt")


def child(step, loss=2.0, steps=4, lr=0.05):
    return child_line(step // steps, step, loss, lr, 1.0, 16, 128, 0.1)


def placed(path):
    log = read_log(str(path))
    return records(log, log.steps.low)[0]


def write(path, *lines, end="\n"):
    path.write_text("".join(line + end for line in lines), encoding="utf-8")
    return str(path)


def of_phase(found, phase):
    return [record for record in found if record.phase == phase]


def compare(*arguments):
    return main(["logs", *map(str, arguments), "--tensorboard=none"])


def test_recorded_log_of_the_original_in_common_units():
    log = read_log(ENAS)
    assert (log.dialect, log.name, log.steps) == ("enas", "enas", (4, 4))
    found, unplaced = records(log, 4)
    assert unplaced == 0
    children = of_phase(found, "child")
    assert [(r.epoch, r.position, r.step) for r in children] == [
        *((0, 2, 2), (0, 4, 4), (1, 2, 6)),
        *((1, 4, 8), (2, 2, 10), (2, 4, 12)),
    ]
    assert children[0].values == {
        "loss": 2.477989,
        "accuracy": 8 / 128,
        "lr": 0.05,
        "grad_norm": 1.4003,
    }
    assert len(of_phase(found, "evaluation")) == 3 * (10 + 2)


def test_controller_arcs_of_the_original_are_counted_by_log_every():
    log = read_log(ENAS)
    assert aggregate(log) == 20
    arcs = of_phase(placed(ENAS), "controller")
    assert [r.position for r in arcs] == [*range(0, 60, 2)] * 3
    assert {(r.epoch, r.step) for r in arcs} == {(0, 4), (1, 8), (2, 12)}
    assert arcs[1].values["accuracy"] == 0.2734
    # The line says ctrl_step=1: arc 0 of update 1.
    assert divmod(arcs[10].position, 20) == (1, 0)
    assert arcs[10].values["loss"] == 1.716


def test_recorded_log_of_the_paper_in_common_units():
    log = read_log(PAPER)
    assert (log.dialect, log.name, log.steps) == ("paper", "paper", (16, 20))
    assert aggregate(log) == 20
    found, unplaced = records(log, 18)
    assert unplaced == 0
    children = of_phase(found, "child")
    assert [r.position for r in children] == [1, 6, 11, 16] * 3
    assert [r.step for r in children[3:6]] == [16, 19, 24]
    assert children[3].values["accuracy"] == 0.2125
    arcs = of_phase(found, "controller")
    assert [r.position for r in arcs[:5]] == [39, 79, 119, 159, 199]
    whole = series(found)
    assert whole["evaluation", "arc_accuracy"][0][2] == 0.1562
    assert whole["evaluation", "test_accuracy"][2] == {0: 0.22}
    assert whole["epoch", "best_test_acc"] == {
        epoch: numbers
        for epoch, numbers in whole["evaluation", "test_accuracy"].items()
    }


def test_paper_s_notebook_numbers_updates_instead_of_arcs(tmp_path):
    text = pathlib.Path(PAPER).read_text()
    for arc in (39, 79, 119, 159, 199):
        text = text.replace(f"ctrl_step={arc}\t", f"ctrl_step={arc // 20}\t")
    path = write(tmp_path / "log", text, end="")
    assert placed(path) == placed(PAPER)


@pytest.mark.parametrize("shown", ["0.1796875", "tensor(0.18)", "1.0", "nan"])
def test_accuracies_of_the_ten_in_all_spellings(shown):
    assert parse_line(f"val_acc={shown}").kind == "arc_accuracy"
    on_gpu = parse_line("val_acc=tensor(0.25, device='cuda:0')")
    assert on_gpu.fields == {"accuracy": 0.25}


def test_steps_per_epoch_without_an_evaluation(tmp_path):
    lines = [child(step) for step in range(1, 10)]
    log = read_log(write(tmp_path / "log", *lines))
    assert log.steps == (4, 4)
    lines = [child(step, steps=352) for step in (100, 300, 400)]
    assert read_log(write(tmp_path / "log", *lines)).steps == (301, 400)
    lines = [child(1), child(2)]
    assert read_log(write(tmp_path / "log", *lines)).steps == (3, None)


def test_steps_per_epoch_that_fit_all_logs_are_taken():
    paper, original = read_log(PAPER), read_log(ENAS)
    fitting = original._replace(steps=StepRange(18, 18))
    assert common_steps([paper, fitting]) == [18, 18]
    assert common_steps([paper, original]) == [16, 4]


def test_continued_run_counts_as_logged_last(tmp_path):
    head = ["log_every....2", child(2, 9.0)]
    phase = ["Epoch 1: Training controller", *[ctrl(9.0)] * 3]
    again = [child(2, 1.0), child(4, 1.0), phase[0], *[ctrl(1.0)] * 3]
    whole = series(placed(write(tmp_path / "log", *head, *phase, *again)))
    assert whole["child", "loss"] == {0: {2: 1.0, 4: 1.0}}
    assert whole["controller", "loss"] == {0: {0: 1.0, 2: 1.0, 4: 1.0}}


def ctrl(loss):
    return controller_line(0, loss, 7.0, 1e-3, 0.1, 0.2, 0.1, 0.1)


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
    assert len(found) == len(placed(ENAS)) - 1
    assert "the last line is torn off" in read_log(str(path)).remarks[-1]


def test_damaged_records_are_counted_with_their_place(tmp_path):
    lines = child(2), child(4).replace("loss=2", "loss=two"), "something"
    log = read_log(write(tmp_path / "log", *lines))
    assert len(log.events) == 1
    assert "1 hold no numbers" in log.remarks[0]
    assert log.remarks[1].startswith("1 lines") and "line 2" in log.remarks[1]


def test_numbers_that_are_not_finite_are_left_out_and_told(tmp_path, capsys):
    values = math.nan, 1.0, math.inf, 3.0
    lines = [child(step, loss) for step, loss in enumerate(values, 1)]
    path = write(tmp_path / "log", *lines)
    assert series(placed(path))["child", "loss"] == {0: {2: 1.0, 4: 3.0}}
    assert compare(path, path) == 0
    shown = capsys.readouterr().out
    assert "2 values are nan or inf" in shown
    (line,) = [x for x in shown.splitlines() if x.startswith("child loss")]
    assert line.split()[2:6] == ["2", "lines", "2", "2"]


def test_run_directory_counts_its_table(tmp_path):
    write(tmp_path / "stdout", child(4))
    row = {"epoch": "1", "best_valid_acc": "0.25", "seconds_eval": "9"}
    cells = [row.get(column, "") for column in COLUMNS]
    write(tmp_path / "metrics.csv", ",".join(COLUMNS), ",".join(cells))
    whole = series(placed(tmp_path))
    assert whole["epoch", "best_valid_acc"] == {0: {0: 0.25}}
    assert ("epoch", "best_valid_acc") not in series(
        placed(tmp_path / "stdout")
    )
