"""The search, epoch by epoch: train the child, then the controller, evaluate.

Counterpart of `train` in ENAS's src/cifar10/main.py (row 31). Everything
random comes from the seed and from what is counted (epoch, step, update), so
that a resumed run draws what the uninterrupted one would have drawn.
"""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from enas.cifar10 import batches
from enas.cifar10.arc import Arc
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.data_utils import DataSet
from enas.cifar10.epoch_progress import EpochProgress, Phase, Stopwatch
from enas.cifar10.evaluation import Evaluation, arc_of, arrays
from enas.cifar10.macro_controller import Sample
from enas.cifar10.metrics import EpochNumbers
from enas.cifar10.op_prior import OpPrior
from enas.cifar10.search_space import SearchSpace
from enas.errors import NonFiniteError
from enas.schedules import learning_rate
from enas.utils import child_line, controller_line, progress, seed_pair


class ArcSource:
    """Where the arcs of a search come from: the controller, or one fixed arc.

    `draw` returns n of them as a `Sample` of NumPy arrays; it is draw `number`
    of what the stream names.
    """

    def __init__(
        self, compiled: Compiled, seed: int, fixed_arc: Arc | None = None
    ) -> None:
        self.fixed_arc = fixed_arc
        self._compiled, self._seed = compiled, seed

    def draw(self, n: int, stream: str, number: int) -> Sample:
        if self.fixed_arc is not None:
            op_ids, skips = (np.tile(x, (n, 1)) for x in arrays(self.fixed_arc))
            rest = dict.fromkeys(Sample._fields[2:])
            return Sample(op_ids, skips, **rest)
        seed = seed_pair(self._seed, stream, number)
        sample = self._compiled.sample(n, seed)
        return type(sample)(
            *(None if part is None else part.numpy() for part in sample)
        )


class Search:
    """One search in progress: what it trains, on what, and how far it is.

    A `fixed_arc` is trained instead of searching.

    Attributes:
      whole_epochs: epochs that have ended.
      progress: how far the next one is.
      global_step: child steps done.
      train_step: controller updates done.
      baseline: moving average of the reward.
      op_counts: `[L, kinds]`, how often the child ran each kind of op in the
        last epoch that was run to its end.
      after_step: called after every child step, controller update and batch
        of an evaluation: whenever the search could be saved.
    """

    def __init__(
        self,
        config: Config,
        search_space: SearchSpace,
        data: DataSet,
        compiled: Compiled,
        log: Callable[[str], None],
        fixed_arc: Arc | None = None,
        defence: OpPrior | None = None,
    ) -> None:
        self.config = config
        self.profile = config.behaviour
        self.search_space = search_space
        self.data, self.compiled, self.log = data, compiled, log
        self.arcs = ArcSource(compiled, config.seed, fixed_arc)
        self.defence = defence or OpPrior()
        self.evaluation = Evaluation(self)
        self.searches = fixed_arc is None and config.controller_training
        self.steps_per_epoch = batches.num_train_batches(
            len(data.train), config.batch_size
        )
        self.progress = EpochProgress()
        self.whole_epochs = self.global_step = self.train_step = 0
        self.baseline = np.float32(0.0)
        self.op_counts: list[list[int]] = []
        self.after_step: Callable[[], None] = lambda: None
        self._start = time.monotonic()
        self._watch = Stopwatch(self.progress.numbers, "seconds_child")
        self._last_finite = "none"

    @property
    def epoch(self) -> int:
        """Epochs that the child has done."""
        child_is_done = self.progress.phase is not Phase.CHILD
        return self.whole_epochs + 1 if child_is_done else self.whole_epochs

    def run_epoch(self) -> tuple[EpochNumbers, list[dict[str, Any]]]:
        """Runs the next epoch, or what is left of it, to its end.

        An evaluation changes nothing that it depends on, so one that was cut
        off is done again. Returns the epoch's numbers, and the architectures
        shown in it, with the keys of arcs.jsonl.

        Source: row 31; same order.
        """
        done, reports = self.progress, []
        if done.phase is Phase.CHILD:
            with self._timed("seconds_child"):
                self.train_child()
            done.phase = Phase.CONTROLLER
        if done.phase is Phase.CONTROLLER:
            if self._controller_is_due():
                with self._timed("seconds_controller"):
                    self.train_controller()
            done.phase = Phase.EVALUATION
        if self._evaluation_is_due():
            with self._timed("seconds_eval"):
                reports = self.evaluate()
        numbers, self.op_counts = done.numbers, done.op_counts
        self.whole_epochs = numbers.epoch = self.epoch
        self.progress = EpochProgress()
        return numbers, reports

    def _controller_is_due(self) -> bool:
        every = self.config.controller_train_every
        due = self.searches and self.epoch % every == 0
        return due and self._evaluation_is_due()

    def _evaluation_is_due(self) -> bool:
        return self.epoch % self.config.eval_every_epochs == 0

    def train_child(self) -> None:
        """Trains the child for one epoch, a fresh arc every step.

        Source: rows 14 to 17 and 29; same.
        """
        steps, done = self.steps_per_epoch, self.progress
        sample = self.arcs.draw(steps, "child", self.epoch)
        first = len(done.losses)
        # A pass over the images begins with an epoch, also where the run saw
        # another number of images before.
        begun = steps * -(-(self.global_step - first) // steps)
        left = range(begun + first, begun + steps)
        stream = batches.prefetch(self.train_batch, left)
        bar = self.bar(stream, "child", steps, first)
        for step, batch in enumerate(bar, start=first):
            self._child_step(step, batch, sample)
            self._step_done()
        self.compiled.settle()
        losses, done.losses = done.losses, []
        done.op_counts = self._count_ops(sample.op_ids)
        numbers = done.numbers
        numbers.child_lr = float(self._child_lr(steps - 1))
        numbers.child_loss = float(np.mean(losses))
        numbers.train_acc = done.correct / done.images
        poison = sample.op_ids >= len(self.search_space.candidate_ops)
        numbers.poison_share = float(np.mean(poison))
        numbers.child_grad_norm = done.take_mean_norm("child_grad_norm")

    def _child_step(self, step: int, batch: tuple, sample: Sample) -> None:
        rate = self._child_lr(step)
        arc = sample.op_ids[step], sample.skips[step]
        seed = seed_pair(self.config.seed, "dropout", self.global_step)
        measured = self.compiled.child_step(*batch, *arc, rate, seed)
        loss, norm, right = map(float, measured)
        numbers = {"loss": loss, "gradient norm": norm}
        self._check_finite(numbers, sample, step, rate)
        correct, images = int(right), len(batch[1])
        self.global_step += 1
        self.progress.losses.append(loss)
        self.progress.add_norm("child_grad_norm", norm)
        self.progress.correct += correct
        self.progress.images += images
        ran, minutes = self.global_step, self._minutes()
        if ran % self.config.log_every == 0:
            epoch = self.whole_epochs + (step + 1) // self.steps_per_epoch
            self.log(
                child_line(
                    epoch, ran, loss, rate, norm, correct, images, minutes
                )
            )

    def train_controller(self) -> None:
        """Runs one controller phase: updates of some arcs each.

        The arcs of an update are drawn together, since the weights are the
        same for all of them; the baseline moves arc by arc. The numbers are
        the means over the phase's arcs (the baseline: its last value).

        Source: rows 24 to 28; same, with the plain mean gradient.
        """
        self.log(f"Epoch {self.epoch}: Training controller")
        done, steps = self.progress, self.config.controller_train_steps
        first = len(done.updates)
        for update in self.bar(range(first, steps), "controller", steps, first):
            done.updates.append(self._controller_update(update))
            self._step_done()
        updates, done.updates = done.updates, []
        for name in updates[0]:
            mean = float(np.mean([update[name] for update in updates]))
            setattr(done.numbers, name, mean)
        norm = done.take_mean_norm("controller_grad_norm")
        done.numbers.controller_grad_norm = norm
        done.numbers.baseline = float(self.baseline)

    def _controller_update(self, update: int) -> dict[str, np.float32]:
        config, n = self.config, self.config.controller_num_aggregate
        sample = self.arcs.draw(n, "controller", self.train_step)
        rewards, advantages = self._rewards(update, sample)
        losses, norm = self.compiled.controller_step(
            sample.op_ids, sample.skips, advantages, config.controller_lr
        )
        numbers = {
            "reward": float(np.sum(rewards)),
            "controller loss": float(np.sum(losses)),
            "controller gradient norm": float(norm),
        }
        # The arc that is named: the first whose loss is not finite, if any.
        first = int(np.argmin(np.isfinite(losses)))
        self._check_finite(numbers, sample, first, config.controller_lr)
        for line in self.defence.observe(sample.op_ids, advantages):
            self.log(line)
        self.progress.add_norm("controller_grad_norm", float(norm))
        self.train_step += 1
        links = max(1, sample.skips.shape[1])
        measured: dict[str, Any] = {
            "reward": np.mean(rewards),
            "entropy": np.mean(sample.entropy),
            "skip_rate": np.mean(sample.skip_count) / links,
            "controller_loss": np.mean(losses),
        }
        # As a checkpoint within the phase keeps them.
        return {name: np.float32(value) for name, value in measured.items()}

    def _rewards(
        self, update: int, sample: Sample
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns (rewards, advantages) of an update's arcs, float32 `[n]`.

        Source: rows 24 and 25; same.
        """
        n, log_every = len(sample.op_ids), self.config.log_every
        rewards, advantages = np.zeros((2, n), np.float32)
        numbers = range(self.train_step * n, (self.train_step + 1) * n)
        stream = batches.prefetch(self.reward_batch, numbers)
        for i, batch in enumerate(stream):
            accuracy = self.evaluation.accuracy_on(batch, sample, i)
            weight = self.config.controller_entropy_weight
            rewards[i] = accuracy + weight * sample.entropy[i]
            first = self.train_step == 0 and i == 0
            self._move_baseline(first, accuracy, rewards[i])
            advantages[i] = rewards[i] - self.baseline
            if (update * n + i) % log_every == 0:
                self._log_arc(sample, i, advantages[i], accuracy)
        return rewards, advantages

    def _move_baseline(
        self, first: bool, accuracy: float, reward: np.float32
    ) -> None:
        """Moves the baseline; the loss uses it after the move (row 25)."""
        if first and self.profile.baseline_start != "zero":
            self.baseline = np.float32(accuracy)
        else:
            decay = np.float32(1 - self.config.controller_bl_dec)
            self.baseline -= decay * (self.baseline - reward)

    def _log_arc(
        self, sample: Sample, i: int, advantage: np.float32, accuracy: float
    ) -> None:
        one = slice(i, i + 1)
        losses, norm = self.compiled.score_arcs(
            sample.op_ids[one], sample.skips[one], [advantage]
        )
        loss, rate = float(losses[0]), self.config.controller_lr
        measured = loss, sample.entropy[i], rate, float(norm), accuracy
        minutes = self._minutes()
        self.log(
            controller_line(self.train_step, *measured, self.baseline, minutes)
        )

    def evaluate(self) -> list[dict[str, Any]]:
        """Measures the search, see `Evaluation.run`."""
        return self.evaluation.run()

    def train_batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images and labels of a child step."""
        config, partial = self.config, self.profile.last_batch == "partial"
        size, cutout = config.batch_size, config.child_cutout_size
        return batches.train_batch(
            self.data, size, config.seed, step, cutout, partial
        )

    def reward_batch(
        self, index: int, stream: str = "reward", size: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns images and labels of a stream's index-th validation batch.

        It has `size` images, by default --batch_size.
        """
        seed, _ = seed_pair(self.config.seed, stream, index)
        size = size or self.config.batch_size
        augmented = self.profile.valid_images == "augmented"
        return batches.reward_batch(self.data, size, seed, index, augmented)

    def bar(
        self, iterable: Iterable, phase: str, steps: int, done: int = 0
    ) -> Iterable:
        """Wraps the steps of a phase in a progress bar."""
        epoch = self.epoch if phase == "evaluation" else self.whole_epochs + 1
        text = f"epoch {epoch} of {self.config.num_epochs}: {phase}"
        return progress(iterable, text, steps, done)

    def _child_lr(self, step: int) -> np.float32:
        return learning_rate(self.config, self.epoch, step)

    def _count_ops(self, op_ids: np.ndarray) -> list[list[int]]:
        """Returns how often each layer ran each kind of op, `[L, kinds]`."""
        space = self.search_space
        kinds = np.array([space.kind(i) for i in range(space.num_ops)])
        return [
            np.bincount(column, minlength=len(space.kinds)).tolist()
            for column in kinds[op_ids].T
        ]

    def _minutes(self) -> float:
        return (time.monotonic() - self._start) / 60

    def _timed(self, column: str) -> Stopwatch:
        self._watch = Stopwatch(self.progress.numbers, column)
        return self._watch

    def _step_done(self) -> None:
        self._watch.lap()
        self.after_step()

    def _check_finite(
        self,
        numbers: dict[str, float],
        sample: Sample,
        i: int,
        rate: float | np.float32,
    ) -> None:
        """Stops a search of which a number is not finite.

        A controller update with such a number is not applied; the child is
        then past a bad step, so it is never trained on.
        """
        text = ", ".join(f"{name} {value}" for name, value in numbers.items())
        at = f"child step {self.global_step}, controller step {self.train_step}"
        for what, value in numbers.items():
            if not math.isfinite(value):
                raise NonFiniteError(
                    f"The {what} is {value} at {at}, learning rate {rate}, "
                    f'arc "{arc_of(sample, i)}" ({text}). Last finite values: '
                    f"{self._last_finite}. Training stops here; the last "
                    "checkpoint, if there is one, is good. Try a smaller "
                    "--child_lr_max."
                )
        self._last_finite = f"{text} at {at}"
