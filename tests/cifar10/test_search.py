"""The loop with a pretended child: rewards, baseline, order, evaluation."""

import io
import itertools
import re
import sys
import time

import numpy as np
import pytest
from pretended_child import LAYERS, kinds, make_search, run_epoch

from enas.cifar10.arc import Arc
from enas.cifar10.epoch_progress import EpochProgress, Phase
from enas.cifar10.evaluation import arc_of
from enas.cifar10.search import NonFiniteError


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


def test_a_controller_update_that_is_not_finite_names_its_arc(monkeypatch):
    search, _ = make_search()
    drawn = []
    draw = search.arcs.draw

    def kept(n, stream, number):
        drawn.append(draw(n, stream, number))
        return drawn[-1]

    def update(op_ids, *_):
        losses = np.zeros(len(op_ids))
        losses[1:] = np.nan
        return losses, 0.5

    monkeypatch.setattr(search.arcs, "draw", kept)
    monkeypatch.setattr(search.compiled, "controller_step", update)
    with pytest.raises(NonFiniteError, match="controller loss is nan") as it:
        search.run_epoch()
    assert f'arc "{arc_of(drawn[-1], 1)}"' in str(it.value)
    assert str(arc_of(drawn[-1], 0)) != str(arc_of(drawn[-1], 1))


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


def test_a_clock_that_is_set_back_changes_no_seconds(monkeypatch):
    clock = itertools.count(1e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    search, lines = make_search(log_every=1)
    numbers, _ = run_epoch(search)
    assert all(numbers[name] >= 0 for name in numbers if "seconds" in name)
    assert not any("mins=-" in line for line in lines)


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


def test_the_last_batch_of_the_paper_is_what_is_left():
    search, lines = make_search(profile="paper", batch_size=15, log_every=3)
    search.train_child()
    row = search.progress.numbers.measured()
    # 40 images in batches of 15, 15 and 10; three right answers in each.
    assert row["train_acc"] == pytest.approx(9 / 40)
    assert "tr_acc=3  / 10" in lines[-1]


@pytest.mark.parametrize("done", [0, 2])
def test_an_epoch_is_one_pass_whatever_the_images_were_before(
    done, monkeypatch
):
    # Of 40 images in tens, after 6 steps on fewer.
    search, _ = make_search(profile="paper")
    search.global_step = 6 + done
    search.progress.losses = [2.0] * done
    search.progress.images = 10 * done
    seen, batch = [], search.train_batch

    def noted(step):
        seen.append(step)
        return batch(step)

    monkeypatch.setattr(search, "train_batch", noted)
    search.train_child()
    assert seen == [8, 9, 10, 11][done:]
