"""An architecture with its weights as a plain Keras model.

    bash scripts/export.sh --output_dir=outputs --to=network.keras

Its layers are standard ones: its files load where this package is not
installed.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from enas.cifar10.batches import standardize
from enas.cifar10.flags import make_flags
from enas.errors import UserError
from enas.tools import export_files, open_run
from enas.tools.command import run_tool
from enas.tools.export_files import check_target

if TYPE_CHECKING:
    import keras

    from enas.cifar10.arc import Arc
    from enas.cifar10.search import Search

USAGE = """Usage: bash scripts/export.sh --output_dir=RUN --to=TARGET [--to=..]
           [--arc="0  3 0 .."] [--statistics=moving|batch|measured]
           [--overwrite]

  --output_dir=RUN  run directory of a search, or of a final training
  --to=TARGET       FILE.keras, FILE.tflite, FILE.onnx (needs tf2onnx), or a
                    FOLDER for a SavedModel; may be given several times
  --arc=ARC         which architecture of a search (default: its best_arc.txt)
  --statistics=..   what batch norm normalises by. moving: the stored moving
                    statistics; batch: those of the batch that is given;
                    measured: those of training images, measured now. The
                    default is what the run itself evaluates with: moving, or
                    batch in --profile=paper
  --overwrite       replace targets that this project has not written

The model takes float32 pixels [images, 32, 32, 3] (or the run's --image_size)
from 0 to 255 and returns logits. At the end its logits are compared with the
run's on test images.
"""
STATISTICS = ("moving", "batch", "measured")
COMPARED_IMAGES = 100
MEASURED_IMAGES = 5000


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; see `run_tool`."""
    return run_tool(_run, argv, USAGE)


def _run(argv: list[str]) -> Iterator[str]:
    values = make_flags(to=(), arc=None, statistics=None, overwrite=False)
    config = open_run.read_config(values, argv)
    targets = values.to
    statistics = values.statistics or config.behaviour.bn_evaluation
    if not targets:
        raise UserError(
            "--to says where the model goes, a file that ends in .keras, "
            ".tflite or .onnx, or a folder; received none."
        )
    check(targets, statistics, values.overwrite)
    search = open_run.load(config, print)
    if values.arc:
        arc = open_run.parsed(search, values.arc)
    else:
        arc = open_run.best_arc(search)
    model = plain_model(search, arc, statistics)
    yield f"arc {arc}: {model.count_params()} numbers, statistics {statistics}"
    yield _compared(search, arc, model, statistics)
    if statistics == "batch":
        yield (
            "Its batch norms use the statistics of the batch given, as the run"
            " does: answers depend on which images come together. "
            "--statistics=measured makes a model for single images."
        )
    for target in targets:
        yield from save(model, target, search.data.class_names)


def check(targets: Sequence[str], statistics: str, overwrite: bool) -> None:
    """Refuses targets and statistics that are not legal, with a UserError."""
    open_run.check_word("statistics", statistics, STATISTICS)
    for target in targets:
        check_target(target, overwrite)


def _compared(
    search: "Search", arc: "Arc", model: "keras.Model", statistics: str
) -> str:
    data = search.data
    pixels = data.test.images[:COMPARED_IMAGES].astype(np.float32)
    images = standardize(pixels, data.mean, data.std)
    wanted = search.evaluation.logits(images, arc)
    with _keras_settings():
        away = np.abs(np.asarray(model(pixels)) - wanted).max()
    note = ""
    if statistics != search.profile.bn_evaluation:
        note = ", where other statistics are used, so that they differ"
    elif search.config.mixed_precision != "none":
        note = ", which rounds to bfloat16; the model is float32"
    return (
        f"Logits of {len(pixels)} test images: at most {away:.1e} from the "
        f"run's, the largest of which is {np.abs(wanted).max():.1f}{note}"
    )


def plain_model(search: "Search", arc: "Arc", statistics: str) -> "keras.Model":
    """Builds a Keras model of standard layers with the weights of an arc.

    It maps float32 pixels `[images, size, size, 3]` from 0 to 255 to logits
    `[images, classes]`.

    Args:
      statistics: "moving", "batch" or "measured", what batch norm uses.

    Raises:
      UserError: the arc has an op from a user's own file without a form.
    """
    with _keras_settings():
        return _plain_model(search, arc, statistics)


def save(model: "keras.Model", path: str, classes: Sequence[str]) -> list[str]:
    """Writes a model, see `export_files.save`."""
    with _keras_settings():
        return export_files.save(model, path, classes)


def _keras_settings() -> contextlib.AbstractContextManager:
    from enas.cifar10.build import keras_settings

    return keras_settings()


def _plain_model(
    search: "Search", arc: "Arc", statistics: str
) -> "keras.Model":
    import keras

    from enas.tools.keras_layers import Choices

    child, data = search.compiled.child, search.data
    images = keras.Input(data.train.images.shape[1:], name="pixels")
    scale, offset = 1 / (255 * data.std), -data.mean / data.std
    x = keras.layers.Rescaling(scale.ravel().tolist(), offset.ravel().tolist())
    outputs: dict[str | None, Any] = {None: x(images)}
    by = "batch" if statistics == "batch" else "moving"
    for node, layer in child.steps_of(arc):
        inputs = [outputs[name] for name in node.inputs or [None]]
        if node.kind == "sum":
            y = keras.layers.Add()(inputs)
        else:
            x = inputs if node.kind == "merge" else inputs[0]
            y = Choices(by, node.copy).lay(layer, x)
        outputs[node.name] = y
    model = keras.Model(images, y, name="architecture")
    if statistics == "measured":
        _measure_statistics(model, search)
    return model


def _measure_statistics(model: "keras.Model", search: "Search") -> None:
    """Sets batch norms to the mean statistics of batches of training images."""
    norms = [each for each in model.layers if hasattr(each, "moving_mean")]
    pixels = search.data.train.images[:MEASURED_IMAGES]
    size = search.config.batch_size
    for i in range(max(1, len(pixels) // size)):
        for norm in norms:
            norm.momentum = i / (i + 1)
        batch = pixels[i * size : (i + 1) * size].astype(np.float32)
        model(batch, training=True)
    for norm in norms:
        norm.momentum = 0.99


if __name__ == "__main__":
    sys.exit(main())
