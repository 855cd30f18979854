"""The search loop: child epoch, controller phase, evaluation.

Counterpart of `train` in ENAS's src/cifar10/main.py (row 31). Everything
random comes from the seed and from what is counted (epoch, step, update), so
that a resumed run draws what the uninterrupted one would have drawn.
"""

import functools
import itertools
import math
import time

import numpy as np

from enas.cifar10 import batches
from enas.cifar10.arc import Arc
from enas.cifar10.epoch_part import EpochPart
from enas.cifar10.macro_controller import Sample
from enas.cifar10.metrics import READINGS
from enas.errors import NonFiniteError
from enas.schedules import learning_rate
from enas.utils import (
    DASHES,
    child_line,
    controller_line,
    progress,
    seed_pair,
)

__all__ = [
    "NUM_ARCHITECTURES",
    "ArcSource",
    "NonFiniteError",
    "Search",
    "arc_of",
]

EVAL_BATCH_SIZE = 100
NUM_ARCHITECTURES = 10
SPLITS = ("valid", "test")


class ArcSource:
    """Where arcs come from: the controller, or one fixed arc.

    Args:
      compiled: `Compiled`.
      seed: int, the run's.
      fixed_arc: `Arc` or None.
    """

    def __init__(self, compiled, seed, fixed_arc=None):
        self.fixed_arc = fixed_arc
        self._compiled = compiled
        self._seed = seed

    def draw(self, n, stream, number):
        """Returns n arcs as a `Sample` of NumPy arrays.

        Args:
          n: int.
          stream: str, what the arcs are for.
          number: int, which draw for it.
        """
        if self.fixed_arc is not None:
            return Sample(
                op_ids=np.tile(np.int32(self.fixed_arc.op_ids), (n, 1)),
                skips=np.tile(np.int32(self.fixed_arc.skips), (n, 1)),
                **dict.fromkeys(Sample._fields[2:]),
            )
        seed = seed_pair(self._seed, stream, number)
        sample = self._compiled.sample(n, seed)
        return type(sample)(
            *(None if part is None else part.numpy() for part in sample)
        )


class Search:
    """One search in progress: what it trains, on what, and how far it is.

    Args:
      config: `Config`.
      search_space: `SearchSpace`.
      data: `data_utils.DataSet`.
      compiled: `Compiled`, over built models.
      log: function of a line.
      fixed_arc: `Arc` to train instead of searching, or None.

    Attributes:
      epoch: int, epochs that the child has done.
      global_step: int, child steps done.
      train_step: int, controller updates done.
      baseline: np.float32, moving average of the reward.
      part: `EpochPart`, what the epoch in progress has measured so far.
      op_counts: list of lists of int, `[L, kinds]`, how often the child ran
        each kind of op in the last epoch that was run to its end.
      after_step: function without arguments, called after every child step,
        controller update and batch of an evaluation: whenever the search
        could be saved.
    """

    def __init__(
        self, config, search_space, data, compiled, log, fixed_arc=None
    ):
        self.config = config
        self.profile = config.behaviour
        self.search_space = search_space
        self.data = data
        self.compiled = compiled
        self.log = log
        self.arcs = ArcSource(compiled, config.seed, fixed_arc)
        self.searches = fixed_arc is None and config.controller_training
        self.steps_per_epoch = batches.num_train_batches(
            len(data.train), config.batch_size
        )
        self.epoch = 0
        self.global_step = 0
        self.train_step = 0
        self.baseline = np.float32(0.0)
        self.part = EpochPart()
        self.op_counts = []
        self.after_step = lambda: None
        self._start = time.time()
        self._watch = _Stopwatch({}, "seconds")
        self._last_finite = "none"

    @property
    def whole_epochs(self):
        """Epochs whose row is complete, int."""
        return self.epoch - self.part.child_is_done

    def run_epoch(self):
        """Runs the next epoch, or what is left of it, to its end.

        Child, then controller, then evaluation. An evaluation changes nothing
        that it depends on, so one that was cut off is done again.

        Returns:
          (row, reports): a dict column -> number for metrics.csv, without
          what was not measured this epoch, and the 10 architectures, a list
          of dicts with the keys of arcs.jsonl.

        Source: row 31; same order.
        """
        row, reports = self.part.row, []
        if not self.part.child_is_done:
            with self._timed("seconds_child"):
                measured = self.train_child_epoch()
            row |= measured
            self.epoch += 1
        if self.epoch % self.config.eval_every_epochs == 0:
            every = self.config.controller_train_every
            trains = self.searches and self.epoch % every == 0
            if trains and "reward" not in row:
                with self._timed("seconds_controller"):
                    measured = self.train_controller()
                row |= measured
            with self._timed("seconds_eval"):
                measured, reports = self.evaluate()
            row |= measured
        self.op_counts = self.part.op_counts
        self.part = EpochPart()
        return {"epoch": self.epoch, **row}, reports

    def _progress(self, iterable, phase, steps, done=0):
        epoch = self.epoch + (phase == "child")
        text = f"epoch {epoch} of {self.config.num_epochs}: {phase}"
        return progress(iterable, text, steps, done)

    def _timed(self, column):
        self._watch = _Stopwatch(self.part.row, column)
        return self._watch

    def _step_done(self):
        self._watch.lap()
        self.after_step()

    def train_child_epoch(self):
        """Trains the child for one epoch, a fresh arc every step.

        Returns:
          dict: child_lr, child_loss, train_acc, poison_share,
          child_grad_norm.

        Source: rows 14 to 17 and 29; same.
        """
        steps, part = self.steps_per_epoch, self.part
        sample = self.arcs.draw(steps, "child", self.epoch)
        first, done = self.global_step, len(part.losses)
        stream = batches.prefetch(
            self.train_batch, range(first, first + steps - done)
        )
        bar = self._progress(stream, "child", steps, done)
        for step, batch in enumerate(bar, start=done):
            loss, norm, correct = self._child_step(step, batch, sample)
            part.losses.append(loss)
            part.add_norm("child_grad_norm", norm)
            part.correct += correct
            part.images += len(batch[1])
            self._step_done()
        self.compiled.settle()
        losses, part.losses = part.losses, []
        part.op_counts = self._count_ops(sample.op_ids)
        return {
            "child_lr": float(self._child_lr(steps - 1)),
            "child_loss": float(np.mean(losses)),
            "train_acc": part.correct / part.images,
            "poison_share": self._poison_share(sample.op_ids),
            **part.mean_norm("child_grad_norm"),
        }

    def _child_step(self, step, batch, sample):
        lr = self._child_lr(step)
        loss, norm, correct = self.compiled.train_child(
            *batch,
            sample.op_ids[step],
            sample.skips[step],
            lr,
            seed_pair(self.config.seed, "dropout", self.global_step),
        )
        loss, norm, correct = float(loss), float(norm), int(correct)
        numbers = {"loss": loss, "gradient norm": norm}
        self._check_finite(numbers, sample, step, lr)
        self.global_step += 1
        if self.global_step % self.config.log_every == 0:
            self.log(
                child_line(
                    self.global_step // self.steps_per_epoch,
                    self.global_step,
                    loss,
                    lr,
                    norm,
                    correct,
                    len(batch[1]),
                    self._minutes(),
                )
            )
        return loss, norm, correct

    def _child_lr(self, step):
        return learning_rate(self.config, self.epoch, step)

    def train_controller(self):
        """Runs one controller phase: updates of 20 arcs each.

        The arcs of an update are drawn together, since the weights are the
        same for all of them; the baseline moves arc by arc.

        Returns:
          dict: reward, baseline, entropy, skip_rate, controller_loss, the
          means over the phase's arcs (the baseline: its last value), and
          controller_grad_norm, the mean over its updates.

        Source: rows 24 to 28; same, with the plain mean gradient.
        """
        self.log(f"Epoch {self.epoch}: Training controller")
        updates, steps = self.part.updates, self.config.controller_train_steps
        done = len(updates)
        left = range(done, steps)
        for update in self._progress(left, "controller", steps, done):
            updates.append(self._controller_update(update))
            self._step_done()
        means = {
            name: float(np.mean([update[name] for update in updates]))
            for name in updates[0]
        }
        self.part.updates = []
        means |= self.part.mean_norm("controller_grad_norm")
        return means | {"baseline": float(self.baseline)}

    def _controller_update(self, update):
        config, n = self.config, self.config.controller_num_aggregate
        sample = self.arcs.draw(n, "controller", self.train_step)
        advantages = np.zeros(n, np.float32)
        rewards = np.zeros(n, np.float32)
        arguments = range(self.train_step * n, (self.train_step + 1) * n)
        stream = batches.prefetch(self.reward_batch, arguments)
        for i, batch in enumerate(stream):
            accuracy = self._accuracy(batch, sample, i)
            rewards[i] = accuracy + (
                config.controller_entropy_weight * sample.entropy[i]
            )
            first = self.train_step == 0 and i == 0
            self._move_baseline(first, accuracy, rewards[i])
            advantages[i] = rewards[i] - self.baseline
            if (update * n + i) % config.log_every == 0:
                self._log_arc(sample, i, advantages[i], accuracy)
        losses, norm = self.compiled.train_controller(
            sample.op_ids, sample.skips, advantages, config.controller_lr
        )
        numbers = {
            "reward": float(np.sum(rewards)),
            "controller loss": float(np.sum(losses)),
            "controller gradient norm": float(norm),
        }
        self._check_finite(numbers, sample, 0, config.controller_lr)
        self.part.add_norm("controller_grad_norm", float(norm))
        self.train_step += 1
        measured = {
            "reward": np.mean(rewards),
            "entropy": np.mean(sample.entropy),
            "skip_rate": np.mean(sample.skip_count) / self._num_links(),
            "controller_loss": np.mean(losses),
        }
        # As a checkpoint within the phase keeps them.
        return {name: np.float32(value) for name, value in measured.items()}

    def _move_baseline(self, first, accuracy, reward):
        """Moves the baseline; the loss uses it after the move (row 25)."""
        if first and self.profile.baseline_start != "zero":
            self.baseline = np.float32(accuracy)
        else:
            decay = np.float32(1 - self.config.controller_bl_dec)
            self.baseline -= decay * (self.baseline - reward)

    def _log_arc(self, sample, i, advantage, accuracy):
        one = slice(i, i + 1)
        losses, norm = self.compiled.score_arcs(
            sample.op_ids[one], sample.skips[one], [advantage]
        )
        self.log(
            controller_line(
                self.train_step,
                float(losses[0]),
                sample.entropy[i],
                self.config.controller_lr,
                float(norm),
                accuracy,
                self.baseline,
                self._minutes(),
            )
        )

    def evaluate(self):
        """Shows 10 architectures, then measures validation and test sets.

        valid_acc and test_acc are what the profile's program prints: ENAS's a
        fresh arc for every batch of 100, the paper's the best of the 10, in
        training mode. best_* are the whole-set accuracies of the best of the
        10 in evaluation mode. Where --readings asks for it, the other
        readings of `metrics.READINGS` follow.

        Returns:
          (measured, reports): dict column -> float, and the 10 as dicts.

        Source: row 30; same, except that ENAS's 10 are compared on the same
        batch and the best of them is measured as well.
        """
        reports = self._ten_architectures()
        best = max(reports, key=lambda report: report["accuracy"])
        self.log(f"Epoch {self.epoch}: Eval")
        # What is printed is one of the readings, so it is measured once.
        read = functools.cache(functools.partial(self._read, best["arc"]))
        measured = {}
        for name in SPLITS:
            self.log(f"Eval at {self.global_step}")
            measured[f"{name}_acc"] = read(self._printed_reading(), name)
            self.log(f"{name}_accuracy: {measured[f'{name}_acc']:<6.4f}")
        for reading, name in itertools.product(self._readings(), SPLITS):
            column = READINGS[reading].format(name)
            measured[column] = read(reading, name)
        for name in SPLITS:
            best[f"{name}_acc"] = measured[f"best_{name}_acc"]
        bad = float(np.mean([report["poison_layers"] for report in reports]))
        measured["bad_layers"] = bad
        measured["good_layers"] = self.config.child_num_layers - bad
        return measured, reports

    def _printed_reading(self):
        resampled = self.profile.evaluation == "resampled"
        return "sampled" if resampled else "best", self.profile.evaluation_mode

    def _readings(self):
        """Returns the readings that this epoch is to record."""
        when, last = self.config.readings, self.config.num_epochs
        if when == "all" or (when == "last" and self.epoch == last):
            return list(READINGS)
        return [("best", "eval")]

    def _read(self, best_arc, reading, name):
        """Returns the accuracy that a reading of a split gives."""
        (arcs, mode), split = reading, getattr(self.data, name)
        if arcs == "sampled":
            return self._accuracy_of_sampled(name, split, mode)
        return self.accuracy_of(best_arc, split, mode)

    def _ten_architectures(self):
        self.log("Here are 10 architectures")
        n = NUM_ARCHITECTURES if self.arcs.fixed_arc is None else 1
        sample = self.arcs.draw(n, "ten", self.epoch)
        batch = self.reward_batch(self.epoch, "ten")
        reports = []
        for i in range(n):
            arc = arc_of(sample, i)
            accuracy = self._accuracy(batch, sample, i)
            for line in arc.lines():
                self.log(line)
            self.log(f"val_acc={accuracy:<6.4f}")
            self.log(DASHES)
            reports.append(
                {
                    "epoch": self.epoch,
                    "arc": arc,
                    "accuracy": accuracy,
                    "images": len(batch[1]),
                    "poison_layers": sum(
                        self.search_space.is_poison(op) for op in arc.op_ids
                    ),
                }
            )
        return reports

    def _accuracy_of_sampled(self, name, split, mode):
        """Returns the accuracy over a split with a fresh arc per batch."""
        n = math.ceil(len(split) / self._eval_batch_size)
        sample = self.arcs.draw(n, f"eval_{name}", self.epoch)
        return self._accuracy_over(split, sample.op_ids, sample.skips, mode)

    def accuracy_of(self, arc, split, mode="eval"):
        """Returns the accuracy of one arc over a whole split, float.

        Args:
          arc: `Arc`.
          split: `data_utils.Split`.
          mode: "eval", or "train", with dropout and noise on.
        """
        op_ids, skips = np.int32(arc.op_ids), np.int32(arc.skips)
        return self._accuracy_over(
            split, itertools.repeat(op_ids), itertools.repeat(skips), mode
        )

    def _accuracy_over(self, split, op_ids, skips, mode):
        """Returns the accuracy over a split; batch i runs the i-th arc."""
        steps = math.ceil(len(split) / self._eval_batch_size)
        bar = self._progress(self.images_of(split), "evaluation", steps)
        correct = 0
        for i, (batch, ops, bits) in enumerate(
            zip(bar, op_ids, skips, strict=False)
        ):
            correct += self._count(batch, ops, bits, mode, i)
            self.after_step()
        return correct / len(split)

    def images_of(self, split):
        """Returns the batches of a split as the profile evaluates them."""
        rng = None
        augmented = self.profile.valid_images == "augmented"
        if augmented and split is self.data.valid:
            rng = batches.generator(
                self.config.seed, "augment_eval", self.epoch
            )
        return batches.eval_batches(
            split, self.data, self._eval_batch_size, rng
        )

    @property
    def _eval_batch_size(self):
        if self.profile.evaluation == "resampled":
            return EVAL_BATCH_SIZE
        return self.config.batch_size

    def _count(self, batch, op_ids, skips, mode, i):
        """Returns the right answers on the i-th batch of an evaluation."""
        if mode == "eval":
            return int(self.compiled.count_correct(*batch, op_ids, skips))
        seed = seed_pair(self.config.seed, f"noise_{self.epoch}", i)
        return int(
            self.compiled.count_correct_in_training(*batch, op_ids, skips, seed)
        )

    def logits(self, images, arc, mode="eval", i=0):
        """Returns what an arc answers, float32 `[batch, classes]`.

        Args:
          images: float32 `[batch, 32, 32, 3]`, standardised.
          arc: `Arc`.
          mode: "eval", or "train", with dropout and noise on.
          i: int, the batch's place in its set, for what is random.
        """
        arc = np.int32(arc.op_ids), np.int32(arc.skips)
        if mode == "eval":
            return self.compiled.logits(images, *arc).numpy()
        seed = seed_pair(self.config.seed, f"noise_{self.epoch}", i)
        return self.compiled.logits_in_training(images, *arc, seed).numpy()

    def _accuracy(self, batch, sample, i):
        images, labels = batch
        correct = self.compiled.count_correct(
            images, labels, sample.op_ids[i], sample.skips[i]
        )
        return int(correct) / len(labels)

    def train_batch(self, step):
        config = self.config
        return batches.train_batch(
            self.data,
            config.batch_size,
            config.seed,
            step,
            config.child_cutout_size,
            partial=self.profile.last_batch == "partial",
        )

    def reward_batch(self, index, stream="reward"):
        seed, _ = seed_pair(self.config.seed, stream, index)
        return batches.reward_batch(
            self.data,
            self.config.batch_size,
            seed,
            index,
            augmented=self.profile.valid_images == "augmented",
        )

    def _poison_share(self, op_ids):
        return float(np.mean(op_ids >= len(self.search_space.candidate_ops)))

    def _count_ops(self, op_ids):
        """Returns how often each layer ran each kind of op, `[L, kinds]`."""
        space = self.search_space
        kinds = np.array([space.kind(i) for i in range(space.num_ops)])
        return [
            np.bincount(column, minlength=len(space.kinds)).tolist()
            for column in kinds[op_ids].T
        ]

    def _num_links(self):
        layers = self.config.child_num_layers
        return max(1, layers * (layers - 1) // 2)

    def _minutes(self):
        return (time.time() - self._start) / 60

    def _check_finite(self, numbers, sample, i, lr):
        """Stops a search of which a number is not finite.

        The state is then behind a bad update, so it is never trained on.
        """
        text = ", ".join(f"{name} {value}" for name, value in numbers.items())
        for what, value in numbers.items():
            if not math.isfinite(value):
                raise NonFiniteError(
                    f"The {what} is {value} at child step {self.global_step}, "
                    f"controller step {self.train_step}, learning rate {lr}, "
                    f'arc "{arc_of(sample, i)}" ({text}). Last finite values: '
                    f"{self._last_finite}. Training stops here; the last "
                    "checkpoint is good. Try a smaller --child_lr_max."
                )
        self._last_finite = (
            f"{text} at child step {self.global_step}, controller step "
            f"{self.train_step}"
        )


def arc_of(sample, i):
    """Returns the i-th `Arc` of a `Sample` of NumPy arrays."""
    op_ids, skips = sample.op_ids[i].tolist(), sample.skips[i].tolist()
    return Arc(tuple(op_ids), tuple(skips))


class _Stopwatch:
    """Adds the seconds of a `with` block to a row, also lap by lap."""

    def __init__(self, row, name):
        self._row, self._name = row, name
        self._from = time.time()

    def __enter__(self):
        return self

    def lap(self):
        now = time.time()
        self._row[self._name] = self._row.get(self._name, 0.0) + (
            now - self._from
        )
        self._from = now

    def __exit__(self, *unused):
        self.lap()
