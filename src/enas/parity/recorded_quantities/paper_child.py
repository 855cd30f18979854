"""paper_*.npz: logits, masks, gradients and SGD steps of a poisoned child."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.behaviours import PAPER, Profile
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.compiled import CompiledStep
from enas.cifar10.layers.image_ops import FROZEN
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, POISON_SETS, SearchSpace
from enas.cifar10.train_steps import StepInput, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import Nudge, Quantity, unchanged
from enas.parity.recorded_quantities.arrays import Arrays, named, quantities
from enas.parity.recorded_quantities.torch_names import child_arrays

OUT_OF_PLACE = dataclasses.replace(PAPER, skip_sum="new")
# torch.optim.SGD's treatment of unused weights, by the recorded kind of
# zero_grad: gradients set to zero (torch 1.8.1) or to None.
UNUSED = {"zero": "wait", "none": "stay"}
RULES = GradientRules(0.00025, "weight_decay", "global", 5.0)
RATE, KEEP_PROB = 0.05, 0.9


def search_space(arrays: Arrays) -> SearchSpace:
    """Returns the space of a recorded child, read from its arrays.

    A poisoning shows by its weights (transposed convolutions) or by the masks
    drawn instead of it (dropout); identity has neither.
    """
    masked = {name.rsplit(".", 1)[-1] for name in arrays if "_mask/" in name}
    first, num_ops = len(CANDIDATE_OPS["enas6"]), int(arrays["cfg"][3])
    shown = {
        "transposed_conv": f"sd/layers.0.branch_{first}.weight" in arrays,
        "grouped": f"sd/layers.0.branch_{first + 1}.weight" in arrays,
        "dropout": f"branch_{first}" in masked,
        "identity": num_ops > first,
        "none": True,
    }
    poison = POISON_SETS[next(name for name, is_so in shown.items() if is_so)]
    q = (num_ops - first) // max(1, len(poison))
    return SearchSpace(CANDIDATE_OPS["enas6"], poison, q)


def arcs_of(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Returns (op ids int32 `[arcs, L]`, skips int32 `[arcs, L (L-1)/2]`)."""
    op_ids, rows = np.int32(arrays["arcs_ops"]), np.int32(arrays["arcs_skips"])
    skips = [rows[:, k, :k] for k in range(op_ids.shape[1])]
    return op_ids, np.concatenate(skips, axis=1)


def logits_and_steps(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares the logits and, from nudged weights too, the SGD steps.

    Source: rows 1 to 17 of profile paper.
    """
    recorded = RecordedChild(arrays)
    found = recorded.all_logits() if nudge is unchanged else []
    for kind in UNUSED:
        if f"steps_loss_{kind}" in arrays:
            found += recorded.steps(kind, nudge)
    return found


class RecordedChild:
    """A child of a file paper_*.npz."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.images = np.float32(arrays["images"]).transpose(0, 2, 3, 1)
        self.labels = np.int32(arrays["labels"])
        self.arcs = list(zip(*arcs_of(arrays), strict=True))

    def build(self, profile: Profile = PAPER, **options: Any) -> MacroChild:
        """Returns a child with the recorded weights."""
        layers, filters = map(int, self.arrays["cfg"][:2])
        sizes = ChildOptions(filters, profile=profile, **options)
        child = MacroChild(search_space(self.arrays), layers, sizes)
        child.build()
        self.assign(child)
        return child

    def assign(self, child: MacroChild, nudge: Nudge = unchanged) -> None:
        """Sets a child to the recorded weights, nudged."""
        weights = self.weights(child)
        for variable in child.trainable_variables:
            variable.assign(nudge(weights[variable.path]))

    def weights(self, child: MacroChild, at: str = "sd/") -> dict:
        """Returns the arrays below `at` by the names of a child's weights."""
        names = [v.path for v in child.trainable_variables]
        return child_arrays(self.arrays.below(at), names)

    def all_logits(self) -> list[Quantity]:
        """Compares logits `[arcs, batch, 10]` in all recorded modes."""
        masked = {"keep_prob": KEEP_PROB, "dropout": self._masks()}
        ways: dict[str, tuple[Any, dict[str, Any]]] = {
            "logits_eval": (False, {}),
            "logits_eval_outofplace": (False, {"profile": OUT_OF_PLACE}),
            "logits_train_nodrop": (FROZEN, {}),
            "logits_train": (FROZEN, masked),
        }
        ours = {}
        for name, (mode, options) in ways.items():
            if name in self.arrays:
                child: Any = self.build(**options)
                ours[name] = [
                    child(self.images, arc, training=mode) for arc in self.arcs
                ]
        return self.arrays.compared(ours)

    def _masks(self) -> Callable[..., tf.Tensor]:
        """Returns dropout by the recorded masks, in the order of drawing.

        They are uint8, NCHW or `[batch, channels]`.
        """
        masks = (
            np.float32(mask)
            for i in range(len(self.arcs))
            for mask in self.arrays.below(f"train_mask/{i}/").values()
        )

        def dropout(x: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
            mask = next(masks)
            if mask.ndim == 4:
                mask = mask.transpose(0, 2, 3, 1)
            return x * mask / (1.0 - rate)

        return dropout

    def steps(self, kind: str, nudge: Nudge) -> list[Quantity]:
        """Compares one step per recorded loss; step t runs arc t."""
        child, optimizer, step = _trainer(self.arrays.path, kind)
        self.assign(child, nudge)
        for state in optimizer.variables.values():
            state.assign(tf.zeros_like(state))
        names = f"steps_loss_{kind}", f"steps_gnorm_{kind}"
        last = len(self.arrays[names[0]]) - 1
        found = []
        for t in range(last + 1):
            # Recorded with zeros in the first step, with None in the last.
            if t == (0 if kind == "zero" else last):
                found += self._loss_gradients(child, kind, t)
            ours = dict(zip(names, step(*self.arcs[t]), strict=True))
            recorded = {name: self.arrays[name][t] for name in names}
            title = f"{{}}[{t}]"
            found += quantities(recorded, ours, title=title, chains=names)
        name = f"sd_after_{kind}"
        ours = named(child, child.trainable_variables)
        recorded = self.weights(child, f"{name}/")
        return [*found, Quantity.of(name, recorded, ours, name)]

    def _loss_gradients(
        self, child: MacroChild, kind: str, t: int
    ) -> list[Quantity]:
        """Compares the gradients of step t's loss, clipped if recorded so."""
        recorded = self.weights(child, f"grad_step{t}/")
        if not recorded:
            return []
        weights = [v.value for v in child.trainable_variables]
        with tf.GradientTape() as tape:
            logits = child(self.images, self.arcs[t], training=FROZEN)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                self.labels, logits
            )
            loss = tf.reduce_mean(losses)
        norm = np.sqrt(sum(np.sum(np.square(a)) for a in recorded.values()))
        clip = "global" if norm <= 1.001 * RULES.bound else "none"
        rules = GradientRules(clip=clip, bound=RULES.bound)
        gradients, _ = rules.apply(tape.gradient(loss, weights), weights)
        name, ours = f"grad_step{t}_{kind}", named(child, gradients)
        return [Quantity.of(name, recorded, ours, name)]


@functools.lru_cache(maxsize=len(UNUSED))
def _trainer(path: pathlib.Path, kind: str) -> tuple:
    """Returns a child, its optimizer and their step of an arc.

    The step is on the recorded batch, and traced once for all nudges.
    """
    recorded = RecordedChild(Arrays(path))
    profile = dataclasses.replace(PAPER, unselected_weights=UNUSED[kind])
    child = recorded.build(profile)
    optimizer = ChildOptimizer(child, RULES, UNUSED[kind])
    batch = tf.constant(recorded.images), tf.constant(recorded.labels)

    def step(*arc: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        given = StepInput(RATE, (0, 0))
        return child_step(child, optimizer, batch, arc, given)[:2]

    arc = [tf.type_spec_from_value(part) for part in recorded.arcs[0]]
    return child, optimizer, CompiledStep(step, arc, rewritten=False)
