"""The recorded checkpoint of the original, and searches that start from it."""

import dataclasses
import os
import shutil
import types

import helpers
from enas.cifar10 import build
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.search import Search
from enas.cifar10.search_space import make_search_space
from enas.run import checkpoint
from enas.run.run_dir import RunDir
from enas.tf1 import export as tf1_export
from enas.tf1 import load as tf1_checkpoint

GOLDEN = helpers.GOLDEN / "enas/ckpt"


VALUES = helpers.load("enas/ckpt/values.npz")


TINY = {
    "child_num_layers": 2,
    "child_out_filters": 2,
    "controller_lstm_size": 4,
}


def make_search(path=GOLDEN, **settings):
    """Returns a search at its beginning: 4 steps an epoch, no images."""
    sizes = {"child_num_layers": 6, "child_out_filters": 8}
    config = Config(**{**sizes, "init_checkpoint": str(path), **settings})
    search_space = make_search_space(
        config.poison, config.q, config.poison_sharing, config.candidate_ops
    )
    compiled = Compiled(
        build.build_child(config, search_space),
        build.build_controller(config, search_space),
        config,
    )
    images = range(4 * config.batch_size)
    data = types.SimpleNamespace(train=images, num_classes=10)
    return Search(config, search_space, data, compiled, log=None)


def loaded(path=GOLDEN, **settings):
    """Returns (search after loading, lines of the log)."""
    search, lines = make_search(path, **settings), []
    tf1_checkpoint.initialise(search, lines.append)
    return search, lines


def copied(folder):
    """Copies the recorded checkpoint; returns the folder."""
    shutil.copytree(GOLDEN, folder)
    return folder


def saved(prefix, tensors):
    """Writes tensors as a checkpoint; returns its prefix."""
    checkpoint.save(str(prefix), tensors)
    return prefix


def exported(search, prefix, run):
    """Exports a search as a run in the folder `run` would; returns the log."""
    os.makedirs(run, exist_ok=True)
    lines = []
    config = dataclasses.replace(
        Config(), output_dir=str(run), export_tf1_checkpoint=str(prefix)
    )
    tf1_export.check(RunDir(config))
    tf1_export.export(search, RunDir(config), lines.append)
    return lines


SMALLEST = (
    "p",
    "--dataset=shapes",
    "--num_train=10",
    "--num_valid=10",
    "--num_test=10",
    "--batch_size=10",
    "--child_num_layers=2",
    "--child_out_filters=2",
    "--controller_lstm_size=4",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
    "--pictures_every=0",
)
