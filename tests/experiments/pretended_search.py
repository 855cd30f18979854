"""Stands in for the search program: the files of a run, in milliseconds.

    python pretended_search.py SECONDS_AN_EPOCH [search flags]

A file `fail_<run>` beside the run directory makes it fail, once for each
character that the file holds.
"""

import os
import sys
import time

from enas.cifar10.metrics import COLUMNS
from enas.experiments.jobs import read_config

ERRORS = {"none": 0.3, "identity": 0.5, "dropout": 0.6}


def main():
    search(float(sys.argv[1]), sys.argv[2:])


def search(seconds, arguments):
    config = read_config(tuple(arguments))
    run = config.output_dir
    os.makedirs(f"{run}/checkpoints", exist_ok=True)
    done = len(os.listdir(f"{run}/checkpoints"))
    note(run, f"starts after {done} in {os.getpid()}")
    fail_if_asked(run)
    for epoch in range(done + 1, config.num_epochs + 1):
        time.sleep(seconds)
        write_row(run, epoch, config)
        os.mkdir(f"{run}/checkpoints/epoch-{epoch}")
        note(run, f"epoch {epoch}")


def write_row(run, epoch, config):
    error = ERRORS.get(config.poison, 0.7) + 1 / (10 * epoch)
    row = dict.fromkeys(COLUMNS, 0.0)
    row |= {name: 1 - error for name in COLUMNS if "_acc" in name}
    row |= {"epoch": epoch, "seconds_child": 60.0, "poison_share": 0.5}
    with open(f"{run}/metrics.csv", "a") as stream:
        if epoch == 1:
            stream.write(",".join(COLUMNS) + "\n")
        stream.write(",".join(str(row[name]) for name in COLUMNS) + "\n")


def fail_if_asked(run):
    folder, name = os.path.split(run)
    path = os.path.join(folder, f"fail_{name}")
    if not os.path.exists(path):
        return
    with open(path) as stream:
        left = stream.read()
    if left:
        with open(path, "w") as stream:
            stream.write(left[1:])
        sys.exit("a very good reason")


def note(run, text):
    with open(f"{run}/stdout", "a") as stream:
        stream.write(text + "\n")


if __name__ == "__main__":
    main()
