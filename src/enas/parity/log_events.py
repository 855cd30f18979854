"""Writes two logs as TensorBoard runs whose curves lie over each other."""

import os
import shutil

from enas import tf_settings
from enas.errors import UserError
from enas.parity.log_records import series

__all__ = ["check_directory", "write_events"]

MARKER = ".enas_diff_logs"
RUNS = ("a_", "b_")


def check_directory(path):
    """Refuses a directory that holds something else than a comparison.

    Raises:
      UserError: it does, or no directory can be made there.
    """
    if not path:
        raise UserError(
            "--tensorboard is a directory for curves; received an empty name. "
            "Name a new or empty directory, or none to write no curves."
        )
    if not os.path.lexists(path):
        parent = os.path.abspath(path)
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
            raise UserError(
                f"--tensorboard={path} cannot be made, because {parent} is "
                "not a directory that you may write to. Name another."
            )
        return
    if not os.path.isdir(path) or os.path.islink(path) or _strangers(path):
        raise UserError(
            f"--tensorboard={path} holds something else than a comparison of "
            "two logs, so it is left alone. Name a new or empty directory, "
            "or none to write no curves."
        )


def _strangers(path):
    """Returns whether something there is not from an earlier comparison."""
    names = set(os.listdir(path))
    runs = {name for name in names if name[:2] in RUNS}
    return bool(names) and (MARKER not in names or names - runs - {MARKER})


def write_events(path, runs):
    """Writes one TensorBoard run per log, in place of earlier ones.

    Tags are phase/quantity. Child lines stand at their global child step.
    Everything else happens between two child steps and stands, as the mean
    over the epoch, at the last child step of its epoch.

    Args:
      path: str, checked by `check_directory`.
      runs: dict, name of the run -> list of `Record`.
    """
    with tf_settings.quiet_import():
        import tensorflow as tf

        tf.config.list_logical_devices()
    os.makedirs(path, exist_ok=True)
    for name in os.listdir(path):
        if name[:2] in RUNS:
            shutil.rmtree(os.path.join(path, name))
    with open(os.path.join(path, MARKER), "w", encoding="utf-8") as stream:
        stream.write("Two logs as curves, by scripts/diff_enas.sh logs.\n")
    for name, all_records in runs.items():
        writer = tf.summary.create_file_writer(os.path.join(path, name))
        with writer.as_default():
            for tag, step, value in _curves(all_records):
                tf.summary.scalar(tag, value, step=step)
        writer.close()


def _curves(all_records):
    """Yields (tag, global child step, value)."""
    steps = {(r.phase, r.epoch, r.position): r.step for r in all_records}
    for (phase, quantity), epochs in series(all_records).items():
        for epoch, numbers in sorted(epochs.items()):
            if phase != "child":
                first = next(iter(numbers))
                numbers = {first: sum(numbers.values()) / len(numbers)}
            for position, value in sorted(numbers.items()):
                step = steps[phase, epoch, position]
                yield f"{phase}/{quantity}", step, value
