"""The verb logs: mistakes, aligning, judging, writing, and any input."""

import csv
import math
import pathlib
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from enas.errors import UserError
from enas.parity.diff_enas import main
from enas.parity.log_file import read_log
from enas.parity.logs import align, spread
from enas.utils import child_line

GOLDEN = helpers.ROOT / "tests/golden"
ENAS = str(GOLDEN / "enas/stdout.txt")
PAPER = str(GOLDEN / "paper/stdout.txt")
drawn = settings(max_examples=80, derandomize=True, deadline=None)


def child(step, loss=2.0, steps=4, lr=0.05):
    return child_line(step // steps, step, loss, lr, 1.0, 16, 128, 0.1)


def write(path, *lines, end="\n"):
    path.write_text("".join(line + end for line in lines), encoding="utf-8")
    return str(path)


def compare(*arguments):
    return main(["logs", *map(str, arguments), "--tensorboard=none"])


# Mistakes


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("none", None, "cannot be read"),
        ("empty", b"", "No record of any dialect"),
        ("binary", bytes(range(256)) * 9, "No record of any dialect"),
        ("wide", b"\xff\xfe" + bytes(range(1, 256)) * 9, "No record of any"),
        ("head", b"Epoch 1: Eval\nEval at 4\n", "No record of any dialect"),
        ("cut", b"valid_accuracy: 0.2000\n", "from its beginning"),
        ("stdout", pathlib.Path(ENAS).read_bytes() * 0, "No record"),
        (
            "both",
            pathlib.Path(ENAS).read_bytes() + pathlib.Path(PAPER).read_bytes(),
            "both dialects",
        ),
        (
            "two jobs",
            (child(4) + "\n" + child(5, steps=3) + "\n").encode() * 2
            + (child(90, steps=91) + "\n").encode(),
            "contradict",
        ),
    ],
)
def test_files_that_are_no_log_are_told(name, data, wanted, tmp_path, capsys):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    for pair in ((path, ENAS), (ENAS, path)):
        assert compare(*pair) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert wanted in message and str(path) in message


def test_directory_without_a_log_is_told(tmp_path, capsys):
    assert compare(ENAS, tmp_path) == 2
    message = capsys.readouterr().err
    assert str(tmp_path / "stdout") in message and "Legal is" in message


@pytest.mark.parametrize(
    "table",
    ["epoch,reward\n1,high", "reward\n1", "epoch,reward\nnan,1", 'epoch\n"1'],
)
def test_table_of_a_run_that_is_none_is_told(table, tmp_path, capsys):
    write(tmp_path / "stdout", child(4))
    write(tmp_path / "metrics.csv", table)
    assert compare(ENAS, tmp_path) == 2
    assert "metrics.csv is a table of numbers" in capsys.readouterr().err


def test_logs_without_a_common_epoch_are_told(tmp_path, capsys):
    early = write(tmp_path / "early", child(1), child(4))
    late = write(tmp_path / "late", child(9), child(10), child(12))
    assert compare(early, late) == 2
    assert "no number of the same phase" in capsys.readouterr().err


def test_again_must_be_another_run_of_a_s_program(capsys):
    assert compare(ENAS, PAPER, f"--again={PAPER}") == 2
    assert "not of the program that printed A" in capsys.readouterr().err
    assert compare(ENAS, PAPER, f"--again={ENAS}") == 2
    assert "is A itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("again", "wanted"),
    [
        (("a/stdout",), "is A itself"),
        (("b",), "is B itself"),
        (("c", "c/stdout"), "is another itself"),
    ],
)
def test_again_is_no_log_of_another_name(again, wanted, tmp_path, capsys):
    for name in "abc":
        (tmp_path / name).mkdir()
        shutil.copy(ENAS, tmp_path / name / "stdout")
    more = [f"--again={tmp_path / each}" for each in again]
    assert compare(str(tmp_path / "a"), str(tmp_path / "b"), *more) == 2
    assert wanted in capsys.readouterr().err


# Comparing


def one(numbers, key=("child", "loss")):
    """A series of one quantity from epoch -> position -> number."""
    return {key: numbers}


def test_same_steps_are_paired_and_others_compared_as_means():
    a = one({0: {50: 1.0, 100: 3.0}, 1: {50: 4.0}})
    b = one({0: {50: 2.0, 100: 5.0}, 1: {1: 1.0, 51: 3.0}, 2: {1: 0.0}})
    (points,) = align(a, b, same_steps=True).values()
    assert [point[2:] for point in points] == [
        (0, 50, 1.0, 2.0),
        (0, 100, 3.0, 5.0),
        (1, None, 4.0, 2.0),
    ]


def test_few_common_steps_do_not_stand_for_the_epoch():
    a = one({0: {1: 1.0, 2: 2.0, 3: 3.0}})
    b = one({0: {3: 9.0, 4: 9.0, 5: 9.0}})
    (points,) = align(a, b, same_steps=True).values()
    assert [point[2:] for point in points] == [(0, None, 2.0, 9.0)]


def test_child_steps_of_epochs_of_other_lengths_are_not_paired():
    numbers = {0: {2: 1.0, 4: 2.0}}
    for key, position in ((("child", "lr"), None), (("controller", "lr"), 2)):
        series_ = one(numbers, key)
        (points,) = align(series_, series_, same_steps=False).values()
        assert points[0].position == position


def points_of(a, b):
    (points,) = align(one(a), one(b), same_steps=True).values()
    return points


def test_spread_of_differences_by_hand():
    # Differences 1, 3 and 5.
    points = points_of(
        {0: {1: 0, 2: 0}, 1: {1: 7}}, {0: {1: 1, 2: 3}, 1: {1: 12}}
    )
    assert spread(points, []) == pytest.approx(2.0)
    assert spread(points[:1], []) is None


def test_spread_of_further_runs_by_hand():
    a = {0: {1: 1.0, 2: 5.0}}
    points = points_of(a, {0: {1: 9.0, 2: 9.0}})
    # A and a further run are 2 apart: a standard deviation of sqrt(2).
    again = points_of(a, {0: {1: 3.0, 2: 3.0}})
    assert spread(points, again) == pytest.approx(math.sqrt(2))
    # One more, 4 apart from A: (2^2 + 2^2 + 4^2 + 4^2) / 4 / 2 = 5.
    again += points_of(a, {0: {1: 5.0, 2: 1.0}})
    assert spread(points, again) == pytest.approx(math.sqrt(5))


# The whole verb


def test_a_log_does_not_differ_from_itself(tmp_path, capsys):
    points = tmp_path / "points.csv"
    for path in (ENAS, PAPER):
        assert compare(path, path, f"--csv={points}") == 0
        lines = capsys.readouterr().out.splitlines()
        names = ("child ", "controller ", "evaluation ", "epoch ")
        table = [line for line in lines if line.startswith(names)]
        assert len(table) >= 13
        assert all(line.split()[-1] in ("0", "-") for line in table)
        assert not any("DIFF_LOGS.md lists" in line for line in lines)
        with open(points, newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert all(row["a"] == row["b"] for row in rows)


def test_points_of_the_table_are_what_the_logs_print(tmp_path):
    points = tmp_path / "points.csv"
    assert compare(ENAS, ENAS, f"--csv={points}") == 0
    with open(points, newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["quantity"] == "loss"]
    assert [float(row["a"]) for row in rows[:2]] == [2.477989, 2.460391]
    arc = rows[6 + 11]
    assert (arc["phase"], arc["position"]) == ("controller", "22")
    assert float(arc["a"]) == 5.388


def test_two_dialects_are_compared_and_their_conventions_listed(capsys):
    assert compare(ENAS, PAPER) == 0
    shown = capsys.readouterr().out
    assert "child loss                 3 means     2.1779    2.2412" in shown
    assert "docs/DIFF_LOGS.md lists them" in shown
    assert "of B - A over the points" in shown


def test_the_table_has_mean_largest_and_last_difference(tmp_path, capsys):
    logs = []
    for name, losses in (("a", (2.0, 2.0, 2.0)), ("b", (2.5, 5.0, 1.75))):
        lines = [child(step, loss) for step, loss in enumerate(losses, 1)]
        logs.append(write(tmp_path / name, *lines))
    assert compare(*logs) == 0
    (row,) = [
        line.split()[2:]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("child loss")
    ]
    assert row == [
        *("3", "lines", "2", "3.0833", "+1.08"),
        *("+3", "epoch", "0", "step", "2", "-0.25", "1.7"),
    ]


def test_the_table_says_where_the_spread_is_from(tmp_path, capsys):
    text = pathlib.Path(ENAS).read_text()
    other = write(tmp_path / "other", text.replace("loss=2", "loss=3"))
    assert compare(ENAS, PAPER, f"--again={other}") == 0
    shown = capsys.readouterr().out
    assert "from run to run, by A and 1 --again" in shown
    assert "over the points" not in shown


def test_file_that_is_no_table_of_points_is_left_alone(tmp_path, capsys):
    mine = tmp_path / "mine.csv"
    mine.write_text("a,b\n")
    for path in (mine, tmp_path, tmp_path / "no" / "such.csv"):
        assert compare(ENAS, ENAS, f"--csv={path}") == 2
        assert str(path) in capsys.readouterr().err
    assert mine.read_text() == "a,b\n"
    assert compare(ENAS, ENAS, f"--csv={mine}", "--overwrite") == 0
    assert mine.read_text().startswith("phase,quantity,")


def test_directory_with_something_else_is_left_alone(tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (tmp_path, mine, tmp_path / "link", mine / "below", ""):
        assert main(["logs", ENAS, ENAS, f"--tensorboard={path}"]) == 2
        assert f"--tensorboard={path}".rstrip("=") in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "mine"]


def curves(path):
    """Returns dict tag -> list of (step, value) of a TensorBoard run."""
    import tensorflow as tf

    found = {}
    (file,) = path.iterdir()
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            number = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_curves_of_both_logs_have_the_same_tags_and_axis(tmp_path):
    target = tmp_path / "curves"
    for _ in range(2):  # the second time in place of the first
        assert main(["logs", ENAS, PAPER, f"--tensorboard={target}"]) == 0
    names = sorted(p.name for p in target.iterdir() if p.is_dir())
    assert names == ["a_enas", "b_paper"]
    a, b = (curves(target / name) for name in names)
    assert set(a) < set(b)
    assert set(b) - set(a) == {"epoch/best_valid_acc", "epoch/best_test_acc"}
    assert [step for step, _ in a["child/loss"]] == [2, 4, 6, 8, 10, 12]
    assert a["child/loss"][1][1] == pytest.approx(2.460391)
    assert [step for step, _ in b["child/loss"]][3:6] == [16, 17, 22]
    assert a["evaluation/test_accuracy"][0] == (4, pytest.approx(0.2167))
    mean = sum((0.14, 0.15, 0.15, 0.16, 0.16)) / 5
    assert b["controller/baseline"][0] == (16, pytest.approx(mean))


# Whatever a file holds


def outcome(folder, data):
    """Compares bytes with the recorded logs; fails on anything unforeseen."""
    path = folder / "drawn"
    path.write_bytes(data)
    for known in (ENAS, PAPER):
        assert compare(path, known) in (0, 2)
    assert compare(ENAS, known, f"--again={path}") in (0, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drawn")


@drawn
@given(data=st.binary(max_size=300))
def test_random_bytes_give_nothing_but_a_user_error(folder, data):
    (folder / "drawn").write_bytes(data)
    with pytest.raises(UserError, match="No record of any dialect"):
        read_log(str(folder / "drawn"))


LINES = [
    *pathlib.Path(ENAS).read_bytes().splitlines(keepends=True)[60::7],
    *pathlib.Path(PAPER).read_bytes().splitlines(keepends=True)[::5],
    *(b"Epoch 0: Eval\n", b"Epoch 999999999: Training controller\n"),
    *(b"log_every...0\n", b"controller_num_aggregate...0\n"),
    *(b"Eval at 0\n", b"Eval at 7\n", b"valid_accuracy: 1e38\n"),
]
NUMBERS = (b"0", b"-1", b"nan", b"inf", b"1e30", b"9" * 400, b"999999999")


@st.composite
def mutated(draw):
    """Draws log lines with numbers exchanged and pieces cut out."""
    lines = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=25))
    data = b"".join(lines)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        rest = data[place + draw(st.integers(0, 6)) :]
        piece = draw(st.one_of(st.sampled_from(NUMBERS), st.binary(max_size=3)))
        data = data[:place] + piece + rest
    return data


@drawn
@given(data=mutated())
def test_mutated_logs_give_a_comparison_or_a_user_error(folder, data):
    outcome(folder, data)


@drawn
@given(
    values=st.lists(
        st.tuples(st.sampled_from(["loss", "lr", "|g|"]), st.floats()),
        max_size=6,
    )
)
def test_numbers_of_any_size_can_be_compared(folder, values):
    lines = pathlib.Path(ENAS).read_text().splitlines()
    first = next(i for i, x in enumerate(lines) if x.startswith("epoch="))
    for i, (name, value) in enumerate(values):
        cells = lines[first + i % 2].split(f"{name}=")
        tail = cells[1].split(maxsplit=1)[1]
        lines[first + i % 2] = f"{cells[0]}{name}={value} {tail}"
    (folder / "drawn").write_text("\n".join(lines) + "\n")
    assert compare(folder / "drawn", ENAS) == 0
