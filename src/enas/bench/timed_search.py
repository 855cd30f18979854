"""A search whose steps are timed, and networks without any switch."""

import itertools
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from enas.cifar10 import batches, build
from enas.cifar10.arc import Arc
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.compiled import Compiled, CompiledStep
from enas.cifar10.config import Config
from enas.cifar10.lazy_weights.graph_rewriting import rewrite
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.train_steps import StepInput, child_step
from enas.final.final_child import FinalChild
from enas.utils import seed_pair

DRAW = np.float32(0.01), np.array(seed_pair(0, "bench", 0), np.int32)


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class TimedSearch:
    """Holds a search at its beginning and answers with seconds of its steps."""

    def __init__(self, config: Config, arcs: Sequence[Arc]) -> None:
        search = self._search = build.load_search(config)
        self._steps, self._drawn = search.compiled, arcs
        self._arcs = [
            (np.array(arc.op_ids, np.int32), np.array(arc.skips, np.int32))
            for arc in arcs
        ]
        self._batch = search.train_batch(0)
        self._reward_batch = search.reward_batch(0)
        self._stream = batches.prefetch(search.train_batch, itertools.count())

    def warm_up(self) -> None:
        """Runs every op in every layer, so that all is compiled."""
        space = self._search.search_space
        op_ids, skips = map(np.ones_like, self._arcs[0])
        firsts = {space.branch(i): i for i in reversed(range(space.num_ops))}
        for op_id in firsts.values():
            self._train((op_id * op_ids, skips), self._batch)
            self._reward((op_id * op_ids, skips))

    def _train(self, arc: tuple, batch: tuple) -> None:
        float(self._steps.child_step(*batch, *arc, *DRAW)[0])

    def _reward(self, arc: tuple) -> None:
        int(self._steps.count_correct(*self._reward_batch, *arc))

    def child(self, i: int) -> float:
        """Returns the seconds of a child step of arc i on a constant batch."""
        return _seconds(lambda: self._train(self._arcs[i], self._batch))

    def arc(self, i: int, with_static: bool) -> dict[str, float]:
        """Times all that is done with arc i, in turns, in seconds.

        `child`: a step on a constant batch; `fed`: on the pipeline's next one;
        `reward`: the arc on the batch of a reward; `static`, if wanted: a step
        of the network without switches.
        """
        arc = self._arcs[i]
        kinds: dict[str, Callable[[], Any]] = {
            "child": lambda: self._train(arc, self._batch),
            # The batch is asked for within its step, as in an epoch; while
            # other things are timed, nothing is computed ahead.
            "fed": lambda: self._train(arc, next(self._stream)),
            "reward": lambda: self._reward(arc),
        }
        if with_static:
            example = *self._batch, *DRAW
            step = static_step(self._steps, self._drawn[i], example)
            kinds["static"] = lambda: float(step(*example)[0])
        seconds = {}
        # In the first round the static network is compiled.
        for _ in range(2):
            for name, run in kinds.items():
                # In a search it changes only where phases meet.
                rewrite(name == "reward")
                seconds[name] = _seconds(run)
        return seconds

    def own(self) -> float:
        """Returns the seconds of a controller update without its arcs."""
        config = self._search.config
        n = config.controller_num_aggregate

        def update() -> None:
            arcs = self._search.arcs.draw(n, "controller", 0)[:2]
            given = np.zeros(n, "f"), config.controller_lr
            float(self._steps.controller_step(*arcs, *given)[1])

        update()
        return statistics.median(_seconds(update) for _ in range(5))

    def epoch(self) -> tuple[float, float]:
        """Returns the seconds of an epoch of the child, and of its steps alone.

        The latter without drawing arcs, waiting for batches and logging.
        """
        step, inside = self._steps.child_step, []

        def timed(*arguments: Any) -> tuple:
            start = time.perf_counter()
            measured = step(*arguments)
            float(measured[0])
            inside.append(time.perf_counter() - start)
            return measured

        self._steps.child_step = timed  # type: ignore[assignment]
        whole = _seconds(self._search.train_child)
        self._steps.child_step = step
        return whole, sum(inside)

    def memory(self) -> float:
        """Returns the largest resident memory so far, GB."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


class StaticNetwork(keras.Model):
    """One arc, known when it is traced, of a `MacroChild`'s own layers.

    Call arguments: those of `MacroChild`; `arc` is not looked at.
    """

    def __init__(self, child: MacroChild, arc: Arc) -> None:
        super().__init__(name="static")
        self.options = child.options
        self.num_layers = child.num_layers
        self.steps = list(child.steps_of(arc, whole=True))
        self.built = True

    call = FinalChild.call


def static_step(compiled: Compiled, arc: Arc, example: tuple) -> CompiledStep:
    """Returns the training step of one arc as a separate network.

    It will be called with (images, labels, rate, seed) like the `example`.
    """
    static = StaticNetwork(compiled.child, arc)
    optimizer = ChildOptimizer(static, compiled.child_optimizer.rules)

    def step(images: tf.Tensor, labels: tf.Tensor, *draw: tf.Tensor) -> tuple:
        batch = images, labels
        return child_step(static, optimizer, batch, None, StepInput(*draw))[:3]

    signature = list(map(tf.type_spec_from_value, example))
    return CompiledStep(step, signature, rewritten=False)
