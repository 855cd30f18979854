"""A part of a variable is read, set and saved as a variable."""

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.run.checkpoint import Part, model_variables, read_tensors, save


@pytest.mark.parametrize("place", [(1,), (..., 1, slice(None)), (..., 1)])
def test_a_part_is_read_set_and_saved_as_a_variable(place, tmp_path):
    start = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    whole = tf.Variable(start)
    part = Part(whole, place)
    assert part.shape == start[place].shape and part.dtype == whole.dtype
    np.testing.assert_array_equal(np.asarray(part), start[place])
    part.assign(np.full(part.shape, 7.0, np.float32))
    start[place] = 7.0
    np.testing.assert_array_equal(whole, start)
    save(str(tmp_path / "x"), {"part": part})
    saved = read_tensors(str(tmp_path / "x"))["part"]
    np.testing.assert_array_equal(saved, start[place])


def test_a_batch_norm_has_one_variable_and_a_checkpoint_all_names():
    child = helpers.small_child()
    moving = [v for v in child.variables if v.name in ("moving", "statistics")]
    names = [n for n in model_variables(child) if n.endswith("moving_mean")]
    assert len(moving) == len(names) > 0
