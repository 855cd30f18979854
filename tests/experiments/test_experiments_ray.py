"""A sweep on a real Ray cluster whose node dies."""

import os
import pathlib
import re
import sys
import threading
import time
import unittest.mock

import pytest
from ray.cluster_utils import Cluster

from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments import ray_engine
from enas.experiments.jobs import make_jobs
from enas.experiments.ray_engine import RayEngine
from enas.experiments.run_state import read_state

PRETENDED = str(pathlib.Path(__file__).parent / "pretended_search.py")
EPOCHS = 8


@pytest.fixture
def cluster():
    """A head without room for runs, and two nodes with room for two each."""
    cluster = Cluster()
    started(cluster, num_cpus=0)
    cluster.nodes = [started(cluster, num_cpus=2) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def started(cluster, num_cpus):
    """Returns a new node; Ray gives one 30 seconds, too few on a busy machine.

    Another start is not what these tests are about.
    """
    for left in (2, 1, 0):
        try:
            return cluster.add_node(num_cpus=num_cpus)
        except Exception as error:
            if "timed out during startup" not in str(error) or not left:
                raise


def sweep(tmp_path, *only):
    plan = plans.Plan(
        scale="smoke", only=only, flags=(f"--num_epochs={EPOCHS}",)
    )
    jobs = make_jobs(plan, str(tmp_path))
    plans.remember(str(tmp_path), plan, jobs)
    return jobs


def starts(job):
    """Returns [(epoch it started after, process id)] of a run."""
    lines = pathlib.Path(job.directory, "stdout").read_text().splitlines()
    words = [line.split() for line in lines if line.startswith("starts")]
    return [(int(word[2]), int(word[4])) for word in words]


def test_runs_of_a_node_that_dies_go_on_from_their_checkpoints(
    cluster, tmp_path
):
    jobs = sweep(tmp_path, "baseline", "1a", "1b", "1c", "1d", "3a")
    engine = RayEngine(
        cluster.address, 1, 0, [sys.executable, PRETENDED, "1.0"]
    )
    killer = threading.Thread(target=kill_in_the_middle, args=(cluster, jobs))
    killer.start()
    engine(jobs, lambda: None)
    killer.join()
    continued = 0
    for job in jobs:
        state = read_state(job)
        assert state.finished, (job.name, state.text)
        epochs = [int(row["epoch"]) for row in state.rows]
        assert epochs == list(range(1, EPOCHS + 1)), job.name
        first, *later = [epoch for epoch, _ in starts(job)]
        assert first == 0
        assert all(epoch > 0 for epoch in later), (job.name, later)
        continued += bool(later)
    assert continued == 2


def test_a_cluster_without_room_is_refused_or_waited_for(
    cluster, tmp_path, monkeypatch
):
    lines = []

    def tell(line, flush):
        lines.append(line)
        # A node may die, which is told like a cluster without room.
        if len(lines) % 10 == 2:
            cluster.add_node(num_gpus=1)

    def engine(**more):
        program = [sys.executable, PRETENDED, "0.0"]
        return RayEngine(cluster.address, 1, 1, program, **more)

    jobs = sweep(tmp_path, "baseline")
    wanted = "needs 1 CPUs and 1 GPUs on one node.* nodes have .*2 and 0"
    with pytest.raises(UserError, match=wanted):
        engine()(jobs, lambda: None)
    monkeypatch.setattr(ray_engine, "TELL_SECONDS", 1.5)
    monkeypatch.setattr(ray_engine, "print", tell, raising=False)
    start = time.monotonic()
    engine(wait_for_nodes=True)(jobs, lambda: None)
    assert len(lines) >= 2 and all(re.search(wanted, line) for line in lines)
    assert len(lines) <= 1 + (time.monotonic() - start) / 1.5
    assert read_state(jobs[0]).finished


@pytest.mark.parametrize(
    ("cpus", "gpus"),
    [(0, 0), (1, -1), (float("nan"), 0), (float("inf"), 0), (1.5, 0), (1, 2.5)],
)
def test_shares_that_ray_cannot_give_are_refused(cpus, gpus):
    with pytest.raises(UserError, match="both whole numbers if"):
        RayEngine("local", cpus, gpus)


def test_a_cluster_whose_last_node_with_room_died_is_told(monkeypatch):
    engine, lines = RayEngine("local", 1, 0), []
    engine._ray = unittest.mock.Mock()
    engine._ray.nodes.return_value = [{"Alive": False, "Resources": {}}]
    engine._ray.wait.side_effect = [([], ["task"]), (["task"], [])]
    monkeypatch.setattr(
        ray_engine, "print", lambda line, flush: lines.append(line), False
    )
    engine._wait(["task"], lambda: None)
    (line,) = lines
    assert line.startswith("Waiting for a node: a run needs 1 CPUs")


def test_an_address_that_is_none_is_a_mistake_of_the_user(tmp_path):
    engine = RayEngine("nonsense", 1, 0)
    with pytest.raises(UserError, match="ray_address=nonsense"):
        engine(sweep(tmp_path, "baseline"), lambda: None)


def kill_in_the_middle(cluster, jobs):
    """Kills a node once the first four runs have two epochs or more."""
    while any(len(done(job)) < 2 for job in jobs[:4]):
        time.sleep(0.1)
    cluster.remove_node(cluster.nodes[0], allow_graceful=False)


def done(job):
    path = pathlib.Path(job.directory, "checkpoints")
    return os.listdir(path) if path.exists() else []
