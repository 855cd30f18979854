"""The choices of the behaviour table."""

import numpy as np
import pytest

import golden_data
from enas.cifar10.checkpoint import model_variables
from enas.cifar10.profile import ENAS, make_profile
from enas.errors import UserError
from golden_data import arc_arrays, small_child


def test_without_overrides_it_is_enas():
    assert make_profile(()) == ENAS
    assert make_profile(("bn_evaluation=moving",)) == ENAS


@pytest.mark.parametrize(
    "override", ["bn_evaluation", "bn_evaluation=maybe", "bn=batch", ""]
)
def test_unknown_choices_are_refused_with_the_legal_ones(override):
    with pytest.raises(UserError, match=r"bn_evaluation=moving\|batch"):
        make_profile((override,))


def test_batch_statistics_in_evaluation_give_the_recorded_training_logits():
    # The recording has keep_prob 1, so only batch norm tells the modes apart.
    # 1e-4: sums over the batch in another order when oneDNN is on.
    recording = golden_data.load("enas/child_intended.npz")
    child = small_child(profile=make_profile(("bn_evaluation=batch",)))
    golden_data.assign(model_variables(child), recording)
    logits = child(recording["_images"], arc_arrays(recording["_arcs"][9]))
    np.testing.assert_allclose(
        logits, recording["_train_logits"][9], rtol=0, atol=1e-4
    )
    for name, variable in model_variables(child).items():
        np.testing.assert_array_equal(variable, recording[name])
