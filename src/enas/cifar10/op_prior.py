"""What is added to the controller's op logits: nothing, without a defence.

Whatever a defence against poisoned search spaces does to the controller is a
prior on its op logits, and whatever it learns it learns from arcs and their
advantages. Neither the search nor the controller knows which defence runs.
"""

import numpy as np
import tensorflow as tf


class OpPrior:
    """No prior, the paper's system; `enas.defences.combined` has the others.

    Attributes:
      prior: float32 variable `[num_layers, num_ops]` that is added to the
        bounded op logits of the controller, or None for nothing.
      variables: what checkpoints hold of it, name -> tf.Variable.
    """

    prior: tf.Variable | None = None
    variables: dict[str, tf.Variable] = {}

    def observe(self, op_ids: np.ndarray, advantages: np.ndarray) -> list[str]:
        """Learns from the arcs of one controller update, after it.

        Args:
          op_ids: int32 `[n, num_layers]`.
          advantages: float32 `[n]`, reward minus the updated baseline.

        Returns:
          Lines for the log: what changed.
        """
        return []

    def describe(self) -> list[str]:
        """Returns lines for the log; [] without a defence."""
        return []

    def numbers(self) -> dict[str, float]:
        """Returns what TensorBoard shows of it, tag -> number."""
        return {}

    def report(self) -> dict:
        """Returns what result.json says of it; {} without a defence."""
        return {}
