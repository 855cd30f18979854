"""train_step.npz: momentum steps, each a new epoch."""

import re

import numpy as np

from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.config import Config
from enas.cifar10.train_steps import Draw, child_step
from enas.parity.comparison import Case
from enas.parity.forms.enas_child import (
    NO_SEED,
    RULES,
    arcs_of,
    build_child,
)
from enas.parity.forms.parts import named, part
from enas.run.checkpoint import model_variables
from enas.schedules import learning_rate
from enas.tf1.load import restart_state

__all__ = ["train_step_case"]


def train_step_case(arrays):
    """Returns the `Case` of train_step.npz.

    Args:
      arrays: dict, name -> array.

    Source: rows 11 to 17 of profile enas; statistics of ops that were not
    chosen in every step are left out (row 12).
    """
    return RecordedSteps(arrays).case()


class RecordedSteps:
    """The momentum steps of a train_step.npz.

    Args:
      arrays: dict, name -> array.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        self.arcs = arcs_of(arrays["_arcs"])
        chosen = [
            {f"layer_{k}/branch_{op}" for k, op in enumerate(op_ids)}
            for op_ids, _ in self.arcs
        ]
        self.always = set.intersection(*chosen)

    def case(self):
        """Returns the `Case`."""
        recorded = {"gradients of step 1": part(self.arrays, "grad1/")}
        for t in range(len(self.arcs)):
            for name in self.PER_STEP:
                key = self._key(name, t)
                recorded[key] = {name: self.arrays[name][t]}
            for group, values in self._groups(t + 1).items():
                recorded[group] = values
        per_step = [self._chain("_grad_norm")]
        groups = [
            tuple(name for name in recorded if name.endswith(kind))
            for kind in ("weights", "momentum", "statistics", "shadows")
        ]
        chaotic = (*per_step, *groups, ("gradients of step 1",))
        return Case(
            recorded,
            self.compute,
            self.compute,
            chaotic,
            frozenset(self._used()),
        )

    PER_STEP = (
        "_loss",
        "_grad_norm",
        "_train_acc",
        "_train_logits",
        "_lr",
    )

    @staticmethod
    def _key(name, t):
        return f"step {t + 1}: {name.removeprefix('_')}"

    def _chain(self, name):
        return tuple(self._key(name, t) for t in range(len(self.arcs)))

    def _groups(self, step):
        """Returns dict, group -> dict, name -> array, of the state."""
        groups = {}
        for name, value in part(self.arrays, f"step{step}/").items():
            if self._is_compared(name):
                key = f"step {step}: {_group(name)}"
                groups.setdefault(key, {})[name] = value
        return groups

    def _is_compared(self, name):
        """Whether the port moves this variable as the original (row 12)."""
        branch = re.search(r"layer_\d+/branch_\d+", name)
        return "moving_" not in name or not branch or branch[0] in self.always

    def compute(self, nudge=lambda weight: weight):
        """Trains as many steps as there are arcs, each a new epoch."""
        start = part(self.arrays, "step0/")
        child = build_child(start, len(self.arcs[0][0]), nudge)
        optimizer = ChildOptimizer(child, RULES)
        for name, slot in optimizer.variables.items():
            slot.assign(start[name])
        variables = {**model_variables(child), **optimizer.variables}
        ours = {"gradients of step 1": self._gradients(start, nudge)}
        for t, arc in enumerate(self.arcs):
            labels = self.arrays["_labels"][t]
            rate = learning_rate(Config(), t, 0)
            batch = self.arrays["_images"][t], labels
            step = child_step(child, optimizer, batch, arc, Draw(rate, NO_SEED))
            correct = np.sum(np.argmax(step.logits, 1) == labels)
            values = (step.loss, step.norm, correct, step.logits, rate)
            for name, value in zip(self.PER_STEP, values, strict=True):
                ours[self._key(name, t)] = {name: np.asarray(value)}
            ours |= self._state(t + 1, variables, start)
        return ours

    def _gradients(self, start, nudge):
        child = build_child(start, len(self.arcs[0][0]), nudge)
        optimizer = ChildOptimizer(child, RULES)
        batch = self.arrays["_images"][0], self.arrays["_labels"][0]
        draw = Draw(0.0, NO_SEED)
        step = child_step(child, optimizer, batch, self.arcs[0], draw)
        return named(child, step.gradients)

    def _state(self, step, variables, start):
        counters = restart_state(Config(), step)
        counters["global_step"] = start["global_step"] + step
        groups = {}
        for name in part(self.arrays, f"step{step}/"):
            value = counters.get(name)
            if name in variables:
                value = variables[name].numpy()
            groups.setdefault(f"step {step}: {_group(name)}", {})[name] = value
        return groups

    def _used(self):
        steps = [f"step{t}/" for t in range(len(self.arcs) + 1)]
        known = {*self.PER_STEP, "_images", "_labels", "_arcs"}
        return {
            name
            for name in self.arrays
            if name in known or name.startswith(("grad1/", *steps))
        }


def _group(name):
    if name.endswith("/Momentum"):
        return "momentum"
    if name.endswith(("/biased", "/local_step")):
        return "shadows"
    if "moving_" in name:
        return "statistics"
    return "weights" if name.startswith("child/") else "counters"
