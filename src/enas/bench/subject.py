"""A search as a subject of measurement: what a worker can be asked for."""

import itertools
import statistics
import time

import numpy as np

from enas.bench.yardstick import static_step
from enas.cifar10 import batches, build
from enas.cifar10.lazy_weights.graph_rewriting import rewrite
from enas.utils import seed_pair

__all__ = ["Subject"]

RATE = np.float32(0.01)
OWN_TIMES = 5


def _seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


class Subject:
    """Holds a search at its beginning and times its steps.

    Every public method answers one kind of question with plain numbers.

    Args:
      config: `Config`.
    """

    def __init__(self, config):
        self.search = build.load_search(config)
        self.compiled = self.search.compiled
        self.batch = self.search.train_batch(0)
        self.reward_batch = self.search.reward_batch(0)
        self.stream = batches.prefetch(
            self.search.train_batch, itertools.count()
        )

    def _train(self, arc, batch):
        ops, skips = map(np.int32, arc)
        step = self.compiled.train_child
        loss, *_ = step(*batch, ops, skips, RATE, seed_pair(0, "bench", 0))
        float(loss)

    def warm_up(self):
        """Runs every op in every layer, so that all is compiled.

        Returns:
          True.
        """
        space, config = self.search.search_space, self.search.config
        layers = config.child_num_layers
        firsts = {space.branch(i): i for i in reversed(range(space.num_ops))}
        for op_id in firsts.values():
            arc = [op_id] * layers, [1] * (layers * (layers - 1) // 2)
            self.child(arc)
            self._reward(arc)
        return True

    def child(self, arc):
        """Returns the seconds of a child step on a constant batch."""
        return _seconds(self._train, arc, self.batch)

    def arc(self, arc, times, with_yardstick):
        """Times all that is done with one arc, in turns.

        Args:
          arc: (op ids, skip bits).
          times: int, how often.
          with_yardstick: bool, also as a network without switches.

        Returns:
          dict, what -> median of the seconds: `child`, a step on a constant
          batch; `fed`, the same on the batch that the pipeline has next;
          `reward`, the arc on the batch behind a reward; `static`.
        """
        kinds = {"child": self.child, "fed": self._fed, "reward": self._reward}
        if with_yardstick:
            kinds["static"] = self._yardstick(arc)
        # The first round, in which the static network is compiled, is left out.
        _, *rounds = [
            {name: self._timed(name, kinds[name], arc) for name in kinds}
            for _ in range(times + 1)
        ]
        return {
            name: statistics.median(values[name] for values in rounds)
            for name in kinds
        }

    def _timed(self, name, time_of, arc):
        # In a search it changes only where one phase follows another.
        rewrite(name == "reward")
        return time_of(arc)

    def _fed(self, arc):
        # The batch is asked for within its step, as in an epoch; while other
        # things are timed, nothing is computed ahead.
        return _seconds(lambda: self._train(arc, next(self.stream)))

    def _reward(self, arc):
        ops, skips = map(np.int32, arc)
        count = self.compiled.count_correct
        return _seconds(lambda: int(count(*self.reward_batch, ops, skips)))

    def _yardstick(self, arc):
        config = self.search.config
        step = static_step(self.compiled.child, *arc, config)
        seed = seed_pair(0, "bench", 0)
        return lambda arc: _seconds(
            lambda: float(step(*self.batch, RATE, seed)[0])
        )

    def own(self):
        """Returns the seconds of a controller update without its arcs."""
        config = self.search.config
        n = config.controller_num_aggregate

        def update():
            sample = self.search.arcs.draw(n, "controller", 0)
            arcs = sample.op_ids, sample.skips
            _, norm = self.compiled.train_controller(
                *arcs, np.zeros(n, np.float32), config.controller_lr
            )
            float(norm)

        update()
        return statistics.median(_seconds(update) for _ in range(OWN_TIMES))

    def epoch(self):
        """Trains the child for an epoch.

        Returns:
          (seconds, seconds in its steps): the latter without drawing arcs,
          waiting for batches, checking and logging.
        """
        step, inside = self.compiled.train_child, []

        def timed(*arguments):
            start = time.perf_counter()
            loss, norm, correct = step(*arguments)
            float(loss)
            inside.append(time.perf_counter() - start)
            return loss, norm, correct

        self.compiled.train_child = timed
        whole = _seconds(self.search.train_child)
        self.compiled.train_child = step
        return whole, sum(inside)

    def memory(self):
        """Returns the largest resident memory so far, GB."""
        with open("/proc/self/status", encoding="utf-8") as lines:
            peak = next(line for line in lines if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1e6
