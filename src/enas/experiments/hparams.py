"""The runs of a sweep in TensorBoard's table of hyper-parameters."""

import os
import shutil
from typing import Any

from enas import tf_settings
from enas.experiments.results import READINGS, Group, Sweep
from enas.experiments.run_state import RunState


def write_hparams(sweep: Sweep) -> str:
    """Writes one TensorBoard session per run: settings and final errors.

    Returns:
      The directory, for `tensorboard --logdir`.
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
            metrics=[api.Metric(t, display_name=f"{t} (%)") for t in _TAGS],
        )
    for group in sweep.groups.values():
        for state in group.states:
            _write_run(tf, api, folder, group, state)
    return folder


_HPARAMS = ("row", "variant", "poison", "q", "op_ids", "seed", "state")
# Tag -> column of metrics.csv.
_TAGS = {"error/valid": "valid_acc", "error/test": "test_acc"}
_TAGS |= {f"error/{n.replace('_error_', '_')}": c for n, c in READINGS.items()}


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
        for tag, column in _TAGS.items():
            error = state.error(column)
            if error is not None:
                tf.summary.scalar(tag, error, step=state.epochs)
