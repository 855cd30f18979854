"""What is judged on one map, and from which value on it is suspicious."""

from collections.abc import Callable

import tensorflow as tf

from enas.probing.probes import Probed, relative_distance

RETURNS_INPUT = 0.1
LINEAR = 1e-3
IGNORES = 1e-6
INDEPENDENT = 0.9
ZEROED = 0.8
# Measure -> kind of the finding, and the largest value that is one.
JUDGED = {
    "input_distance": ("returns_input", RETURNS_INPUT),
    "nonlinearity": ("linear", LINEAR),
    "response": ("constant", IGNORES),
    "training_response": ("ignores_input", IGNORES),
    "training_distance": ("returns_input_in_training", RETURNS_INPUT),
    "passed": ("no_gradient", 0.0),
}


def judged(
    probed: Probed, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor
) -> dict[str, float]:
    """Returns what is judged, but for the gradient, see `Measures`.

    Args:
      x: a map.
      y: its evaluation.
      step: what a training step of draw 1 makes of it.
    """
    other = tf.roll(x, 1, axis=0)
    of_other, of_other_step = probed.evaluated(other), probed.trained(other, 1)
    return {
        "input_distance": relative_distance(x, y),
        "nonlinearity": nonlinearity(probed.evaluated, x, other, y, of_other),
        "response": relative_distance(y, of_other),
        "training_response": relative_distance(step, of_other_step),
        "training_distance": relative_distance(x, step),
    }


def nonlinearity(
    run: Callable, x: tf.Tensor, y: tf.Tensor, of_x: tf.Tensor, of_y: tf.Tensor
) -> float:
    """Returns how far f(a x + (1 - a) y) is from a f(x) + (1 - a) f(y)."""
    return max(
        relative_distance(run(a * x + (1 - a) * y), a * of_x + (1 - a) * of_y)
        for a in (0.3, 2.0)
    )


def loses_information(training: float, zeros: float) -> bool:
    """Judges what `noise_of` returns."""
    return training < INDEPENDENT or zeros > ZEROED


def suspicious(found: dict[str, float], noise: tuple[float, float]) -> bool:
    """Says whether something that is judged is small enough for a finding.

    Args:
      found: see `judged`.
      noise: see `noise_of`.
    """
    small = any(value <= JUDGED[name][1] for name, value in found.items())
    return small or loses_information(*noise)
