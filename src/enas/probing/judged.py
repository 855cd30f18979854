"""What is judged on one map, and from which value on it is suspicious."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from enas.probing.probes import Probed, relative_distance

INDEPENDENT = 0.9
ZEROED = 0.8
# Measure -> kind of the finding, and the largest value that is one.
JUDGED = {
    "input_distance": ("returns_input", 0.1),
    "nonlinearity": ("linear", 1e-3),
    "response": ("constant", 1e-6),
    "training_response": ("ignores_input", 1e-6),
    "training_distance": ("returns_input_in_training", 0.1),
    "passed": ("no_gradient", 0.0),
}


def judged(
    probed: Probed, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor
) -> dict[str, float]:
    """Returns what is judged, but for the gradient, see `Measures`.

    `y` is the evaluation of the map `x`, `step` its training step, of the draw
    that `Probed.trained` makes.
    """
    other = tf.roll(x, 1, axis=0)
    of_other, of_other_step = probed.evaluated(other), probed.trained(other)
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


def chain_nonlinearity(
    chain: Sequence[Probed], maps: Sequence[tf.Tensor]
) -> float:
    """Returns the largest `nonlinearity` of ops, one after the other."""

    def run(x: tf.Tensor) -> tf.Tensor:
        for probed in chain:
            x = probed.evaluated(x)
        return x

    pairs = [(x, tf.roll(x, 1, axis=0)) for x in maps]
    found = (nonlinearity(run, x, y, run(x), run(y)) for x, y in pairs)
    return max(0.0, *found)


def loses_information(training: float, zeros: float) -> bool:
    """Judges what `noise_of` returns."""
    return training < INDEPENDENT or zeros > ZEROED
