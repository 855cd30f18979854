"""Learning rates of the child. No TensorFlow here."""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from enas.cifar10.config import Config

# The original writes pi this way; with the true one the rates differ by 1e-9.
PI = 3.1415926


def cosine_restarts(
    epoch: int,
    first_step: bool,
    lr_max: float,
    lr_min: float,
    t_0: int,
    t_mul: int,
) -> float:
    """Cosine from lr_max to lr_min with restarts, one value per epoch from 0.

    The first period has `t_0` epochs, each other `t_mul` times the last one's.
    The very first step of a restart epoch uses the old epoch count over the
    new period, cos(pi * T_curr / T_i) with T_curr / T_i = 1 / t_mul, because
    the original reads T_curr before it resets it.

    Source: row 17, ENAS utils.py `get_train_ops`; same, the quirk included.
    """
    last_reset, period = 0, t_0
    while epoch - last_reset >= period:
        elapsed = period
        last_reset, period = last_reset + period, period * t_mul
        if epoch == last_reset and first_step:
            return _cosine(elapsed / period, lr_max, lr_min, PI)
    return _cosine((epoch - last_reset) / period, lr_max, lr_min, PI)


def _cosine(share: float, lr_max: float, lr_min: float, pi: float) -> float:
    return lr_min + 0.5 * (lr_max - lr_min) * (1.0 + math.cos(share * pi))


def learning_rate(
    config: "Config", epoch: int, step_in_epoch: int
) -> np.float32:
    """Returns the child's learning rate of one step; both count from 0.

    Source: row 17; the wave is torch CosineAnnealingLR with T_max = T_0, same
    but for rounding: PyTorch goes from epoch to epoch.
    """
    bounds = config.child_lr_max, config.child_lr_min
    if config.child_lr_cosine and config.behaviour.lr_schedule == "wave":
        rate = _cosine(epoch / config.child_lr_T_0, *bounds, math.pi)
    elif config.child_lr_cosine:
        periods = config.child_lr_T_0, config.child_lr_T_mul
        rate = cosine_restarts(epoch, step_in_epoch == 0, *bounds, *periods)
    else:
        stairs = epoch // config.child_lr_dec_every
        rate = config.child_lr * config.child_lr_dec_rate**stairs
    return np.float32(rate)
