"""What a sweep runs and how it is asked for."""

import concurrent.futures
import pathlib
import re
import time
import unittest.mock

import pytest

from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import ENAS, PAPER
from enas.cifar10.config import Config
from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments import table1, tables
from enas.experiments.figures import Measured, draw_figures
from enas.experiments.jobs import Job, flips, make_jobs, read_config
from enas.experiments.run_state import read_state
from enas.experiments.summary import share_of
from enas.experiments.sweep import Group, Sweep, read_sweep
from enas.experiments.table1 import main
from enas.experiments.table1_rows import choose_rows, read_rows, space_of

OP_IDS = [6, 12, 42, 126, 306, 8, 18, 46, 106]
OP_IDS += [12, 42, 126, 306, 10, 30, 86, 206]


def jobs_of(tmp_path, **settings):
    plan = plans.Plan(**{"scale": "smoke", **settings})
    return make_jobs(plan, str(tmp_path))


def config_of(job):
    return read_config(job.arguments)


def test_the_17_rows_have_the_op_ids_of_the_paper():
    rows = read_rows()
    assert [row.name for row in rows] == ["baseline"] + [
        f"{number}{letter}" for number in "1234" for letter in "abcd"
    ]
    spaces = [space_of(Config(), row) for row in rows]
    assert [space.num_ops for space in spaces] == OP_IDS
    errors = {row.name: row.paper_test_error for row in rows}
    assert (errors["baseline"], errors["3d"]) == (25.33, 82.07)


def test_every_row_is_one_search_of_the_papers_profile(tmp_path):
    jobs = jobs_of(tmp_path, seeds=(69, 70))
    assert len(jobs) == len({job.name for job in jobs}) == 34
    by_name = {job.name: config_of(job) for job in jobs}
    config = by_name["3c_seed70"]
    assert (config.poison, config.q, config.seed) == ("dropout", 120, 70)
    assert config.profile == "paper" and config.dataset == "shapes"
    assert config.output_dir == str(tmp_path / "runs/3c_seed70")


def test_full_is_what_the_paper_states():
    given = plans.Plan(scale="full", profile="enas").search_flags()
    config = read_config((*given, "--readings=last"))
    assert config == Config()


def test_uniform_sampling_is_a_controller_that_never_learns(tmp_path):
    jobs = jobs_of(tmp_path, only=("baseline", "1c"), controls=("uniform",))
    names = [job.name for job in jobs]
    assert names[2:] == ["baseline_uniform_seed69", "1c_uniform_seed69"]
    assert not any(config_of(job).controller_training for job in jobs[2:])
    assert all(config_of(job).controller_training for job in jobs[:2])


def test_the_poison_arc_of_each_set_is_poison_in_every_layer(tmp_path):
    only = ("baseline", "1c", "1d", "4d")
    jobs = jobs_of(tmp_path, only=only, controls=("poison_only",))
    arcs = {job.row: config_of(job) for job in jobs[4:]}
    assert list(arcs) == ["1c", "4d"]
    for config in arcs.values():
        space = space_of(config)
        layers = config.child_num_layers
        arc = Arc.parse(config.child_fixed_arc, layers, space.num_ops)
        assert all(map(space.is_poison, arc.op_ids))
        assert set(arc.skips) == {0}
    ops = [space.op_name(op) for op in arc.op_ids]
    assert ops == list(space.poison_ops[:3])


def test_the_poison_arc_is_of_the_rows_own_poison(tmp_path):
    """Of `mixed` each copy is another op; rows of one set may differ."""
    rows = ("identity24", "dropout24", "mixed")
    jobs = jobs_of(tmp_path, only=rows, controls=("poison_all_skips",))[3:]
    assert tuple(job.row for job in jobs) == rows
    arcs = [config_of(job).child_fixed_arc for job in jobs]
    assert arcs == ["6  6 1  6 1 1", "6  6 1  6 1 1", "6  7 1  8 1 1"]


def test_an_ablation_flips_one_choice_of_each_chosen_row(tmp_path):
    jobs = jobs_of(tmp_path, only=("1c", "3c"), ablate=("skip_sum",))
    assert [job.name for job in jobs[2:]] == [
        "1c_skip_sum-new_seed69",
        "3c_skip_sum-new_seed69",
    ]
    for job in jobs[2:]:
        assert config_of(job).behaviour == PAPER.__class__(
            **(vars(PAPER) | {"skip_sum": "new"})
        )


def test_choices_of_the_evaluation_need_no_run(tmp_path):
    ablate = ("evaluation_mode", "evaluation", "clip")
    jobs = jobs_of(tmp_path, only=("1c",), ablate=ablate)
    assert [job.variant for job in jobs] == ["", "clip=none"]


def test_all_ablations_are_the_choices_in_which_the_programs_differ():
    flipped = dict(
        each.split("=") for each in flips(plans.Plan("smoke", ablate=("all",)))
    )
    differing = {k: v for k, v in vars(ENAS).items() if v != vars(PAPER)[k]}
    assert flipped == differing
    left = flips(plans.Plan("smoke", ablate=("all",), override=("clip=none",)))
    assert len(left) == len(differing) - 1


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--only=1e"], "comma list of baseline, 1a"),
        (["--only=1a,1a"], "each once"),
        (["--seeds=x"], "comma list of whole numbers"),
        (["--seeds=1,1"], "each once"),
        (["--seeds=69,069"], "each once"),
        (["--controls=uniform,uniform"], "each once"),
        (["--defences=discard,discard"], "each once"),
        (["--ablate=clip,clip"], "each once"),
        (["--", "--child_from_scratch"], "Use --retrain"),
        (["--jobs=0"], "at least 1"),
        (["--controls=often"], "uniform, poison_only"),
        (["--ablate=colour"], "received 'colour'"),
        (["--ablate=skip_sum=in_place"], "must change"),
        (["--override=skip_sum=x"], "new|in_place"),
        (["--scale=huge"], "--help` lists"),
        (["--retrain=runs.csv", "--scale=smoke"], "received --scale=smoke"),
        (["--retrain=runs.csv", "--ablate=all"], "received --ablate=all"),
        (["--retrain=x", "--", "--candidate_ops=paper5"], "--candidate_ops=p"),
        (["--retrain=runs.csv", "--random_arcs=-1"], "least 0; received -1"),
        (["--engine=ray", "--cpus_per_run=0"], "above 0"),
        (["--", "--seed=3"], "Use --seeds"),
        (["--", "--nocontroller_training"], "--controls=uniform"),
        (["--", "--child_num_layers=0"], "must be at least 1"),
        (["--", "--flagfile=none"], "--flagfile names a text file"),
        (["--", "--flagfile=mine"], "flagfile must be text"),
        (["--report"], "holds no sweep"),
        (["--output_dir=."], "not a sweep"),
    ],
)
def test_mistakes_are_told_before_anything_is_touched(
    arguments, wanted, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(b"\xff")
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_sweep_takes_more_rows_but_no_other_settings(tmp_path):
    directory = str(tmp_path)
    first = plans.Plan(scale="smoke", only=("1a",))
    plans.remember(directory, first, jobs_of(tmp_path, only=("1a",)))
    more = plans.Plan(scale="smoke", only=("1b",), seeds=(70,))
    jobs = jobs_of(tmp_path, only=("1b",), seeds=(70,))
    plans.remember(directory, more, jobs)
    names = [job.name for job in plans.load_jobs(directory)[1]]
    assert names == ["1a_seed69", "1b_seed70"]
    other = plans.Plan(scale="smoke", profile="enas")
    with pytest.raises(UserError, match="profile paper; received enas"):
        plans.check(directory, other)


def test_a_defence_is_one_more_search_of_each_chosen_row(tmp_path):
    wanted = ("deduplicate+prune",)
    jobs = jobs_of(tmp_path, only=("1d", "mixed"), defences=wanted)
    assert [job.name for job in jobs[2:]] == [
        "1d_deduplicate+prune_seed69",
        "mixed_deduplicate+prune_seed69",
    ]
    configs = [config_of(job) for job in jobs]
    assert [c.defence for c in configs[1:3]] == ["none", "deduplicate,prune"]
    assert (configs[3].poison, configs[3].q) == ("mixed", 300)
    with pytest.raises(UserError, match="comma list"):
        jobs_of(tmp_path, only=("1d",), defences=("hope",))
    # Without a defence it runs anyway, and once.
    again = jobs_of(tmp_path, only=("1d", "mixed"), defences=("none", *wanted))
    assert again == jobs


def test_the_share_of_poison_counts_the_searches_own_candidate_ops():
    row = choose_rows(["1a"])[0]
    assert share_of(row, Config()) == pytest.approx(6 / 12)
    config = Config(candidate_ops="paper5")
    assert share_of(row, config) == pytest.approx(6 / 11)


def test_the_second_papers_row_is_two_poisonings_once(tmp_path):
    (job,) = jobs_of(tmp_path, only=("5a",))
    config = config_of(job)
    assert config.poison_dropout_rate == 1
    assert space_of(config).num_ops == 8


def test_poison_alone_is_run_with_all_skips_too(tmp_path):
    jobs = jobs_of(tmp_path, only=("1d",), controls=("poison_all_skips",))
    config = config_of(jobs[1])
    arc = Arc.parse(config.child_fixed_arc, config.child_num_layers, 306)
    assert set(arc.skips) == {1}


def test_sweeps_that_start_at_once_keep_each_others_rows(tmp_path, monkeypatch):
    directory, rows = str(tmp_path / "sweep"), ["baseline", "1a", "2a", "3a"]
    written = plans.write_whole

    def write_slowly(*args, **kwargs):
        time.sleep(0.1)  # Without a lock all have read the file by then.
        written(*args, **kwargs)

    def remember(row):
        plan = plans.Plan("smoke", only=(row,))
        plans.remember(directory, plan, make_jobs(plan, directory))

    monkeypatch.setattr(plans, "write_whole", write_slowly)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(remember, rows))
    _, jobs = plans.load_jobs(directory)
    assert sorted(job.row for job in jobs) == sorted(rows)


def test_a_run_that_began_elsewhere_is_finished_by_its_checkpoint(tmp_path):
    plan = plans.Plan("smoke", only=("1a",))
    (job,) = make_jobs(plan, str(tmp_path))
    wanted = config_of(job).num_epochs
    (pathlib.Path(job.directory) / f"checkpoints/epoch-{wanted}").mkdir(
        parents=True
    )
    state = read_state(job)
    assert state.finished and state.rows == []


def test_of_searches_that_are_no_row_there_is_no_figure(tmp_path):
    measured = Measured(
        {"valid": {}, "test": {}}, lambda *_: [], 2, "", "", None
    )
    assert draw_figures(measured, str(tmp_path)) == []
    assert not list(tmp_path.iterdir())


def test_a_sweep_whose_reader_ends_says_so(tmp_path, monkeypatch, capsys):
    def engine(jobs, show):
        raise BrokenPipeError

    forgotten = []
    monkeypatch.setattr(table1, "_engine", lambda unused: engine)
    monkeypatch.setattr(table1, "forget_reader", lambda: forgotten.append(1))
    words = ["--scale=smoke", "--only=1a", f"--output_dir={tmp_path}/sweep"]
    assert main(words) == 1 and forgotten
    assert "The same command resumes them" in capsys.readouterr().err


def test_a_folder_of_something_else_is_no_sweep(tmp_path):
    plan, sweep = plans.Plan("smoke"), tmp_path / "sweep"
    (sweep / "runs").mkdir(parents=True)
    (sweep / plans.LOCK_FILE).write_text("")
    with pytest.raises(UserError, match="is not a sweep"):
        plans.check(str(sweep), plan)
    (sweep / "runs").rmdir()
    plans.check(str(sweep), plan)


def test_help_names_every_flag(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for flag in (
        "scale",
        "only",
        "seeds",
        "ablate",
        "engine",
        "report",
        "retrain",
    ):
        assert re.search(rf"--{flag}\b", text)


def group_of(row, variant, errors):
    """Returns a `Group` of finished runs, dict seed -> test error."""
    states = []
    for seed, error in errors.items():
        state = unittest.mock.Mock(
            finished=True, job=Job(row, variant, seed, ())
        )
        state.error = lambda column, error=error: error
        states.append(state)
    return Group(choose_rows([row])[0], variant, states, None)


def test_variants_are_in_the_order_of_the_sweep(tmp_path):
    ablate = ("skip_sum", "clip", "bn_epsilon", "lr_schedule")
    jobs = jobs_of(tmp_path, only=("1a", "baseline"), ablate=ablate)
    plans.remember(str(tmp_path), plans.Plan("smoke"), jobs)
    rest = [(job.row, job.variant) for job in jobs[2:]]
    rest.sort(key=lambda key: key[0] != "baseline")
    groups = list(read_sweep(str(tmp_path)).groups)
    assert groups == [("baseline", ""), ("1a", ""), *rest]


def test_an_ablation_compares_runs_of_the_same_seeds():
    # Seed 70 lacks the flipped run, and is a hundred points away.
    flip = "skip_sum=new"
    groups = [
        group_of("baseline", "", {69: 50.0, 70: 150.0}),
        group_of("1c", "", {69: 72.0, 70: 172.0, 71: 74.0}),
        group_of("1c", flip, {69: 73.0, 71: 78.0}),
        group_of("baseline", flip, {69: 51.0}),
        group_of("1c", "uniform", {69: 71.0, 71: 0.0}),
    ]
    sweep = Sweep(
        "",
        {"profile": "paper", "override": []},
        {(group.row.name, group.variant): group for group in groups},
    )
    _, *rows = tables.ablation(sweep)
    row = next(r for r in rows if r[:2] == ["1c", flip])
    # Points: +1 and +4 of seeds 69 and 71; damage: of seed 69 alone.
    assert row[2:] == [
        "73.00",
        "75.50",
        "+2.50 ± 2.12",
        "+22.00",
        "+22.00",
        "69, 71",
    ]
    _, *rows = tables.controls(sweep)
    assert rows == [["1c", "72.00", "71.00", "50.00", "-", "-", "69"]]


def test_poison_alone_is_that_of_the_rows_own_poison():
    groups = [
        group_of(row, variant, {69: error})
        for row, variant, error in (
            ("baseline", "", 50.0),
            ("identity24", "", 60.0),
            ("dropout24", "", 70.0),
            ("identity24", "poison_only", 61.0),
            ("dropout24", "poison_only", 71.0),
        )
    ]
    named = {(group.row.name, group.variant): group for group in groups}
    sweep = Sweep("", {"profile": "paper", "override": []}, named)
    _, *rows = tables.controls(sweep)
    assert [(row[0], row[4]) for row in rows] == [
        ("identity24", "61.00"),
        ("dropout24", "71.00"),
    ]
