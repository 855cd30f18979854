"""controller_L*_b*.npz: arcs through two updates of the controller."""

import collections

import numpy as np

from enas.cifar10.behaviours import PAPER
from enas.cifar10.macro_controller import (
    ControllerOptions,
    MacroController,
    Sample,
)
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam, GradientRules
from enas.parity.comparison import Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, named
from enas.parity.recorded_quantities.paper_child import arcs_of
from enas.parity.recorded_quantities.torch_names import controller_arrays

RULES = GradientRules(clip="global", bound=5.0)
ENTROPY_WEIGHT, RATE, ARCS_PER_UPDATE = 1e-4, 1e-3, 20


def updates(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares the arcs through updates of 20 each.

    Source: rows 18 to 27 of profile paper.
    """
    controller = _build(arrays)
    adam = Adam(controller, PAPER.adam_epsilon, RULES)
    op_ids, skips = arcs_of(arrays)
    baselines = np.zeros(0, np.float32)
    per_arc: dict[str, list] = collections.defaultdict(list)
    found: list[Quantity] = []
    firsts = range(0, len(op_ids), ARCS_PER_UPDATE)
    for number, first in enumerate(firsts, 1):
        rows = slice(first, first + ARCS_PER_UPDATE)
        arcs = op_ids[rows], skips[rows]
        sample = controller.score(*arcs)
        accuracy = arrays["val_acc"][rows]
        reward = accuracy + ENTROPY_WEIGHT * sample.entropy.numpy()
        baselines = _baselines(baselines[-1:], accuracy, reward)
        step = controller_gradients(controller, adam, arcs, reward - baselines)
        values = {
            "log_prob": -sample.neg_log_prob,
            "entropy": sample.entropy,
            "skip_penalty": sample.skip_penalty,
            "skip_count": sample.skip_count,
            "reward": reward,
            "baseline": baselines,
            "loss": step.losses,
            "val_acc": accuracy,
        }
        for name, value in values.items():
            per_arc[name].extend(np.asarray(value))
        if first == 0:
            found += _logits(arrays, sample)
        adam.apply(step.gradients, RATE)
        found += arrays.compared({f"gnorm{number}": step.norm})
        weights = controller.trainable_variables
        after = {"grad": step.gradients, "sd_after": weights}
        for name, values in after.items():
            if recorded := arrays.below(f"{name}{number}/"):
                pair = controller_arrays(recorded), named(controller, values)
                found.append(Quantity.of(f"{name}{number}", *pair))
    return found + arrays.compared(per_arc)


def _build(arrays: Arrays) -> MacroController:
    """Returns a controller with the recorded weights."""
    layers, num_ops, size = map(int, arrays["cfg"])
    options = ControllerOptions(layers, num_ops, size, profile=PAPER)
    controller = MacroController(options)
    controller.build()
    weights = controller_arrays(arrays.below("sd/"))
    for variable in controller.trainable_variables:
        variable.assign(weights[variable.path])
    return controller


def _baselines(
    last: np.ndarray, accuracy: np.ndarray, reward: np.ndarray
) -> np.ndarray:
    """Returns the baseline after each arc, row 25; the last one may be none."""
    moved = [*last]
    for one_accuracy, one_reward in zip(accuracy, reward, strict=True):
        step = np.float32(0.01) * (moved[-1] - one_reward) if moved else 0
        moved.append(moved[-1] - step if moved else np.float32(one_accuracy))
    return np.array(moved[len(last) :], np.float32)


def _logits(arrays: Arrays, sample: Sample) -> list[Quantity]:
    skips = sample.skip_logits[..., 1]
    ours = {"op_pre_tanh": sample.op_logits, "skip_query": skips}
    found = []
    for name in arrays:
        kind, _, arc = name.rpartition("_")
        if kind in ours:
            pair = 1.5 * np.tanh(arrays[name]), ours[kind][int(arc)].numpy()
            found.append(Quantity(f"logits of {name}", {name: pair}))
    return found
