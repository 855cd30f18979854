"""Errors of architectures under a run's weights, or what it takes pictures for.

    bash scripts/evaluate.sh --output_dir=outputs

Writes nothing.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from enas.cifar10.batches import standardize
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags
from enas.cifar10.readers.folder import PREFIX, decoded
from enas.cifar10.readers.scaling import fitted
from enas.errors import UserError
from enas.tools import open_run
from enas.tools.command import run_tool
from enas.tools.open_run import MODES, SPLITS, check_word

if TYPE_CHECKING:
    from enas.cifar10.arc import Arc
    from enas.cifar10.data_utils import Split
    from enas.cifar10.search import Search

USAGE = """Usage: bash scripts/evaluate.sh --output_dir=RUN [--arc="0  3 0 .."]
           [--mode=eval|train] [--split=valid|test] [--num_arcs=10]
           [--predict image.png ..] [--override=.. and other flags]

  --output_dir=RUN   run directory of a search, or of a final training
  --arc=ARC          an architecture, in quotes; may be given several times.
                     Without it --num_arcs are sampled from the controller;
                     --predict then takes the run's best_arc.txt
  --mode=train       dropout and noise on, batch statistics (default: eval)
  --split=valid      images to measure on (default: test)
  --predict FILE ..  classify pictures: PNG, JPEG, GIF or BMP. They are
                     scaled to the run's --image_size as the images of its
                     folder were; for other data sets the largest centred
                     square is cut out first

The settings are those of RUN/flags.txt; flags given here change them.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; see `run_tool`."""
    return run_tool(_run, argv, USAGE)


def _run(argv: list[str]) -> Iterator[str]:
    values = make_flags(arc=(), mode="eval", split="test", num_arcs=10)
    argv, images = _take_images(argv)
    config = open_run.read_config(values, argv)
    mode, split, count = values.mode, values.split, values.num_arcs
    check_word("mode", mode, MODES)
    check_word("split", split, SPLITS)
    if count < 1:
        raise UserError(f"--num_arcs is at least 1; received {count}.")
    if images and (mode, split) != ("eval", "test"):
        raise UserError(
            "--predict classifies pictures, in evaluation mode; received "
            f"--mode={mode} --split={split}. Leave them out."
        )
    for path in images:
        if not os.path.isfile(path):
            raise UserError(
                f"--predict names picture files; there is no file {path}."
            )
    search = open_run.load(config, print)
    arcs = [open_run.parsed(search, text) for text in values.arc]
    if images:
        return _prediction_lines(search, arcs, images)
    arcs = arcs or open_run.sampled_arcs(search, count, "evaluate")
    return _error_lines(search, arcs, split, mode)


def _take_images(argv: list[str]) -> tuple[list[str], list[str]]:
    """Returns argv without --predict and its files, and the files."""
    rest: list[str] = []
    images: list[str] = []
    into, given = rest, False
    for word in argv:
        flag, equals, value = word.partition("=")
        if flag == "--predict":
            into, given = images, True
            images += [value] if equals else []
        else:
            into = rest if word.startswith("-") else into
            into.append(word)
    if given and not images:
        raise UserError(
            "--predict names one or more pictures; received none. For example "
            "--predict cat.png dog.png."
        )
    return rest, images


def _error_lines(
    search: "Search", arcs: Sequence["Arc"], split: str, mode: str
) -> Iterator[str]:
    images = open_run.images_of(search, split)
    tables = [count_answers(search, arc, images, mode) for arc in arcs]
    errors = [100 * (1 - np.trace(table) / table.sum()) for table in tables]
    config = search.config
    yield (
        f"{config.output_dir} after epoch {search.epoch}: {len(images)} images "
        f"of the {split} set, mode {mode}, profile "
        f"{', '.join([config.profile, *config.override])}"
    )
    for arc, error in zip(arcs, errors, strict=True):
        yield f"error {error:6.2f} %  {arc}"
    yield (
        f"mean {np.mean(errors):.2f} %, lowest {min(errors):.2f} %, highest "
        f"{max(errors):.2f} % of {len(arcs)} arcs"
    )
    table, names = np.sum(tables, axis=0), search.data.class_names
    width = max(map(len, names))
    yield ""
    yield f"{'class':{width}}  images  error %  most often taken for"
    for i, row in enumerate(table):
        if not row.sum():
            continue
        error = 100 * (1 - row[i] / row.sum())
        other = int(np.argmax(np.where(np.arange(len(row)) == i, -1, row)))
        taken = f"{names[other]} ({100 * row[other] / row.sum():.1f} %)"
        taken = taken if row[other] else "-"
        count = row.sum() // len(arcs)
        yield f"{names[i]:{width}}  {count:6d}  {error:7.2f}  {taken}"


def count_answers(
    search: "Search", arc: "Arc", images: "Split", mode: str = "eval"
) -> np.ndarray:
    """Returns answers, int64 `[classes, classes]`: label, then answer."""
    classes = search.data.num_classes
    table = np.zeros((classes, classes), np.int64)
    for i, (batch, labels) in enumerate(search.evaluation.images_of(images)):
        logits = search.evaluation.logits(batch, arc, mode, i)
        np.add.at(table, (labels, logits.argmax(axis=1)), 1)
    return table


def _prediction_lines(
    search: "Search", arcs: Sequence["Arc"], paths: Sequence[str]
) -> Iterator[str]:
    images = np.stack([read_image(path, search.config) for path in paths])
    names = search.data.class_names
    for arc in arcs or [open_run.best_arc(search)]:
        yield f"arc {arc}"
        answers = predict(search, arc, images)
        for path, shares in zip(paths, answers, strict=True):
            order = np.argsort(-shares)[:3]
            best = ", ".join(f"{names[i]} {shares[i]:.3f}" for i in order)
            yield f"{path}: {best}"


def predict(search: "Search", arc: "Arc", images: np.ndarray) -> np.ndarray:
    """Returns probabilities, the softmax, float32 `[images, classes]`.

    Where the profile normalises by the statistics of the batch, every image is
    evaluated in a batch with the first validation images, so that the answer
    does not depend on the other images given.

    Args:
      images: uint8 `[images, size, size, 3]`.
    """
    data, logits_of = search.data, search.evaluation.logits
    size, others = search.evaluation.batch_size, None
    if search.profile.bn_evaluation != "moving":
        company = data.valid if len(data.valid) else data.test
        others = company.images[: search.config.batch_size - 1]
        others, size = standardize(others, data.mean, data.std), 1
    logits = []
    for first in range(0, len(images), size):
        part = standardize(images[first : first + size], data.mean, data.std)
        batch = part if others is None else np.concatenate([part, others])
        logits.append(logits_of(batch, arc)[: len(part)])
    return softmax(np.concatenate(logits), axis=1)


def read_image(path: str, config: Config) -> np.ndarray:
    """Reads a PNG, JPEG, GIF or BMP as uint8 `[size, size, 3]`.

    It is resized as the images of the run's folder were; for other data sets
    the largest centred square is cut out.

    Raises:
      UserError: it is not a picture.
    """
    folder = config.dataset.startswith(PREFIX)
    how = config.resize if folder else "crop"
    return fitted(decoded(path), config.image_size, how)


if __name__ == "__main__":
    sys.exit(main())
