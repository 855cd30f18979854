"""What happens to the child's weights in a training step.

The gradient rules (rows 14 and 16), Nesterov momentum (row 15) and what
happens to weights that an arc does not use (row 12). Weights that every copy
of a poisoning has of its own move lazily (`lazy_weights/`); nothing outside
this file knows of that.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf
from tensorflow import Tensor

from enas.cifar10.lazy_weights.copy_momentum import CopyMomentum
from enas.cifar10.lazy_weights.copy_step import CopyStep
from enas.cifar10.lazy_weights.lookup import Arc, Lookup
from enas.cifar10.lazy_weights.unselected_weights import WeightUse
from enas.optimizers import GradientRules, Momentum


class ChildOptimizer:
    """Momentum over a child, with the rules of its gradients.

    Args:
      child: built.
      unselected: "decay": weights that an arc does not use decay all the same;
        "wait": from the first arc on that uses them; "stay": never (row 12).
      lazy: whether weights of idle copies are moved when they are read; the
        same numbers but for rounding.

    `variables` are what checkpoints hold, name -> tf.Variable.
    """

    def __init__(
        self,
        child: tf.Module,
        rules: GradientRules,
        unselected: str = "decay",
        lazy: bool = True,
    ) -> None:
        self.child = child
        self.rules = rules
        self.unselected = unselected
        self.lookup = Lookup(child)
        self.copies = self.use = None
        if self.lookup.copied and lazy:
            self.copies = CopyMomentum(child, self.lookup)
        left_out = self.copies.variables if self.copies else ()
        self.momentum = Momentum(child, left_out)
        self.variables = dict(self.momentum.slots)
        if self.copies:
            self.variables |= self.copies.slots | self.copies.state
        if unselected != "decay":
            self.use = WeightUse(child)
            self.variables["child/weight_use"] = self.use.used

    def settle(self) -> None:
        """Ends a phase of training steps: all weights are what they are."""
        if self.copies:
            self.copies.settle()

    def may_lack(self) -> set[str]:
        """Returns the variables that checkpoints of earlier versions lack."""
        return set(self.copies.state) if self.copies else set()

    def assigned(self, names: Iterable[str]) -> None:
        """Says that variables of these names were set from a checkpoint."""
        if self.copies and self.may_lack().isdisjoint(names):
            self.copies.reset()


class Update:
    """One step of a `ChildOptimizer`, in which the child runs an arc.

    Attributes:
      weights: what gradients are taken of.
    """

    def __init__(self, optimizer: ChildOptimizer, arc: Arc | None) -> None:
        self._optimizer, self._arc = optimizer, arc
        use, trained = optimizer.use, optimizer.child.trainable_variables
        self.weights: Sequence[Tensor] = [v.value for v in trained]
        self._decays: Sequence[Tensor] | None = None
        self._moves: Sequence[Tensor] | None = None
        self._lazy = None
        if use and arc is not None:
            self._decays = use.add(arc)
            if optimizer.unselected == "stay":
                self._moves = use.of(arc)
        if optimizer.copies and arc is not None:
            self._lazy = CopyStep(optimizer.copies, arc)
            self.weights, self._decays = self._lazy.narrow(
                self.weights, self._decays
            )

    @contextlib.contextmanager
    def reading(self, tape: tf.GradientTape) -> Iterator[None]:
        """Has the child read its weights so that the tape sees them."""
        parts = self._lazy.weights if self._lazy else None
        with self._optimizer.lookup.scope(self._arc, parts):
            tape.watch(parts or [])
            yield

    def regularise(
        self, gradients: list[Tensor | None]
    ) -> tuple[list[Tensor], Tensor]:
        """Applies the rules; returns (gradients, norm before clipping)."""
        idle = self._lazy.idle if self._lazy else None
        gradients, self._norm = self._optimizer.rules.apply(
            gradients, self.weights, self._decays, idle
        )
        return gradients, self._norm

    def apply(self, gradients: Sequence[Tensor], rate: Tensor) -> None:
        """Moves the weights by what `regularise` returned, at a rate."""
        moves, momentum = self._moves, self._optimizer.momentum
        if self._lazy:
            rules = self._optimizer.rules
            factors = rules.idle_factors(self._lazy.idle, self._norm)
            gradients, moves = self._lazy.apply(gradients, factors, rate, moves)
        if moves:
            momentum.apply_where(moves, gradients, rate)
        else:
            momentum.apply(gradients, rate)
