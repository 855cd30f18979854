"""Settings as a notebook hands them over: of any type, converted or refused."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.errors import UserError

read = helpers.read_command
FIELDS = helpers.FIELDS


def test_no_bound_of_the_logits_is_a_bound_of_zero_that_a_flag_can_say():
    config = Config(controller_tanh_constant=None)
    assert config.controller_tanh_constant == 0.0
    assert config.tanh_constant is None


# What a notebook may hand over for any setting.
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=4),
    st.lists(st.one_of(st.integers(0, 9), st.text(max_size=3)), max_size=3),
    st.builds(np.int64, st.integers(-9, 400)),
    st.builds(np.float32, st.floats(width=32)),
    st.builds(np.bool_, st.booleans()),
    st.builds(np.str_, st.text(max_size=5)),
    st.builds(pathlib.PurePosixPath, st.text("ab/~", max_size=5)),
    st.builds(lambda n: np.zeros(n, int), st.integers(0, 4)),
    st.builds(object),
)


@given(st.sampled_from(sorted(FIELDS)), ANYTHING)
@settings(max_examples=1500, deadline=None)
def test_a_setting_is_refused_or_of_its_type(name, value):
    try:
        config = Config(**{name: value})
    except UserError as error:
        assert len(str(error)) < 1500
        return
    held = getattr(config, name)
    kinds = typing.get_args(FIELDS[name].type) or (FIELDS[name].type,)
    if FIELDS[name].type == tuple[str, ...]:
        assert all(type(item) is str for item in held)
    else:
        assert held is None or type(held) in kinds
    assert type(config.child_num_layers) is int
    json.dumps(dataclasses.asdict(config))


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("seed", np.int64(3), 3),
        ("child_lr_max", np.float32(0.05), float(np.float32(0.05))),
        ("child_l2_reg", 1, 1.0),
        ("controller_training", np.bool_(False), False),
        ("output_dir", pathlib.Path("~/runs"), os.path.expanduser("~/runs")),
        ("data_path", "~/x/", os.path.expanduser("~/x")),
        ("data_path", "x", os.path.abspath("x")),
        ("dataset", "folder:~/x", "folder:" + os.path.expanduser("~/x")),
        ("child_fixed_arc", [[0], [3, 0]], "0 3 0"),
        ("child_fixed_arc", (0, np.int32(3), 0), "0 3 0"),
        ("child_fixed_arc", np.array([0, 3, 0]), "0 3 0"),
        ("child_fixed_arc", Arc((0, 3), (0,)), "0  3 0"),
        ("child_fixed_arc", "\ufeff0  3 0", "0  3 0"),
    ],
)
def test_values_of_a_notebook_are_converted(name, value, held):
    config = Config(**{name: value})
    assert getattr(config, name) == held
    assert type(getattr(config, name)) is type(held)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("poison", ["identity"], "is text; received"),
        ("batch_size", 20.0, "is a whole number; received 20.0"),
        ("num_epochs", "2", "is a whole number; received '2'"),
        ("q", 6.0, "is a whole number; received 6.0"),
        ("seed", True, "is a whole number; received True"),
        ("controller_training", "False", "is True or False; received 'False'"),
        ("controller_training", 0, "is True or False; received 0"),
        ("override", "clip=norm", "is a tuple of texts"),
        ("output_dir", " ", "is empty"),
        ("child_fixed_arc", 7, "An arc is text"),
        ("child_fixed_arc", [0, 1.5], "An arc is text"),
        ("child_fixed_arc", [True, 0, 0], "An arc is text"),
    ],
)
def test_values_of_another_type_are_refused(name, value, words):
    with pytest.raises(UserError) as refused:
        Config(**{name: value})
    assert words in str(refused.value)


def test_a_network_from_scratch_has_the_layers_of_its_arc():
    made = Config(child_from_scratch=True, child_fixed_arc="0 3 0 0 1 0")
    read_, _ = read("--child_from_scratch", "--child_fixed_arc=0 3 0 0 1 0")
    assert made.child_num_layers == read_.child_num_layers == 3
    assert Config(child_fixed_arc="0 3 0").child_num_layers == 12
    again = dataclasses.replace(made, seed=1)
    assert again.child_num_layers == 3


def test_two_ops_that_ship_may_share_a_setting():
    # Only at the first import of the settings is such an op one that ships.
    code = """
from enas.cifar10.poison_ops import Dropout, register_poison

@register_poison("weak", ("weak",))
class Weak(Dropout):
    pass

from enas.cifar10.config import Config
print(Config(poison_dropout_rate=0.5, poison="weak", q=2).child_options())
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert "'poison_dropout_rate': 0.5" in shown.stdout, shown.stderr
