"""The behaviour table as choices. No TensorFlow here.

A profile is one consistent choice over the rows in which the two reference
programs differ; docs/PORT.md has the table. A choice is looked up where a
layer, an optimizer or a search is built, never inside a step.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from enas.errors import UserError


def _choice(declared: str) -> Any:
    """Declares "row legal: text"; row 0 is below the table of docs/PORT.md.

    Of the legal values, apart by /, the first is ENAS's and the second that of
    the paper's code.
    """
    head, _, text = declared.partition(": ")
    row, legal = head.split()
    values = tuple(legal.split("/"))
    metadata = {"row": int(row), "text": text, "legal": values}
    return dataclasses.field(default=values[0], metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Profile:
    """One choice per row; docs/PORT.md explains the values.

    Source: the behaviour table; section 2 for `branch_binding`.
    """

    branch_binding: str = _choice(
        "0 intended/published: branch an op id runs: its own, or the last "
        "one, by late binding"
    )
    avg_pool_padding: str = _choice(
        "3 excluded/counted: whether average pooling counts the padding"
    )
    first_layer: str = _choice(
        "4 bare/normed: whether layer 0 has a batch norm after its op"
    )
    skip_candidates: str = _choice(
        "5 stem/direct: what the skip bits of a layer choose from: the stem "
        "and all layers before the direct input, or all layers with the "
        "direct input"
    )
    skip_sum: str = _choice(
        "6 new/in_place: whether the sum overwrites what an op returned "
        "unchanged"
    )
    classifier_bias: str = _choice("9 none/learned: bias of the last layer")
    bn_evaluation: str = _choice(
        "10 moving/batch: batch norm statistics in evaluation and reward"
    )
    bn_epsilon: str = _choice(
        "11 mixed/1e-5: batch norm epsilon: 1e-3 after kxk convolutions and "
        "1e-5 elsewhere, or 1e-5 everywhere"
    )
    unselected_weights: str = _choice(
        "12 decay/wait/stay: weights that the arc does not use: decay always,"
        " wait until the first arc that uses them, or stay in every step "
        "without one"
    )
    child_init: str = _choice(
        "13 he_normal/kaiming_uniform: distribution of the child's first "
        "weights"
    )
    l2: str = _choice(
        "14 in_loss/weight_decay: l2 * sum of squares in the loss and the "
        "printed norm (gradient 2 l2 w), or weight decay after clipping (l2 "
        "w)"
    )
    clip: str = _choice(
        "16 none/global/norm: gradient clipping: none, over all weights "
        "together, or weight by weight, which ENAS computes and drops"
    )
    lr_schedule: str = _choice(
        "17 restarts/wave: cosine learning rate with restarts, or a wave "
        "without any"
    )
    lstm_bias: str = _choice("18 none/learned: biases of the controller's LSTM")
    lstm_state: str = _choice(
        "18 carried/discarded: whether the state after the skip step is kept"
    )
    entropy: str = _choice(
        "22 sampled/exact: entropy of the decisions taken, without gradient, "
        "or of the distributions, with the gradient that it has in the reward"
    )
    valid_images: str = _choice(
        "24 plain/augmented: validation images for rewards and validation "
        "accuracies"
    )
    baseline_start: str = _choice(
        "25 zero/first_accuracy: where the baseline starts"
    )
    adam_epsilon: str = _choice(
        "27 outside/inside: whether Adam's epsilon is outside the bias "
        "correction or inside"
    )
    channel_statistics: str = _choice(
        "29 measured/fixed: mean and std of the channels: measured on the "
        "training images, or the fixed ones of CIFAR-10"
    )
    crop_border: str = _choice(
        "29 mean_colour/black: what surrounds an image that is shifted"
    )
    last_batch: str = _choice(
        "29 filled/partial: last batch of an epoch: filled from the next pass"
        " over the images, or what is left"
    )
    evaluation: str = _choice(
        "30 resampled/best_of_10: what valid_acc and test_acc measure: a "
        "fresh arc for every batch of 100, or the best of 10 arcs in batches "
        "of --batch_size"
    )
    evaluation_mode: str = _choice(
        "30 eval/train: mode of the child in valid_acc and test_acc"
    )

    def describe(self) -> list[str]:
        """Returns a line for each choice in force: row, name, value, text."""
        return [
            f"  row {row or '-':>2} {field.name}={getattr(self, field.name)}"
            f" ({field.metadata['text']})"
            for field in dataclasses.fields(self)
            for row in [field.metadata["row"]]
        ]


ENAS = Profile()
# Both programs bind a branch as intended, which is not a row of the table.
_OF_PAPER: dict[str, Any] = {
    field.name: field.metadata["legal"][1]
    for field in dataclasses.fields(Profile)
    if field.metadata["row"]
}
PAPER = Profile(**_OF_PAPER)
PROFILES = {"enas": ENAS, "paper": PAPER}


def make_profile(overrides: Iterable[str], base: Profile = ENAS) -> Profile:
    """Returns a profile with choices changed by words "choice=value".

    Raises:
      UserError: a choice or value does not exist.
    """
    fields = dataclasses.fields(Profile)
    legal = {field.name: field.metadata["legal"] for field in fields}
    for override in overrides:
        name, _, value = override.partition("=")
        if name not in legal:
            known = [f"{one}={'|'.join(legal[one])}" for one in legal]
            raise UserError(
                f"--override={override!r} names no choice; received {name!r}. "
                f"Legal are {'; '.join(known)}."
            )
        if value not in legal[name]:
            raise UserError(
                f"--override takes {name}={'|'.join(legal[name])}; received "
                f"{override!r}. Give it once per choice."
            )
        changed: dict[str, Any] = {name: value}
        base = dataclasses.replace(base, **changed)
    return base
