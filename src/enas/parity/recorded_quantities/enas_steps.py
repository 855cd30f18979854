"""train_step.npz: momentum steps, each a new epoch."""

import collections
import re

import numpy as np

from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.config import Config
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.train_steps import ChildStep, Draw, child_step
from enas.parity.comparison import Measure, Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, named, pair_up
from enas.parity.recorded_quantities.enas_child import (
    NO_SEED,
    RULES,
    arcs_of,
    build_child,
)
from enas.run.checkpoint import model_variables
from enas.schedules import learning_rate
from enas.tf1.load import restart_state


def steps(arrays: Arrays) -> Measure:
    """Measures the steps.

    Source: rows 11 to 17 of profile enas; statistics of ops that were not
    chosen in every step are left out (row 12).
    """
    return _Steps(arrays).measure


class _Steps:
    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.arcs = arcs_of(arrays["_arcs"])
        self.start = arrays.below("step0/")
        chosen = [
            {f"layer_{k}/branch_{op}" for k, op in enumerate(op_ids)}
            for op_ids, _ in self.arcs
        ]
        self.always = set.intersection(*chosen)

    def measure(self, nudge: Nudge) -> list[Quantity]:
        """Trains as many steps as there are arcs, each a new epoch."""
        child, optimizer = self._build(nudge)
        variables = {**model_variables(child), **optimizer.variables}
        found = [self._gradients(nudge)]
        for t in range(len(self.arcs)):
            rate = float(learning_rate(Config(), t, 0))
            step = self._step(child, optimizer, t, rate)
            found += self._numbers(t, step, rate)
            state = {name: v.numpy() for name, v in variables.items()}
            found += self._state(t + 1, state)
        return found

    def _build(self, nudge: Nudge) -> tuple[MacroChild, ChildOptimizer]:
        child = build_child(self.start, len(self.arcs[0][0]), nudge)
        optimizer = ChildOptimizer(child, RULES)
        for name, slot in optimizer.variables.items():
            slot.assign(self.start[name])
        return child, optimizer

    def _step(
        self, child: MacroChild, optimizer: ChildOptimizer, t: int, rate: float
    ) -> ChildStep:
        batch = self.arrays["_images"][t], self.arrays["_labels"][t]
        draw = Draw(rate, NO_SEED)
        return child_step(child, optimizer, batch, self.arcs[t], draw)

    def _gradients(self, nudge: Nudge) -> Quantity:
        child, optimizer = self._build(nudge)
        step = self._step(child, optimizer, 0, 0.0)
        ours = named(child, step.gradients)
        name = "gradients of step 1"
        return Quantity(name, pair_up(self.arrays.below("grad1/"), ours), name)

    def _numbers(self, t: int, step: ChildStep, rate: float) -> list[Quantity]:
        right = np.argmax(step.logits, 1) == self.arrays["_labels"][t]
        ours = {
            "loss": step.loss,
            "grad_norm": step.norm,
            "train_acc": np.sum(right),
            "train_logits": step.logits,
            "lr": rate,
        }
        return [
            Quantity(
                f"step {t + 1}: {name}",
                {name: (self.arrays[f"_{name}"][t], np.asarray(value))},
                "norms" if name == "grad_norm" else "",
            )
            for name, value in ours.items()
        ]

    def _state(self, step: int, state: dict[str, np.ndarray]) -> list[Quantity]:
        ours = restart_state(Config(), step) | state
        ours["global_step"] = self.start["global_step"] + step
        groups: dict[str, dict] = collections.defaultdict(dict)
        for name, recorded in self.arrays.below(f"step{step}/").items():
            if self._is_compared(name):
                groups[_group(name)][name] = recorded, ours[name]
        return [
            Quantity(f"step {step}: {group}", pairs, _CHAINS.get(group, ""))
            for group, pairs in groups.items()
        ]

    def _is_compared(self, name: str) -> bool:
        """Whether the port moves this variable as the original (row 12)."""
        branch = re.search(r"layer_\d+/branch_\d+", name)
        return "moving_" not in name or not branch or branch[0] in self.always


_CHAINS = {g: g for g in ("weights", "momentum", "statistics", "shadows")}


def _group(name: str) -> str:
    if name.endswith("/Momentum"):
        return "momentum"
    if name.endswith(("/biased", "/local_step")):
        return "shadows"
    if "moving_" in name:
        return "statistics"
    return "weights" if name.startswith("child/") else "counters"
