"""paper_*.npz: logits, masks, gradients and SGD steps of a poisoned child."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from enas.cifar10.behaviours import PAPER
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.image_ops import FROZEN
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, POISON_SETS, SearchSpace
from enas.cifar10.train_steps import Draw, child_step
from enas.optimizers import GradientRules
from enas.parity.comparison import Case
from enas.parity.forms.parts import named, part
from enas.parity.torch_names import child_arrays

__all__ = ["arcs_of", "child_case"]

OUT_OF_PLACE = dataclasses.replace(PAPER, skip_sum="new")
# torch.optim.SGD's treatment of unused weights, by the recorded kind of
# zero_grad: gradients set to zero (torch 1.8.1) or to None.
UNUSED = {"zero": "wait", "none": "stay"}
RULES = GradientRules(0.00025, "weight_decay", "global", 5.0)
RATE, KEEP_PROB = 0.05, 0.9
NO_SEED = (0, 0)


def search_space(arrays):
    """Returns the `SearchSpace` of a recorded child, told from its arrays.

    A poisoning shows by its weights (transposed convolutions) or by the masks
    drawn in its place (dropout); identity has neither.
    """
    names = set(arrays)
    masks = {name.rsplit(".", 1)[-1] for name in part(arrays, "train_mask/")}
    first = len(CANDIDATE_OPS["enas6"])
    if f"sd/layers.0.branch_{first}.weight" in names:
        poison = POISON_SETS["transposed_conv"]
    elif f"sd/layers.0.branch_{first + 1}.weight" in names:
        poison = POISON_SETS["grouped"]
    elif f"branch_{first}" in masks:
        poison = POISON_SETS["dropout"]
    elif int(arrays["cfg"][3]) > first:
        poison = POISON_SETS["identity"]
    else:
        poison = ()
    q = (int(arrays["cfg"][3]) - first) // max(1, len(poison))
    return SearchSpace(CANDIDATE_OPS["enas6"], poison, q)


def arcs_of(arrays):
    """Returns (op ids int32 `[arcs, L]`, skips int32 `[arcs, L (L-1)/2]`)."""
    op_ids, rows = np.int32(arrays["arcs_ops"]), np.int32(arrays["arcs_skips"])
    skips = [rows[:, k, :k] for k in range(op_ids.shape[1])]
    return op_ids, np.concatenate(skips, axis=1)


class RecordedMasks:
    """Dropout by recorded masks, in the order in which layers draw them.

    Attributes:
      masks: iterator of uint8 arrays, NCHW or `[batch, channels]`.
    """

    masks = iter(())

    def __call__(self, x, rate, seed):
        mask = next(self.masks).astype(np.float32)
        if mask.ndim == 4:
            mask = mask.transpose(0, 2, 3, 1)
        return x * mask / (1.0 - rate)


def child_case(arrays):
    """Returns the `Case` of a file paper_*.npz.

    Args:
      arrays: dict, name -> array.

    Source: rows 1 to 17 of profile paper.
    """
    child = RecordedChild(arrays)
    computed = {
        "logits_eval": child.logits,
        "logits_eval_outofplace": functools.partial(
            child.logits, profile=OUT_OF_PLACE
        ),
        "logits_train_nodrop": functools.partial(child.logits, training=FROZEN),
        "logits_train": child.masked_logits,
    }
    computed = {name: f for name, f in computed.items() if name in arrays}
    recorded = {name: {name: arrays[name]} for name in computed}
    kinds = [kind for kind in UNUSED if f"steps_loss_{kind}" in arrays]
    chaotic = []
    for kind in kinds:
        quantities = child.recorded_steps(kind)
        recorded |= quantities
        chaotic += _chains(quantities)

    def steps(nudge):
        return {
            name: value
            for kind in kinds
            for name, value in child.steps(kind, nudge).items()
        }

    def compute():
        ours = {name: {name: function()} for name, function in computed.items()}
        return ours | steps(lambda weight: weight)

    return Case(recorded, compute, steps, tuple(chaotic), child.used())


def _chains(quantities):
    """Returns the quantities of SGD steps in chains, by what is before `[`."""
    chains = {}
    for name in quantities:
        chains.setdefault(name.split("[")[0], []).append(name)
    return list(chains.values())


class RecordedChild:
    """A child of a file paper_*.npz.

    Args:
      arrays: dict, name -> array.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        self.space = search_space(arrays)
        self.images = np.float32(arrays["images"]).transpose(0, 2, 3, 1)
        self.labels = np.int32(arrays["labels"])
        self.arcs = list(zip(*arcs_of(arrays), strict=True))

    def build(self, profile=PAPER, **options):
        """Returns a child with the recorded weights."""
        layers, filters = (int(size) for size in self.arrays["cfg"][:2])
        options = ChildOptions(filters, profile=profile, **options)
        child = MacroChild(self.space, layers, options)
        child.build()
        for variable, weight in zip(
            child.trainable_variables, self.weights(child), strict=True
        ):
            variable.assign(weight)
        return child

    def weights(self, child):
        """Returns the recorded weights of a child, in its order."""
        names = [v.path for v in child.trainable_variables]
        weights = child_arrays(part(self.arrays, "sd/"), names)
        return [weights[name] for name in names]

    def logits(self, profile=PAPER, training=False):
        """Returns the logits of every arc, `[arcs, batch, 10]`."""
        child = self.build(profile)
        return np.stack(
            [child(self.images, arc, training=training) for arc in self.arcs]
        )

    def masked_logits(self):
        """Returns the same in training mode under the recorded masks."""
        dropout = RecordedMasks()
        child = self.build(keep_prob=KEEP_PROB, dropout=dropout)
        logits = []
        for i, arc in enumerate(self.arcs):
            masks = part(self.arrays, f"train_mask/{i}/")
            dropout.masks = iter(masks.values())
            logits.append(child(self.images, arc, training=FROZEN))
        return np.stack(logits)

    def recorded_steps(self, kind):
        """Returns what was recorded of the SGD steps, as `Case` has it."""
        names = [v.path for v in self._trainer(kind).child.trainable_variables]
        losses = self.arrays[f"steps_loss_{kind}"]
        norms = self.arrays[f"steps_gnorm_{kind}"]
        quantities = {
            f"steps_loss_{kind}[{t}]": {"loss": loss}
            for t, loss in enumerate(losses)
        } | {
            f"steps_gnorm_{kind}[{t}]": {"norm": norm}
            for t, norm in enumerate(norms)
        }
        after = child_arrays(part(self.arrays, f"sd_after_{kind}/"), names)
        quantities[f"sd_after_{kind}"] = after
        for t in _gradient_steps(kind, len(losses)):
            gradients = part(self.arrays, f"grad_step{t}/")
            if gradients:
                quantities[f"grad_step{t}_{kind}"] = child_arrays(
                    gradients, names
                )
        return quantities

    def steps(self, kind, nudge):
        """Trains one step per recorded loss; step t runs arc t."""
        trainer = self._trainer(kind)
        trainer.restart(map(nudge, self.weights(trainer.child)))
        ours = {}
        count = len(self.arrays[f"steps_loss_{kind}"])
        for t in range(count):
            if t in _gradient_steps(kind, count):
                gradients = self._loss_gradients(trainer.child, t)
                ours[f"grad_step{t}_{kind}"] = named(trainer.child, gradients)
            loss, norm = trainer.step(*map(tf.constant, self.arcs[t]))
            ours[f"steps_loss_{kind}[{t}]"] = {"loss": loss.numpy()}
            ours[f"steps_gnorm_{kind}[{t}]"] = {"norm": norm.numpy()}
        weights = [v.numpy() for v in trainer.child.trainable_variables]
        ours[f"sd_after_{kind}"] = named(trainer.child, weights)
        return ours

    @functools.cache  # noqa: B019 (a recording lives as long as the program)
    def _trainer(self, kind):
        profile = dataclasses.replace(PAPER, unselected_weights=UNUSED[kind])
        return Trainer(self.build(profile), self.images, self.labels)

    def _loss_gradients(self, child, t):
        """Returns the gradients of step t's loss, clipped if recorded so."""
        weights = [v.value for v in child.trainable_variables]
        with tf.GradientTape() as tape:
            logits = child(self.images, self.arcs[t], training=FROZEN)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    self.labels, logits
                )
            )
        recorded = part(self.arrays, f"grad_step{t}/").values()
        norm = np.sqrt(sum(np.sum(np.square(array)) for array in recorded))
        clip = "global" if norm <= 1.001 * RULES.bound else "none"
        rules = GradientRules(clip=clip, bound=RULES.bound)
        gradients, _ = rules.apply(tape.gradient(loss, weights), weights)
        return gradients

    def used(self):
        """Returns the names of all arrays that were put in or compared."""
        known = {
            "images",
            "images_u8",
            "labels",
            "arcs_ops",
            "arcs_skips",
            "cfg",
            "logits_eval",
            "logits_eval_outofplace",
            "logits_train",
            "logits_train_nodrop",
        }
        prefixes = ("sd/", "train_mask/", "steps_", "sd_after_", "grad_step")
        return frozenset(
            name
            for name in self.arrays
            if name in known or name.startswith(prefixes)
        )


class Trainer:
    """SGD steps of a child on one batch, traced once.

    Args:
      child: a built `MacroChild`.
      images: float32 `[batch, 32, 32, 3]`.
      labels: int32 `[batch]`.
    """

    def __init__(self, child, images, labels):
        self.child = child
        self._batch = tf.constant(images), tf.constant(labels)
        unselected = child.options.profile.unselected_weights
        self._optimizer = ChildOptimizer(child, RULES, unselected)
        self.step = tf.function(self._step, autograph=False)

    def restart(self, weights):
        """Sets the first weights, and forgets what was trained."""
        variables = self.child.trainable_variables
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)
        for state in self._optimizer.variables.values():
            state.assign(tf.zeros_like(state))

    def _step(self, op_ids, skips):
        arc, draw = (op_ids, skips), Draw(RATE, NO_SEED)
        step = child_step(self.child, self._optimizer, self._batch, arc, draw)
        return step.loss, step.norm


def _gradient_steps(kind, count):
    """Steps of which gradients are recorded, by kind of zero_grad."""
    return (0,) if kind == "zero" else (count - 1,)
