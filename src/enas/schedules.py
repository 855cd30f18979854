"""Learning rates of the child. No TensorFlow here."""

import math

import numpy as np

__all__ = ["cosine_restarts", "cosine_wave", "learning_rate"]

# The original writes pi this way; with the true one the rates differ by 1e-9.
PI = 3.1415926


def cosine_restarts(epoch, first_step, lr_max, lr_min, t_0, t_mul):
    """Cosine learning rate with restarts, one value per epoch.

    The very first step of a restart epoch uses the old epoch count over the
    new period, cos(pi * T_curr / T_i) with T_curr / T_i = 1 / t_mul, because
    the original reads T_curr before it resets it.

    Args:
      epoch: int, from 0.
      first_step: bool, whether this is the epoch's first step.
      lr_max: float, rate at a restart.
      lr_min: float, rate that a period ends near.
      t_0: int, epochs of the first period.
      t_mul: int, factor on the period at a restart.

    Returns:
      float, the learning rate.

    Source: row 17, ENAS utils.py `get_train_ops`; same, the quirk included.
    """
    last_reset, period = 0, t_0
    while epoch - last_reset >= period:
        elapsed = period
        last_reset, period = last_reset + period, period * t_mul
        if epoch == last_reset and first_step:
            return _cosine(elapsed / period, lr_max, lr_min)
    return _cosine((epoch - last_reset) / period, lr_max, lr_min)


def cosine_wave(epoch, lr_max, lr_min, t_0):
    """Cosine learning rate that rises as slowly as it fell, over and over.

    Args:
      epoch: int, from 0.
      lr_max: float, rate at epoch 0 and after every second half-wave.
      lr_min: float, rate after the first half-wave.
      t_0: int, epochs of half a wave.

    Returns:
      float, the learning rate.

    Source: row 17, torch CosineAnnealingLR with T_max = t_0; same but for
    rounding: PyTorch goes from epoch to epoch.
    """
    return _cosine(epoch / t_0, lr_max, lr_min, math.pi)


def _cosine(share, lr_max, lr_min, pi=PI):
    return lr_min + 0.5 * (lr_max - lr_min) * (1.0 + math.cos(share * pi))


def learning_rate(config, epoch, step_in_epoch):
    """Returns the child's learning rate of one step, float32.

    Args:
      config: `Config`, its child_lr_* settings.
      epoch: int, from 0.
      step_in_epoch: int, from 0.
    """
    bounds = config.child_lr_max, config.child_lr_min
    if config.child_lr_cosine and config.behaviour.lr_schedule == "wave":
        rate = cosine_wave(epoch, *bounds, config.child_lr_T_0)
    elif config.child_lr_cosine:
        rate = cosine_restarts(
            epoch,
            step_in_epoch == 0,
            *bounds,
            config.child_lr_T_0,
            config.child_lr_T_mul,
        )
    else:
        stairs = epoch // config.child_lr_dec_every
        rate = config.child_lr * config.child_lr_dec_rate**stairs
    return np.float32(rate)
