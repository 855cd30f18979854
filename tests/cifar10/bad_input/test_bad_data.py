"""Files that are not CIFAR-10."""

import os
import pickle

import numpy as np
import pytest
from mistakes import RESET, write


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
