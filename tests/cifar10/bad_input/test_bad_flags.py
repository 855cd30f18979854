"""Mistakes in flags."""

import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
from mistakes import SMALL, accepted, listing

import enas
from enas.cifar10 import build

build_search = build.build_search


def test_the_arguments_without_a_mistake_are_accepted(monkeypatch):
    monkeypatch.setattr(build, "build_search", build_search)
    assert accepted()
    assert pathlib.Path("run/flags.txt").is_file()


# Per case: its arguments, then what the paragraph says.
FLAGS = {
    "unknown poison": (
        ["--poison=arsenic", "--q=3"],
        ["'arsenic'", "--poison='arsenic'", "grouped", "transposed_conv_3x3"],
    ),
    "unknown poison in a list": (
        ["--poison=identity,arsenic", "--q=3"],
        ["'arsenic'", "comma list", "transposed_conv_3x3"],
    ),
    "candidate op as poison": (
        ["--poison=conv_3x3", "--q=3"],
        ["'conv_3x3'", "identity"],
    ),
    "poison twice": (
        ["--poison=dropout,dropout", "--q=3"],
        ["dropout,dropout", "twice", "--q"],
    ),
    "empty poison": (["--poison=", "--q=3"], ["--poison is empty"]),
    "poison without q": (
        ["--poison=identity"],
        ["--poison=identity", "--q", "from 1", "None"],
    ),
    "no copies": (
        ["--poison=identity", "--q=0"],
        ["--poison=identity", "from 1", "--q=0"],
    ),
    "negative q": (["--poison=identity", "--q=-3"], ["--q", "least", "-3"]),
    "far too many copies": (
        ["--poison=identity", "--q=1000000"],
        ["to 100000", "--q=1000000"],
    ),
    "q without poison": (
        ["--q=6"],
        ["--q=6", "without a poison", "add --poison, one of identity"],
    ),
    "unknown dataset": (
        ["--dataset=mnist"],
        ["--dataset", "cifar10, cifar100, shapes", "'mnist'"],
    ),
    "more images than there are": (
        ["--num_train=5001"],
        ["--num_train", "5000", "5001", "Leave it out"],
    ),
    "no images": (["--num_test=0"], ["--num_test", "at least 1", "0"]),
    "odd filters": (
        ["--child_out_filters=35"],
        ["--child_out_filters", "even", "35", "Try 36"],
    ),
    "no filters": (
        ["--child_out_filters=0"],
        ["--child_out_filters", "at least 2", "received 0"],
    ),
    "no layers": (
        ["--child_num_layers=0"],
        ["--child_num_layers", "at least 1", "received 0"],
    ),
    "arc too short": (
        ["--child_fixed_arc=0 1"],
        ["2 layers", "3 numbers", "received 2", "--child_num_layers"],
    ),
    "arc too long": (
        ["--fixed_arc=0 1 1 0"],
        ["2 layers", "3 numbers", "received 4", "--child_num_layers"],
    ),
    "op id out of range": (
        ["--child_fixed_arc=0  6 1"],
        ["0 to 5", "received 6", "layer 1", "--poison and --q"],
    ),
    "op id out of a poisoned range": (
        ["--child_fixed_arc=12  6 1", "--poison=identity", "--q=6"],
        ["0 to 11", "received 12", "layer 0"],
    ),
    "skip bit out of range": (
        ["--child_fixed_arc=0  1 2"],
        ["0 or 1", "received 2", "layer 1"],
    ),
    "junk in the arc": (
        ["--child_fixed_arc=0  x 1"],
        ["whole numbers", "'x'", '"0  3 0  1 0 1"'],
    ),
    "negative number in the arc": (
        ["--child_fixed_arc=0  -1 1"],
        ["whole numbers", "'-1'"],
    ),
    "a file's name for an arc": (
        ["--child_fixed_arc=run/best_arc.txt"],
        ["whole numbers", "best_arc.txt"],
    ),
    "unknown flag": (["--lerning_rate=1"], ["lerning_rate", "--help"]),
    "misspelt flag": (["--polson=none"], ["polson", "poison", "--help"]),
    "bare words": (
        ["identity", "6"],
        ["--name=value", "'identity' '6'", "--help"],
    ),
    "blank around the sign": (["--q", "=", "6"], ["--q", "'='", "--help"]),
    "word for an integer": (["--num_epochs=ten"], ["--num_epochs", "ten"]),
    "fraction for an integer": (["--q=1.5"], ["--q=1.5", "int"]),
    "word for a number": (["--child_lr=fast"], ["--child_lr=fast", "float"]),
    "word for a switch": (
        ["--child_lr_cosine=maybe"],
        ["--child_lr_cosine=maybe", "boolean"],
    ),
    "nothing for a number": (["--seed="], ["--seed is empty"]),
    "not a number": (
        ["--child_keep_prob=nan"],
        ["--child_keep_prob", "at most 1.0", "received nan"],
    ),
    "infinite number": (
        ["--controller_tanh_constant=inf"],
        ["--controller_tanh_constant", "at least 0.0", "received inf"],
    ),
    "number overflowing to infinity": (
        ["--child_l2_reg=1e999"],
        ["--child_l2_reg", "at least 0.0", "received inf"],
    ),
    "probability above 1": (
        ["--poison_dropout_rate=1.5"],
        ["--poison_dropout_rate", "at least 0.0 and at most 1.0", "1.5"],
    ),
    "negative rate": (
        ["--child_lr_min=-0.1"],
        ["--child_lr_min", "at least 0.0", "-0.1"],
    ),
    "lowest rate above the highest": (
        ["--child_lr_min=0.1", "--child_lr_max=0.05"],
        ["--child_lr_min", "not be above", "0.1 and 0.05", "Swap"],
    ),
    "negative seed": (["--seed=-1"], ["--seed", "at least 0", "-1"]),
    "micro search": (["--search_for=micro"], ["macro", "number", "'micro'"]),
    "superscript for a number": (["--search_for=\u00b2"], ["macro", "number"]),
    "other number of branches": (
        ["--child_num_branches=4"],
        ["enas6", "6 ops", "--child_num_branches=4", "Leave it out"],
    ),
    "unknown candidate ops": (
        ["--candidate_ops=enas7"],
        ["--candidate_ops", "enas6, paper5", "'enas7'"],
    ),
    "missing flagfile": (
        ["--flagfile=no/such.flags"],
        ["flagfile", "no/such.flags", "--help"],
    ),
    "folder as flagfile": (["--flagfile=data"], ["flagfile", "directory"]),
    "empty name of the run": (["--output_dir="], ["--output_dir"]),
}


@pytest.mark.parametrize("case", FLAGS)
def test_mistakes_in_flags(case, refused):
    arguments, wanted = FLAGS[case]
    refused(*arguments, wanted=wanted)


@pytest.mark.parametrize("case", FLAGS)
def test_mistakes_in_flags_delete_no_run(case, refused):
    """--reset_output_dir deletes only when everything else is right."""
    pathlib.Path("run").mkdir()
    pathlib.Path("run/.enas_run").touch()
    pathlib.Path("run/result.json").write_text("{}")
    arguments, wanted = FLAGS[case]
    refused("--reset_output_dir", *arguments, wanted=wanted)


def test_nchw_without_a_gpu(refused, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    refused(
        "--data_format=NCHW",
        wanted=["--data_format=NCHW", "GPU", "found no", "--data_format=NHWC"],
    )


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--q=three"], "--q=three"),
        (["--poison=arsenic", "--q=3"], "Unknown poison 'arsenic'"),
    ],
    ids=["before TensorFlow", "after TensorFlow"],
)
def test_the_program_exits_with_2(arguments, wanted):
    source = pathlib.Path(enas.__file__).parent.parent
    environment = {"PYTHONPATH": str(source)}
    before = listing()
    done = subprocess.run(
        [sys.executable, "-m", "enas.cifar10.main", *SMALL, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    text = done.stderr
    assert done.returncode == 2, text
    assert text.startswith("error: ") and wanted in text
    assert text.count("\n") == 1 and text.endswith("\n"), text
    assert listing() == before
