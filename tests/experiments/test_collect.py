"""What finished runs leave in the two tables of docs/table1."""

import json
import pathlib

import pytest

import helpers
from enas.cifar10.metrics import COLUMNS
from enas.errors import UserError
from enas.experiments import collect
from enas.experiments.table1_rows import read_rows
from enas.run.files import read_table

TABLES = helpers.ROOT / "docs/table1"


def write_run(folder: pathlib.Path, seed: int, finished: bool = True) -> None:
    folder.mkdir(parents=True)
    last = dict.fromkeys(COLUMNS, 0.25) | {"epoch": 2}
    settings = {"poison": "identity", "q": 6, "seed": seed, "override": []}
    settings |= {"candidate_ops": "enas6", "child_num_layers": 2}
    settings |= {"controller_training": True, "child_fixed_arc": None}
    result = {"finished": finished, "epochs": 2, "op_ids": 12, "last": last}
    text = json.dumps(result | {"settings": settings})
    (folder / "result.json").write_text(text)
    lines = [",".join(COLUMNS)]
    for epoch in (1, 2):
        cells = [str(epoch) if c == "epoch" else ".25" for c in COLUMNS]
        lines.append(",".join(cells))
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    arcs = [
        {"epoch": 1, "arc": "9  9 1", "poison_layers": 2, "valid_acc": 0.5},
        {"epoch": 2, "arc": "6  7 1", "poison_layers": 2},
        {"epoch": 2, "arc": "0  7 0", "poison_layers": 1, "valid_acc": 0.25},
    ]
    text = "".join(json.dumps(arc) + "\n" for arc in arcs)
    (folder / "arcs.jsonl").write_text(text)


def test_finished_runs_are_added_once(tmp_path):
    write_run(tmp_path / "sweep/runs/a", 69)
    write_run(tmp_path / "sweep/runs/b", 70, finished=False)
    words = ["collect", str(tmp_path / "sweep"), "--machine=m"]
    words.append(f"--into={tmp_path / 'tables'}")
    assert collect.main(words) == 0
    first = [p.read_text() for p in sorted((tmp_path / "tables").iterdir())]
    assert collect.main(words) == 0
    again = [p.read_text() for p in sorted((tmp_path / "tables").iterdir())]
    assert first == again
    (run,) = read_table(str(tmp_path / "tables/runs.csv"))
    assert (run["row"], run["seed"], run["machine"]) == ("1a", "69", "m")
    assert run["test_error_sampled_train"] == "75.00"
    assert (run["best_arc"], run["arcs"]) == ("0 7 0", "6 7 1; 0 7 0")
    # Half of 12 op ids is poison, of 2 layers; the 10 hold 2 and 1.
    layers = [run[f"poison_layers_{k}"] for k in ("best", "10", "uniform")]
    assert layers == ["1", "1.50", "1.00"]
    epochs = read_table(str(tmp_path / "tables/epochs.csv"))
    assert [line["epoch"] for line in epochs] == ["1", "2"]


def test_a_start_that_trained_nothing_is_not_where_a_run_comes_from(tmp_path):
    write_run(tmp_path / "a", 69)
    starts = [
        {"commit": "a" * 40, "epochs": 0},
        {"commit": "b" * 40, "epochs": 1},
        {"commit": "c" * 40, "epochs": 2},
    ]
    text = "".join(json.dumps(start) + "\n" for start in starts)
    (tmp_path / "a/versions.jsonl").write_text(text)
    collect.collect([str(tmp_path / "a")], "m", str(tmp_path / "tables"))
    (run,) = read_table(str(tmp_path / "tables/runs.csv"))
    assert run["commit"] == "b" * 7


def test_readings_of_an_earlier_epoch_are_not_the_last_ones(tmp_path):
    write_run(tmp_path / "a", 69)
    path = tmp_path / "a/metrics.csv"
    # Epoch 3 was evaluated with --readings=printed.
    cells = ["" if "sampled" in name else ".5" for name in COLUMNS]
    cells[COLUMNS.index("epoch")] = "3"
    with path.open("a") as stream:
        stream.write(",".join(cells) + "\n")
    with pytest.raises(UserError, match="in the last epoch that it evaluated"):
        collect.collect([str(tmp_path / "a")], "m", str(tmp_path / "tables"))


@pytest.mark.parametrize("text", ['{"finished": true}', '{"settings": 1}'])
def test_a_result_without_settings_is_damaged(text, tmp_path):
    write_run(tmp_path / "a", 69)
    (tmp_path / "a/result.json").write_text(text)
    with pytest.raises(UserError, match="not JSON as a run"):
        collect.collect([str(tmp_path / "a")], "m", str(tmp_path / "tables"))


def test_somebody_elses_table_is_left_alone(tmp_path, capsys):
    write_run(tmp_path / "a", 69)
    (tmp_path / "runs.csv").write_text("mine,yours\n1,2\n")
    words = ["c", str(tmp_path / "a"), "--machine=m", f"--into={tmp_path}"]
    assert collect.main(words) == 2
    assert "not a table of this program" in capsys.readouterr().err
    assert (tmp_path / "runs.csv").read_text() == "mine,yours\n1,2\n"


def test_runs_of_two_fixed_arcs_are_two_lines(tmp_path):
    for name, arc in (("a", "0  7 1"), ("b", "2  3 0")):
        write_run(tmp_path / name, 69)
        path = tmp_path / name / "result.json"
        result = json.loads(path.read_text())
        result["settings"]["child_fixed_arc"] = arc
        path.write_text(json.dumps(result))
        collect.collect([str(tmp_path / name)], "m", str(tmp_path / "tables"))
    runs = read_table(str(tmp_path / "tables/runs.csv"))
    arcs = [run["variant"].partition(" child")[0] for run in runs]
    assert arcs == ["fixed_arc=0 7 1", "fixed_arc=2 3 0"]


def test_another_setting_of_the_controller_is_a_variant(tmp_path):
    write_run(tmp_path / "a", 69)
    path = tmp_path / "a/result.json"
    result = json.loads(path.read_text())
    result["settings"]["controller_tanh_constant"] = 10.0
    path.write_text(json.dumps(result))
    collect.collect([str(tmp_path / "a")], "m", str(tmp_path / "tables"))
    (run,) = read_table(str(tmp_path / "tables/runs.csv"))
    wanted = "child_num_layers=2 controller_tanh_constant=10"
    assert run["variant"] == wanted


@pytest.mark.parametrize(
    ("name", "value", "variant"),
    [
        ("candidate_ops", "identity", "candidate_ops=identity {}"),
        ("poison_sharing", "unique", "poison_sharing=unique {}"),
        ("child_fixed_arc", "6  6 0", "poison_only {}"),
        ("child_fixed_arc", "6  6 1", "poison_all_skips {}"),
        ("child_fixed_arc", "6  7 0", "fixed_arc=6 7 0 {}"),
        ("child_fixed_arc", "0  7 1", "fixed_arc=0 7 1 {}"),
        ("profile", "enas", "{} profile=enas"),
        ("dataset", "shapes", "dataset=shapes {}"),
        ("num_epochs", 300, "{} num_epochs=300"),
        ("poison_dropout_rate", 0.5, "{} poison_dropout_rate=0.5"),
    ],
)
def test_a_control_is_no_run_of_the_row(name, value, variant, tmp_path):
    write_run(tmp_path / "a", 69)
    path = tmp_path / "a/result.json"
    result = json.loads(path.read_text())
    result["settings"][name] = value
    if name == "candidate_ops":
        result["settings"] |= {"poison": "none", "q": 0}
    path.write_text(json.dumps(result))
    collect.collect([str(tmp_path / "a")], "m", str(tmp_path / "tables"))
    (run,) = read_table(str(tmp_path / "tables/runs.csv"))
    # The runs of these tests are smaller than those of the tables.
    assert run["variant"] == variant.format("child_num_layers=2")


def test_row_5a_is_the_second_papers_rate_of_dropout(tmp_path):
    for seed, rate in ((69, 1.0), (70, 0.9)):
        write_run(tmp_path / str(seed), seed)
        path = tmp_path / str(seed) / "result.json"
        result = json.loads(path.read_text())
        result["settings"] |= {"poison": "dropout,stretched_conv", "q": 1}
        result["settings"]["poison_dropout_rate"] = rate
        path.write_text(json.dumps(result))
    collect.collect([str(tmp_path)], "m", str(tmp_path / "tables"))
    runs = read_table(str(tmp_path / "tables/runs.csv"))
    assert [run["row"] for run in runs] == ["5a", "5a"]
    assert [run["variant"] for run in runs] == [
        "child_num_layers=2",
        "child_num_layers=2 poison_dropout_rate=0.9",
    ]


def test_a_run_below_two_of_the_folders_counts_once(tmp_path):
    write_run(tmp_path / "sweep/runs/a", 69)
    folders = [str(tmp_path / "sweep"), str(tmp_path / "sweep/runs")]
    collect.collect(folders, "m", str(tmp_path / "tables"))
    assert len(read_table(str(tmp_path / "tables/runs.csv"))) == 1
    assert len(read_table(str(tmp_path / "tables/epochs.csv"))) == 2


def without_readings(folder, epochs):
    """Makes some epochs of a run's metrics.csv not evaluated."""
    path = folder / "metrics.csv"
    header, *rows = (line.split(",") for line in path.read_text().split())
    names = [*collect.READINGS.values(), "valid_acc", "test_acc"]
    places = list(map(header.index, names))
    for row in rows:
        for place in places if row[0] in epochs else ():
            row[place] = ""
    lines = [",".join(cells) for cells in (header, *rows)]
    path.write_text("\n".join(lines) + "\n")


def test_the_last_epoch_need_not_be_evaluated(tmp_path):
    write_run(tmp_path / "a", 69)
    without_readings(tmp_path / "a", ("2",))
    collect.collect([str(tmp_path / "a")], "m", str(tmp_path / "tables"))
    (run,) = read_table(str(tmp_path / "tables/runs.csv"))
    assert run["arcs"] == "9 9 1"


def test_a_run_that_never_measured_all_readings_is_refused(tmp_path, capsys):
    write_run(tmp_path / "a", 69)
    without_readings(tmp_path / "a", ("1", "2"))
    words = ["c", str(tmp_path / "a"), "--machine=m", f"--into={tmp_path}/t"]
    assert collect.main(words) == 2
    assert "a has not measured all readings" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_a_training_from_scratch_is_a_line_of_its_own_table(tmp_path):
    folder = tmp_path / "runs/1a_random_arc_2_discard+prune_seed69"
    write_run(folder, 69)
    path = folder / "result.json"
    result = json.loads(path.read_text())
    result["settings"]["child_from_scratch"] = True
    result |= {"arc": "0  7 1", "parameters": 5}
    result["last"] = {"test_acc": 0.75}
    path.write_text(json.dumps(result))
    names = collect.collect([str(tmp_path)], "m", str(tmp_path / "tables"))
    assert names == ["1a 69 discard,prune random_arc_2 child_num_layers=2"]
    (line,) = read_table(str(tmp_path / "tables/retrained.csv"))
    wanted = {"kind": "random_arc_2 child_num_layers=2", "poison_layers": "1"}
    wanted |= {"poison_layers_uniform": "1.00", "test_error": "25.00"}
    assert line.items() >= wanted.items()
    assert not (tmp_path / "tables/runs.csv").exists()


def test_a_training_that_did_not_measure_its_end_is_refused(tmp_path, capsys):
    write_run(tmp_path / "a", 69)
    path = tmp_path / "a/result.json"
    result = json.loads(path.read_text())
    result["settings"]["child_from_scratch"] = True
    result |= {"arc": "0  7 1", "parameters": 5, "last": {"epoch": 3}}
    path.write_text(json.dumps(result))
    words = ["c", str(tmp_path / "a"), "--machine=m", f"--into={tmp_path}/t"]
    assert collect.main(words) == 2
    assert "has not measured its last epoch" in capsys.readouterr().err


def test_trainings_of_two_architectures_are_two_lines(tmp_path):
    for number, arc in enumerate(["0  7 1", "1  2 0"]):
        folder = tmp_path / f"mine{number}"
        write_run(folder, 69)
        path = folder / "result.json"
        result = json.loads(path.read_text())
        result["settings"]["child_from_scratch"] = True
        result |= {"arc": arc, "parameters": 5}
        path.write_text(json.dumps(result))
        collect.collect([str(folder)], "m", str(tmp_path / "tables"))
    lines = read_table(str(tmp_path / "tables/retrained.csv"))
    assert [line["arc"] for line in lines] == ["0 7 1", "1 2 0"]


@pytest.mark.parametrize("text", ["{", "3", '["finished"]'])
def test_a_damaged_result_is_refused(text, tmp_path, capsys):
    write_run(tmp_path / "a", 69)
    (tmp_path / "a/result.json").write_text(text)
    words = ["c", str(tmp_path / "a"), "--machine=m", f"--into={tmp_path}"]
    assert collect.main(words) == 2
    assert "result.json is not JSON as a run" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert collect.main(["c", str(tmp_path / "x"), "--machine=m"]) == 2
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["runs.csv", "epochs.csv"])
def test_the_committed_tables_are_small_and_say_each_run_once(name):
    lines = read_table(str(TABLES / name))
    keys = [
        (*(line[k] for k in collect.KEY), line.get("epoch")) for line in lines
    ]
    if name == "runs.csv":
        keys = [tuple(line[k] for k in collect.KEY) for line in lines]
    assert lines and len(set(keys)) == len(keys)
    sizes = [
        (TABLES / each).stat().st_size for each in ("runs.csv", "epochs.csv")
    ]
    assert sum(sizes) < 300_000


def test_the_committed_runs_end_as_their_epochs_do():
    lines = read_table(str(TABLES / "epochs.csv"))
    last = {tuple(line[k] for k in collect.KEY): line for line in lines}
    runs = read_table(str(TABLES / "runs.csv"))
    known = {row.name for row in read_rows()}
    assert known <= {run["row"] for run in runs}
    checked = 0
    for run in runs:
        line = last.get(tuple(run[k] for k in collect.KEY))
        for error, accuracy in collect.READINGS.items() if line else ():
            wanted = 100 - 100 * float(line[accuracy])
            assert float(run[error]) == pytest.approx(wanted, abs=0.006)
            checked += 1
    assert checked >= 8 * 14
