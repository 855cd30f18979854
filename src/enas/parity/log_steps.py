"""How many child steps an epoch has, derived from a log. No TensorFlow."""

import collections
import math
from typing import NamedTuple

from enas.errors import UserError

__all__ = ["StepRange", "common_steps", "step_range"]


class StepRange(NamedTuple):
    """What a log tells of the child steps of an epoch.

    Attributes:
      low: int, they are at least so many.
      high: int, at most so many; None if the log sets no bound.
    """

    low: int
    high: int | None


def step_range(path, dialect, events):
    """Derives the steps of an epoch from what a log prints.

    Args:
      path: str, for the message.
      dialect: "enas" or "paper".
      events: list of `log_lines.Event`.

    Returns:
      A `StepRange`.

    Raises:
      UserError: the lines contradict each other.
    """
    if dialect == "enas":
        return _of_enas(path, events)
    return _of_paper(events)


def common_steps(logs):
    """Chooses the steps per epoch of several logs.

    One number for all that is possible for each, the smallest such; if there
    is none, each log's own smallest.

    Args:
      logs: list of `Log`.

    Returns:
      list of int, one per log.
    """
    low = max(log.steps.low for log in logs)
    if all(low <= (log.steps.high or low) for log in logs):
        return [low] * len(logs)
    return [log.steps.low for log in logs]


def _of_enas(path, events):
    """Derives steps per epoch n: epoch = step // n; its phases at n * epoch.

    Source: ENAS main.py `train`, where both are computed so.
    """
    evaluated = collections.Counter()
    low, high, epoch, last = 1, None, 0, 0
    for event in events:
        step = event.fields.get("step")
        if event.kind == "phase" and event.fields["epoch"]:
            epoch = event.fields["epoch"]
            low = max(low, math.ceil(last / epoch))
        if event.kind == "eval_at" and epoch and step and not step % epoch:
            evaluated[step // epoch] += 1
        if event.kind == "child":
            printed, last = event.fields["epoch"], step
            low = max(low, step // (printed + 1) + 1)
            if printed:
                high = min(step // printed, high or math.inf)
    if evaluated:
        exact = evaluated.most_common(1)[0][0]
        return StepRange(exact, exact)
    if high is not None and low > high:
        raise UserError(
            f"The child lines of {path} contradict each other: by epoch = "
            "step // (steps per epoch) there are at least "
            f"{low} and at most {high} steps in an epoch. Is it more than one "
            "log in a file? Split it."
        )
    return StepRange(low, high)


def _of_paper(events):
    """Derives steps per epoch: steps count from 0 and restart each epoch."""
    steps = [e.fields["step"] for e in events if e.kind == "child"]
    low = max(steps, default=0) + 1
    every = math.gcd(*steps)
    whole = any(event.kind == "phase" for event in events)
    return StepRange(low, low - 1 + every if whole and every else None)
