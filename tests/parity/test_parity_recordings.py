"""The recordings: all of them match, and what is off is told."""

import functools
import re

import numpy as np
import pytest

import helpers
from enas.cifar10.behaviours import PAPER
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.lazy_weights.unselected_weights import WeightUse
from enas.cifar10.search_space import POISON_SETS, SearchSpace
from enas.cifar10.train_steps import StepInput, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import Quantity, compare
from enas.parity.diff_enas import main
from enas.parity.recorded_quantities import compare_file, paper_child
from enas.parity.recorded_quantities.arrays import Arrays
from enas.parity.recorded_quantities.torch_names import torch_child_names
from enas.run.checkpoint import model_variables

GOLDEN = helpers.GOLDEN
SEED = (0, 0)
PATHS = sorted(GOLDEN.rglob("*.npz"))
# Each recording is compared once, for all tests here.
verdicts = functools.cache(compare_file)
# Recording, quantity -> largest difference, where one is known that is tighter
# than the program's tolerance. 2e-5: a few roundings of logits up to 40, no
# constant hides behind it; 1e-8: the original's schedule is in float32.
TIGHTER = {
    ("child_intended", "_eval_logits"): 2e-5,
    ("child_intended", "_train_.*"): 1e-4,
    ("train_step", "step . train_logits"): 1e-4,
    ("train_step", ".*"): 1e-5,
    ("controller", "A/(reward|baseline_after)"): 1e-6,
    ("controller", ".*"): 1e-5,
    ("lr_schedule", "lr_.*"): 1e-8,
    ("lr_schedule", ".*"): 0.0,
    ("preprocessing", ".*"): 1e-6,
    ("values", ".*"): 0.0,
    ("paper_.A", "logits_.*"): 2e-5,
}


def names(paths):
    return [str(path.relative_to(GOLDEN)) for path in paths]


def test_the_project_has_all_recordings():
    assert names(PATHS) == [
        "enas/child_intended.npz",
        "enas/child_published.npz",
        "enas/ckpt/values.npz",
        "enas/controller.npz",
        "enas/lr_schedule.npz",
        "enas/preprocessing.npz",
        "enas/train_step.npz",
        "paper/controller_L6_b12.npz",
        "paper/controller_L6_b6.npz",
        "paper/paper_0A.npz",
        "paper/paper_1A.npz",
        "paper/paper_2A.npz",
        "paper/paper_3A.npz",
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_every_quantity_is_within_its_tolerance(path):
    # The tolerances and their reasons are in comparison.py: 1e-4 on logits of
    # up to 40, 1e-5 elsewhere, for steps of the paper's code what a nudge of
    # the weights changes.
    missed = [
        f"{row.quantity}: {row.difference:.1e} > {row.tolerance:.1e}, "
        f"{row.worst}"
        for row in verdicts(path)
        if not row.passes
    ]
    assert verdicts(path) and not missed


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_what_is_known_to_be_closer_stays_so(path):
    for row in verdicts(path):
        known = (
            limit
            for (file, quantity), limit in TIGHTER.items()
            if re.fullmatch(file, path.stem)
            and re.fullmatch(quantity, row.quantity)
        )
        scale = max(1.0, row.magnitude) if "norm" in row.quantity else 1.0
        assert row.difference <= scale * next(known, np.inf), row


@pytest.mark.parametrize("poison", ["0A", "1A", "2A"])
def test_weights_in_use_are_those_with_a_recorded_gradient(poison):
    path = GOLDEN / f"paper/paper_{poison}.npz"
    recorded = paper_child.RecordedChild(Arrays(path))
    child = recorded.build()
    ours = torch_child_names([v.path for v in child.trainable_variables])
    factors = WeightUse(child).of(recorded.arcs[0])
    used = {
        theirs
        for theirs, factor in zip(ours.values(), factors, strict=True)
        if np.max(factor) > 0
    }
    prefix = "grad_step0/"
    gradients = {
        name.removeprefix(prefix)
        for name in recorded.arrays
        if name.startswith(prefix)
    }
    assert used == gradients


def test_the_published_binding_runs_max_pool_whatever_the_op():
    recording = helpers.load("enas/child_published.npz")
    logits = recording["_eval_logits"]
    # Arcs 0 to 5 differ in their ops only: in the recording as in the port.
    for i in range(1, 6):
        np.testing.assert_array_equal(logits[0], logits[i])


def test_torch_names_are_a_bijection_at_another_size():
    child = helpers.small_child(
        SearchSpace(helpers.CLEAN.candidate_ops, POISON_SETS["grouped"], 2),
        layers=7,
        filters=4,
        profile=PAPER,
    )
    ours = [variable.path for variable in child.trainable_variables]
    theirs = torch_child_names(ours)
    assert list(theirs) == ours
    assert len(set(theirs.values())) == len(ours)
    assert "layers.6.branch_8.weight" in theirs.values()
    # Layers 0 to 1 behind layer 1, layers 0 to 3 behind layer 3: six in all.
    assert "pooled_layers.5.path2.1.weight" in theirs.values()
    assert "pooled_layers.6.bn.weight" not in theirs.values()


@pytest.mark.parametrize(
    ("poison", "ops"),
    [("0A", ()), ("1A", ("identity",)), ("3A", ("dropout",))]
    + [("2A", ("transposed_conv_3x3", "transposed_conv_5x5"))],
)
def test_the_poisoning_is_told_from_the_arrays(poison, ops):
    with np.load(GOLDEN / f"paper/paper_{poison}.npz") as arrays:
        space = paper_child.search_space(dict(arrays))
        assert space.poison_ops == ops
        assert space.num_ops == arrays["cfg"][3]


def test_a_recording_of_another_depth_and_width_is_read(tmp_path):
    child = helpers.small_child(layers=4, filters=4)
    images = np.float32(np.random.default_rng(0).normal(size=(3, 32, 32, 3)))
    labels, arcs = (
        np.int32([1, 2, 3]),
        np.int32([[0, 1, 1, 2, 0, 1, 3, 1, 0, 1]]),
    )
    arrays = {name: v.numpy() for name, v in model_variables(child).items()}
    arc = np.int32([0, 1, 2, 3]), np.int32([1, 0, 1, 1, 0, 1])
    evaluated = child(images, arc)
    rules = GradientRules(l2_reg=0.00025)
    optimizer = ChildOptimizer(child, rules)
    loss, norm, logits, _ = child_step(
        child, optimizer, (images, labels), arc, StepInput(0.0, SEED)
    )
    arrays |= {
        "_images": images,
        "_labels": labels,
        "_arcs": arcs,
        "_eval_logits": np.stack([evaluated]),
        "_train_logits": np.stack([logits]),
        "_train_loss": np.stack([loss]),
        "_train_grad_norm": np.stack([norm]),
        "_train_acc": np.int32([np.sum(np.argmax(logits, 1) == labels)]),
    }
    path = tmp_path / "enas/child_intended.npz"
    path.parent.mkdir()
    np.savez(path, **arrays)
    assert all(row.passes for row in compare_file(path))


def test_a_changed_number_is_a_miss(tmp_path, capsys):
    arrays = helpers.load("paper/controller_L6_b6.npz")
    arrays["log_prob"][7] += 1e-3
    np.savez(tmp_path / "controller_L6_b6.npz", **arrays)
    assert main(["recordings", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    missed = [line for line in lines if "MISS" in line]
    assert len(missed) == 1 and "log_prob" in missed[0]
    assert lines[-1] == "1 recordings, 1 quantities missed"


def test_nan_is_a_miss():
    pairs = {"loss": (np.array(1.0), np.array(np.nan))}
    (verdict,) = compare(lambda nudge: [Quantity("loss", pairs)])
    assert not verdict.passes


def test_an_array_that_nothing_was_compared_with_is_a_miss(tmp_path):
    arrays = helpers.load("enas/lr_schedule.npz")
    path = tmp_path / "lr_schedule.npz"
    np.savez(path, surprise=np.zeros(3), **arrays)
    rows = compare_file(path)
    assert [row.quantity for row in rows if not row.passes] == ["not compared"]


def mistakes(folder):
    """Returns directory -> what the message must say."""
    for name in ("empty", "other", "torn", "part"):
        (folder / name).mkdir()
    np.savez(folder / "other/speech.npz", a=np.zeros(1))
    (folder / "torn/lr_schedule.npz").write_bytes(b"PK\x03\x04 no")
    np.savez(folder / "part/lr_schedule.npz", lr_rest=np.zeros(3))
    return {
        "empty": "holds no recordings",
        "nowhere": "holds no recordings",
        "other": "has no known form",
        "torn": "cannot be read",
        "part": "not a whole recording",
    }


def test_mistakes_are_told_without_a_traceback(tmp_path, capsys):
    for directory, wanted in mistakes(tmp_path).items():
        assert main(["recordings", str(tmp_path / directory)]) == 2, directory
        message = capsys.readouterr().err
        assert message.startswith("error: ") and wanted in message


def test_a_chaotic_quantity_is_measured_by_its_own_sensitivity():
    # 1 / (x - .99) at x = 1 turns a nudge of 1e-5 into changes of 1e-1.
    def steep(factor, chain):
        def measure(nudge):
            ours = np.array(1 / abs(float(nudge(np.float32(1.0))) - 0.99))
            pairs = {"y": (np.array(100 * factor), ours)}
            return [Quantity("steep", pairs, chain)]

        (verdict,) = compare(measure)
        return verdict.passes

    assert steep(1 + 1e-3, "chain")
    assert not steep(1 + 1e-3, "")
    assert not steep(1.5, "chain")


def test_the_script_names_the_recordings_of_the_project():
    # The package itself knows no tests.
    text = (helpers.ROOT / "scripts/diff_enas.sh").read_text()
    assert 'set -- recordings "$repo_root/tests/golden"' in text
    for file in (helpers.ROOT / "src/enas/parity").rglob("*.py"):
        assert '"tests"' not in file.read_text()
