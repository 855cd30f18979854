"""controller.npz: samples with gradients (A), runs with updates (B)."""

import re
from collections.abc import Sequence

import numpy as np

from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam
from enas.parity.comparison import Measure, Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, named, pair_up
from enas.parity.recorded_quantities.enas_child import arcs_of
from enas.run.checkpoint import model_variables

ENTROPY_WEIGHT, RATE = 1e-4, 1e-3
Models = tuple[MacroController, Adam]


def samples_and_updates(arrays: Arrays) -> Measure:
    """Measures the samples A and the runs B.

    Source: rows 18 to 27 of profile enas. B's updates are compared with the
    plain mean gradient; the embedding's, which the original's accumulator
    scales (row 28), by its gradient alone.
    """
    return _RecordedRuns(arrays).measure


class _RecordedRuns:
    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.num_ops = arrays["step0/controller/emb/w"].shape[0]
        self.arcs = {}
        for group in "AB":
            arcs = arcs_of(arrays[f"{group}/sample_arc"], self.num_ops)
            self.arcs[group] = tuple(map(np.array, zip(*arcs, strict=True)))

    def measure(self, nudge: Nudge) -> list[Quantity]:
        """Scores A and B at the weights they were drawn with."""
        first = self._build(0)
        found = self._scores("A", {0: np.arange(len(self.arrays["A/reward"]))})
        for name in sorted(
            {n.split("/")[1] for n in self.arrays if "/grad" in n}
        ):
            gradients = re.fullmatch(r"grad(\d+)", name)
            if gradients:
                ours = self._gradients(first, "A", [int(gradients[1])])
                pairs = pair_up(self.arrays.below(f"A/{name}/"), ours)
                found.append(Quantity(f"A/{name}", pairs))
        updates = sum("/runs_in_update" in name for name in self.arrays)
        for update in range(1, updates + 1):
            found += self._update(update)
        # The weights that a run saw are those after the updates before it.
        seen = np.concatenate([[0], self.arrays["B/train_step_after"][:-1]])
        rows = {u: np.flatnonzero(seen == u) for u in np.unique(seen)}
        return found + self._scores("B", rows)

    def _build(self, step: int) -> Models:
        """Returns (controller, its Adam) as recorded after some updates."""
        arrays = self.arrays.below(f"step{step}/")
        size = arrays["controller/g_emb"].shape[1]
        depth = len([n for n in arrays if re.fullmatch(r"\w+/lstm/\w+/w", n)])
        layers = self.arcs["A"][0].shape[1]
        controller = MacroController(
            ControllerOptions(layers, self.num_ops, size, depth)
        )
        controller.build()
        adam = Adam(controller)
        variables = {**model_variables(controller), **adam.slots}
        for name, variable in variables.items():
            variable.assign(arrays[name])
        return controller, adam

    def _scores(
        self, group: str, rows: dict[int, np.ndarray]
    ) -> list[Quantity]:
        """Compares what is said of arcs, each at the weights it saw."""
        parts = [
            self._score(self._build(update), group, some)
            for update, some in rows.items()
        ]
        return [
            Quantity(key, {key: (self.arrays[key], np.concatenate(values))})
            for name in parts[0]
            if (key := f"{group}/{name}") in self.arrays
            for values in [[part[name] for part in parts]]
        ]

    def _score(self, models: Models, group: str, rows: np.ndarray) -> dict:
        """Returns what is said of some arcs, one by one as the original."""
        op_ids, skips = (values[rows] for values in self.arcs[group])
        sample = models[0].score(op_ids, skips)
        before = self.arrays[f"{group}/baseline_before"][rows]
        accuracy = self.arrays[f"{group}/valid_acc"][rows]
        reward = accuracy + ENTROPY_WEIGHT * sample.entropy.numpy()
        after = before - np.float32(0.01) * (before - reward)
        ones = [slice(i, i + 1) for i in range(len(op_ids))]
        steps = [
            controller_gradients(
                *models, (op_ids[one], skips[one]), (reward - after)[one]
            )
            for one in ones
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
            "lr": [RATE] * len(op_ids),
        }

    def _gradients(
        self, models: Models, group: str, rows: Sequence[int]
    ) -> dict:
        op_ids, skips = (values[rows] for values in self.arcs[group])
        after = self.arrays[f"{group}/baseline_after"]
        advantage = (self.arrays[f"{group}/reward"] - after)[rows]
        step = controller_gradients(*models, (op_ids, skips), advantage)
        return named(models[0], step.gradients)

    def _update(self, update: int) -> list[Quantity]:
        controller, adam = models = self._build(update - 1)
        runs = self.arrays[f"B/runs_in_update{update}"].tolist()
        gradients = self._gradients(models, "B", runs)
        adam.apply(list(gradients.values()), RATE)
        variables = {**model_variables(controller), **adam.slots}
        state = {name: v.numpy() for name, v in variables.items()}
        state["train_step"] = self.arrays["step0/train_step"] + update
        state["Variable"] = self.arrays["B/baseline_after"][runs[-1]]
        recorded = {
            name: array
            for name, array in self.arrays.below(f"step{update}/").items()
            if "emb/w" not in name or name.startswith("controller/g_emb")
        }
        mean = self.arrays[f"B/emb_mean_grad{update}"]
        pairs = pair_up({"controller/emb/w": mean}, gradients)
        return [
            Quantity(f"update {update}: emb_mean_grad", pairs),
            Quantity(f"update {update}: state", pair_up(recorded, state)),
        ]
