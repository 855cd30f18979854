"""controller.npz: samples with gradients (A), runs with updates (B)."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from enas.cifar10.compiled import CompiledStep
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam
from enas.parity.comparison import Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, named
from enas.parity.recorded_quantities.enas_child import arcs_of
from enas.run.checkpoint import model_variables

ENTROPY_WEIGHT, RATE = 1e-4, 1e-3


class _Model(NamedTuple):
    """What all numbers are computed by, at the weights of one update or other.

    Attributes:
      gradients: function of op ids, skips and advantages, traced once.
    """

    controller: MacroController
    adam: Adam
    gradients: CompiledStep


def samples_and_updates(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares the samples A and the runs B, at the weights they saw.

    Source: rows 18 to 27 of profile enas. B's updates are compared with the
    plain mean gradient; the embedding's, which the original's accumulator
    scales (row 28), by its gradient alone.
    """
    model = _build(arrays)
    scored = _score(model, arrays, "A", 0, np.arange(len(arrays["A/reward"])))
    found = _said(arrays, "A", [scored])
    matches = (re.match(r"A/grad(\d+)/", name) for name in arrays)
    for row in sorted({int(match[1]) for match in matches if match}):
        name, ours = f"A/grad{row}", scored["gradients"][row]
        found.append(Quantity.of(name, arrays.below(f"{name}/"), ours))
    updates = sum("/runs_in_update" in name for name in arrays)
    for update in range(1, updates + 1):
        found += _update(model, arrays, update)
    # The weights that a run saw are those after the updates before it.
    seen = np.concatenate([[0], arrays["B/train_step_after"][:-1]])
    parts = [
        _score(model, arrays, "B", update, np.flatnonzero(seen == update))
        for update in np.unique(seen)
    ]
    return found + _said(arrays, "B", parts)


def _arcs(
    arrays: Arrays, group: str, rows: np.ndarray | list[int]
) -> tuple[np.ndarray, np.ndarray]:
    num_ops = arrays["step0/controller/emb/w"].shape[0]
    return arcs_of(arrays[f"{group}/sample_arc"][rows], num_ops)


def _build(arrays: Arrays) -> _Model:
    """Returns a controller of the recorded sizes, and its Adam."""
    layers = _arcs(arrays, "A", [0])[0].shape[1]
    recorded = arrays.below("step0/")
    num_ops, size = recorded["controller/emb/w"].shape
    depth = len([n for n in recorded if re.fullmatch(r"\w+/lstm/\w+/w", n)])
    controller = MacroController(
        ControllerOptions(layers, num_ops, size, depth)
    )
    controller.build()
    adam = Adam(controller)

    def gradients(op_ids: tf.Tensor, skips: tf.Tensor, by: tf.Tensor) -> Any:
        return controller_gradients(controller, adam, (op_ids, skips), by)

    arcs = [
        tf.TensorSpec([None, size], tf.int32)
        for size in (layers, layers * (layers - 1) // 2)
    ]
    advantages = tf.TensorSpec([None], tf.float32)
    step = CompiledStep(gradients, [*arcs, advantages], rewritten=False)
    return _Model(controller, adam, step)


def _set(model: _Model, arrays: Arrays, step: int) -> dict[str, Any]:
    """Sets a model to what was recorded after some updates.

    Returns:
      Its variables by their names.
    """
    variables = {**model_variables(model.controller), **model.adam.slots}
    for name, variable in variables.items():
        variable.assign(arrays[f"step{step}/{name}"])
    return variables


def _score(
    model: _Model, arrays: Arrays, group: str, update: int, rows: np.ndarray
) -> dict[str, Any]:
    """Returns what is said of arcs after an update, as the original: singly."""
    _set(model, arrays, update)
    op_ids, skips = _arcs(arrays, group, rows)
    sample = model.controller.score(op_ids, skips)
    before = arrays[f"{group}/baseline_before"][rows]
    accuracy = arrays[f"{group}/valid_acc"][rows]
    reward = accuracy + ENTROPY_WEIGHT * sample.entropy.numpy()
    after = before - np.float32(0.01) * (before - reward)
    by = np.float32(reward - after)
    steps = [
        model.gradients(*map(tf.constant, (op_ids[[i]], skips[[i]], by[[i]])))
        for i in range(len(rows))
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
        "lr": [RATE] * len(rows),
        "gradients": [
            named(model.controller, step.gradients) for step in steps
        ],
    }


def _said(
    arrays: Arrays, group: str, parts: Sequence[dict[str, Any]]
) -> list[Quantity]:
    """Compares what is said of the arcs of a group, as far as recorded."""
    ours = {
        f"{group}/{name}": np.concatenate([part[name] for part in parts])
        for name in parts[0]
        if f"{group}/{name}" in arrays
    }
    return arrays.compared(ours)


def _update(model: _Model, arrays: Arrays, update: int) -> list[Quantity]:
    variables = _set(model, arrays, update - 1)
    runs = arrays[f"B/runs_in_update{update}"]
    arcs, baselines = _arcs(arrays, "B", runs), arrays["B/baseline_after"]
    advantages = (arrays["B/reward"] - baselines)[runs]
    parts = *arcs, np.float32(advantages)
    step = model.gradients(*map(tf.constant, parts))
    model.adam.apply(step.gradients, RATE)
    state = {
        **variables,
        "train_step": arrays["step0/train_step"] + update,
        "Variable": baselines[runs[-1]],
    }
    recorded = {
        name: array
        for name, array in arrays.below(f"step{update}/").items()
        if "emb/w" not in name or name.startswith("controller/g_emb")
    }
    mean = {"controller/emb/w": arrays[f"B/emb_mean_grad{update}"]}
    gradients = named(model.controller, step.gradients)
    return [
        Quantity.of(f"update {update}: emb_mean_grad", mean, gradients),
        Quantity.of(f"update {update}: state", recorded, state),
    ]
