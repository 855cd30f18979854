"""Config and flag table: defaults, ranges, the original's flags, --help."""

import dataclasses
import os
import re
import subprocess
import sys
import typing

import pytest

import helpers
from enas.cifar10 import main as program
from enas.cifar10.config import Config
from enas.cifar10.flags import WITHOUT_EFFECT, help_text, spelled_out
from enas.cifar10.metrics import COLUMNS, TAGS
from enas.errors import UserError
from enas.paths import full_path
from enas.utils import DASHES

read = helpers.read_command
FIELDS = helpers.FIELDS


STDOUT = helpers.ROOT / "tests/golden/enas/stdout.txt"


ROOT = helpers.ROOT


def original_flags():
    """Returns dict, name -> text, of the flag listing of the original."""
    lines = STDOUT.read_text(encoding="utf-8").splitlines()
    start, end = [n for n, line in enumerate(lines) if line == DASHES][:2]
    pairs = [
        re.fullmatch(r"(\w+?)\.+([^.].*)", line)
        for line in lines[start + 1 : end]
    ]
    return {pair[1]: pair[2] for pair in pairs}


def _kinds(field):
    return typing.get_args(field.type) or (field.type,)


# What the paper's appendix A states.
PAPER = {
    "search_for": "macro",
    "num_epochs": 300,
    "batch_size": 128,
    "child_num_layers": 12,
    "child_out_filters": 36,
    "child_l2_reg": 0.00025,
    "child_keep_prob": 0.9,
    "child_grad_bound": 5.0,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0005,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
    "controller_training": True,
    "controller_entropy_weight": 0.0001,
    "controller_lr": 0.001,
    "controller_lstm_size": 64,
    "controller_lstm_num_layers": 1,
    "controller_num_aggregate": 20,
    "controller_train_steps": 50,
    "controller_tanh_constant": 1.5,
    "controller_skip_target": 0.4,
    "controller_skip_weight": 0.8,
    "controller_bl_dec": 0.99,
    "poison_dropout_rate": 0.9,
}


@pytest.mark.parametrize("name", PAPER)
def test_defaults_are_the_published_values(name):
    assert getattr(Config(), name) == PAPER[name]


def test_no_flags_give_the_defaults():
    config, idle = read()
    assert config == Config()
    assert idle == []


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().seed = 1


def test_every_flag_of_the_original_s_log_is_accepted():
    """Feeds every name and value that the real log lists."""
    given_ = {k: v for k, v in original_flags().items() if v != "None"}
    config, idle = read(*(f"--{name}={text}" for name, text in given_.items()))
    assert set(idle) == set(given_) & set(WITHOUT_EFFECT)
    for name in set(given_) - set(idle):
        wanted = given_[name]
        # A place is kept as a full path.
        wanted = full_path(wanted) if name == "data_path" else wanted
        assert str(getattr(config, name)) == wanted, name


def test_no_flag_of_the_original_is_unknown():
    names = set(original_flags())
    assert names - set(FIELDS) - set(WITHOUT_EFFECT) == set()
    assert set(FIELDS) & set(WITHOUT_EFFECT) == set()


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_flags_without_effect_are_reported_and_change_nothing(name):
    kind, why = WITHOUT_EFFECT[name]
    text = {int: "3", float: "0.5", bool: "true", str: "x"}[kind]
    config, idle = read(f"--{name}={text}")
    assert config == Config()
    assert idle == [name]
    assert why


# Every field read back from text, with a value that is not its default.
OTHERS = {
    "defence": "reweight,prune",
    "profile": "paper",
    "dataset": "shapes",
    "data_path": "/some where/with=signs",
    "data_format": "NCHW",
    "poison": "grouped",
    "poison_sharing": "unique",
    "candidate_ops": "paper5",
    "op_setting": ("fog_density=0.5",),
    "child_num_branches": 6,
    "child_fixed_arc": "0  3 1",
    "search_for": "macro",
    "output_dir": "elsewhere",
    "override": ("bn_evaluation=batch",),
    "init_checkpoint": "outputs/model.ckpt-12",
    "export_tf1_checkpoint": "tf1/model.ckpt",
}


def other(name):
    """Returns a legal value of a field that is not its default."""
    if name in OTHERS:
        return OTHERS[name]
    default, rules = FIELDS[name].default, FIELDS[name].metadata
    if "choices" in rules:
        return [each for each in rules["choices"] if each != default][0]
    if isinstance(default, bool):
        return not default
    if name in ("child_out_filters", "image_size"):
        return default + 4
    if "float" in str(FIELDS[name].type):
        return 0.25
    return int(rules["lower"]) + 7 if default is None else default + 1


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_a_flag_of_its_type(name):
    value = other(name)
    if name == "child_lr_min":
        value = 0.03
    values = value if isinstance(value, tuple) else (value,)
    config, idle = read(*(f"--{name}={each}" for each in values))
    expected = dataclasses.replace(Config(), **{name: value})
    assert config == expected
    assert type(getattr(config, name)) is type(value)
    assert idle == []


def test_every_field_has_a_group_and_a_sentence_of_help():
    groups = []
    for name, field in FIELDS.items():
        assert re.search(r"[a-z].*\.$", field.metadata["help"]), name
        if field.metadata["group"] not in groups[-1:]:
            groups.append(field.metadata["group"])
    assert len(groups) == len(set(groups)), "a group is not in one piece"


@pytest.mark.parametrize(
    "name", [name for name, f in FIELDS.items() if "bool" in str(f.type)]
)
def test_booleans_have_a_bare_and_a_no_form(name):
    assert getattr(read(f"--{name}")[0], name) is True
    assert getattr(read(f"--no{name}")[0], name) is False


@pytest.mark.parametrize("name", helpers.with_rule("alias"))
def test_aliases_set_the_field_they_stand_for(name):
    value = other(name)
    alias = FIELDS[name].metadata["alias"]
    config, _ = read(f"--{alias}={value}")
    assert getattr(config, name) == value


def test_a_flag_given_twice_takes_its_last_value():
    assert read("--seed=1", "--seed=2")[0].seed == 2
    assert read("--child_lr_T_0=3", "--child_lr_T=4")[0].child_lr_T_0 == 4


def test_flags_take_one_or_two_dashes_and_a_blank_or_a_sign():
    assert read("-q", "3", "--poison", "identity")[0].q == 3


def test_help_shows_what_a_script_gives(capsys):
    given = ["--child_from_scratch", "--num_epochs=310", "--child_fixed_arc=0"]
    assert program.main(["main", *given, "--child_lr_min=0.001", "--help"]) == 0
    text = capsys.readouterr().out
    assert "cifar10_macro_final.sh" in text
    assert "--num_epochs=310\n" in text and "--child_lr_min=0.001\n" in text
    assert "--batch_size=128\n" in text


def test_a_reader_that_ends_is_no_failure_of_help():
    words = [sys.executable, "-m", "enas.cifar10.main", "--help"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as shown:
        shown.stdout.close()
        assert (shown.stderr.read(), shown.wait()) == ("", 0)


def test_a_search_whose_reader_ends_says_so(tmp_path):
    words = [sys.executable, "-m", "enas.cifar10.main", "--dataset=shapes"]
    words += [f"--output_dir={tmp_path}/run"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as shown:
        shown.stdout.close()
        message, code = shown.stderr.read(), shown.wait()
    assert code == 1 and "What read the output has ended" in message
    assert "Nothing was saved" in message


def test_search_for_a_number_stands_for_num_epochs():
    for words in ["--search_for=150"], ["-search_for", "150"]:
        config, _ = read(*words)
        assert (config.search_for, config.num_epochs) == ("macro", 150)
    # Of two numbers the last counts, as for every flag.
    assert read("--search_for=300", "--num_epochs=10")[0].num_epochs == 10
    assert read("--num_epochs=10", "--search_for=300")[0].num_epochs == 300
    assert spelled_out(["--search_for=7"]) == ("--num_epochs=7",)


def test_flagfiles_are_read_and_arguments_behind_them_win(tmp_path):
    path = tmp_path / "preset.flags"
    path.write_text("# a comment\n\n--seed=5\n--num_epochs=2\n")
    config, _ = read(f"--flagfile={path}", "--num_epochs=3")
    assert (config.seed, config.num_epochs) == (5, 3)


def test_presets_are_legal():
    for path in (ROOT / "scripts").glob("presets/*.flags"):
        _, idle = read(f"--flagfile={path}")
        assert idle == [], path


def test_derived_values():
    config = Config(child_out_filters=10, child_out_filters_scale=3)
    assert config.filters == 30
    assert Config().tanh_constant == 1.5
    assert Config(controller_tanh_constant=0.0).tanh_constant is None
    assert Config(controller_tanh_constant=None).tanh_constant is None


@pytest.mark.parametrize("argument", ["--help", "-h", "--help=true"])
def test_help_is_printed_and_nothing_else_happens(argument, capsys):
    assert program.main(["program", argument]) == 0
    printed = capsys.readouterr()
    assert (
        printed.out == help_text("bash scripts/cifar10_macro_search.sh") + "\n"
    )
    assert printed.err == ""


def test_help_tells_every_flag_default_choice_and_alias():
    text = help_text("bash some.sh")
    assert text.startswith("Usage: bash some.sh [--flag=value ..]\n")
    flat = " ".join(text.split())
    for name, field in FIELDS.items():
        shown = field.metadata.get("shown", field.default)
        assert f"\n  --{name}={shown}\n" in text
        assert " ".join(field.metadata["help"].split()) in flat
        if "alias" in field.metadata:
            assert f"Also --{field.metadata['alias']}." in flat
        for choice in field.metadata.get("choices", ()):
            assert choice in flat
    for name in WITHOUT_EFFECT:
        assert name in flat


def test_help_fits_80_columns():
    lines = help_text("bash scripts/cifar10_macro_search.sh").splitlines()
    assert max(map(len, lines)) <= 80


def test_metric_columns_have_distinct_tags():
    assert COLUMNS == ("epoch", *TAGS)
    assert len(set(TAGS.values())) == len(TAGS)
    for column, tag in TAGS.items():
        assert re.fullmatch(r"[a-z_]+", column)
        assert re.fullmatch(r"[a-z_]+/[a-z_0-9]+", tag)


@pytest.mark.parametrize(
    "name", [n for n, f in FIELDS.items() if str in _kinds(f)]
)
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_empty_text_is_no_value_of_any_flag(name, empty):
    with pytest.raises(UserError, match=f"--{name} is empty"):
        read(f"--{name}={empty}")


def test_empty_text_in_a_flagfile_is_refused_alike(tmp_path):
    path = tmp_path / "my.flags"
    path.write_text("--child_fixed_arc=\n")
    with pytest.raises(UserError, match="--child_fixed_arc is empty"):
        read(f"--flagfile={path}")


@pytest.mark.parametrize("first", ["--q=3", "# a comment", ""])
def test_a_byte_order_mark_in_a_flagfile_is_skipped(first, tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    text = f"{first}\n--q=3\n--poison=identity\n"
    inner.write_text(text, encoding="utf-8-sig")
    outer.write_text(f"--flagfile={inner}\n", encoding="utf-8-sig")
    config, _ = read(f"--flagfile={outer}")
    assert (config.poison, config.q) == ("identity", 3)


def test_a_home_folder_behind_an_equals_sign_is_expanded():
    config, _ = read("--output_dir=~/a", "--data_path=~/b")
    assert config.output_dir == os.path.expanduser("~/a")
    assert config.data_path == os.path.expanduser("~/b")
