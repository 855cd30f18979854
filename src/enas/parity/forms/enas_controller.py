"""controller.npz: samples with gradients (A), runs with updates (B)."""

import re

import numpy as np

from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam
from enas.parity.comparison import Case
from enas.parity.forms.enas_child import arcs_of
from enas.parity.forms.parts import named, part
from enas.run.checkpoint import model_variables

__all__ = ["controller_case"]

WEIGHTS = (0.8, 1e-4)
CONTROLLER_RATE = 1e-3
PER_ARC = (
    "log_prob",
    "entropy",
    "skip_count",
    "skip_penaltys",
    "skip_rate",
    "loss",
    "reward",
    "baseline_after",
    "grad_norm",
    "op_logits",
    "skip_logits",
    "lr",
)


def controller_case(arrays):
    """Returns the `Case` of controller.npz.

    Args:
      arrays: dict, name -> array.

    Source: rows 18 to 27 of profile enas. B's updates are compared with the
    plain mean gradient; the embedding's, which the original's accumulator
    scales (row 28), by its gradient alone.
    """
    return RecordedController(arrays).case()


class RecordedController:
    """The controller of a controller.npz: samples A, updates B.

    Args:
      arrays: dict, name -> array.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        self.num_ops = arrays["step0/controller/emb/w"].shape[0]
        self.arcs = {}
        for group in "AB":
            arcs = arcs_of(arrays[f"{group}/sample_arc"], self.num_ops)
            self.arcs[group] = tuple(map(np.array, zip(*arcs, strict=True)))
        names = sorted(name for name in arrays if "/runs_in_update" in name)
        self.updates = range(1, len(names) + 1)

    def build(self, step):
        """Returns (controller, its `Adam`) as recorded before an update."""
        arrays = part(self.arrays, f"step{step}/")
        size = arrays["controller/g_emb"].shape[1]
        depth = sum(
            name.startswith("controller/lstm") and name.endswith("/w")
            for name in arrays
        )
        layers = self.arcs["A"][0].shape[1]
        controller = MacroController(
            ControllerOptions(layers, self.num_ops, size, depth)
        )
        controller.build()
        for name, variable in model_variables(controller).items():
            variable.assign(arrays[name])
        adam = Adam(controller)
        for name, slot in adam.slots.items():
            slot.assign(arrays[name])
        return controller, adam

    def case(self):
        """Returns the `Case`."""
        recorded = {}
        for group in "AB":
            for name in PER_ARC:
                key = f"{group}/{name}"
                if key in self.arrays:
                    recorded[key] = {key: self.arrays[key]}
        for i in self._gradients_recorded():
            recorded[f"A/grad{i}"] = part(self.arrays, f"A/grad{i}/")
        for update in self.updates:
            recorded[f"update {update}: emb_mean_grad"] = {
                "controller/emb/w": self.arrays[f"B/emb_mean_grad{update}"]
            }
            state = part(self.arrays, f"step{update}/")
            recorded[f"update {update}: state"] = {
                name: value
                for name, value in state.items()
                if _follows_the_mean(name)
            }
        return Case(recorded, self.compute, None, (), frozenset(self._used()))

    def _gradients_recorded(self):
        found = (re.match(r"A/grad(\d+)/", name) for name in self.arrays)
        return sorted({int(match[1]) for match in found if match})

    def compute(self):
        """Scores A and B at the weights they were drawn with."""
        ours = {}
        models = self.build(0)
        rows = np.arange(len(self.arrays["A/reward"]))
        self._score(ours, "A", models, rows)
        for i in self._gradients_recorded():
            gradients = self._gradients(models, "A", [i])
            ours[f"A/grad{i}"] = named(models[0], gradients)
        for update in self.updates:
            controller, adam = self.build(update - 1)
            runs = self.arrays[f"B/runs_in_update{update}"]
            gradients = self._gradients((controller, adam), "B", runs)
            adam.apply(gradients, CONTROLLER_RATE)
            self._state(ours, update, controller, adam, gradients)
        # The weights that a run saw are those after the updates before it.
        after = self.arrays["B/train_step_after"]
        seen = np.concatenate([[0], after[:-1]])
        for update in np.unique(seen):
            models = self.build(update)
            self._score(ours, "B", models, np.flatnonzero(seen == update))
        return {key: _joined(value) for key, value in ours.items()}

    def _score(self, ours, group, models, rows):
        """Adds what is said of some arcs, one by one as the original."""
        op_ids, skips = (values[rows] for values in self.arcs[group])
        sample = models[0].score(op_ids, skips)
        before = self.arrays[f"{group}/baseline_before"][rows]
        accuracy = self.arrays[f"{group}/valid_acc"][rows]
        reward = accuracy + WEIGHTS[1] * sample.entropy.numpy()
        after = before - np.float32(0.01) * (before - reward)
        losses, norms = [], []
        for i in range(len(op_ids)):
            one = slice(i, i + 1)
            arcs = op_ids[one], skips[one]
            step = controller_gradients(*models, arcs, (reward - after)[one])
            losses.append(step.losses[0])
            norms.append(step.norm)
        values = (
            sample.neg_log_prob,
            sample.entropy,
            sample.skip_count,
            sample.skip_penalty,
            sample.skip_count / max(1, skips.shape[1]),
            np.array(losses),
            reward,
            after,
            np.array(norms),
            sample.op_logits,
            sample.skip_logits,
            np.full(len(op_ids), CONTROLLER_RATE),
        )
        for name, value in zip(PER_ARC, values, strict=True):
            key = f"{group}/{name}"
            ours.setdefault(key, {}).setdefault(key, []).append(value)

    def _gradients(self, models, group, rows):
        op_ids, skips = (values[rows] for values in self.arcs[group])
        advantage = (
            self.arrays[f"{group}/reward"]
            - self.arrays[f"{group}/baseline_after"]
        )
        arcs = op_ids, skips
        return controller_gradients(*models, arcs, advantage[rows]).gradients

    def _state(self, ours, update, controller, adam, gradients):
        ours[f"update {update}: emb_mean_grad"] = named(controller, gradients)
        variables = {**model_variables(controller), **adam.slots}
        state = {name: v.numpy() for name, v in variables.items()}
        state["train_step"] = self.arrays["step0/train_step"] + update
        last = self.arrays[f"B/runs_in_update{update}"][-1]
        state["Variable"] = self.arrays["B/baseline_after"][last]
        ours[f"update {update}: state"] = state

    def _used(self):
        steps = tuple(f"step{u}/" for u in (0, *self.updates))
        inputs = ("sample_arc", "valid_acc", "baseline_before")
        updates = ("runs_in_update", "emb_mean_grad", "update_after_run")
        # What the original's runtime made of it (row 28), and counts.
        runtime = (
            "emb_sparse_acc_grad",
            "emb_grad_",
            "baseline_fetched",
            "acc_count",
            "train_step_after",
        )
        return {
            name
            for name in self.arrays
            if name.startswith((*steps, "A/grad"))
            or name[2:].startswith((*PER_ARC, *inputs, *updates, *runtime))
        }


def _follows_the_mean(name):
    return "emb/w" not in name or name.startswith("controller/g_emb")


def _joined(values):
    return {
        name: np.concatenate(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
