"""Measuring a run again: what it refuses. Its numbers come from `Search`."""

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
