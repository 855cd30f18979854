"""One epoch's numbers: columns of metrics.csv, tags and what they are.

docs/METRICS.md says of each its formula, unit and the images it comes from.
No TensorFlow here.
"""

import dataclasses
from typing import Any

_BEST = "The best of 10 sampled arcs on one validation batch, on the whole"
_MEAN = "Mean over freshly sampled arcs, one per batch, on the whole"
_PRINTED = "As the log of the profile's program prints it, on the whole"
_NOISY = "training mode: dropout and noise are on."


def _number(tag: str, text: str) -> Any:
    """Declares a number: its tag in TensorBoard and its text."""
    return dataclasses.field(default=None, metadata={"tag": tag, "text": text})


@dataclasses.dataclass
class EpochNumbers:
    """One epoch's numbers: the columns of metrics.csv, in their order.

    None stands for what was not measured in this epoch. A new number is a
    field here and an assignment in `search.py` or `evaluation.py`; one that
    every controller update measures is also a name in `epoch_progress.UPDATE`.
    """

    epoch: int = 0

    child_lr: float | None = _number(
        "child/learning_rate", "Of the epoch's last step."
    )
    child_loss: float | None = _number(
        "child/loss",
        "Mean cross-entropy of the epoch's batches in nats, without l2.",
    )
    train_acc: float | None = _number(
        "child/train_accuracy",
        "On the training batches, in training mode, a fresh arc per batch.",
    )
    child_grad_norm: float | None = _number(
        "child/gradient_norm",
        "Mean over the epoch's steps of the gradient's global norm, before "
        "any clipping.",
    )
    valid_acc: float | None = _number(
        "accuracy/valid_as_printed", f"{_PRINTED} validation set."
    )
    test_acc: float | None = _number(
        "accuracy/test_as_printed", f"{_PRINTED} test set."
    )
    best_valid_acc: float | None = _number(
        "accuracy/valid_best_of_10", f"{_BEST} validation set, evaluation mode."
    )
    best_test_acc: float | None = _number(
        "accuracy/test_best_of_10", f"{_BEST} test set, evaluation mode."
    )
    best_valid_acc_train: float | None = _number(
        "training_mode/valid_best_of_10", f"{_BEST} validation set, {_NOISY}"
    )
    best_test_acc_train: float | None = _number(
        "training_mode/test_best_of_10", f"{_BEST} test set, {_NOISY}"
    )
    sampled_valid_acc: float | None = _number(
        "accuracy/valid_mean_of_sampled",
        f"{_MEAN} validation set, evaluation mode.",
    )
    sampled_test_acc: float | None = _number(
        "accuracy/test_mean_of_sampled", f"{_MEAN} test set, evaluation mode."
    )
    sampled_valid_acc_train: float | None = _number(
        "training_mode/valid_mean_of_sampled",
        f"{_MEAN} validation set, {_NOISY}",
    )
    sampled_test_acc_train: float | None = _number(
        "training_mode/test_mean_of_sampled", f"{_MEAN} test set, {_NOISY}"
    )
    reward: float | None = _number(
        "controller/reward",
        "Mean over the phase's arcs of accuracy on one validation batch + "
        "entropy bonus.",
    )
    baseline: float | None = _number(
        "controller/baseline",
        "Moving average of the reward; what an arc's reward is compared with.",
    )
    entropy: float | None = _number(
        "controller/entropy",
        "Of an arc's decisions, nats, mean over the phase's arcs. It falls as "
        "the controller becomes more certain.",
    )
    skip_rate: float | None = _number(
        "controller/skip_rate",
        "Skips chosen over skips possible, mean over the phase's arcs.",
    )
    controller_loss: float | None = _number(
        "controller/loss",
        "NLL * (reward - baseline) + skip penalty, mean over the phase's arcs.",
    )
    controller_grad_norm: float | None = _number(
        "controller/gradient_norm",
        "Mean over the phase's updates of the gradient's global norm, before "
        "any clipping.",
    )
    poison_share: float | None = _number(
        "poison/share_of_sampled_ops",
        "Poison among the ops sampled for this epoch's child steps. Compare "
        "with poison/share_by_equation_1.",
    )
    good_layers: float | None = _number(
        "poison/good_layers",
        "Layers with a candidate op, mean over the 10 architectures.",
    )
    bad_layers: float | None = _number(
        "poison/bad_layers",
        "Layers with a poison op, mean over the 10 architectures.",
    )
    seconds_child: float | None = _number(
        "seconds/child", "Wall time of the child's phase."
    )
    seconds_controller: float | None = _number(
        "seconds/controller", "Wall time of the controller's phase."
    )
    seconds_eval: float | None = _number(
        "seconds/evaluation", "Wall time of the evaluation."
    )

    def measured(self) -> dict[str, float]:
        """Returns what was measured, column -> number."""
        return {k: v for k, v in vars(self).items() if v is not None}


# What a run's share of poison is compared with; only in TensorBoard.
_BOUNDS = {
    "poison_share_uniform": (
        "poison/share_by_equation_1",
        "Theory: the share of poison under a uniform controller, Equation (1) "
        "of the paper.",
    ),
    "poison_share_least": (
        "poison/share_at_least",
        "Theory: the least share of poison that the bounded logits of the "
        "controller can reach.",
    ),
}

COLUMNS = tuple(field.name for field in dataclasses.fields(EpochNumbers))
_ABOUT = {
    field.name: (field.metadata["tag"], field.metadata["text"])
    for field in dataclasses.fields(EpochNumbers)
    if field.metadata
}
TAGS = {column: tag for column, (tag, _) in _ABOUT.items()}
EVENT_TAGS = TAGS | {column: tag for column, (tag, _) in _BOUNDS.items()}
DESCRIPTIONS = dict((_ABOUT | _BOUNDS).values())

# (arcs, mode of the child) -> column, with the name of the split left open.
READINGS = {
    ("best", "eval"): "best_{}_acc",
    ("best", "train"): "best_{}_acc_train",
    ("sampled", "eval"): "sampled_{}_acc",
    ("sampled", "train"): "sampled_{}_acc_train",
}
