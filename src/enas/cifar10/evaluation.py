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
        readings of `metrics.READINGS` follow. Returns the 10 architectures,
        with the keys of arcs.jsonl.

        Source: row 30; same, except that ENAS's 10 are compared on the same
        batch and the best of them is measured as well.
        """
        search, numbers = self._search, self._search.progress.numbers
        reports = self._ten_architectures()
        best = max(reports, key=lambda report: report["accuracy"])
        search.log(f"Epoch {search.epoch}: Eval")
        # What is printed is one of the readings, so it is measured once.
        read = functools.cache(functools.partial(self._read, best["arc"]))
        resampled = self._profile.evaluation == "resampled"
        arcs = "sampled" if resampled else "best"
        printed = arcs, self._profile.evaluation_mode
        for name in SPLITS:
            search.log(f"Eval at {search.global_step}")
            accuracy = read(printed, name)
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

        The mode is "eval", or "train", with dropout and noise on.
        """
        return self._accuracy_over(split, itertools.repeat(arrays(arc)), mode)

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

        Images are float32 `[batch, height, width, 3]`, standardised; i is the
        batch's place in its set, for what is random; modes as `accuracy_of`.
        """
        choice = arrays(arc)
        logits = self._step("logits", mode, i, images, *choice).numpy()
        self._check_finite(bool(np.isfinite(logits).all()), choice)
        return logits

    def _step(self, name: str, mode: str, i: int, *given: Any) -> Any:
        """Runs a compiled step on the i-th batch."""
        compiled, epoch = self._search.compiled, self._search.epoch
        if mode == "eval":
            return getattr(compiled, name)(*given)
        seed = seed_pair(self._config.seed, f"noise_{epoch}", i)
        return getattr(compiled, f"{name}_in_training")(*given, seed)

    def images_of(self, split: Split) -> Iterator[tuple]:
        """Returns the batches of a split as the profile evaluates them."""
        search, rng = self._search, None
        augmented = self._profile.valid_images == "augmented"
        if augmented and split is search.data.valid:
            seed = self._config.seed
            rng = batches.generator(seed, "augment_eval", search.epoch)
        return batches.eval_batches(split, search.data, self.batch_size, rng)

    @property
    def batch_size(self) -> int:
        """Images in a batch of an evaluation."""
        resampled = self._profile.evaluation == "resampled"
        default = EVAL_BATCH_SIZE if resampled else self._config.batch_size
        return self._config.eval_batch_size or default

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
        return {
            "epoch": search.epoch,
            "arc": arc,
            "accuracy": accuracy,
            # A larger batch begins with the first images again.
            "images": min(len(batch[1]), len(search.data.valid)),
            "poison_layers": sum(
                map(search.search_space.is_poison, arc.op_ids)
            ),
        }

    def _accuracy_over(
        self, split: Split, arcs: Iterable[tuple], mode: str
    ) -> float:
        """Returns the accuracy over a split; batch i runs the i-th arc."""
        search, correct = self._search, 0
        steps = math.ceil(len(split) / self.batch_size)
        bar = search.bar(self.images_of(split), "evaluation", steps)
        for i, (batch, arc) in enumerate(zip(bar, arcs, strict=False)):
            right = int(self._step("count_correct", mode, i, *batch, *arc))
            self._check_finite(right >= 0, arc)
            correct += right
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


def arc_of(sample: Sample, i: int) -> Arc:
    """Returns the i-th `Arc` of a `Sample` of NumPy arrays."""
    return _arc(sample.op_ids[i], sample.skips[i])


def _arc(op_ids: np.ndarray, skips: np.ndarray) -> Arc:
    return Arc(tuple(op_ids.tolist()), tuple(skips.tolist()))


def arrays(arc: Arc) -> tuple[np.ndarray, np.ndarray]:
    """Returns the op ids and the skip bits of an arc, int32."""
    return np.array(arc.op_ids, np.int32), np.array(arc.skips, np.int32)
