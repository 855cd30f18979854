"""The runs of a sweep in TensorBoard's table of hyper-parameters."""

import os
import shutil
from typing import Any

from enas import tf_settings
from enas.experiments.results import Group, Sweep, reading_columns
from enas.experiments.run_state import RunState

__all__ = ["write_hparams"]


def write_hparams(sweep: Sweep) -> str:
    """Writes one TensorBoard session per run: settings and final errors.

    Returns:
      str, the directory, for `tensorboard --logdir`.
    """
    with tf_settings.quiet_import():
        import tensorflow as tf
        from tensorboard.plugins.hparams import api

        tf.config.list_logical_devices()
    folder = os.path.join(sweep.directory, "tensorboard")
    # What an earlier report wrote would otherwise be shown as well.
    shutil.rmtree(folder, ignore_errors=True)
    with tf.summary.create_file_writer(folder).as_default():
        api.hparams_config(
            hparams=[api.HParam(name) for name in _HPARAMS],
            metrics=[
                api.Metric(tag, display_name=f"{tag} (%)") for tag in _tags()
            ],
        )
    for group in sweep.groups.values():
        for state in group.states:
            _write_run(tf, api, folder, group, state)
    return folder


_HPARAMS = ("row", "variant", "poison", "q", "op_ids", "seed", "state")


def _write_run(
    tf: Any, api: Any, folder: str, group: Group, state: RunState
) -> None:
    name = state.job.name
    with tf.summary.create_file_writer(os.path.join(folder, name)).as_default():
        row = group.row
        values: tuple = (row.name, group.variant or "search", row.poison, row.q)
        values += (group.space.num_ops, state.job.seed, state.text)
        settings = dict(zip(_HPARAMS, values, strict=True))
        api.hparams(settings, trial_id=name)
        for tag, column in _tags().items():
            error = state.error(column)
            if error is not None:
                tf.summary.scalar(tag, error, step=state.epochs)


def _tags() -> dict[str, str]:
    """Returns dict, tag -> column of metrics.csv."""
    tags = {"error/valid": "valid_acc", "error/test": "test_acc"}
    for split in ("valid", "test"):
        for (arcs, mode), column in reading_columns(split).items():
            tags[f"error/{split}_{arcs}_{mode}"] = column
    return tags
