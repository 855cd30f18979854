"""paper_*.npz: logits, masks, gradients and SGD steps of a poisoned child."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from enas.cifar10.behaviours import PAPER, Profile
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.layers.image_ops import FROZEN
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, POISON_SETS, SearchSpace
from enas.cifar10.train_steps import Draw, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import Measure, Nudge, Quantity, unchanged
from enas.parity.recorded_quantities.arrays import Arrays, named, pair_up
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
    poison: tuple[str, ...] = ()
    if f"sd/layers.0.branch_{first}.weight" in arrays:
        poison = POISON_SETS["transposed_conv"]
    elif f"sd/layers.0.branch_{first + 1}.weight" in arrays:
        poison = POISON_SETS["grouped"]
    elif f"branch_{first}" in masked:
        poison = POISON_SETS["dropout"]
    elif num_ops > first:
        poison = POISON_SETS["identity"]
    q = (num_ops - first) // max(1, len(poison))
    return SearchSpace(CANDIDATE_OPS["enas6"], poison, q)


def arcs_of(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Returns (op ids int32 `[arcs, L]`, skips int32 `[arcs, L (L-1)/2]`)."""
    op_ids, rows = np.int32(arrays["arcs_ops"]), np.int32(arrays["arcs_skips"])
    skips = [rows[:, k, :k] for k in range(op_ids.shape[1])]
    return op_ids, np.concatenate(skips, axis=1)


class _RecordedMasks:
    """Dropout by recorded masks, in the order in which layers draw them.

    Attributes:
      masks: of uint8 arrays, NCHW or `[batch, channels]`.
    """

    masks: Iterator[np.ndarray] = iter(())

    def __call__(self, x: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
        mask = next(self.masks).astype(np.float32)
        if mask.ndim == 4:
            mask = mask.transpose(0, 2, 3, 1)
        return x * mask / (1.0 - rate)


def logits_and_steps(arrays: Arrays) -> Measure:
    """Measures the logits and, from nudged weights too, the SGD steps.

    Source: rows 1 to 17 of profile paper.
    """
    child = RecordedChild(arrays)
    kinds = [kind for kind in UNUSED if f"steps_loss_{kind}" in arrays]

    def measure(nudge: Nudge) -> list[Quantity]:
        found = child.all_logits() if nudge is unchanged else []
        for kind in kinds:
            found += child.steps(kind, nudge)
        return found

    return measure


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
        weights = self._weights(child)
        for variable in child.trainable_variables:
            variable.assign(weights[variable.path])
        return child

    def _weights(self, child: MacroChild, at: str = "sd/") -> dict:
        names = [v.path for v in child.trainable_variables]
        return child_arrays(self.arrays.below(at), names)

    def all_logits(self) -> list[Quantity]:
        """Compares logits `[arcs, batch, 10]` in all recorded modes."""
        ways = {
            "logits_eval": self._logits,
            "logits_eval_outofplace": lambda: self._logits(OUT_OF_PLACE),
            "logits_train_nodrop": lambda: self._logits(training=FROZEN),
            "logits_train": self._masked_logits,
        }
        return [
            Quantity(name, {name: (self.arrays[name], np.stack(compute()))})
            for name, compute in ways.items()
            if name in self.arrays
        ]

    def _logits(
        self, profile: Profile = PAPER, training: bool | str = False
    ) -> list:
        child = self.build(profile)
        arcs = self.arcs
        return [child(self.images, arc, training=training) for arc in arcs]

    def _masked_logits(self) -> list:
        """Returns logits in training mode under the recorded masks."""
        dropout = _RecordedMasks()
        child = self.build(keep_prob=KEEP_PROB, dropout=dropout)
        logits = []
        for i, arc in enumerate(self.arcs):
            masks = self.arrays.below(f"train_mask/{i}/")
            dropout.masks = iter(masks.values())
            logits.append(child(self.images, arc, training=FROZEN))
        return logits

    def steps(self, kind: str, nudge: Nudge) -> list[Quantity]:
        """Compares one step per recorded loss; step t runs arc t."""
        trainer = self._trainer(kind)
        trainer.restart(map(nudge, self._weights(trainer.child).values()))
        losses = self.arrays[f"steps_loss_{kind}"]
        norms = self.arrays[f"steps_gnorm_{kind}"]
        found = []
        for t in range(len(losses)):
            # Recorded with zeros in the first step, with None in the last.
            if t == (0 if kind == "zero" else len(losses) - 1):
                found += self._loss_gradients(trainer.child, kind, t)
            loss, norm = trainer.step(*map(tf.constant, self.arcs[t]))
            for name, recorded, ours in (
                (f"steps_loss_{kind}", losses[t], loss),
                (f"steps_gnorm_{kind}", norms[t], norm),
            ):
                pair = recorded, ours.numpy()
                found.append(Quantity(f"{name}[{t}]", {name: pair}, name))
        name = f"sd_after_{kind}"
        weights = [v.numpy() for v in trainer.child.trainable_variables]
        recorded = self._weights(trainer.child, f"{name}/")
        pairs = pair_up(recorded, named(trainer.child, weights))
        return [*found, Quantity(name, pairs, name)]

    @functools.cache  # noqa: B019 (a recording lives as long as the program)
    def _trainer(self, kind: str) -> "_Trainer":
        profile = dataclasses.replace(PAPER, unselected_weights=UNUSED[kind])
        return _Trainer(self.build(profile), self.images, self.labels)

    def _loss_gradients(
        self, child: MacroChild, kind: str, t: int
    ) -> list[Quantity]:
        """Compares the gradients of step t's loss, clipped if recorded so."""
        recorded = self._weights(child, f"grad_step{t}/")
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
        name = f"grad_step{t}_{kind}"
        return [
            Quantity(name, pair_up(recorded, named(child, gradients)), name)
        ]


class _Trainer:
    """SGD steps of a child on one batch, traced once."""

    def __init__(
        self, child: MacroChild, images: np.ndarray, labels: np.ndarray
    ) -> None:
        self.child = child
        self._batch = tf.constant(images), tf.constant(labels)
        unselected = child.options.profile.unselected_weights
        self._optimizer = ChildOptimizer(child, RULES, unselected)
        self.step = tf.function(self._step, autograph=False)

    def restart(self, weights: Iterable[np.ndarray]) -> None:
        """Sets the first weights, and forgets what was trained."""
        variables = self.child.trainable_variables
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)
        for state in self._optimizer.variables.values():
            state.assign(tf.zeros_like(state))

    def _step(
        self, op_ids: tf.Tensor, skips: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        arc, draw = (op_ids, skips), Draw(RATE, (0, 0))
        step = child_step(self.child, self._optimizer, self._batch, arc, draw)
        return step.loss, step.norm
