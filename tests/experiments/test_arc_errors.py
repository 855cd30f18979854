"""Random arcs under shared weights: how they are drawn and told of."""

import numpy as np
import pytest

import helpers
from enas.experiments import arc_errors, summary
from enas.run.files import read_table
from enas.tools.api import Run

# Profile paper, four poisonings of two copies, three layers, 32 test images.
MADE = helpers.ROOT / "tests/golden/runs/f6d30ce"

GOOD, OPS, LAYERS = 6, 306, 5


def drawn(good_layers, seed=0):
    rng = np.random.default_rng(seed)
    return arc_errors.arc_with(good_layers, rng, LAYERS, GOOD, OPS)


@pytest.mark.parametrize("good_layers", range(LAYERS + 1))
def test_an_arc_has_as_many_good_layers_as_asked(good_layers):
    for seed in range(20):
        op_ids = drawn(good_layers, seed).op_ids
        assert sum(op_id < GOOD for op_id in op_ids) == good_layers


def test_any_layer_may_be_the_good_one():
    layers = {
        [op_id < GOOD for op_id in drawn(1, seed).op_ids].index(True)
        for seed in range(60)
    }
    assert layers == set(range(LAYERS))


def test_a_run_is_measured_as_its_own_evaluation_does(tmp_path, capsys):
    words = ["arc_errors", str(MADE), "--machine=m", "--arcs=3"]
    words += ["--images=24", f"--into={tmp_path}"]
    assert arc_errors.main(words) == 0
    lines = read_table(str(tmp_path / "arc_errors.csv"))
    layers = [line["good_layers"] for line in lines]
    assert layers == [layer for layer in "0123" for _ in range(3)]
    assert {line["images"] for line in lines} == {"24"}
    (variant,) = {line["variant"] for line in lines}
    assert variant.startswith("dataset=shapes num_train=")
    run = Run(MADE)
    test, accuracy_of = run.search.data.test, run.search.evaluation.accuracy_of
    images = type(test)(test.images[:24], test.labels[:24])
    errors = {
        mode: [
            f"{100 - 100 * accuracy_of(run.arc(line['arc']), images, mode):.2f}"
            for line in lines
        ]
        for mode in ("eval", "train")
    }
    # In evaluation mode, that of the rewards, which another mode is not.
    assert [line["test_error"] for line in lines] == errors["eval"]
    assert errors["eval"] != errors["train"]


def test_a_training_of_one_architecture_is_refused(tmp_path, capsys):
    flags = "--child_from_scratch\n--child_fixed_arc=0  0 1\n"
    (tmp_path / "flags.txt").write_text(flags + "--child_num_layers=2\n")
    words = ["arc_errors", str(tmp_path), "--machine=m"]
    assert arc_errors.main([*words, f"--into={tmp_path}/t"]) == 2
    assert "has no shared weights" in capsys.readouterr().err


def test_errors_are_averaged_over_arcs_of_as_many_good_layers():
    lines = [
        {"row": "1b", "defence": "none", "variant": "", "seed": "70"}
        | {
            "kind": f"good_{k}_{i}",
            "good_layers": str(k),
            "test_error": str(80 - 10 * k + i),
        }
        for k in (0, 1)
        for i in (0, 2)
    ]
    header, *rows = summary.strata(lines)
    assert header[-2:] == ["0", "1"]
    assert rows == [
        ["1b", "none", "-", "70", "2", "81.00 ± 12.71", "71.00 ± 12.71"]
    ]


def test_arcs_are_ranked_against_those_of_their_own_run():
    run = {"row": "1b", "defence": "none", "variant": "", "seed": "70"}
    shared = [
        run | {"kind": f"random_arc_{i}", "test_error": str(i)}
        for i in range(10)
    ]
    scratch = [
        line | {"test_error": "-" + line["test_error"]} for line in shared
    ]
    other = [line | {"seed": "71"} for line in shared]
    # A search with a defence has the random arcs of its space.
    defended = [line | {"defence": "discard"} for line in shared]
    _, *rows = summary.ranks(shared + defended, scratch + other)
    wanted = ["10", "-1.00", "-1.00 to -1.00"]
    assert rows == [
        ["1b", defence, "-", "70", *wanted] for defence in ("discard", "none")
    ]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["no/such", "--machine=m"], "no/such"),
        (["run", "--machine=m", "--arcs=0"], "--arcs"),
        (["run", "--machine=m"], "no complete checkpoint"),
    ],
)
def test_mistakes_are_told(words, wanted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/flags.txt").write_text("--dataset=shapes\n")
    assert arc_errors.main(["arc_errors", *words]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message
