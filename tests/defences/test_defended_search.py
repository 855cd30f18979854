"""A search with a defence: the flag, what is written, exact resume."""

import csv
import json

import numpy as np
import pytest

from enas.cifar10.config import Config
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.main import main
from enas.errors import UserError
from helpers import FEW_OPS

FLAGS = (
    "--dataset=shapes",
    "--num_train=32",
    "--num_valid=32",
    "--num_test=16",
    "--batch_size=16",
    "--child_out_filters=4",
    "--child_num_layers=2",
    "--controller_train_steps=2",
    "--controller_num_aggregate=3",
    "--pictures_every=0",
    "--readings=printed",
    FEW_OPS,
    "--poison=identity",
    "--q=8",
)


def search(path, *flags):
    assert main(["main", *FLAGS, f"--output_dir={path}", *flags]) == 0
    with open(path / "metrics.csv") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        for name in list(row):
            if name.startswith("seconds"):
                del row[name]
    return rows


@pytest.mark.parametrize("text", ["nothing", "prune,prune", "prune, discard"])
def test_other_words_are_refused(text):
    with pytest.raises(UserError, match="--defence is none, or a comma list"):
        Config(defence=text)


def test_pruning_needs_arcs_to_compare():
    with pytest.raises(UserError, match="must be at least 2; received 1"):
        Config(defence="discard,prune", controller_num_aggregate=1)
    Config(defence="discard", controller_num_aggregate=1)
    with pytest.raises(UserError, match="learns from the controller's updat"):
        Config(defence="prune", controller_training=False)


def test_a_prior_of_zeros_changes_nothing_and_none_adds_nothing():
    options = ControllerOptions(2, 5, lstm_size=4)
    plain, zero = (
        MacroController(options, prior)
        for prior in (None, np.zeros((2, 5), np.float32))
    )
    for controller in (plain, zero):
        controller.build()
    ours, other = (c.sample(50, (1, 2)) for c in (plain, zero))
    np.testing.assert_array_equal(ours.op_ids, other.op_ids)
    np.testing.assert_array_equal(ours.neg_log_prob, other.neg_log_prob)


def test_what_a_prior_removes_is_never_drawn_and_numbers_stay_finite():
    prior = np.zeros((2, 5), np.float32)
    prior[:, 1:4] = -1e4
    options = ControllerOptions(2, 5, lstm_size=4)
    controller = MacroController(options, prior)
    controller.build()
    sample = controller.sample(500, (1, 2))
    assert set(np.unique(sample.op_ids)) == {0, 4}
    loss = controller.loss(sample.op_ids, sample.skips, np.ones(500, "f"))
    assert np.isfinite(loss).all() and np.isfinite(sample.entropy).all()


def test_a_search_with_all_defences_ends_as_if_it_was_not_stopped(tmp_path):
    flag = "--defence=reweight,prune"
    whole = search(tmp_path / "whole", "--num_epochs=2", flag)
    search(tmp_path / "parts", "--num_epochs=1", flag)
    parts = search(tmp_path / "parts", "--num_epochs=2", flag)
    assert parts == whole
    result = json.loads((tmp_path / "whole/result.json").read_text())
    assert result["defence"]["names"] == ["reweight", "prune"]
    functions = result["defence"]["functions"]
    assert functions[-1]["op_ids"] == list(range(2, 10))
    assert functions[-1]["useless"]


def test_discarded_ops_are_never_sampled(tmp_path):
    rows = search(tmp_path / "run", "--num_epochs=1", "--defence=discard")
    assert float(rows[0]["poison_share"]) == 0.0
    text = (tmp_path / "run/stdout").read_text()
    assert "10 op ids are 3 functions, 1 of them of little use" in text
    assert "2 op ids may be chosen at the start" in text
