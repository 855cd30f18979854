"""A sweep on this machine with a pretended search: failures, kills, report."""

import csv
import io
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pretended_search
import pytest

import helpers
from enas.cifar10.metrics import READINGS
from enas.experiments import figures
from enas.experiments import plan as plans
from enas.experiments.jobs import make_jobs
from enas.experiments.local_engine import (
    BusyError,
    SearchProcess,
    forget_the_dead,
    run_local,
)
from enas.experiments.report import write_report
from enas.experiments.run_state import StatusTable, read_state, status_lines
from enas.experiments.sweep import read_sweep

TABLE1 = helpers.ROOT / "scripts/table1.sh"
PRETENDED = pretended_search.__file__
EPOCHS = 4
# A sweep in a process of its own, so that it can be killed.
SWEEP = """
import sys
from enas.experiments.local_engine import run_local
from enas.experiments.plan import load_jobs
directory, *program = sys.argv[1:]
run_local(load_jobs(directory)[1], 2, lambda: None, program)
"""


def program(seconds=0.0):
    return [sys.executable, PRETENDED, str(seconds)]


def sweep(directory, *only, **settings):
    flags = (f"--num_epochs={EPOCHS}",)
    plan = plans.Plan(scale="smoke", only=only, flags=flags, **settings)
    jobs = make_jobs(plan, str(directory))
    plans.remember(str(directory), plan, jobs)
    return jobs


def run(jobs, processes=2):
    run_local(jobs, processes, lambda: None, program())


def starts(job):
    """Returns [(epoch it started after, process id)] of a run."""
    text = pathlib.Path(job.directory, "stdout").read_text()
    words = [x.split() for x in text.splitlines() if x.startswith("starts")]
    return [(int(word[2]), int(word[4])) for word in words]


def epochs(job):
    path = pathlib.Path(job.directory, "checkpoints")
    return len(os.listdir(path)) if path.exists() else 0


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.02)


def is_alive(process_id):
    path = pathlib.Path(f"/proc/{process_id}/stat")
    try:
        return path.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def fail(job, times):
    path = pathlib.Path(job.directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / f"fail_{path.name}").write_text("x" * times)


def test_a_failed_run_is_retried_once_and_the_others_go_on(tmp_path):
    jobs = sweep(tmp_path, "baseline", "1a", "1b")
    fail(jobs[0], 1)
    fail(jobs[1], 2)
    run(jobs)
    states = [read_state(job) for job in jobs]
    assert [s.finished for s in states] == [True, False, True]
    assert [len(starts(job)) for job in jobs] == [2, 2, 1]
    assert states[1].text == f"FAILED at epoch 0 of {EPOCHS}, exit code 1"
    assert states[1].notes["last_lines"] == ["a very good reason"]


def test_a_sweep_started_again_runs_what_is_left(tmp_path):
    jobs = sweep(tmp_path, "baseline", "1a")
    fail(jobs[1], 2)
    run(jobs)
    run(jobs)
    assert all(read_state(job).finished for job in jobs)
    assert [len(starts(job)) for job in jobs] == [1, 3]


@pytest.mark.parametrize(
    "kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
)
def test_a_killed_sweep_takes_its_searches_along_and_loses_no_epoch(
    kill, tmp_path
):
    jobs = sweep(tmp_path, "baseline", "1a", "1b")
    command = [sys.executable, "-c", SWEEP, str(tmp_path), *program(0.4)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(lambda: all(epochs(job) >= 1 for job in jobs[:2]))
    process.send_signal(kill)
    process.wait()
    searches = [starts(job)[0][1] for job in jobs[:2]]
    wait_until(lambda: not any(map(is_alive, searches)))
    forget_the_dead(jobs)
    before = [epochs(job) for job in jobs]
    assert read_state(jobs[0]).notes["state"] == "stopped"
    run(jobs)
    for job, had in zip(jobs, before, strict=True):
        rows = read_state(job).rows
        assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
        assert starts(job)[-1][0] == had


def test_a_run_is_never_run_twice_at_once(tmp_path):
    (job,) = sweep(tmp_path, "1a")
    first = SearchProcess(job, 1, program(0.1))
    with pytest.raises(BusyError, match="another process"):
        SearchProcess(job, 1, program())
    assert first.wait() == 0
    assert len(starts(job)) == 1


def test_searches_share_the_threads_of_the_machine(tmp_path):
    jobs = sweep(tmp_path, "1a")
    shown = "import os; print(os.environ['TF_NUM_INTRAOP_THREADS'])"
    show = [sys.executable, "-c", shown]
    run_local(jobs, 1000, lambda: None, show)
    log = tmp_path / "logs/1a_seed69.log"
    assert log.read_text().splitlines() == ["1"]


def test_an_exit_of_0_without_the_epochs_is_no_finished_run(tmp_path):
    jobs = sweep(tmp_path, "1a")
    run_local(jobs, 1, lambda: None, [sys.executable, "-c", ""])
    assert read_state(jobs[0]).text == f"unfinished, epoch 0 of {EPOCHS}"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_status_table_is_drawn_over_itself_on_a_terminal(tmp_path):
    jobs = sweep(tmp_path, "baseline", "1a")
    screen = Terminal()
    show = StatusTable(jobs, screen)
    show(now=True)
    first = len(screen.getvalue())
    run(jobs)
    show(now=True)
    again = screen.getvalue()[first:]
    assert again.startswith("\x1b[3A") and again.count("finished") == 2


def test_the_status_table_prints_only_changes_elsewhere(tmp_path):
    jobs = sweep(tmp_path, "baseline", "1a")
    stream = io.StringIO()
    show = StatusTable(jobs, stream)
    show(now=True)
    show(now=True)
    run(jobs[:1])
    show(now=True)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3 + 1
    assert lines[3].startswith("baseline_seed69") and "finished" in lines[3]


def test_the_script_runs_a_real_search_and_reports_it(tmp_path):
    flags = "--num_train=20 --num_valid=20 --num_test=20 --num_epochs=1"
    small = "--child_num_layers=2", "--pictures_every=0", helpers.FEW_OPS
    command = ["bash", str(TABLE1), "--scale=smoke", "--only=4a", "--"]
    done = subprocess.run(
        [*command, *flags.split(), *small],
        cwd=tmp_path,
        env=os.environ | {"ENAS_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    sweep_dir = tmp_path / "outputs/table1"
    (found,) = read_sweep(str(sweep_dir)).table
    assert found.state_text == "finished"
    # Every reading is there: the sweep asks for all of them.
    for column in READINGS.values():
        error = found.estimate(column.format("test"))
        assert 0 <= error.mean <= 100
    assert (
        "20 training, 20 validation, 20 test"
        in (sweep_dir / "table1.md").read_text()
    )


@pytest.mark.parametrize("absolute", [False, True])
def test_a_copy_of_a_sweep_is_continued_and_reported_where_it_lies(
    absolute, tmp_path, monkeypatch
):
    monkeypatch.setattr(figures, "draw_figures", lambda *unused: [])
    here, there, away = (tmp_path / name for name in ("here", "there", "away"))
    jobs = sweep(here, "baseline", "1c")
    run(jobs[:1])
    text = (here / "sweep.json").read_text()
    assert str(tmp_path) not in text
    if absolute:  # as earlier versions wrote it
        text = text.replace("=runs/", f"={here}/runs/")
        (here / "sweep.json").write_text(text)
    shutil.copytree(here, there)
    run(plans.load_jobs(str(there))[1])
    shutil.move(there, away)
    for directory, finished in (here, "10"), (away, "11"):
        write_report(str(directory))
        with open(directory / "table1.csv", newline="") as stream:
            counts = [row["seeds_finished"] for row in csv.DictReader(stream)]
        assert "".join(counts) == finished


def drawn(measured, directory):
    """Stands in for the figures, in no time."""
    path = pathlib.Path(directory, "figure4.png")
    path.write_text(str(measured.errors))
    return [str(path)]


def test_a_report_of_more_finished_runs_is_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figures, "draw_figures", drawn)
    run(sweep(tmp_path, "baseline", "1c"))
    write_report(str(tmp_path))
    page, figure = tmp_path / "table1.md", tmp_path / "figure4.png"
    old = page.read_text(), figure.read_bytes()
    write_report(str(tmp_path))
    assert capsys.readouterr().err == "" and page.read_text() == old[0]
    shutil.rmtree(tmp_path / "runs" / "1c_seed69")
    write_report(str(tmp_path))
    kept = tmp_path / "report_of_2_runs"
    warning = capsys.readouterr().err
    assert "was of 2 finished runs, and 1 are there" in warning
    assert str(kept) in warning and page.read_text() != old[0]
    assert (kept / "table1.md").read_text() == old[0]
    assert (kept / "figure4.png").read_bytes() == old[1]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A sweep with finished, failed, unfinished runs and its report."""
    directory = tmp_path_factory.mktemp("sweep")
    settings = {"controls": ("uniform",), "ablate": ("skip_sum",)}
    settings["defences"] = ("deduplicate+prune",)
    settings["seeds"] = (1, 2)
    jobs = sweep(directory, "baseline", "1c", "1d", "3c", **settings)
    by_name = {job.name: job for job in jobs}
    fail(by_name["1d_seed1"], 2)
    left = by_name["3c_seed2"]
    failing = [by_name["1d_seed1"], by_name["1d_seed2"]]
    run(failing)
    for job in jobs:
        if job is not left and job not in failing:
            pretended_search.search(0.0, job.arguments)
    write_report(str(directory))
    return directory


def test_the_report_shows_every_run_whatever_became_of_it(reported):
    page = (reported / "table1.md").read_text()
    failed = f"FAILED at epoch 0 of {EPOCHS}, exit code 1"
    assert f"| 1d_seed1 | {failed} |" in page
    assert "| 3c_seed2 | not started |" in page
    assert "    a very good reason" in page
    lines = status_lines(
        [s for g in read_sweep(str(reported)).groups.values() for s in g.states]
    )
    assert len(lines) == 1 + 2 * 4 * 4
    assert any("not started" in line for line in lines)


def test_the_report_sets_our_errors_beside_the_papers(reported):
    with open(reported / "table1.csv", newline="") as stream:
        lines = {(r["row"], r["variant"]): r for r in csv.DictReader(stream)}
    row = lines["1c", ""]
    # The pretended search: 0.5 + 1 / (10 * 4) for identity.
    assert float(row["test_error"]) == pytest.approx(52.5)
    assert float(row["test_error_spread"]) == pytest.approx(0)
    assert float(row["paper_test_error"]) == 55.29
    assert lines["1c", "skip_sum=new"]["seeds_finished"] == "2"
    assert lines["1d", ""]["seeds_finished"] == "1"
    page = (reported / "table1.md").read_text()
    cells = "0.952 | 55.29 | 52.50 | 0.00 | 52.50 to 52.50 | 2 | +20.00"
    assert (
        f"| 1c | identity | 120 | {cells} | 20.00 to 20.00 | 20.00 ± 0.00 |"
        in page
    )
    # Seeds 1 and 2 of 1c, seed 2 alone of 1d.
    assert "| 1 | baseline to 1c | +20.00 | 20.00 to 20.00 | 2 | told" in page
    assert "| 1 | 1c to 1d | +0.00 | 0.00 to 0.00 | 1 | not told" in page


def test_the_report_says_how_far_damage_outlives_a_flip(reported):
    page = (reported / "table1.md").read_text()
    points = "52.50 | 52.50 | +0.00 ± 0.00 | +20.00 | +20.00 | 1, 2 |"
    assert f"| 1c | skip_sum=new | {points}" in page
    assert "| 1c | evaluation_mode=eval | 52.50 | 52.50 |" in page


def test_the_report_sets_each_defence_beside_none(reported):
    page = (reported / "table1.md").read_text()
    assert "| row | none | deduplicate+prune |" in page
    cell = "52.50 ± 0.00 (n = 2)"
    assert f"| 1c | {cell} | {cell} |" in page
    assert "deduplicate+prune" in (reported / "defences.svg").read_text()


def test_the_report_draws_its_figures_and_hyper_parameters(reported):
    # Of a line its own n; of final errors, that of all rows.
    curves = dict.fromkeys(("figure4", "poison_share"), "1c: q = 120, n = 2")
    errors = dict.fromkeys(("damage", "figure5"), "1 to 2 seeds")
    for name, wanted in (curves | errors).items():
        png, svg = (reported / f"{name}{end}" for end in (".png", ".svg"))
        assert png.read_bytes().startswith(b"\x89PNG")
        assert wanted in svg.read_text()
    runs = {path.name for path in (reported / "tensorboard").iterdir()}
    assert {"1c_seed1", "3c_seed2", "1c_uniform_seed1"} <= runs
