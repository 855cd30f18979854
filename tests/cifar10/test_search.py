"""The loop with a pretended child: rewards, baseline, order, evaluation."""

import io
import itertools
import re
import sys

import numpy as np
import pytest

from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.cifar10.data_utils import DataSet, Split
from enas.cifar10.epoch_progress import EpochProgress, Phase
from enas.cifar10.macro_controller import Sample
from enas.cifar10.metrics import READINGS
from enas.cifar10.search import NonFiniteError, Search
from enas.cifar10.search_space import make_search_space

LAYERS = 3


def pretended_split(n):
    images = np.zeros((n, 32, 32, 3), np.uint8)
    return Split(images, np.arange(n, dtype=np.int32) % 10)


def pretended_data():
    one = np.ones((1, 1, 1, 3), np.float32)
    splits = pretended_split(40), pretended_split(250), pretended_split(320)
    return DataSet("shapes", "made for a test", *splits, 0 * one, one, 0 * one)


class Pretended:
    """Stands in for `Compiled`: numbers from a list, calls written down."""

    def __init__(self, num_ops):
        self.num_ops = num_ops
        self.calls = []
        self.loss = 2.0
        self.norm = 1.0

    def sample(self, n, seed):
        rng = np.random.default_rng(seed)
        self.calls.append(("sample", n))
        parts = dict.fromkeys(Sample._fields)
        parts |= {
            "op_ids": rng.integers(0, self.num_ops, (n, LAYERS)),
            "skips": rng.integers(0, 2, (n, 3)),
            "entropy": np.full(n, 5.0),
            "skip_count": np.full(n, 2.0),
        }
        parts = {
            name: Tensor(np.asarray(part)) if part is not None else None
            for name, part in parts.items()
        }
        return Sample(**parts)

    def train_child(self, images, labels, op_ids, skips, lr, seed):
        self.calls.append(("train", tuple(op_ids), float(lr), seed))
        return self.loss, self.norm, 3

    def settle(self):
        self.calls.append(("settle",))

    def count_correct(self, images, labels, op_ids, skips):
        self.calls.append(("count", tuple(op_ids), len(labels)))
        return int(op_ids[0]) % (len(labels) + 1)

    def count_correct_in_training(self, images, labels, op_ids, skips, seed):
        self.calls.append(("noisy", tuple(op_ids), len(labels), tuple(seed)))
        return int(op_ids[0]) % (len(labels) + 1)

    def score_arcs(self, op_ids, skips, advantages):
        self.calls.append(("shown", np.array(advantages)))
        return np.zeros(len(op_ids)), 0.5

    def train_controller(self, op_ids, skips, advantages, rate):
        self.calls.append(("score", np.array(advantages)))
        self.calls.append(("update", rate))
        return np.zeros(len(op_ids)), 0.5


class Tensor:
    """The least that the search needs of an eager tensor."""

    def __init__(self, value):
        self._value = value

    def numpy(self):
        return self._value


def make_search(fixed_arc=None, **settings):
    config = Config(
        **{
            "child_num_layers": LAYERS,
            "batch_size": 10,
            "controller_train_steps": 2,
            "controller_num_aggregate": 3,
            "poison": "identity",
            "q": 6,
            **settings,
        }
    )
    space = make_search_space("identity", 6, "shared", "enas6")
    lines = []
    search = Search(
        config,
        space,
        pretended_data(),
        Pretended(space.num_ops),
        lines.append,
        fixed_arc,
    )
    return search, lines


def run_epoch(search):
    """Returns (what the next epoch measured, its architectures)."""
    numbers, reports = search.run_epoch()
    return numbers.measured(), reports


def evaluate(search):
    """Returns (what an evaluation measured, its architectures)."""
    reports = search.evaluate()
    return search.progress.numbers.measured(), reports


def kinds(search):
    return [call[0] for call in search.compiled.calls]


def test_an_epoch_is_child_then_controller_then_evaluation():
    search, _ = make_search()
    row, _ = run_epoch(search)
    told = ("train", "settle", "update")
    order = [kind for kind in kinds(search) if kind in told]
    assert order == ["train"] * 4 + ["settle"] + ["update"] * 2
    assert kinds(search)[-1] == "count"
    assert list(row)[0] == "epoch"
    assert (search.epoch, search.global_step, search.train_step) == (1, 4, 2)


def test_baseline_moves_arc_by_arc_and_the_loss_uses_it_after_the_move():
    # Worked by hand for one update of three arcs from their first op.
    search, _ = make_search(controller_train_steps=1, log_every=1000)
    search.train_controller()
    correct = [
        call[1][0] % 11 for call in search.compiled.calls if call[0] == "count"
    ]
    baseline, advantages = 0.0, []
    for right in correct:
        reward = right / 10 + 0.0001 * 5.0
        baseline -= 0.01 * (baseline - reward)
        advantages.append(reward - baseline)
    scored = [c[1] for c in search.compiled.calls if c[0] == "score"]
    np.testing.assert_allclose(scored[-1], advantages, rtol=1e-5)
    assert search.baseline == pytest.approx(baseline, rel=1e-5)


def test_evaluation_draws_a_fresh_arc_for_every_batch_of_100():
    search, lines = make_search()
    search.whole_epochs = 1
    measured, reports = evaluate(search)
    drawn = [call[1] for call in search.compiled.calls if call[0] == "sample"]
    assert drawn == [10, 3, 4]
    counted = [c for c in search.compiled.calls if c[0] == "count"]
    ten, sampled, best = counted[:10], counted[10:17], counted[17:]
    assert [c[2] for c in sampled] == [100, 100, 50, 100, 100, 100, 20]
    assert len({c[1] for c in best}) == 1
    right = sum(c[1][0] % (c[2] + 1) for c in sampled[:3])
    assert measured["valid_acc"] == pytest.approx(right / 250)
    top = max(report["accuracy"] for report in reports)
    chosen = [r for r in reports if "valid_acc" in r]
    assert [r["accuracy"] for r in chosen] == [top]
    assert best[0][1] == chosen[0]["arc"].op_ids
    assert lines[0] == "Here are 10 architectures"
    assert "Epoch 1: Eval" in lines
    assert len(ten) == len(reports) == 10


def readings_of(search):
    """Returns the columns of an evaluation that are accuracies."""
    search.whole_epochs += 1
    measured, _ = evaluate(search)
    return {name: measured[name] for name in measured if "_acc" in name}


def test_all_readings_come_in_the_epochs_that_ask_for_them():
    columns = {
        column.format(split)
        for column in READINGS.values()
        for split in ("valid", "test")
    } | {"valid_acc", "test_acc"}
    few = {"valid_acc", "test_acc", "best_valid_acc", "best_test_acc"}
    for readings, wanted in (
        ("printed", [few, few]),
        ("last", [few, columns]),
        ("all", [columns, columns]),
    ):
        search, _ = make_search(readings=readings, num_epochs=2)
        assert [set(readings_of(search)) for _ in range(2)] == wanted


@pytest.mark.parametrize(
    ("profile", "printed"),
    [("enas", "sampled_{}_acc"), ("paper", "best_{}_acc_train")],
)
def test_the_printed_reading_is_one_of_the_four_and_measured_once(
    profile, printed
):
    search, _ = make_search(profile=profile, readings="all")
    measured = readings_of(search)
    for split in ("valid", "test"):
        assert measured[f"{split}_acc"] == measured[printed.format(split)]
    size = 100 if profile == "enas" else 10
    counted = [c for c in search.compiled.calls if c[0] in ("count", "noisy")]
    batches = -(-250 // size) + -(-320 // size)
    assert len(counted) == 10 + 4 * batches


def test_training_mode_measures_the_same_arcs_on_the_same_batches():
    search, _ = make_search(readings="all")
    readings_of(search)
    calls = search.compiled.calls[11:]
    plain = [call[1:] for call in calls if call[0] == "count"]
    noisy = [call[1:3] for call in calls if call[0] == "noisy"]
    assert sorted(plain) == sorted(noisy)


def test_layers_of_poison_are_counted():
    search, _ = make_search()
    search.whole_epochs = 1
    measured, reports = evaluate(search)
    counts = [sum(op >= 6 for op in r["arc"].op_ids) for r in reports]
    assert [r["poison_layers"] for r in reports] == counts
    assert measured["bad_layers"] == pytest.approx(np.mean(counts))
    assert measured["good_layers"] + measured["bad_layers"] == LAYERS


def test_a_terminal_sees_every_phase_with_its_time_left(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    search, lines = make_search(num_epochs=7)
    search.run_epoch()
    shown = terminal.getvalue()
    for phase, steps in (("child", 4), ("controller", 2), ("evaluation", 3)):
        bar = rf"epoch 1 of 7: {phase}: .* 0/{steps} \[00:00<\?"
        assert re.search(bar, shown), phase
    assert not any("of 7:" in line for line in lines)


def test_ops_that_ran_and_gradient_norms_are_recorded():
    search, _ = make_search(poison="identity", q=6)
    search.compiled.norm = 3.0
    row, _ = run_epoch(search)
    assert row["child_grad_norm"] == 3.0
    assert row["controller_grad_norm"] == 0.5
    ran = [c[1] for c in search.compiled.calls if c[0] == "train"]
    wanted = np.zeros((LAYERS, 7), int)
    for op_ids in ran:
        for layer, op_id in enumerate(op_ids):
            wanted[layer, min(op_id, 6)] += 1
    np.testing.assert_array_equal(search.op_counts, wanted)


def test_a_part_from_before_norms_were_kept_goes_on():
    tensors = EpochProgress(losses=[0.5], correct=1, images=2).tensors()
    del tensors["epoch_part/op_counts"], tensors["epoch_part/phase"]
    done = EpochProgress.of(tensors)
    assert done.losses == [0.5] and done.op_counts == []
    assert done.take_mean_norm("child_grad_norm") is None


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ({}, Phase.CHILD),
        ({"child_loss": 2.0}, Phase.CONTROLLER),
        ({"child_loss": 2.0, "reward": 0.1}, Phase.EVALUATION),
    ],
)
def test_the_phase_of_an_earlier_version_is_told_by_its_numbers(row, phase):
    tensors = EpochProgress(losses=[0.5], correct=1, images=2).tensors()
    del tensors["epoch_part/phase"]
    tensors |= {f"epoch_part/row/{k}": np.float64(v) for k, v in row.items()}
    assert EpochProgress.of(tensors).phase is phase


def test_learning_rate_and_seed_follow_the_global_step():
    search, _ = make_search()
    search.train_child()
    search.whole_epochs += 1
    search.train_child()
    trained = [c for c in search.compiled.calls if c[0] == "train"]
    assert len({c[3] for c in trained}) == 8
    rates = [c[2] for c in trained]
    assert rates[:4] == [pytest.approx(0.05)] * 4
    assert rates[4:] == [pytest.approx(0.048789, abs=1e-6)] * 4


def test_a_fixed_arc_is_trained_without_a_controller():
    arc = Arc((7, 8, 9), (0, 1, 1))
    search, _ = make_search(arc)
    row, reports = run_epoch(search)
    assert {c[1] for c in search.compiled.calls if c[0] == "train"} == {
        (7, 8, 9)
    }
    assert "update" not in kinds(search)
    assert "reward" not in row
    assert row["poison_share"] == 1.0
    assert [report["arc"] for report in reports] == [arc]


def test_the_controller_can_be_left_untrained():
    search, _ = make_search(controller_training=False)
    row, _ = run_epoch(search)
    assert "update" not in kinds(search)
    assert "reward" not in row
    assert "valid_acc" in row


def test_phases_come_only_in_their_epochs():
    search, _ = make_search(eval_every_epochs=2, controller_train_every=4)
    rows = [run_epoch(search)[0] for _ in range(4)]
    assert ["valid_acc" in row for row in rows] == [False, True, False, True]
    assert ["reward" in row for row in rows] == [False, False, False, True]


def test_a_loss_that_is_not_finite_stops_with_step_and_arc():
    search, _ = make_search()
    search.compiled.loss = float("nan")
    with pytest.raises(NonFiniteError, match=r"child step 0.*arc \"\d+"):
        search.run_epoch()


def test_a_gradient_that_is_not_finite_stops_before_the_next_step():
    search, _ = make_search()
    search.run_epoch()
    search.compiled.norm = float("inf")
    with pytest.raises(NonFiniteError) as stopped:
        search.run_epoch()
    text = str(stopped.value)
    assert text.startswith("The gradient norm is inf at child step 4, contr")
    assert "learning rate 0.048" in text
    # The controller's update was the last thing that was finite.
    assert "Last finite values: reward" in text
    assert "at child step 4, controller step 1" in text


class Killed(Exception):  # noqa: N818 (it is no error)
    """Stands in for the end of the process."""


def state_of(search):
    """Returns what a checkpoint would hold, as it would hold it."""
    return {
        "whole_epochs": search.whole_epochs,
        "global_step": search.global_step,
        "train_step": search.train_step,
        "baseline": search.baseline,
        "progress": EpochProgress.of(search.progress.tensors()),
    }


def rows_after_kill(profile, call):
    """Returns the rows of two epochs, killed and restored at a call."""
    search, _ = make_search(profile=profile)
    calls, states, rows = itertools.count(), [], []

    def after_step():
        if next(calls) == call:
            states.append(state_of(search))
            raise Killed

    search.after_step = after_step
    while len(rows) < 2:
        try:
            row, _ = run_epoch(search)
            rows.append(row | {"op_counts": search.op_counts})
        except Killed:
            search, _ = make_search(profile=profile)
            vars(search).update(states.pop())
    return next(calls), [
        {name: row[name] for name in row if "seconds" not in name}
        for row in rows
    ]


@pytest.mark.parametrize("profile", ["enas", "paper"])
def test_killed_after_any_step_the_rows_are_the_same(profile):
    calls, alone = rows_after_kill(profile, -1)
    assert calls > 20
    for call in range(calls):
        assert rows_after_kill(profile, call)[1] == alone, call


def test_the_baseline_of_the_paper_starts_at_the_first_accuracy():
    search, _ = make_search(
        profile="paper", controller_train_steps=1, log_every=1000
    )
    search.train_controller()
    correct = [
        call[1][0] % 11 for call in search.compiled.calls if call[0] == "count"
    ]
    baseline = correct[0] / 10
    for right in correct[1:]:
        baseline -= 0.01 * (baseline - (right / 10 + 0.0001 * 5.0))
    assert search.baseline == pytest.approx(baseline, rel=1e-5)
    scored = [c[1] for c in search.compiled.calls if c[0] == "score"][-1]
    # Reward minus baseline of the first arc: the entropy's part alone.
    assert scored[0] == pytest.approx(0.0001 * 5.0, rel=1e-2)


def test_the_paper_measures_the_best_of_ten_in_training_mode():
    search, _ = make_search(profile="paper")
    search.whole_epochs = 1
    measured, reports = evaluate(search)
    best = max(reports, key=lambda report: report["accuracy"])["arc"]
    calls = search.compiled.calls
    noisy = [c for c in calls if c[0] == "noisy"]
    # Batches of --batch_size, 10: 250 validation and 320 test images.
    assert len(noisy) == 25 + 32
    assert {c[1] for c in noisy} == {best.op_ids}
    assert len({c[3] for c in noisy}) > 25
    right = best.op_ids[0] % 11
    assert measured["valid_acc"] == pytest.approx(right / 10)


@pytest.mark.parametrize("profile", ["enas", "paper"])
def test_evaluations_have_a_batch_size_of_their_own(profile):
    search, _ = make_search(profile=profile, eval_batch_size=200)
    search.whole_epochs = 1
    _, reports = evaluate(search)
    counts = [c[2] for c in search.compiled.calls if c[0] in ("count", "noisy")]
    # The 10 on one batch of 200; 250 validation and 320 test images.
    assert counts[:10] == [200] * 10
    assert set(counts[10:]) == {200, 50, 120}
    assert {report["images"] for report in reports} == {200}
    search.train_child()
    trained = next(c for c in search.compiled.calls if c[0] == "train")
    assert trained is not None and search.config.batch_size == 10


def test_the_last_batch_of_the_paper_is_what_is_left():
    search, lines = make_search(profile="paper", batch_size=15, log_every=3)
    search.train_child()
    row = search.progress.numbers.measured()
    # 40 images in batches of 15, 15 and 10; three right answers in each.
    assert row["train_acc"] == pytest.approx(9 / 40)
    assert "tr_acc=3  / 10" in lines[-1]
