"""Training one architecture from scratch: the loop without a controller.

Counterpart of ENAS's scripts/cifar10_macro_final.sh.
"""

import math
from typing import Any, cast

from enas.cifar10.arc import Arc
from enas.cifar10.search import Search

PROTOCOL = (
    "test_acc: the one network, after each epoch, on the whole test set, in"
    " evaluation mode. It trains on all training images, validation images"
    " included, so no epoch is chosen: the result is the last one."
)


class FinalTraining(Search):
    """One network in training; arguments and attributes as `Search`.

    Source: ENAS main.py `train` with --child_fixed_arc; same: an epoch of
    training, then the test set.
    """

    def evaluate(self) -> list[dict[str, Any]]:
        """Measures the test set; returns no architectures."""
        self.log(f"Epoch {self.epoch}: Eval")
        self.log(f"Eval at {self.global_step}")
        arc = cast(Arc, self.arcs.fixed_arc)
        accuracy = self.evaluation.accuracy_of(arc, self.data.test)
        self.log(f"test_accuracy: {accuracy:<6.4f}")
        self.progress.numbers.test_acc = accuracy
        return []


def result_of(training: Search) -> dict[str, Any]:
    """Returns what result.json says besides what it says of a search too."""
    weights = training.compiled.child.trainable_variables
    return {
        "arc": str(training.arcs.fixed_arc),
        "parameters": sum(math.prod(v.shape) for v in weights),
        "protocol": PROTOCOL,
    }
