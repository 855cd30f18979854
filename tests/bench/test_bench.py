"""The benchmark: what it counts and that it runs; its times decide nothing."""

import contextlib
import copy
import json
from unittest import mock

import pytest

from enas.bench import measure, processes
from enas.bench.__main__ import main, read_options
from enas.bench.measure import (
    MEASURED,
    Space,
    draw,
    measured,
    poisoned,
    search_flags,
    without_copies,
)
from enas.bench.table import lines_of, row
from enas.cifar10.search_space import POISON_SETS
from enas.errors import UserError

SMOKE = ["--quick", "--layers=2", "--filters=4", "--batch=8", "--arcs=1"]
CASE = ["--poison=identity", "--q=3", "--yardstick_arcs=1", "--flat_arcs=1"]
SMALLEST = ["--layers=1", "--flat_layers=1"]


@pytest.mark.parametrize("space", poisoned(), ids=lambda space: space.name)
def test_arcs_of_one_copy_run_the_ops_of_many(space):
    few, many = space._replace(q=1).make(), space.make()
    arcs = draw(space, layers=5, count=20)
    ours = without_copies(space, arcs)
    for arc, same in zip(arcs, ours, strict=True):
        assert list(map(many.op_name, arc.op_ids)) == list(
            map(few.op_name, same.op_ids)
        )
        assert arc.skips == same.skips


def test_every_poison_set_is_compared_with_one_copy():
    # Both kinds of sharing of each set but "none".
    assert len(poisoned()) == 2 * (len(POISON_SETS) - 1)
    assert [space.q for space in poisoned("dropout")] == [300, 300]


def test_spaces_are_named_and_flagged():
    assert [space.name for space in MEASURED] == [
        "clean",
        "identity q=300",
        "grouped q=50",
    ]
    flags = search_flags(read_options([]), Space("dropout", 6, "unique"))
    assert flags[-3:] == [
        "--poison=dropout",
        "--q=6",
        "--poison_sharing=unique",
    ]


def test_the_clean_space_can_be_measured_alone():
    options = read_options(["--poison=none"])
    assert [space.name for space in measured(options)] == ["clean"]
    assert poisoned(options.poison) == []
    for wrong in (["--poison=none", "--q=1"], ["--poison=dropout"], ["--q=2"]):
        with pytest.raises(UserError, match="together or not at all"):
            read_options(wrong)


def test_spread_leaves_a_tenth_out_on_each_side():
    spread = row("x", "clean", "s", [float(i) for i in range(30)])
    assert (spread["median"], spread["low"], spread["high"]) == (
        14.5,
        3.0,
        26.0,
    )


def result_of(median):
    rows = [{"part": "steps", **row("child step", "clean", "s", [median])}]
    return {
        "options": vars(read_options([])),
        "machine": {"processor": "2 x A", "tensorflow": "2"},
        "speeds": [{"gemm_gflops": 100.0, "memory_gb_s": 10.0}],
        "rows": rows,
    }


def test_table_compares_with_an_earlier_one_by_ratio():
    *_, line = lines_of(result_of(0.5), result_of(1.0))
    assert line == (
        "| child step | clean | 0.500 s | 0.500 s to 0.500 s | 1 "
        "| 0.750 s met | 0.500 |"
    )


def test_a_table_of_another_size_says_so():
    earlier = result_of(1.0)
    earlier["options"] = earlier["options"] | {"layers": 4}
    wanted = "Earlier was another size: layers 4."
    assert wanted in lines_of(result_of(0.5), earlier)


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    stop = mock.Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("enas.bench.__main__._measure", stop)
    assert main(SMOKE) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["--parts=nothing"],
        ["--poison=idntity", "--q=3"],
        ["--profile=mine"],
        ["--q=3"],
        ["--arcs=0"],
        ["--show=no.json"],
        ["--data_path="],
        [f"--json={__file__}"],
    ],
)
def test_mistakes_in_the_options_end_with_2(argv, capsys):
    assert main(argv) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON"])
def test_json_of_something_else_is_refused(text, tmp_path, capsys):
    path = tmp_path / "other.json"
    path.write_text(text)
    for option in ("--show", "--compare"):
        assert main([f"{option}={path}"]) == 2
        assert "a file that --json wrote" in capsys.readouterr().err


@contextlib.contextmanager
def start_workers_here(searches):
    """Is `start_workers` without processes."""
    workers = [processes._begin(*search) for search in searches]
    yield workers, [worker.child(0) for worker in workers]


def test_it_runs_and_writes_its_rows(tmp_path, capsys, monkeypatch):
    # A process for the search and one for its steps.
    now = processes.machine()
    monkeypatch.setattr(processes, "machine", lambda: copy.deepcopy(now))
    path = tmp_path / "now.json"
    parts = "--parts=program,steps", f"--json={path}"
    assert main([*SMOKE, *CASE, *SMALLEST, *parts]) == 0
    assert "| child step | identity q=3 |" in capsys.readouterr().out
    result = json.loads(path.read_text())
    assert result["speeds"] == 3 * [now["speed"]]
    assert [each["what"] for each in result["rows"]] == [
        "start to end of first child step",
        "peak memory of a search",
        "child step",
        "one arc for the controller",
        "child step / network without switches",
        "step fed by the pipeline / by a constant",
        "controller's own part / controller step",
        "epoch / its child steps",
    ]
    assert all(each["median"] > 0 for each in result["rows"])
    assert main([f"--show={path}", f"--compare={path}"]) == 0
    assert "| 1.000 |" in capsys.readouterr().out


def test_many_copies_are_compared_with_one(monkeypatch):
    # One of the two ways of sharing, and q=1.
    both = poisoned("identity")
    monkeypatch.setattr(measure, "poisoned", lambda poison: both[:1])
    monkeypatch.setattr(measure, "start_workers", start_workers_here)
    rows = list(measure.flat(read_options([*SMOKE, *CASE, *SMALLEST])))
    assert [(each["what"], each["case"]) for each in rows] == [
        (what, "identity q=300 / q=1")
        for what in ("step", "start", "peak memory")
    ]
    assert all(each["median"] > 0 for each in rows)
