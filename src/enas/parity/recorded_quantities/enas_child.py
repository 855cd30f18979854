"""child_intended.npz, child_published.npz: one pass through every arc."""

import dataclasses

import numpy as np

from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import ENAS, Profile
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.cifar10.train_steps import Draw, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import Measure, Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, load
from enas.run.checkpoint import model_variables

RULES = GradientRules(l2_reg=0.00025)
NO_SEED = (0, 0)
SPACE = SearchSpace(CANDIDATE_OPS["enas6"])
PUBLISHED = dataclasses.replace(ENAS, branch_binding="published")


def arcs_of(
    flat: np.ndarray, num_ops: int = 6
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns (op ids, skips), int32, of each arc in ENAS's flat form."""
    layers = int((np.sqrt(8 * flat.shape[1] + 1) - 1) / 2)
    arcs = [Arc.from_flat(row, layers, num_ops) for row in flat]
    return [
        (np.array(arc.op_ids, np.int32), np.array(arc.skips, np.int32))
        for arc in arcs
    ]


def build_child(
    weights: dict[str, np.ndarray],
    layers: int,
    nudge: Nudge,
    profile: Profile = ENAS,
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


def intended(arrays: Arrays) -> Measure:
    """Measures a child whose branches are bound as they were meant.

    Source: rows 1 to 11 and 14 of profile enas; section 2.
    """
    return _passes(arrays, arrays, ENAS)


def published(arrays: Arrays) -> Measure:
    """Measures one with late binding left in; its twin has the weights."""
    twin = arrays.path.name.replace("child_published", "child_intended")
    return _passes(arrays, load(arrays.path.with_name(twin)), PUBLISHED)


def _passes(arrays: Arrays, weights: Arrays, profile: Profile) -> Measure:
    batch = arrays["_images"], arrays["_labels"]
    arcs = arcs_of(arrays["_arcs"])

    def measure(nudge: Nudge) -> list[Quantity]:
        child = build_child(weights, len(arcs[0][0]), nudge, profile)
        # A rate of 0: every arc meets the recorded weights.
        optimizer = ChildOptimizer(child, RULES)
        evaluated = [child(batch[0], arc) for arc in arcs]
        draw = Draw(0.0, NO_SEED)
        steps = [child_step(child, optimizer, batch, arc, draw) for arc in arcs]
        right = [np.sum(np.argmax(s.logits, 1) == batch[1]) for s in steps]
        ours = {
            "_eval_logits": evaluated,
            "_train_logits": [step.logits for step in steps],
            "_train_loss": [step.loss for step in steps],
            "_train_acc": right,
            "_train_grad_norm": [step.norm for step in steps],
        }
        return [
            Quantity(
                name,
                {name: (arrays[name], np.array(values))},
                "norms" if name == "_train_grad_norm" else "",
            )
            for name, values in ours.items()
        ]

    return measure
