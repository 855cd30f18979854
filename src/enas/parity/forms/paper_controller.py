"""controller_L*_b*.npz: arcs through two updates of the controller."""

import numpy as np

from enas.cifar10.behaviours import PAPER
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam, GradientRules
from enas.parity.comparison import Case
from enas.parity.forms.paper_child import arcs_of
from enas.parity.forms.parts import named, part
from enas.parity.torch_names import controller_arrays

__all__ = ["controller_case"]

RULES = GradientRules(clip="global", bound=5.0)
WEIGHTS = (0.8, 1e-4)
RATE, ARCS_PER_UPDATE = 1e-3, 20


def controller_case(arrays):
    """Returns the `Case` of a file controller_L*_b*.npz.

    Args:
      arrays: dict, name -> array.

    Source: rows 18 to 27 of profile paper.
    """
    controller = RecordedController(arrays)
    logits = [name for name in arrays if name.startswith(("op_pre", "skip_q"))]
    recorded = {
        name: {name: arrays[name]} for name in (*PER_ARC, "gnorm1", "gnorm2")
    }
    for name in logits:
        recorded[f"logits of {name}"] = {name: 1.5 * np.tanh(arrays[name])}
    updates = [f"{kind}{u}" for kind in ("grad", "sd_after") for u in (1, 2)]
    for name in updates:
        if part(arrays, f"{name}/"):
            recorded[name] = controller_arrays(part(arrays, f"{name}/"))
    used = {
        name
        for name in arrays
        if name in (*PER_ARC, *logits, "cfg", "scale", "gnorm1", "gnorm2")
        or name in ("arcs_ops", "arcs_skips")
        or name.startswith(("sd/", *(f"{name}/" for name in updates)))
    }
    return Case(recorded, controller.compute, None, (), frozenset(used))


PER_ARC = (
    "log_prob",
    "entropy",
    "skip_penalty",
    "skip_count",
    "reward",
    "baseline",
    "loss",
    "val_acc",
)


class RecordedController:
    """A controller of a file controller_L*_b*.npz.

    Args:
      arrays: dict, name -> array.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        self.op_ids, self.skips = arcs_of(arrays)

    def build(self):
        """Returns a controller with the recorded weights."""
        layers, num_ops, size = (int(size) for size in self.arrays["cfg"])
        controller = MacroController(
            ControllerOptions(layers, num_ops, size, profile=PAPER)
        )
        controller.build()
        weights = controller_arrays(part(self.arrays, "sd/"))
        for variable in controller.trainable_variables:
            variable.assign(weights[variable.path])
        return controller

    def compute(self):
        """Runs the recorded arcs through updates of 20 arcs each."""
        controller = self.build()
        adam = Adam(controller, PAPER.adam_epsilon, RULES)
        ours = {name: {name: []} for name in PER_ARC}
        baseline = None
        for update in range(len(self.op_ids) // ARCS_PER_UPDATE):
            rows = slice(
                update * ARCS_PER_UPDATE, (update + 1) * ARCS_PER_UPDATE
            )
            sample = controller.score(self.op_ids[rows], self.skips[rows])
            accuracy = self.arrays["val_acc"][rows]
            reward = accuracy + WEIGHTS[1] * sample.entropy.numpy()
            baselines = _baselines(baseline, accuracy, reward)
            baseline = baselines[-1]
            arcs = self.op_ids[rows], self.skips[rows]
            losses, norm, gradients = controller_gradients(
                controller, adam, arcs, reward - baselines
            )
            values = (
                -sample.neg_log_prob,
                sample.entropy,
                sample.skip_penalty,
                sample.skip_count,
                reward,
                baselines,
                losses,
                accuracy,
            )
            for name, value in zip(PER_ARC, values, strict=True):
                ours[name][name].extend(np.asarray(value))
            if update == 0:
                ours |= self._logits(sample)
            adam.apply(gradients, RATE)
            ours |= _update(controller, update + 1, gradients, norm)
        return ours

    def _logits(self, sample):
        ours = {}
        for name in self.arrays:
            if name.startswith("op_pre_tanh_"):
                value = sample.op_logits[int(name.rsplit("_", 1)[1])]
            elif name.startswith("skip_query_"):
                value = sample.skip_logits[int(name.rsplit("_", 1)[1]), :, 1]
            else:
                continue
            ours[f"logits of {name}"] = {name: value.numpy()}
        return ours


def _baselines(baseline, accuracy, reward):
    """Returns the baseline behind each arc, row 25."""
    moved = []
    for one_accuracy, one_reward in zip(accuracy, reward, strict=True):
        if baseline is None:
            baseline = np.float32(one_accuracy)
        else:
            baseline -= np.float32(0.01) * (baseline - one_reward)
        moved.append(baseline)
    return np.float32(moved)


def _update(controller, number, gradients, norm):
    weights = [v.numpy() for v in controller.trainable_variables]
    return {
        f"gnorm{number}": {f"gnorm{number}": norm.numpy()},
        f"grad{number}": named(controller, gradients),
        f"sd_after{number}": named(controller, weights),
    }
