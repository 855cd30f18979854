"""What a search measures of its architectures, and what it prints of them.

Counterpart of the evaluation parts of ENAS's src/cifar10/main.py and
general_child.py (row 30).
"""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enas.cifar10 import batches
from enas.cifar10.arc import Arc
from enas.cifar10.data_utils import Split
from enas.cifar10.macro_controller import Sample
from enas.cifar10.metrics import READINGS
from enas.errors import NonFiniteError
from enas.utils import DASHES, seed_pair

if TYPE_CHECKING:
    from enas.cifar10.search import Search

EVAL_BATCH_SIZE = 100
NUM_ARCHITECTURES = 10
SPLITS = ("valid", "test")


class Evaluation:
    """Measures the architectures of a search under its shared weights."""

    def __init__(self, search: "Search") -> None:
        self._search = search
        self._config = search.config
        self._profile = search.profile

    def run(self) -> list[dict[str, Any]]:
        """Shows 10 architectures, then measures validation and test sets.

        valid_acc and test_acc are what the profile's program prints: ENAS's a
        fresh arc for every batch of 100, the paper's the best of the 10, in
        training mode. best_* are the whole-set accuracies of the best of the
        10 in evaluation mode. Where --readings asks for it, the other
        readings of `metrics.READINGS` follow.

        Returns:
          The 10 architectures, with the keys of arcs.jsonl.

        Source: row 30; same, except that ENAS's 10 are compared on the same
        batch and the best of them is measured as well.
        """
        search, numbers = self._search, self._search.progress.numbers
        reports = self._ten_architectures()
        best = max(reports, key=lambda report: report["accuracy"])
        search.log(f"Epoch {search.epoch}: Eval")
        # What is printed is one of the readings, so it is measured once.
        read = functools.cache(functools.partial(self._read, best["arc"]))
        for name in SPLITS:
            search.log(f"Eval at {search.global_step}")
            accuracy = read(self._printed_reading(), name)
            setattr(numbers, f"{name}_acc", accuracy)
            search.log(f"{name}_accuracy: {accuracy:<6.4f}")
        for reading, name in itertools.product(self._readings(), SPLITS):
            column = READINGS[reading].format(name)
            setattr(numbers, column, read(reading, name))
        for name in SPLITS:
            best[f"{name}_acc"] = getattr(numbers, f"best_{name}_acc")
        bad = float(np.mean([report["poison_layers"] for report in reports]))
        numbers.bad_layers = bad
        numbers.good_layers = self._config.child_num_layers - bad
        return reports

    def accuracy_of(self, arc: Arc, split: Split, mode: str = "eval") -> float:
        """Returns the accuracy of one arc over a whole split, in [0, 1].

        Args:
          mode: "eval", or "train", with dropout and noise on.
        """
        return self._accuracy_over(split, itertools.repeat(_arrays(arc)), mode)

    def accuracy_on(self, batch: tuple, sample: Sample, i: int) -> float:
        """Returns the accuracy of the i-th arc of a sample on one batch."""
        choice = sample.op_ids[i], sample.skips[i]
        correct = int(self._search.compiled.count_correct(*batch, *choice))
        self._check_finite(correct >= 0, choice)
        return correct / len(batch[1])

    def logits(
        self, images: np.ndarray, arc: Arc, mode: str = "eval", i: int = 0
    ) -> np.ndarray:
        """Returns what an arc answers, float32 `[batch, classes]`.

        Args:
          images: float32 `[batch, height, width, 3]`, standardised.
          mode: "eval", or "train", with dropout and noise on.
          i: the batch's place in its set, for what is random.
        """
        search = self._search
        choice = _arrays(arc)
        if mode == "eval":
            logits = search.compiled.logits(images, *choice).numpy()
        else:
            seed = self._noise_seed(i)
            step = search.compiled.logits_in_training
            logits = step(images, *choice, seed).numpy()
        self._check_finite(bool(np.isfinite(logits).all()), choice)
        return logits

    def images_of(self, split: Split) -> Iterator[tuple]:
        """Returns the batches of a split as the profile evaluates them."""
        search, rng = self._search, None
        augmented = self._profile.valid_images == "augmented"
        if augmented and split is search.data.valid:
            rng = batches.generator(
                self._config.seed, "augment_eval", search.epoch
            )
        return batches.eval_batches(split, search.data, self.batch_size, rng)

    @property
    def batch_size(self) -> int:
        """Images in a batch of an evaluation."""
        if self._config.eval_batch_size:
            return self._config.eval_batch_size
        if self._profile.evaluation == "resampled":
            return EVAL_BATCH_SIZE
        return self._config.batch_size

    def _printed_reading(self) -> tuple[str, str]:
        resampled = self._profile.evaluation == "resampled"
        return (
            "sampled" if resampled else "best",
            self._profile.evaluation_mode,
        )

    def _readings(self) -> list[tuple[str, str]]:
        """Returns the readings that this epoch is to record."""
        config = self._config
        # Of the epochs that are evaluated, which need not be the run's last.
        last = self._search.epoch + config.eval_every_epochs > config.num_epochs
        if config.readings == "all" or (config.readings == "last" and last):
            return list(READINGS)
        return [("best", "eval")]

    def _read(
        self, best_arc: Arc, reading: tuple[str, str], name: str
    ) -> float:
        """Returns the accuracy that a reading of a split gives."""
        (arcs, mode), split = reading, getattr(self._search.data, name)
        if arcs == "best":
            return self.accuracy_of(best_arc, split, mode)
        n = math.ceil(len(split) / self.batch_size)
        sample = self._search.arcs.draw(n, f"eval_{name}", self._search.epoch)
        fresh = zip(sample.op_ids, sample.skips, strict=True)
        return self._accuracy_over(split, fresh, mode)

    def _ten_architectures(self) -> list[dict[str, Any]]:
        search = self._search
        search.log("Here are 10 architectures")
        n = NUM_ARCHITECTURES if search.arcs.fixed_arc is None else 1
        sample = search.arcs.draw(n, "ten", search.epoch)
        size = self._config.eval_batch_size
        batch = search.reward_batch(search.epoch, "ten", size)
        return [self._report(sample, i, batch) for i in range(n)]

    def _report(self, sample: Sample, i: int, batch: tuple) -> dict[str, Any]:
        """Measures and prints one of the 10 architectures."""
        search, arc = self._search, arc_of(sample, i)
        accuracy = self.accuracy_on(batch, sample, i)
        for line in arc.lines():
            search.log(line)
        search.log(f"val_acc={accuracy:<6.4f}")
        search.log(DASHES)
        poison = map(search.search_space.is_poison, arc.op_ids)
        return {
            "epoch": search.epoch,
            "arc": arc,
            "accuracy": accuracy,
            "images": len(batch[1]),
            "poison_layers": sum(poison),
        }

    def _accuracy_over(
        self, split: Split, arcs: Iterable[tuple], mode: str
    ) -> float:
        """Returns the accuracy over a split; batch i runs the i-th arc."""
        search, compiled, correct = self._search, self._search.compiled, 0
        steps = math.ceil(len(split) / self.batch_size)
        bar = search.bar(self.images_of(split), "evaluation", steps)
        for i, (batch, arc) in enumerate(zip(bar, arcs, strict=False)):
            if mode == "eval":
                right = compiled.count_correct(*batch, *arc)
            else:
                seed = self._noise_seed(i)
                right = compiled.count_correct_in_training(*batch, *arc, seed)
            self._check_finite(int(right) >= 0, arc)
            correct += int(right)
            search.after_step()
        return correct / len(split)

    def _check_finite(self, finite: bool, choice: tuple) -> None:
        if not finite:
            raise NonFiniteError(
                f'The answers of arc "{_arc(*choice)}" are not finite in an '
                f"evaluation after child step {self._search.global_step}, "
                f"controller step {self._search.train_step}, so that it has no "
                "accuracy. Look for an op that overflows or divides by zero "
                "there, or try a smaller --child_lr_max."
            )

    def _noise_seed(self, i: int) -> tuple[int, int]:
        return seed_pair(self._config.seed, f"noise_{self._search.epoch}", i)


def arc_of(sample: Sample, i: int) -> Arc:
    """Returns the i-th `Arc` of a `Sample` of NumPy arrays."""
    return _arc(sample.op_ids[i], sample.skips[i])


def _arc(op_ids: np.ndarray, skips: np.ndarray) -> Arc:
    return Arc(tuple(op_ids.tolist()), tuple(skips.tolist()))


def _arrays(arc: Arc) -> tuple[np.ndarray, np.ndarray]:
    return np.array(arc.op_ids, np.int32), np.array(arc.skips, np.int32)
