"""The controller and its training. No TensorFlow here."""

import dataclasses
from typing import ClassVar

from enas.cifar10.config.values import setting


@dataclasses.dataclass(frozen=True)
class ControllerSettings:
    """The controller and its training."""

    GROUP: ClassVar[str] = "Controller"

    controller_training: bool = setting(
        True,
        "Train the controller; if off it stays as initialised and samples"
        " almost uniformly.",
    )
    controller_lstm_size: int = setting(
        64, "Units of an LSTM layer.", lower=1, upper=4096
    )
    controller_lstm_num_layers: int = setting(
        1, "LSTM layers.", lower=1, upper=8
    )
    controller_entropy_weight: float = setting(
        0.0001, "Factor on the entropy in the reward.", lower=0.0
    )
    controller_train_every: int = setting(
        1, "Epochs between controller phases.", lower=1
    )
    controller_num_aggregate: int = setting(
        20, "Arcs averaged in one update.", lower=1
    )
    controller_train_steps: int = setting(
        50, "Updates in one controller phase.", lower=1
    )
    controller_lr: float = setting(
        0.001, "Learning rate of its Adam.", lower=0.0
    )
    controller_l2_reg: float = setting(
        0.0, "Factor on its sum of squared weights.", lower=0.0
    )
    controller_tanh_constant: float | None = setting(
        1.5,
        "Bound c of all logits, c * tanh(logit); 0 for none.",
        lower=0.0,
    )
    controller_temperature: float | None = setting(
        None,
        "Divisor of all logits before the bound.",
        lower=1e-6,
    )
    controller_skip_target: float = setting(
        0.4,
        "Skip probability that the penalty draws towards.",
        lower=1e-6,
        upper=1 - 1e-6,
    )
    controller_skip_weight: float = setting(
        0.8, "Factor on the skip penalty in the loss.", lower=0.0
    )
    controller_bl_dec: float = setting(
        0.99,
        "Decay of the reward's moving average, the baseline.",
        lower=0.0,
        upper=1.0,
    )
    defence: str = setting(
        "none",
        "What stands between a poisoned search space and the controller: none,"
        " or a comma list, applied in this order, of deduplicate, reweight,"
        " discard and prune (docs/DEFENCE.md).",
    )
