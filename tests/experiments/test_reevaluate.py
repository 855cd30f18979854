"""Measuring a run again: its numbers, and what it refuses."""

import pathlib
import re

import numpy as np
import pytest

from enas.experiments.reevaluate import main


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "Name a run directory"),
        (["no/such"], "no/such"),
        (["run"], "no complete checkpoint"),
        (["run", "--override=bn_evaluation=maybe"], "moving|batch"),
    ],
)
def test_mistakes_are_told(arguments, wanted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/flags.txt").write_text("--dataset=shapes\n")
    assert main(["reevaluate", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message


def test_a_run_is_measured_by_its_arcs_and_left_as_it_was(small_run, capsys):
    before = files_of(small_run)
    assert main(["reevaluate", small_run]) == 0
    *lines, last = capsys.readouterr().out.splitlines()[-11:]
    found = [re.findall(r"error (\d+\.\d\d)", line) for line in lines]
    errors = np.array(found, float)
    assert errors.shape == (10, 2)
    mean = re.findall(r"mean \w+ error (\d+\.\d\d)", last)
    np.testing.assert_allclose(np.array(mean, float), errors.mean(0), atol=0.01)
    best = min(map(tuple, errors))
    assert f"valid {best[0]:.2f}, test {best[1]:.2f}" in last
    assert files_of(small_run) == before


def files_of(folder):
    paths = sorted(pathlib.Path(folder).rglob("*"))
    return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in paths}


def test_a_network_from_scratch_has_no_arcs_to_sample(small_final, capsys):
    assert main(["reevaluate", small_final]) == 2
    assert "holds one architecture" in capsys.readouterr().err
