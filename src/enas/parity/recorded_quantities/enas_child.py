"""The child's recordings: passes through every arc, and momentum steps.

child_intended.npz, child_published.npz and train_step.npz.
"""

import dataclasses
import re
from typing import Any

import numpy as np

from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import ENAS, Profile
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.config import Config
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.cifar10.train_steps import StepInput, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import ByName, Nudge, Quantity, unchanged
from enas.parity.recorded_quantities.arrays import Arrays, named, quantities
from enas.run.checkpoint import model_variables
from enas.schedules import learning_rate
from enas.tf1.load import restart_state

RULES = GradientRules(l2_reg=0.00025)
NO_SEED = (0, 0)
# What a kink of a ReLU changes, from step to step.
CHAINS = "grad_norm", "weights", "momentum", "statistics", "shadows"
SPACE = SearchSpace(CANDIDATE_OPS["enas6"])
PUBLISHED = dataclasses.replace(ENAS, branch_binding="published")


def arcs_of(
    flat: np.ndarray, num_ops: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (op ids, skips), int32 with a row for every arc."""
    layers = int((np.sqrt(8 * flat.shape[1] + 1) - 1) / 2)
    arcs = [Arc.from_flat(row, layers, num_ops) for row in flat]
    op_ids = np.array([arc.op_ids for arc in arcs], np.int32)
    return op_ids, np.array([arc.skips for arc in arcs], np.int32)


def build_child(
    weights: ByName, layers: int, nudge: Nudge, profile: Profile = ENAS
) -> MacroChild:
    """Returns a child with recorded weights, the trainable ones nudged."""
    filters = weights["child/stem_conv/w"].shape[-1]
    child = MacroChild(SPACE, layers, ChildOptions(filters, profile=profile))
    child.build()
    trained = {v.path for v in child.trainable_variables}
    for name, variable in model_variables(child).items():
        value = weights[name]
        variable.assign(nudge(value) if name in trained else value)
    return child


def passes(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares all arcs in training and, not nudged, in evaluation.

    All are at the same weights.
    A published child, with late binding left in, has those of its intended
    twin, whose branches are bound as they were meant.

    Source: rows 1 to 11 and 14 of profile enas; section 2.
    """
    profile, weights, name = ENAS, arrays, arrays.path.name
    if name.startswith("child_published"):
        twin = name.replace("child_published", "child_intended")
        profile, weights = PUBLISHED, Arrays(arrays.path.with_name(twin))
    images, labels = batch = arrays["_images"], arrays["_labels"]
    arcs = list(zip(*arcs_of(arrays["_arcs"]), strict=True))
    child = build_child(weights, len(arcs[0][0]), nudge, profile)
    ours: dict[str, Any] = {}
    if nudge is unchanged:
        # Before a step moves the statistics.
        ours["_eval_logits"] = [child(images, arc) for arc in arcs]
    # A rate of 0: every arc meets the recorded weights.
    optimizer, given = ChildOptimizer(child, RULES), StepInput(0.0, NO_SEED)
    steps = [child_step(child, optimizer, batch, arc, given) for arc in arcs]
    losses, norms, logits, _ = zip(*steps, strict=True)
    ours |= {
        "_train_logits": logits,
        "_train_loss": losses,
        "_train_acc": np.sum(np.argmax(logits, axis=2) == labels, axis=1),
        "_train_grad_norm": norms,
    }
    return arrays.compared(ours, chains=["_train_grad_norm"])


def steps(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Trains as many steps as there are arcs, each a new epoch.

    Source: rows 11 to 17 of profile enas; statistics of ops that were not
    chosen in every step are left out (row 12).
    """
    arcs, start = arcs_of(arrays["_arcs"]), arrays.below("step0/")
    child = build_child(start, arcs[0].shape[1], nudge)
    optimizer = ChildOptimizer(child, RULES)
    for name, slot in optimizer.variables.items():
        slot.assign(start[name])
    variables = {**model_variables(child), **optimizer.variables}
    found = []
    for t, arc in enumerate(zip(*arcs, strict=True)):
        batch = arrays["_images"][t], arrays["_labels"][t]
        rate = float(learning_rate(Config(), t, 0))
        given = StepInput(rate, NO_SEED)
        step = child_step(child, optimizer, batch, arc, given)
        if t == 0:
            pair = arrays.below("grad1/"), named(child, step.gradients)
            name = "gradients of step 1"
            found.append(Quantity.of(name, *pair, name))
        ours: dict[str, Any] = {
            "loss": step.loss,
            "grad_norm": step.norm,
            "train_acc": np.sum(np.argmax(step.logits, axis=1) == batch[1]),
            "train_logits": step.logits,
            "lr": rate,
        }
        recorded = {name: arrays[f"_{name}"][t] for name in ours}
        title = f"step {t + 1}: {{}}"
        found += quantities(recorded, ours, title=title, chains=CHAINS)
        ours = variables | restart_state(Config(), t + 1)
        ours["global_step"] = start["global_step"] + t + 1
        recorded = arrays.below(f"step{t + 1}/")
        recorded = {n: a for n, a in recorded.items() if _moves(n, arcs[0])}
        found += quantities(recorded, ours, _group, title, CHAINS)
    return found


def _moves(name: str, op_ids: np.ndarray) -> bool:
    """Whether the port moves this variable as the original (row 12)."""
    found = re.search(r"layer_(\d+)/branch_(\d+)/.*moving_", name)
    return not found or bool((op_ids[:, int(found[1])] == int(found[2])).all())


def _group(name: str) -> str:
    if name.endswith("/Momentum"):
        return "momentum"
    if name.endswith(("/biased", "/local_step")):
        return "shadows"
    if "moving_" in name:
        return "statistics"
    return "weights" if name.startswith("child/") else "counters"
