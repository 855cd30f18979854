"""A search whose steps are timed: what a worker can be asked for."""

import functools
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from enas.bench.spaces import BareArc
from enas.bench.static_network import static_step
from enas.cifar10 import batches, build
from enas.cifar10.config import Config
from enas.cifar10.lazy_weights.graph_rewriting import rewrite
from enas.utils import seed_pair

__all__ = ["TimedSearch"]

RATE = np.float32(0.01)
SEED = seed_pair(0, "bench", 0)
UPDATES = 5


def _seconds(function: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


class TimedSearch:
    """Holds a search at its beginning and times its steps.

    Every public method answers one kind of question with plain numbers.
    """

    def __init__(self, config: Config) -> None:
        self._search = build.load_search(config)
        self._compiled = self._search.compiled
        self._batch = self._search.train_batch(0)
        self._reward_batch = self._search.reward_batch(0)
        self._stream = batches.prefetch(
            self._search.train_batch, itertools.count()
        )

    def warm_up(self) -> bool:
        """Runs every op in every layer, so that all is compiled."""
        space, config = self._search.search_space, self._search.config
        layers = config.child_num_layers
        firsts = {space.branch(i): i for i in reversed(range(space.num_ops))}
        for op_id in firsts.values():
            arc = [op_id] * layers, [1] * (layers * (layers - 1) // 2)
            self.child(arc)
            self._reward(arc)
        return True

    def child(self, arc: BareArc) -> float:
        """Returns the seconds of a child step on a constant batch."""
        return _seconds(self._train, arc, self._batch)

    def _train(self, arc: BareArc, batch: tuple) -> None:
        choice = [np.array(part, np.int32) for part in arc]
        loss, *_ = self._compiled.train_child(*batch, *choice, RATE, SEED)
        float(loss)

    def arc(
        self, arc: BareArc, times: int, with_static: bool
    ) -> dict[str, float]:
        """Times all that is done with one arc, in turns.

        Args:
          arc: op ids and skip bits.
          times: how often.
          with_static: also as a network without switches.

        Returns:
          Medians of the seconds: `child`, a step on a constant batch; `fed`,
          the same on the batch that the pipeline has next; `reward`, the arc
          on the batch of a reward; `static`.
        """
        kinds = {"child": self.child, "fed": self._fed, "reward": self._reward}
        if with_static:
            side = self._search.config.image_size
            step = static_step(self._compiled, arc, side)
            kinds["static"] = functools.partial(self._static, step)
        seconds: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(times + 1):
            for name, time_of in kinds.items():
                # In a search it changes only where phases meet.
                rewrite(name == "reward")
                seconds[name].append(time_of(arc))
        # In the first round the static network is compiled.
        return {n: statistics.median(each[1:]) for n, each in seconds.items()}

    def _fed(self, arc: BareArc) -> float:
        # The batch is asked for within its step, as in an epoch; while other
        # things are timed, nothing is computed ahead.
        return _seconds(lambda: self._train(arc, next(self._stream)))

    def _reward(self, arc: BareArc) -> float:
        count = self._compiled.count_correct
        choice = [np.array(part, np.int32) for part in arc]
        return _seconds(lambda: int(count(*self._reward_batch, *choice)))

    def _static(self, step: Callable[..., Any], arc: BareArc) -> float:
        del arc
        return _seconds(lambda: float(step(*self._batch, RATE, SEED)[0]))

    def own(self) -> float:
        """Returns the seconds of a controller update without its arcs."""
        config = self._search.config
        n = config.controller_num_aggregate

        def update() -> None:
            sample = self._search.arcs.draw(n, "controller", 0)
            rewards = np.zeros(n, np.float32)
            _, norm = self._compiled.train_controller(
                sample.op_ids, sample.skips, rewards, config.controller_lr
            )
            float(norm)

        update()
        return statistics.median(_seconds(update) for _ in range(UPDATES))

    def epoch(self) -> tuple[float, float]:
        """Trains the child for an epoch.

        Returns:
          (seconds, seconds in its steps): the latter without drawing arcs,
          waiting for batches, checking and logging.
        """
        step, inside = self._compiled.train_child, []

        def timed(*arguments: Any) -> tuple:
            start = time.perf_counter()
            measured = step(*arguments)
            float(measured[0])
            inside.append(time.perf_counter() - start)
            return measured

        self._compiled.train_child = timed  # type: ignore[assignment]
        whole = _seconds(self._search.train_child)
        self._compiled.train_child = step
        return whole, sum(inside)

    def memory(self) -> float:
        """Returns the largest resident memory so far, GB."""
        with open("/proc/self/status", encoding="utf-8") as lines:
            peak = next(line for line in lines if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1e6
