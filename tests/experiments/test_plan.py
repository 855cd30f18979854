"""What a sweep is asked for, and what it refuses before anything runs."""

import os

import pytest

from enas.cifar10.flags import spelled_out
from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments import sweep, table1
from enas.experiments.jobs import flips, make_jobs


def test_an_ablation_flips_what_the_sweep_has(tmp_path):
    """Not what the profile has: that would be the same search once more."""
    override = ("bn_evaluation=moving",)
    plan = plans.Plan("smoke", override=override, ablate=("bn_evaluation",))
    assert flips(plan) == ["bn_evaluation=batch"]
    same = plans.Plan("smoke", override=override, ablate=override)
    with pytest.raises(UserError, match="must change bn_evaluation=moving"):
        flips(same)


def test_a_defence_of_all_runs_is_no_flag_of_the_search():
    flags = spelled_out(("--defence=discard",))
    with pytest.raises(UserError, match="--defences before --"):
        plans.Plan("smoke", flags=flags).search_flags()


def test_overrides_are_compared_by_what_is_in_force(tmp_path):
    def check(*override):
        plan = plans.Plan("smoke", only=("baseline",), override=override)
        plans.check(str(tmp_path), plan)
        return plan

    plan = check("clip=none", "l2=in_loss")
    plans.remember(str(tmp_path), plan, make_jobs(plan, str(tmp_path)))
    check("l2=in_loss", "clip=none")
    check("clip=global", "clip=none", "l2=in_loss")
    with pytest.raises(UserError, match="holds a sweep with override"):
        check("clip=none")


def begun_sweep(folder, rows=("baseline", "1a")):
    """Returns the jobs of a sweep of which the first has a checkpoint."""
    plan = plans.Plan("smoke", only=rows)
    jobs = make_jobs(plan, str(folder))
    plans.remember(str(folder), plan, jobs)
    os.makedirs(os.path.join(jobs[0].directory, "checkpoints/epoch-2"))
    return jobs


def test_a_run_without_a_checkpoint_has_seen_no_images(tmp_path, monkeypatch):
    jobs = begun_sweep(tmp_path)
    os.makedirs(jobs[1].directory)
    # What a start leaves that was killed in its first steps.
    with open(os.path.join(jobs[1].directory, "data.jsonl"), "w") as stream:
        stream.write("{}\n")
    compared = []

    class Pool:
        def __init__(self, *unused):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *unused):
            pass

        def submit(self, unused, config):
            compared.append(config.output_dir)
            return self

        def result(self):
            pass

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", Pool)
    plans.check_images(jobs, str(tmp_path))
    assert compared == [jobs[0].directory]


@pytest.mark.parametrize("text", ["", "[1]", '{"jobs": [{"row": 1}]}', "{"])
def test_a_damaged_plan_of_a_sweep_is_told_in_one_paragraph(
    text, tmp_path, capsys
):
    begun_sweep(tmp_path)
    (tmp_path / plans.SWEEP_FILE).write_text(text)
    words = [f"--output_dir={tmp_path}"]
    for more in (["--report"], ["--scale=smoke", "--only=1a"]):
        assert table1.main([*words, *more]) == 2
        shown = capsys.readouterr().err
        assert "sweep.json is not as a sweep writes it" in shown


def test_a_row_that_is_not_known_is_named(tmp_path):
    begun_sweep(tmp_path)
    path = tmp_path / plans.SWEEP_FILE
    path.write_text(path.read_text().replace('"1a"', '"9z"'))
    with pytest.raises(UserError, match="of row '9z'"):
        sweep.read_sweep(str(tmp_path))
