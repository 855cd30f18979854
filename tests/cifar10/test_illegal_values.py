"""Values that no setting may have, as flags: refused with what is legal."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from enas.cifar10.config import Config
from enas.cifar10.flags import WITHOUT_EFFECT
from enas.errors import UserError

read = helpers.read_command
FIELDS = helpers.FIELDS


@pytest.mark.parametrize("name", helpers.with_rule("lower"))
def test_values_below_the_range_are_refused_and_the_bound_is_not(name):
    lower = FIELDS[name].metadata["lower"]
    step = 1 if isinstance(lower, int) else 1e-9
    with pytest.raises(UserError, match=f"--{name} must be at least") as caught:
        dataclasses.replace(Config(), **{name: lower - step})
    assert f"received {lower - step}" in str(caught.value)
    assert FIELDS[name].metadata["help"] in str(caught.value)
    needs = {
        "child_lr_max": {"child_lr_min": 0.0},
        "child_num_branches": {"candidate_ops": "conv_3x3"},
    }.get(name, {})
    config = dataclasses.replace(Config(), **{name: lower}, **needs)
    assert getattr(config, name) == lower


@pytest.mark.parametrize("name", helpers.with_rule("upper"))
def test_values_above_the_range_are_refused_and_the_bound_is_not(name):
    upper = FIELDS[name].metadata["upper"]
    step = 1 if isinstance(upper, int) else 1e-9
    wanted = f"--{name} must be at least .* and at most {upper}; received"
    with pytest.raises(UserError, match=wanted):
        dataclasses.replace(Config(), **{name: upper + step})
    assert getattr(dataclasses.replace(Config(), **{name: upper}), name)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "name", [name for name, f in FIELDS.items() if "float" in str(f.type)]
)
def test_numbers_that_are_not_finite_are_refused(name, value):
    with pytest.raises(UserError, match=f"--{name} must .*received {value}"):
        read(f"--{name}={value}")


@pytest.mark.parametrize("name", helpers.with_rule("choices"))
def test_words_outside_the_choices_are_refused_with_the_choices(name):
    choices = ", ".join(FIELDS[name].metadata["choices"])
    wanted = f"--{name} is one of {choices}; received 'nonsense'"
    with pytest.raises(UserError, match=wanted):
        read(f"--{name}=nonsense")


@pytest.mark.parametrize("filters", [3, 35, 4095])
def test_odd_filters_are_refused(filters):
    with pytest.raises(UserError, match=f"even.*received {filters}. Try"):
        read(f"--child_out_filters={filters}")


def test_lowest_rate_above_the_highest_is_refused():
    wanted = "--child_lr_min must not be above .* 0.2 and 0.1"
    with pytest.raises(UserError, match=wanted):
        read("--child_lr_min=0.2", "--child_lr_max=0.1")


@pytest.mark.parametrize(
    "word", ["micro", "Macro", "-5", "1.5", "\u00b2", "1" * 5000]
)
def test_other_searches_are_refused(word):
    with pytest.raises(UserError, match="--search_for is macro, or a number"):
        read(f"--search_for={word}")


def test_searching_for_0_epochs_is_refused():
    with pytest.raises(UserError, match="--num_epochs must be at least 1"):
        read("--search_for=0")


@pytest.mark.parametrize(
    ("candidate_ops", "number"), [("enas6", 6), ("paper5", 5)]
)
def test_number_of_branches_must_agree_with_the_ops(candidate_ops, number):
    ops = f"--candidate_ops={candidate_ops}"
    read(ops, f"--child_num_branches={number}")
    with pytest.raises(UserError, match=f"has {number} ops; received.*=4"):
        read(ops, "--child_num_branches=4")


def test_four_branches_of_a_network_from_scratch_are_the_originals_first():
    ops = "conv_3x3,sep_conv_3x3,conv_5x5,sep_conv_5x5"
    final = "--child_from_scratch", "--child_fixed_arc=0  3 0"
    config, _ = read(*final, "--child_num_branches=4")
    assert config.candidate_ops == ops
    assert dataclasses.replace(config, seed=1).candidate_ops == ops
    config, _ = read(*final, "--child_num_branches=6")
    assert config.candidate_ops == "enas6"
    # Poisoned ids begin after the ops: these are of another space.
    for more in ([*final, "--poison=identity", "--q=2"], []):
        with pytest.raises(UserError, match=f"original's first are {ops}"):
            read(*more, "--child_num_branches=4")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--polson=none"], "'polson'.*poison.*--help"),
        (["--q=three"], "--q=three.*'three'.*--help"),
        (["--num_epochs=1.5"], "--num_epochs=1.5.*--help"),
        (["--child_lr=fast"], "--child_lr=fast.*--help"),
        (["--child_lr_cosine=maybe"], "--child_lr_cosine=maybe.*--help"),
        (["--q"], "Missing value for flag --q.*--help"),
        (["--q="], "--q is empty"),
        (["--data_path", "--output_dir=x"], "--data_path has no value"),
        (["--child_fixed_arc", "--q=2"], "has no value: .* is --q=2"),
        (["--flagfile=/no/such"], "flagfile.*/no/such.*--help"),
        (["--flagfile=/"], "flagfile.*Is a directory.*--help"),
        (["identity", "6"], "bare words 'identity' '6'.*--help"),
        (["--", "--q=1"], "bare words '--q=1'.*--help"),
    ],
)
def test_what_cannot_be_read_is_refused(arguments, wanted):
    with pytest.raises(UserError, match=wanted):
        read(*arguments)


def test_a_flagfile_that_names_a_file_with_a_zero_byte_is_refused(tmp_path):
    path = tmp_path / "search.flags"
    path.write_bytes(b"-flagfile=\0")
    with pytest.raises(UserError, match="flagfile must be text.*null byte"):
        read(f"--flagfile={path}")


def test_a_flagfile_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "preset.flags"
    path.write_bytes(b"--seed=\xff\xfe")
    with pytest.raises(UserError):
        read(f"--flagfile={path}")


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.sampled_from(sorted([*FIELDS, *WITHOUT_EFFECT])),
    st.text(max_size=12) | st.floats().map(str) | st.integers().map(str),
)
def test_any_text_is_read_or_refused_never_another_error(name, text):
    try:
        config, _ = read(f"--{name}={text}")
    except UserError as error:
        assert str(error)
    else:
        assert isinstance(config, Config)
