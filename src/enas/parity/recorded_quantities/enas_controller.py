"""controller.npz: samples with gradients (A), runs with updates (B)."""

import re
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.compiled import CompiledStep
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam
from enas.parity.comparison import Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, named
from enas.parity.recorded_quantities.enas_child import arcs_of
from enas.run.checkpoint import model_variables

ENTROPY_WEIGHT, RATE = 1e-4, 1e-3


def samples_and_updates(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares the samples A and the runs B, at the weights they saw.

    Source: rows 18 to 27 of profile enas. B's updates are compared with the
    plain mean gradient; the embedding's, which the original's accumulator
    scales (row 28), by its gradient alone.
    """
    recorded = _RecordedController(arrays)
    scored = recorded.score("A", 0, np.arange(len(arrays["A/reward"])))
    found = recorded.compared("A", [scored])
    matches = (re.match(r"A/grad(\d+)/", name) for name in arrays)
    for row in sorted({int(match[1]) for match in matches if match}):
        name, ours = f"A/grad{row}", scored["gradients"][row]
        found.append(Quantity.of(name, arrays.below(f"{name}/"), ours))
    updates = sum("/runs_in_update" in name for name in arrays)
    for update in range(1, updates + 1):
        found += recorded.update(update)
    # The weights that a run saw are those after the updates before it.
    seen = np.concatenate([[0], arrays["B/train_step_after"][:-1]])
    parts = [
        recorded.score("B", update, np.flatnonzero(seen == update))
        for update in np.unique(seen)
    ]
    return found + recorded.compared("B", parts)


class _RecordedController:
    """A controller of the recorded sizes, at the weights of one update.

    Attributes:
      gradients: function of op ids, skips and advantages, traced once.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        start = arrays.below("step0/")
        self.num_ops, size = start["controller/emb/w"].shape
        depth = sum(bool(re.fullmatch(r"\w+/lstm/\w+/w", n)) for n in start)
        arcs = self._arcs("A", [0])
        layers = arcs[0].shape[1]
        options = ControllerOptions(layers, self.num_ops, size, depth)
        controller = self.controller = MacroController(options)
        controller.build()
        adam = self.adam = Adam(controller)
        self.variables = {**model_variables(controller), **adam.slots}

        def gradients(ids: tf.Tensor, skips: tf.Tensor, by: tf.Tensor) -> Any:
            return controller_gradients(controller, adam, (ids, skips), by)

        specs = [tf.TensorSpec([None, a.shape[1]], tf.int32) for a in arcs]
        specs.append(tf.TensorSpec([None], tf.float32))
        self.gradients = CompiledStep(gradients, specs, rewritten=False)

    def _arcs(
        self, group: str, rows: np.ndarray | list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        return arcs_of(self.arrays[f"{group}/sample_arc"][rows], self.num_ops)

    def _set(self, update: int) -> None:
        """Sets all variables to what was recorded after an update."""
        for name, variable in self.variables.items():
            variable.assign(self.arrays[f"step{update}/{name}"])

    def score(
        self, group: str, update: int, rows: np.ndarray
    ) -> dict[str, Any]:
        """Says of arcs after an update what the original says of each."""
        self._set(update)
        op_ids, skips = self._arcs(group, rows)
        sample = self.controller.score(op_ids, skips)
        before = self.arrays[f"{group}/baseline_before"][rows]
        accuracy = self.arrays[f"{group}/valid_acc"][rows]
        reward = accuracy + ENTROPY_WEIGHT * sample.entropy.numpy()
        after = before - np.float32(0.01) * (before - reward)
        parts = op_ids, skips, np.float32(reward - after)
        steps = [
            self.gradients(*(tf.constant(part[[i]]) for part in parts))
            for i in range(len(rows))
        ]
        return {
            "log_prob": sample.neg_log_prob,
            "entropy": sample.entropy,
            "skip_count": sample.skip_count,
            "skip_penaltys": sample.skip_penalty,
            "skip_rate": sample.skip_count / max(1, skips.shape[1]),
            "loss": [step.losses[0] for step in steps],
            "reward": reward,
            "baseline_after": after,
            "grad_norm": [step.norm for step in steps],
            "op_logits": sample.op_logits,
            "skip_logits": sample.skip_logits,
            "lr": [RATE] * len(rows),
            "gradients": [named(self.controller, s.gradients) for s in steps],
        }

    def compared(
        self, group: str, parts: list[dict[str, Any]]
    ) -> list[Quantity]:
        """Compares what is said of the arcs of a group, as far as recorded."""
        ours = {
            f"{group}/{name}": np.concatenate([part[name] for part in parts])
            for name in parts[0]
            if f"{group}/{name}" in self.arrays
        }
        return self.arrays.compared(ours)

    def update(self, update: int) -> list[Quantity]:
        """Compares an update by its runs."""
        arrays = self.arrays
        self._set(update - 1)
        runs = arrays[f"B/runs_in_update{update}"]
        baselines = arrays["B/baseline_after"]
        advantages = np.float32((arrays["B/reward"] - baselines)[runs])
        parts = *self._arcs("B", runs), advantages
        step = self.gradients(*map(tf.constant, parts))
        self.adam.apply(step.gradients, RATE)
        state = {
            **self.variables,
            "train_step": arrays["step0/train_step"] + update,
            "Variable": baselines[runs[-1]],
        }
        recorded = {
            name: array
            for name, array in arrays.below(f"step{update}/").items()
            if "emb/w" not in name or name.startswith("controller/g_emb")
        }
        mean = {"controller/emb/w": arrays[f"B/emb_mean_grad{update}"]}
        gradients = named(self.controller, step.gradients)
        return [
            Quantity.of(f"update {update}: emb_mean_grad", mean, gradients),
            Quantity.of(f"update {update}: state", recorded, state),
        ]
