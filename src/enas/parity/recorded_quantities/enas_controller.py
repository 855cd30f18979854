"""controller.npz: samples with gradients (A), runs with updates (B)."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.train_steps import controller_gradients
from enas.optimizers import Adam
from enas.parity.comparison import Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, named
from enas.parity.recorded_quantities.enas_child import arcs_of
from enas.run.checkpoint import model_variables

ENTROPY_WEIGHT, RATE = 1e-4, 1e-3


def samples_and_updates(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares the samples A and the runs B, at the weights they saw.

    Source: rows 18 to 27 of profile enas. B's updates are compared with the
    plain mean gradient; the embedding's, which the original's accumulator
    scales (row 28), by its gradient alone.
    """
    scored = _score(arrays, "A", 0, np.arange(len(arrays["A/reward"])))
    found = _said(arrays, "A", [scored])
    matches = (re.match(r"A/grad(\d+)/", name) for name in arrays)
    for row in sorted({int(match[1]) for match in matches if match}):
        name, ours = f"A/grad{row}", scored["gradients"][row]
        found.append(Quantity.of(name, arrays.below(f"{name}/"), ours))
    updates = sum("/runs_in_update" in name for name in arrays)
    for update in range(1, updates + 1):
        found += _update(arrays, update)
    # The weights that a run saw are those after the updates before it.
    seen = np.concatenate([[0], arrays["B/train_step_after"][:-1]])
    parts = [
        _score(arrays, "B", update, np.flatnonzero(seen == update))
        for update in np.unique(seen)
    ]
    return found + _said(arrays, "B", parts)


def _arcs(
    arrays: Arrays, group: str, rows: np.ndarray | list[int]
) -> tuple[np.ndarray, np.ndarray]:
    num_ops = arrays["step0/controller/emb/w"].shape[0]
    return arcs_of(arrays[f"{group}/sample_arc"][rows], num_ops)


def _build(arrays: Arrays, step: int) -> tuple[MacroController, Adam]:
    """Returns (controller, its Adam) as recorded after some updates."""
    layers = _arcs(arrays, "A", [0])[0].shape[1]
    recorded = arrays.below(f"step{step}/")
    num_ops, size = recorded["controller/emb/w"].shape
    depth = len([n for n in recorded if re.fullmatch(r"\w+/lstm/\w+/w", n)])
    controller = MacroController(
        ControllerOptions(layers, num_ops, size, depth)
    )
    controller.build()
    adam = Adam(controller)
    variables = {**model_variables(controller), **adam.slots}
    for name, variable in variables.items():
        variable.assign(recorded[name])
    return controller, adam


def _score(
    arrays: Arrays, group: str, update: int, rows: np.ndarray
) -> dict[str, Any]:
    """Returns what is said of arcs after an update, as the original: singly."""
    models = _build(arrays, update)
    op_ids, skips = _arcs(arrays, group, rows)
    sample = models[0].score(op_ids, skips)
    before = arrays[f"{group}/baseline_before"][rows]
    accuracy = arrays[f"{group}/valid_acc"][rows]
    reward = accuracy + ENTROPY_WEIGHT * sample.entropy.numpy()
    after = before - np.float32(0.01) * (before - reward)
    steps = [
        controller_gradients(
            *models, (op_ids[[i]], skips[[i]]), (reward - after)[[i]]
        )
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
        "gradients": [named(models[0], step.gradients) for step in steps],
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


def _update(arrays: Arrays, update: int) -> list[Quantity]:
    controller, adam = _build(arrays, update - 1)
    runs = arrays[f"B/runs_in_update{update}"]
    arcs, baselines = _arcs(arrays, "B", runs), arrays["B/baseline_after"]
    advantages = (arrays["B/reward"] - baselines)[runs]
    step = controller_gradients(controller, adam, arcs, advantages)
    adam.apply(step.gradients, RATE)
    state = {
        **model_variables(controller),
        **adam.slots,
        "train_step": arrays["step0/train_step"] + update,
        "Variable": baselines[runs[-1]],
    }
    recorded = {
        name: array
        for name, array in arrays.below(f"step{update}/").items()
        if "emb/w" not in name or name.startswith("controller/g_emb")
    }
    mean = {"controller/emb/w": arrays[f"B/emb_mean_grad{update}"]}
    gradients = named(controller, step.gradients)
    return [
        Quantity.of(f"update {update}: emb_mean_grad", mean, gradients),
        Quantity.of(f"update {update}: state", recorded, state),
    ]
