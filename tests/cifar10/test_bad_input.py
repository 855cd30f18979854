"""Every mistake of a user ends in one paragraph, and changes no file.

All goes through `main`, as the scripts do. A paragraph names what is wrong,
what is legal, what was received and what to do.
"""

import functools
import hashlib
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import enas
from enas.cifar10 import build, data_utils
from enas.cifar10 import main as main_program
from enas.cifar10.main import main
from enas.cifar10.readers.shapes import make_shapes

# Sizes that end soon, should a mistake ever pass for good input.
SMALL = (
    "--dataset=shapes",
    "--num_train=32",
    "--num_valid=16",
    "--num_test=16",
    "--batch_size=8",
    "--child_num_layers=2",
    "--child_out_filters=4",
    "--num_epochs=1",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
    "--output_dir=run",
)


build_search = build.build_search


@pytest.fixture(autouse=True)
def folder(own_folder, offline, tmp_path, monkeypatch):
    """Runs every test in a folder of its own, and neither builds nor trains.

    What is refused is refused before; the shapes are drawn once.
    """
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ENAS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(data_utils, "make_shapes", shapes)
    monkeypatch.setattr(build, "build_search", lambda *unused: None)
    monkeypatch.setattr(main_program, "train", lambda *unused: 0)
    monkeypatch.setattr(build.tf1_checkpoint, "start", lambda *unused: None)
    monkeypatch.setattr(build.tf1_export, "export", lambda *unused: None)


@functools.cache
def shapes():
    return make_shapes()


def listing(place="."):
    """Returns dict, path -> what is there: link target, contents or folder."""
    found = {}
    for path in pathlib.Path(place).rglob("*"):
        if path.is_symlink():
            found[str(path)] = ("link", os.readlink(path))
        elif path.is_file():
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = ("file", contents)
        else:
            found[str(path)] = ("folder", None)
    return found


@pytest.fixture
def refused(capsys):
    """Returns a function that proves that arguments are refused."""

    def check(*arguments, wanted):
        before = listing()
        code = main(["program", *SMALL, *arguments])
        text = capsys.readouterr().err
        assert code == 2, f"accepted, code {code}"
        assert text.startswith("error: ")
        assert text.count("\n") == 1 and text.endswith("\n"), text
        assert len(text) < 1500
        assert "Traceback" not in text
        for words in wanted:
            assert words in text
        assert listing() == before

    return check


def accepted(*arguments):
    return main(["program", *SMALL, *arguments]) == 0


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
        ["--q=6", "without a poison", "--poison", "leave --q out"],
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


def write(path, contents=b""):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)


RESET = pytest.mark.parametrize(
    "reset", [[], ["--reset_output_dir"]], ids=["keep", "reset"]
)


@RESET
@pytest.mark.parametrize(
    "name", ["notes.txt", ".hidden", "flags.txt", ".enas_run/notes.txt"]
)
def test_output_dir_with_something_else(name, reset, refused):
    write(f"run/{name}", b"precious")
    refused(*reset, wanted=["--output_dir=run", "not a run", "new or empty"])


@RESET
def test_output_dir_that_is_a_file(reset, refused):
    write("run", b"precious")
    refused(*reset, wanted=["--output_dir=run", "not a directory", "new"])


@RESET
def test_output_dir_below_a_file(reset, refused):
    write("file", b"precious")
    refused("--output_dir=file/run", *reset, wanted=["--output_dir=file/run"])


@RESET
def test_output_dir_that_is_a_dangling_link(reset, refused):
    os.symlink("nowhere", "run")
    refused(*reset, wanted=["--output_dir=run", "not a directory", "new"])


def test_output_dir_that_is_a_link_is_not_deleted(refused):
    write("elsewhere/.enas_run")
    os.symlink("elsewhere", "run")
    refused("--reset_output_dir", wanted=["--output_dir=run", "link"])


def test_output_dir_that_is_an_empty_folder_is_accepted():
    pathlib.Path("run").mkdir()
    assert accepted()


def test_output_dir_with_a_run_of_other_flags(refused):
    assert accepted()
    refused(
        "--seed=1",
        "--poison=identity",
        "--q=3",
        wanted=[
            "--output_dir=run",
            "has --poison=none, --seed=69;",
            "received --poison=identity, --q=3, --seed=1.",
            "--reset_output_dir",
        ],
    )


def test_output_dir_with_a_run_of_other_flags_by_hand(refused):
    write("run/.enas_run")
    write("run/flags.txt", b"--seed=7\n")
    refused(wanted=["holds a run with other flags", "--seed=7; received"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--search_for=2"],
        ["--poison=dropout, identity", "--q=2"],
        ["--child_fixed_arc=0  1 1"],
        ["--child_fixed_arc=[0]\n[1 1]\n"],
        ["--controller_tanh_constant=0"],
        ["--child_lr_max=1e-3", "--child_lr_min=1e-7"],
    ],
    ids=str,
)
def test_the_same_command_and_flags_txt_both_continue_a_run(arguments):
    assert accepted(*arguments)
    assert accepted(*arguments)
    assert accepted("--num_epochs=7", "--log_every=3", *arguments)
    again = ["program", "--flagfile=run/flags.txt", "--output_dir=run"]
    assert main(again) == 0


def test_reset_deletes_a_run_of_other_flags():
    assert accepted()
    write("run/result.json", b"{}")
    assert accepted("--seed=1", "--reset_output_dir")
    assert not pathlib.Path("run/result.json").exists()
    assert "--seed=1\n" in pathlib.Path("run/flags.txt").read_text()


class Harmful:
    """Pickles to a call that makes a file when it is read."""

    def __reduce__(self):
        return os.mkdir, ("harmed",)


PICKLED = pickle.dumps({b"data": [0] * 1000, b"labels": [0]})
SHORT = {b"data": np.zeros((5, 3072), np.uint8), b"labels": [0] * 5}
INFO = "elsewhere/cifar10/3.0.2/dataset_info.json"

# Per case: the files of `elsewhere`, and what the paragraph says.
DATA = {
    "no CIFAR-10": (
        {"elsewhere/notes.txt": b"precious"},
        ["--data_path", "/elsewhere'", "holds none", "data_batch_1"],
    ),
    "file instead of a folder": (
        {"elsewhere": b"precious"},
        ["--data_path", "/elsewhere'"],
    ),
    "missing python batch": (
        {"elsewhere/cifar-10-batches-py/test_batch": PICKLED},
        ["data_batch_1", "six files", "without this one", "download"],
    ),
    "missing binary batch": (
        {"elsewhere/data_batch_2.bin": b""},
        ["data_batch_1.bin", "six files", "without this one", "download"],
    ),
    "empty python batch": (
        {"elsewhere/data_batch_1": b""},
        ["data_batch_1", "whole", "EOFError", "download"],
    ),
    "truncated python batch": (
        {"elsewhere/data_batch_1": PICKLED[: len(PICKLED) // 2]},
        ["data_batch_1", "whole", "truncated", "download"],
    ),
    "truncated binary batch": (
        {"elsewhere/cifar-10-batches-bin/data_batch_1.bin": bytes(3073)},
        ["data_batch_1.bin", "30730000 bytes", "3073 bytes", "download"],
    ),
    "text for a batch": (
        {"elsewhere/data_batch_1": b"<html>404 not found</html>"},
        ["data_batch_1", "readable", "UnpicklingError", "download"],
    ),
    "pickle of something else": (
        {"elsewhere/data_batch_1": pickle.dumps([1, 2])},
        ["data_batch_1", "dictionary", "list", "download"],
    ),
    "pickle without images": (
        {"elsewhere/data_batch_1": pickle.dumps({b"labels": [0]})},
        ["data_batch_1", "keys", "labels", "download"],
    ),
    "pickle of few images": (
        {"elsewhere/data_batch_1": pickle.dumps(SHORT)},
        ["data_batch_1", "uint8 [10000, 3072]", "uint8 [5, 3072]"],
    ),
    "pickle that runs something": (
        {"elsewhere/data_batch_1": pickle.dumps({b"data": Harmful()})},
        ["data_batch_1", "mkdir", "not run", "download"],
    ),
    "labels of another data set": (
        {"elsewhere/data_batch_1.bin": b"\x63" * 30_730_000},
        ["data_batch_1.bin", "[0, 9]", "[99, 99]", "download"],
    ),
    "prepared folder that is damaged": (
        {INFO: b"{"},
        ["3.0.2", "readable and whole", "JSONDecodeError", "download"],
    ),
    "prepared folder of another data set": (
        {INFO: b'{"name": "mnist"}'},
        ["dataset_info.json", "cifar10", "'mnist'", "download"],
    ),
}


def test_data_path_that_does_not_exist(refused):
    refused(
        "--dataset=cifar10",
        "--data_path=no/such",
        wanted=["--data_path", "CIFAR-10", "/no/such'", "does not exist"],
    )


@RESET
@pytest.mark.parametrize("case", DATA)
def test_mistakes_in_data_files(case, reset, refused):
    files, wanted = DATA[case]
    for path, contents in files.items():
        write(path, contents)
    write("run/.enas_run")
    refused("--dataset=cifar10", "--data_path=elsewhere", *reset, wanted=wanted)


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
