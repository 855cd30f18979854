"""child_intended.npz, child_published.npz: one pass through every arc."""

import dataclasses

import numpy as np

from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import ENAS
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.cifar10.train_steps import Draw, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import Case
from enas.run.checkpoint import model_variables

__all__ = ["NO_SEED", "RULES", "arcs_of", "build_child", "child_case"]

RULES = GradientRules(l2_reg=0.00025)
NO_SEED = (0, 0)
SPACE = SearchSpace(CANDIDATE_OPS["enas6"])
PUBLISHED = dataclasses.replace(ENAS, branch_binding="published")


def arcs_of(flat, num_ops=6):
    """Returns a list of (op ids, skips), int32, from ENAS's flat form."""
    layers = int((np.sqrt(8 * flat.shape[1] + 1) - 1) / 2)
    arcs = [Arc.from_flat(row, layers, num_ops) for row in flat]
    return [(np.int32(arc.op_ids), np.int32(arc.skips)) for arc in arcs]


def build_child(weights, layers, nudge, profile=ENAS):
    """Returns a child with recorded weights, the trainable ones nudged."""
    filters = weights["child/stem_conv/w"].shape[-1]
    child = MacroChild(SPACE, layers, ChildOptions(filters, profile=profile))
    child.build()
    trained = {v.path for v in child.trainable_variables}
    for name, variable in model_variables(child).items():
        value = weights[name]
        variable.assign(nudge(value) if name in trained else value)
    return child


def child_case(arrays, weights, published=False):
    """Returns the `Case` of child_intended.npz or child_published.npz.

    Args:
      arrays: dict, name -> array.
      weights: dict, name -> array, that has the child's variables.
      published: bool, whether late binding was left in.

    Source: rows 1 to 11 and 14 of profile enas; section 2.
    """
    quantities = (
        "_eval_logits",
        "_train_logits",
        "_train_loss",
        "_train_acc",
        "_train_grad_norm",
    )
    images, labels = arrays["_images"], arrays["_labels"]
    arcs = arcs_of(arrays["_arcs"])
    profile = PUBLISHED if published else ENAS

    def compute(nudge=lambda weight: weight):
        child = build_child(weights, len(arcs[0][0]), nudge, profile)
        # A rate of 0: every arc meets the recorded weights.
        optimizer = ChildOptimizer(child, RULES)
        ours = {name: [] for name in quantities}
        for arc in arcs:
            ours["_eval_logits"].append(child(images, arc))
        for arc in arcs:
            step = child_step(
                child, optimizer, (images, labels), arc, Draw(0.0, NO_SEED)
            )
            correct = np.sum(np.argmax(step.logits, 1) == labels)
            values = (step.logits, step.loss, correct, step.norm)
            for name, value in zip(quantities[1:], values, strict=True):
                ours[name].append(value)
        return {name: {name: np.array(ours[name])} for name in quantities}

    used = {*quantities, "_images", "_labels", "_arcs"}
    return Case(
        recorded={name: {name: arrays[name]} for name in quantities},
        compute=compute,
        nudged=compute,
        chaotic=(("_train_grad_norm",),),
        used=frozenset(used | {n for n in arrays if n.startswith("child/")}),
    )
