"""The behaviour table as choices. No TensorFlow here.

A profile is one consistent choice over the rows in which the two reference
programs differ; docs/PORT.md has the table. A choice is looked up where a
layer, an optimizer or a search is built, never inside a step.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from enas.errors import UserError


def _choice(row: int, text: str, legal: str) -> Any:
    """Declares a choice of a row of docs/PORT.md; row 0 is below its table.

    Of the legal values, apart by /, the first is ENAS's and the second that of
    the paper's code.
    """
    values = tuple(legal.split("/"))
    metadata = {"row": row, "text": text, "legal": values}
    return dataclasses.field(default=values[0], metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Profile:
    """One choice per row; the defaults are those of ENAS.

    Every field says in its declaration which row it is, what is chosen, and
    which values are legal; docs/PORT.md explains the values.

    Source: the behaviour table; section 2 for `branch_binding`.
    """

    branch_binding: str = _choice(
        0,
        "branch an op id runs: its own, or the last one, by late binding",
        "intended/published",
    )
    avg_pool_padding: str = _choice(
        3, "whether average pooling counts the padding", "excluded/counted"
    )
    first_layer: str = _choice(
        4, "whether layer 0 has a batch norm after its op", "bare/normed"
    )
    skip_candidates: str = _choice(
        5,
        "what the skip bits of a layer choose from: the stem and all "
        "layers before the direct input, or all layers with the direct "
        "input",
        "stem/direct",
    )
    skip_sum: str = _choice(
        6,
        "whether the sum overwrites what an op returned unchanged",
        "new/in_place",
    )
    classifier_bias: str = _choice(9, "bias of the last layer", "none/learned")
    bn_evaluation: str = _choice(
        10, "batch norm statistics in evaluation and reward", "moving/batch"
    )
    bn_epsilon: str = _choice(
        11,
        "batch norm epsilon: 1e-3 after kxk convolutions and 1e-5 "
        "elsewhere, or 1e-5 everywhere",
        "mixed/1e-5",
    )
    unselected_weights: str = _choice(
        12,
        "weights that the arc does not use: decay always, wait until the "
        "first arc that uses them, or stay in every step without one",
        "decay/wait/stay",
    )
    child_init: str = _choice(
        13,
        "distribution of the child's first weights",
        "he_normal/kaiming_uniform",
    )
    l2: str = _choice(
        14,
        "l2 * sum of squares in the loss and the printed norm (gradient 2 "
        "l2 w), or weight decay after clipping (l2 w)",
        "in_loss/weight_decay",
    )
    clip: str = _choice(
        16,
        "gradient clipping: none, over all weights together, or weight by "
        "weight, which ENAS computes and drops",
        "none/global/norm",
    )
    lr_schedule: str = _choice(
        17,
        "cosine learning rate with restarts, or a wave without any",
        "restarts/wave",
    )
    lstm_bias: str = _choice(
        18, "biases of the controller's LSTM", "none/learned"
    )
    lstm_state: str = _choice(
        18, "whether the state after the skip step is kept", "carried/discarded"
    )
    entropy: str = _choice(
        22,
        "entropy of the decisions taken, without gradient, or of the "
        "distributions, with the gradient that it has in the reward",
        "sampled/exact",
    )
    valid_images: str = _choice(
        24,
        "validation images for rewards and validation accuracies",
        "plain/augmented",
    )
    baseline_start: str = _choice(
        25, "where the baseline starts", "zero/first_accuracy"
    )
    adam_epsilon: str = _choice(
        27,
        "whether Adam's epsilon is outside the bias correction or inside",
        "outside/inside",
    )
    channel_statistics: str = _choice(
        29,
        "mean and std of the channels: measured on the training images, "
        "or the fixed ones of CIFAR-10",
        "measured/fixed",
    )
    crop_border: str = _choice(
        29, "what surrounds an image that is shifted", "mean_colour/black"
    )
    last_batch: str = _choice(
        29,
        "last batch of an epoch: filled from the next pass over the "
        "images, or what is left",
        "filled/partial",
    )
    evaluation: str = _choice(
        30,
        "what valid_acc and test_acc measure: a fresh arc for every batch "
        "of 100, or the best of 10 arcs in batches of --batch_size",
        "resampled/best_of_10",
    )
    evaluation_mode: str = _choice(
        30, "mode of the child in valid_acc and test_acc", "eval/train"
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
    """Returns a profile with some choices changed.

    Args:
      overrides: each "choice=value".

    Raises:
      UserError: a choice or value does not exist.
    """
    fields = {field.name: field for field in dataclasses.fields(Profile)}
    for override in overrides:
        name, _, value = override.partition("=")
        if name not in fields:
            raise UserError(
                f"--override={override!r} names no choice; received {name!r}. "
                f"Legal are {_legal(fields.values())}."
            )
        if value not in fields[name].metadata["legal"]:
            raise UserError(
                f"--override takes {_legal([fields[name]])}; received "
                f"{override!r}. Give it once per choice."
            )
        changed: dict[str, Any] = {name: value}
        base = dataclasses.replace(base, **changed)
    return base


def _legal(fields: Iterable[dataclasses.Field]) -> str:
    return "; ".join(
        f"{field.name}={'|'.join(field.metadata['legal'])}" for field in fields
    )
