"""A run that an earlier version made continues, and is evaluated."""

import shutil

import numpy as np
import pytest

import helpers
from enas.cifar10.main import main
from enas.run import checkpoint, checkpoint_names
from enas.tools.api import Run
from enas.tools.evaluate import main as evaluate

# Two epochs by version 0.1.0 (commit f6d30ce): profile paper, four poisonings
# of two copies with weights of their own.
MADE = helpers.ROOT / "tests/golden/runs/f6d30ce"


@pytest.fixture
def run(tmp_path):
    shutil.copytree(MADE, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_of_version_0_1_continues(run):
    flags = [f"--flagfile={run}/flags.txt", f"--output_dir={run}"]
    assert main(["search", *flags, "--num_epochs=3"]) == 0
    assert "Continuing after epoch 2" in (run / "stdout").read_text()
    rows = (run / "metrics.csv").read_text().splitlines()
    assert rows[:3] == (MADE / "metrics.csv").read_text().splitlines()
    assert len(rows) == 4


def test_a_run_of_version_0_1_is_evaluated(run, capsys):
    assert evaluate(["evaluate", f"--output_dir={run}", "--num_arcs=2"]) == 0
    assert "after epoch 2" in capsys.readouterr().out


def test_weights_of_version_0_1_are_read_to_the_last_bit(run):
    newest = checkpoint_names.directories(str(run))[-1]
    held = checkpoint.read(newest)
    variables, _ = checkpoint.search_tensors(Run(run).search)
    assert len(variables) > 400
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable.numpy(), held[name], name)
