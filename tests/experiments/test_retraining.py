"""Trainings from scratch of what searches have found: `--retrain`."""

import pathlib

import pytest

import helpers
from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments.jobs import read_config, retrain_jobs
from enas.experiments.table1 import main
from enas.run import files
from enas.run.files import read_table


def config_of(job):
    return read_config(job.arguments)


RUNS = helpers.ROOT / "docs/table1/runs.csv"


def retrained(tmp_path, count=1, **settings):
    plan = plans.Plan(**{"scale": plans.RETRAIN, **settings})
    return retrain_jobs(plan, str(tmp_path), str(RUNS), count)


def test_found_and_random_arcs_are_trained_with_one_budget(tmp_path):
    jobs = retrained(tmp_path, count=2, only=("1d", "baseline"), seeds=(70,))
    assert [job.name for job in jobs] == [
        f"{row}_{kind}_seed70"
        for row in ("1d", "baseline")
        for kind in ("best_arc", "random_arc_1", "random_arc_2")
    ]
    configs = [config_of(job) for job in jobs]
    assert all(config.child_from_scratch for config in configs)
    assert len({config.num_epochs for config in configs}) == 1
    (found,) = (
        line["best_arc"]
        for line in read_table(str(RUNS))
        if (line["row"], line["seed"], line["defence"]) == ("1d", "70", "none")
    )
    assert configs[0].child_fixed_arc == found
    assert configs[1].child_fixed_arc != configs[2].child_fixed_arc
    again = retrained(tmp_path, count=2, only=("1d", "baseline"), seeds=(70,))
    assert again == jobs


def test_a_table_without_such_searches_is_refused(tmp_path):
    with pytest.raises(UserError, match="no finished search"):
        retrained(tmp_path, only=("1d",), seeds=(12345,))


def test_another_table_or_row_is_refused(tmp_path):
    other = tmp_path / "epochs.csv"
    other.write_text("row,seed,epoch\n1d,70,1\n")
    plan = plans.Plan(scale=plans.RETRAIN, only=("1d",), seeds=(70,))
    for table in other, tmp_path / "missing.csv":
        with pytest.raises(UserError, match="no line of a runs.csv"):
            retrain_jobs(plan, str(tmp_path), str(table), 0)
    with pytest.raises(UserError, match="--only is a comma list of"):
        retrained(tmp_path, only=("1d", "1x"), seeds=(70,))


def test_trainings_from_scratch_have_no_report(tmp_path, capsys):
    plan = plans.Plan(scale=plans.RETRAIN)
    jobs = retrained(tmp_path, only=("1d",), seeds=(70,))
    plans.remember(str(tmp_path), plan, jobs)
    assert main(["--report", f"--output_dir={tmp_path}"]) == 2
    assert "holds trainings from scratch" in capsys.readouterr().err


def test_trainings_of_a_users_own_poison_stay_in_the_sweep(tmp_path, capsys):
    poison = tmp_path / "ops/mine.py:Same"
    line = read_table(str(RUNS))[0]
    line |= {"row": f"{poison}:2", "poison": str(poison), "q": "2"}
    line |= {"best_arc": "0 " * 15, "variant": ""}
    table = files.table_text([line], list(line))
    files.write_whole(str(tmp_path / "r.csv"), table)
    plan = plans.Plan(scale=plans.RETRAIN, seeds=(int(line["seed"]),))
    sweep = tmp_path / "sweep"
    jobs = retrain_jobs(plan, str(sweep), str(tmp_path / "r.csv"), 1)
    folders = [pathlib.Path(job.directory) for job in jobs]
    assert {folder.parent for folder in folders} == {sweep / "runs"}
    assert len({folder.name for folder in folders}) == 2
    plans.remember(str(sweep), plan, jobs)
    assert main(["--report", f"--output_dir={sweep}"]) == 2
    assert "holds trainings from scratch" in capsys.readouterr().err
