"""An output directory that is not, or not this run's."""

import os
import pathlib

import pytest
from mistakes import RESET, accepted, write

from enas.cifar10.main import main


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
