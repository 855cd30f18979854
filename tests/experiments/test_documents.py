"""The documents hold what the committed tables of runs give."""

import shutil

import pytest

import helpers
from enas.errors import UserError
from enas.experiments import documents
from enas.experiments.evidence import Evidence
from enas.run.files import read_table

FOLDER = helpers.ROOT / "docs/table1"


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_the_documents_hold_what_the_tables_give(name):
    text = (helpers.ROOT / name).read_text()
    assert "<!-- table1: " in text
    assert documents.fill(text, Evidence(FOLDER)) == text


def test_a_changed_number_changes_the_document(tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "runs.csv"
    lines = read_table(str(FOLDER / "runs.csv"))
    old = {
        line["test_error_sampled_train"]
        for line in lines
        if (line["row"], line["defence"]) == ("2a", "none")
    }
    text = (FOLDER / "runs.csv").read_text()
    for number in old:
        text = text.replace(number, "11.11")
    path.write_text(text)
    text = (helpers.ROOT / "docs/TABLE1.md").read_text()
    assert "| 11.11 |" in documents.fill(text, Evidence(tmp_path))


def test_an_unknown_block_is_refused():
    text = "<!-- table1: nonsense -->\n<!-- end -->"
    with pytest.raises(UserError, match="received nonsense"):
        documents.fill(text, Evidence(FOLDER))


def test_a_seed_counts_once_and_comes_from_the_fuller_machine():
    evidence = Evidence(FOLDER)
    chosen = evidence.chosen()
    keys = [(run["row"], run["seed"]) for run in chosen]
    assert len(set(keys)) == len(keys)
    of = {run["machine"] for run in chosen if run["seed"] == "69"}
    assert "EPYC-A" in of and "EPYC-B" not in of


def test_a_search_that_is_no_row_changes_no_table(tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    lines = (FOLDER / "runs.csv").read_text().splitlines()
    other = next(line for line in lines if line.startswith("1a,70,none,,"))
    other = other.replace("1a,", "identity:7,", 1)
    (tmp_path / "runs.csv").write_text("\n".join([*lines, other, ""]))
    for name in documents.DOCUMENTS:
        text = (helpers.ROOT / name).read_text()
        assert documents.fill(text, Evidence(tmp_path)) == text


def test_the_figures_are_drawn_without_training(tmp_path):
    paths = Evidence(FOLDER).draw(str(tmp_path))
    ends = {path.rpartition(".")[2] for path in paths}
    assert len(paths) == 10 and ends == {"png", "svg"}
    assert "n = " in (tmp_path / "damage.svg").read_text()


@pytest.mark.parametrize(
    ("row", "defence", "own"),
    [("baseline", "prune", 0), ("2d", "discard", 3), ("3d", "discard", 1)],
)
def test_a_cell_is_compared_with_all_clean_searches_but_its_own(
    row, defence, own
):
    # Also where another search has the same error: baseline with prune, which
    # is no clean one, and one of 2d with discard both end at 53.44 %.
    evidence = Evidence(FOLDER)
    others = evidence.clean_beside(row, defence)
    assert len(others) == len(evidence.clean) - own
