"""What an epoch ends with: which arcs are measured, on what, and how."""

import numpy as np
import pytest
import tensorflow as tf
from pretended_child import LAYERS, evaluate, make_search

from enas.cifar10.arc import Arc
from enas.cifar10.metrics import READINGS
from enas.errors import NonFiniteError


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
    # The last of three epochs is not evaluated, the second one is the last.
    search, _ = make_search(readings="last", num_epochs=3, eval_every_epochs=2)
    assert [set(readings_of(search)) for _ in range(2)] == [few, columns]


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


@pytest.mark.parametrize("profile", ["enas", "paper"])
def test_answers_that_are_not_finite_have_no_accuracy(profile):
    search, _ = make_search(profile=profile)
    arc, batch = Arc((0, 1, 2), (0, 0, 1)), search.reward_batch(0)
    split, seen = search.data.test, search.evaluation
    answers = np.zeros((10, 10), np.float32)
    compiled = search.compiled
    compiled.logits = compiled.logits_in_training = lambda *_: tf.constant(
        answers
    )
    assert not seen.logits(batch[0], arc, "train").any()
    answers[3, 4] = np.nan
    compiled.count_correct = compiled.count_correct_in_training = lambda *_: -1
    for measure in (
        lambda: seen.accuracy_on(batch, search.arcs.draw(1, "ten", 1), 0),
        lambda: seen.accuracy_of(arc, split),
        lambda: seen.accuracy_of(arc, split, "train"),
        lambda: seen.logits(batch[0], arc),
        lambda: seen.logits(batch[0], arc, "train"),
    ):
        with pytest.raises(NonFiniteError, match=r'arc "\d.*child step 0'):
            measure()
