"""The child network and its training. No TensorFlow here."""

import dataclasses
from typing import ClassVar

from enas.cifar10.config.values import setting


@dataclasses.dataclass(frozen=True)
class ChildSettings:
    """The child network and its training."""

    GROUP: ClassVar[str] = "Child"

    child_num_layers: int = setting(
        None,
        "Layers of the child. By default 12, or with --child_from_scratch as"
        " many as --child_fixed_arc has.",
        lower=1,
        upper=100,
        shown=12,
    )
    child_out_filters: int = setting(
        36, "Channels of every layer, even.", lower=2, upper=4096
    )
    child_out_filters_scale: int = setting(
        1, "Factor on --child_out_filters.", lower=1, upper=64
    )
    child_keep_prob: float = setting(
        0.9,
        "Probability that the dropout before the classifier keeps a value.",
        lower=1e-6,
        upper=1.0,
    )
    child_l2_reg: float = setting(
        0.00025,
        "Factor on the sum of squares of all child weights.",
        lower=0.0,
    )
    child_grad_bound: float = setting(
        5.0,
        "Bound of gradient clipping, for child and controller. Without effect"
        " in the enas profile: the original computes clipped gradients and"
        " drops them.",
        lower=0.0,
    )
    child_fixed_arc: str | None = setting(
        None,
        "Train this one architecture under the search's child instead of"
        " searching: op id and skip bits of every layer, as in best_arc.txt.",
        alias="fixed_arc",
    )
    child_from_scratch: bool = setting(
        False,
        "Train --child_fixed_arc as a network of its own on all training"
        " images, validation images included: its own weights only, skips"
        " concatenated, channels doubled at each pooling, as the original's"
        " cifar10_macro_final.sh does.",
    )
    child_lr_cosine: bool = setting(
        True,
        "Cosine learning rate with restarts; if off, --child_lr decays"
        " exponentially in stairs.",
    )
    child_lr_max: float = setting(
        0.05, "Highest cosine learning rate.", lower=0.0
    )
    child_lr_min: float = setting(
        0.0005, "Lowest cosine learning rate.", lower=0.0
    )
    child_lr_T_0: int = setting(  # noqa: N815 (the original's name)
        10,
        "Epochs of the first cosine period.",
        lower=1,
        alias="child_lr_T",
    )
    child_lr_T_mul: int = setting(  # noqa: N815 (the original's name)
        2, "Factor on the period at every restart.", lower=1
    )
    child_lr: float = setting(
        0.1, "Learning rate without --child_lr_cosine.", lower=0.0
    )
    child_lr_dec_every: int = setting(
        100, "Epochs between stairs without cosine.", lower=1
    )
    child_lr_dec_rate: float = setting(
        0.1, "Factor at each stair without cosine.", lower=0.0
    )
