"""Recordings of the paper's PyTorch code, and the same computed here."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from enas.cifar10.branches import ChildOptions
from enas.cifar10.compiled import child_step, controller_gradients
from enas.cifar10.image_ops import FROZEN
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.profile import PAPER
from enas.cifar10.search_space import CANDIDATE_OPS, POISON_SETS, SearchSpace
from enas.cifar10.weight_use import WeightUse
from enas.optimizers import Adam, GradientRules, Momentum
from enas.parity.comparison import Case
from enas.parity.torch_names import child_arrays, controller_arrays

__all__ = ["child_case", "controller_case"]

OUT_OF_PLACE = dataclasses.replace(PAPER, skip_sum="new")
# torch.optim.SGD's treatment of unused weights, by the recorded kind of
# zero_grad: gradients set to zero (torch 1.8.1) or to None.
UNUSED = {"zero": "wait", "none": "stay"}
CHILD_RATE, CONTROLLER_RATE, SKIP_WEIGHT, ENTROPY_WEIGHT = 0.05, 1e-3, 0.8, 1e-4
KEEP_PROB = 0.9
CONTROLLER_BATCH = 20
NO_SEED = (0, 0)


def part(arrays, prefix):
    """Returns the arrays below a prefix, dict rest of the name -> array."""
    return {
        name[len(prefix) :]: array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


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
    """Dropout by recorded masks, in the order in which layers draw them."""

    def __init__(self, masks):
        self.masks = iter(masks)

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
        steps = child.recorded_steps(kind)
        recorded |= steps
        chaotic += _chains(steps)

    def compute(nudge):
        ours = {
            name: {name: function(nudge=nudge)}
            for name, function in computed.items()
        }
        for kind in kinds:
            ours |= child.steps(kind, nudge)
        return ours

    return Case(recorded, compute, tuple(chaotic), child.used())


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

    def build(self, nudge, profile=PAPER, **options):
        """Returns a child with the recorded weights, nudged."""
        layers, filters = (int(size) for size in self.arrays["cfg"][:2])
        options = ChildOptions(filters, profile=profile, **options)
        child = MacroChild(self.space, layers, options)
        child.build()
        names = [v.path for v in child.trainable_variables]
        weights = child_arrays(part(self.arrays, "sd/"), names)
        for variable in child.trainable_variables:
            variable.assign(nudge(weights[variable.path]))
        return child

    def logits(self, nudge, profile=PAPER, training=False):
        """Returns the logits of every arc, `[arcs, batch, 10]`."""
        child = self.build(nudge, profile)
        return np.stack(
            [child(self.images, arc, training=training) for arc in self.arcs]
        )

    def masked_logits(self, nudge):
        """Returns the same in training mode under the recorded masks."""
        masks = part(self.arrays, "train_mask/")
        logits = []
        for i, arc in enumerate(self.arcs):
            dropout = RecordedMasks(part(masks, f"{i}/").values())
            child = self.build(nudge, keep_prob=KEEP_PROB, dropout=dropout)
            logits.append(child(self.images, arc, training=FROZEN))
        return np.stack(logits)

    def recorded_steps(self, kind):
        """Returns what was recorded of the SGD steps, as `Case` has it."""
        names = [v.path for v in self.build(lambda w: w).trainable_variables]
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
        profile = dataclasses.replace(PAPER, unselected_weights=UNUSED[kind])
        child = self.build(nudge, profile)
        names = [v.path for v in child.trainable_variables]
        optimizer, use = Momentum(child), WeightUse(child)
        rules = GradientRules(0.00025, "weight_decay", "global", 5.0)
        before, ours = {}, {}
        count = len(self.arrays[f"steps_loss_{kind}"])
        for t in range(count):
            if t in _gradient_steps(kind, count):
                before[t] = self._raw_gradients(child, self.arcs[t])
            loss, norm, _ = child_step(
                child,
                optimizer,
                self.images,
                self.labels,
                self.arcs[t],
                CHILD_RATE,
                NO_SEED,
                rules,
                use,
            )
            ours[f"steps_loss_{kind}[{t}]"] = {"loss": loss.numpy()}
            ours[f"steps_gnorm_{kind}[{t}]"] = {"norm": norm.numpy()}
        weights = [v.numpy() for v in child.trainable_variables]
        ours[f"sd_after_{kind}"] = dict(zip(names, weights, strict=True))
        for t, gradients in before.items():
            ours[f"grad_step{t}_{kind}"] = dict(
                zip(names, gradients, strict=True)
            )
        return ours

    def _raw_gradients(self, child, arc):
        weights = [v.value for v in child.trainable_variables]
        with tf.GradientTape() as tape:
            logits = child(self.images, arc, training=FROZEN)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    self.labels, logits
                )
            )
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        return [gradient.numpy() for gradient in gradients]

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


def _gradient_steps(kind, count):
    """Steps of which gradients are recorded, by kind of zero_grad."""
    return (0,) if kind == "zero" else (count - 1,)


def controller_case(arrays):
    """Returns the `Case` of a file controller_L*_b*.npz.

    Args:
      arrays: dict, name -> array.

    Source: rows 18 to 27 of profile paper.
    """
    controller = RecordedController(arrays)
    logits = [name for name in arrays if name.startswith(("op_pre", "skip_q"))]
    recorded = {
        name: {name: arrays[name]} for name in (*PER_ARC, "gnorm1", "gnorm2")
    }
    for name in logits:
        recorded[f"logits of {name}"] = {name: 1.5 * np.tanh(arrays[name])}
    updates = [f"{kind}{u}" for kind in ("grad", "sd_after") for u in (1, 2)]
    for name in updates:
        if part(arrays, f"{name}/"):
            recorded[name] = controller_arrays(part(arrays, f"{name}/"))
    used = {
        name
        for name in arrays
        if name in (*PER_ARC, *logits, "cfg", "scale", "gnorm1", "gnorm2")
        or name in ("arcs_ops", "arcs_skips")
        or name.startswith(("sd/", *(f"{name}/" for name in updates)))
    }
    return Case(recorded, controller.compute, (), frozenset(used))


PER_ARC = (
    "log_prob",
    "entropy",
    "skip_penalty",
    "skip_count",
    "reward",
    "baseline",
    "loss",
    "val_acc",
)


class RecordedController:
    """A controller of a file controller_L*_b*.npz.

    Args:
      arrays: dict, name -> array.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        self.op_ids, self.skips = arcs_of(arrays)

    def build(self, nudge):
        """Returns a controller with the recorded weights, nudged."""
        layers, num_ops, size = (int(size) for size in self.arrays["cfg"])
        controller = MacroController(
            ControllerOptions(layers, num_ops, size, profile=PAPER)
        )
        controller.build()
        weights = controller_arrays(part(self.arrays, "sd/"))
        for variable in controller.trainable_variables:
            variable.assign(nudge(weights[variable.path]))
        return controller

    def compute(self, nudge):
        """Runs the recorded arcs through updates of 20 arcs each."""
        controller = self.build(nudge)
        adam = Adam(controller, PAPER.adam_epsilon)
        ours = {name: {name: []} for name in PER_ARC}
        baseline = None
        for update in range(len(self.op_ids) // CONTROLLER_BATCH):
            rows = slice(
                update * CONTROLLER_BATCH, (update + 1) * CONTROLLER_BATCH
            )
            sample = controller.score(self.op_ids[rows], self.skips[rows])
            accuracy = self.arrays["val_acc"][rows]
            reward = accuracy + ENTROPY_WEIGHT * sample.entropy.numpy()
            baselines = _baselines(baseline, accuracy, reward)
            baseline = baselines[-1]
            losses, gradients, norm = controller_gradients(
                controller,
                self.op_ids[rows],
                self.skips[rows],
                reward - baselines,
                (SKIP_WEIGHT, ENTROPY_WEIGHT),
                GradientRules(clip="global", bound=5.0),
            )
            values = (
                -sample.neg_log_prob,
                sample.entropy,
                sample.skip_penalty,
                sample.skip_count,
                reward,
                baselines,
                losses,
                accuracy,
            )
            for name, value in zip(PER_ARC, values, strict=True):
                ours[name][name].extend(np.asarray(value))
            if update == 0:
                ours |= self._logits(sample)
            adam.apply(gradients, CONTROLLER_RATE)
            ours |= _update(controller, update + 1, gradients, norm)
        return ours

    def _logits(self, sample):
        ours = {}
        for name in self.arrays:
            if name.startswith("op_pre_tanh_"):
                value = sample.op_logits[int(name.rsplit("_", 1)[1])]
            elif name.startswith("skip_query_"):
                value = sample.skip_logits[int(name.rsplit("_", 1)[1]), :, 1]
            else:
                continue
            ours[f"logits of {name}"] = {name: value.numpy()}
        return ours


def _baselines(baseline, accuracy, reward):
    """Returns the baseline behind each arc, row 25."""
    moved = []
    for one_accuracy, one_reward in zip(accuracy, reward, strict=True):
        if baseline is None:
            baseline = np.float32(one_accuracy)
        else:
            baseline -= np.float32(0.01) * (baseline - one_reward)
        moved.append(baseline)
    return np.float32(moved)


def _update(controller, number, gradients, norm):
    names = [v.path for v in controller.trainable_variables]
    weights = [v.numpy() for v in controller.trainable_variables]
    gradients = [gradient.numpy() for gradient in gradients]
    return {
        f"gnorm{number}": {f"gnorm{number}": norm.numpy()},
        f"grad{number}": dict(zip(names, gradients, strict=True)),
        f"sd_after{number}": dict(zip(names, weights, strict=True)),
    }
