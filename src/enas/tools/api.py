"""A search, and what one does with it, from Python: docs/PYTHON.md."""

import contextlib
import dataclasses
import functools
import io
import os
import reprlib
import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from enas import tf_settings
from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags
from enas.cifar10.main import run
from enas.cifar10.readers.folder import PREFIX
from enas.drawing.plan import Drawing
from enas.drawing.text import describe
from enas.errors import UserError
from enas.paths import full_path, user_path
from enas.run.autosave import StopSignals
from enas.run.files import read_result
from enas.tools import evaluate, export, open_run
from enas.tools.open_run import MODES, SPLITS, check_word
from enas.utils import Log

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from enas.cifar10.search import Search

__all__ = ["Run", "run_search"]
# An architecture as people give it; None stands for the run's best one.
AnyArc = Arc | str | Sequence | None


def run_search(config: Config, quiet: bool = False) -> "Run":
    """Runs or continues what a `Config` describes.

    Args:
      config: with child_from_scratch it is a final training.
      quiet: print nothing; the log is in the run directory all the same.

    Raises:
      Stopped: Ctrl-C or "interrupt the kernel"; what was trained is saved, and
        the same call continues from there.
      UserError: a setting, the data or the run directory is not legal.
      RuntimeError: training met a number that is not finite.
    """
    if not isinstance(config, Config):
        raise UserError(
            f"run_search takes a Config; received {reprlib.repr(config)}. Make"
            ' one, for example Config(dataset="shapes", num_epochs=2).'
        )
    tf_settings.start_tensorflow()
    signals = StopSignals()
    with contextlib.ExitStack() as stack:
        if quiet:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        # Only Python's main thread may ask for signals.
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(signals)
        code = run(config, Log(), signals)
    if code:
        raise RuntimeError(
            f"Training stopped, because a number was not finite; the end of "
            f"{config.output_dir}/stdout says where."
        )
    return Run(config.output_dir)


def _warn(line: str) -> None:
    """Passes on what `open_run.load` warns of; the rest is in `Run.data`."""
    if line.startswith("warning: "):
        warnings.warn(line.removeprefix("warning: "), stacklevel=2)


class Run:
    """A run directory, to look at and to use. It is only read.

    Args:
      overrides: behaviours to change, "choice=value".
      data_path: where the run's images are now, if they have moved; for
        folder:PATH the new PATH.
      data_changed: "allow" measures it on other images than it has seen.

    Raises:
      UserError: it is not a run directory.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        overrides: Sequence[str] = (),
        data_path: str | os.PathLike[str] | None = None,
        data_changed: str = "refuse",
    ) -> None:
        if not isinstance(overrides, (list, tuple)):
            raise UserError(
                'overrides is a list of texts such as ["bn_evaluation=batch"];'
                f" received {reprlib.repr(overrides)}."
            )
        # Whatever folder the notebook changes to.
        self.path = full_path(path)
        config = open_run.read_config(make_flags(), ["run"], self.path)
        changed: dict[str, Any] = {"data_changed": data_changed}
        changed["override"] = (*config.override, *overrides)
        if data_path is not None:
            changed["data_path"] = data_path
            named = isinstance(data_path, (str, os.PathLike))
            if named and config.dataset.startswith(PREFIX):
                changed["dataset"] = f"{PREFIX}{os.fspath(data_path)}"
        # A `Config` checks the types of its values.
        self.config = dataclasses.replace(config, **changed)

    @property
    def result(self) -> dict[str, Any]:
        """The contents of result.json, or a UserError if there is none."""
        return read_result(os.path.join(self.path, "result.json"))

    @functools.cached_property
    def search(self) -> "Search":
        """The live search, as the last checkpoint left it."""
        return open_run.load(self.config, _warn)

    @property
    def data(self) -> dict[str, Any]:
        """The fingerprint, place, classes and sizes of the images read."""
        return self.search.data.facts

    @property
    def best_arc(self) -> Arc:
        """The architecture that result.json names."""
        return self.arc()

    def arc(self, arc: AnyArc = None) -> Arc:
        """Returns an `Arc` from text, lists or an `Arc`; None is the best one.

        Raises:
          UserError: it is none of this run's search space.
        """
        arc = self.result["arc"] if arc is None else arc
        ops = self.search.search_space.num_ops
        return Arc.parse(arc, self.config.child_num_layers, ops)

    def sample(self, count: int = 10) -> list[Arc]:
        """Returns `count` >= 1 arcs from the controller, or the fixed arc."""
        if isinstance(count, np.integer):
            count = int(count)
        if type(count) is not int or count < 1:
            raise UserError(
                "sample takes a whole number of arcs, at least 1; received "
                f"{reprlib.repr(count)}."
            )
        return open_run.sampled_arcs(self.search, count, "api")

    def draw(self, arc: AnyArc = None) -> "Figure":
        """Returns the picture of an arc."""
        from enas.drawing.picture import picture

        return picture(self._drawing(arc))

    def describe(self, arc: AnyArc = None) -> str:
        """Returns the table of an arc as text."""
        return "\n".join(describe(self._drawing(arc)))

    def _drawing(self, arc: AnyArc) -> Drawing:
        return Drawing.of_search(self.search, self.arc(arc))

    def _own(self, arc: AnyArc) -> Arc:
        return open_run.parsed(self.search, str(self.arc(arc)))

    def accuracy(
        self, arc: AnyArc = None, split: str = "test", mode: str = "eval"
    ) -> float:
        """Returns the accuracy of an arc under the run's weights, in [0, 1].

        `split` is "valid" or "test", `mode` "eval" or, with dropout and noise,
        "train".
        """
        check_word("split", split, SPLITS)
        check_word("mode", mode, MODES)
        images = open_run.images_of(self.search, split)
        return self.search.evaluation.accuracy_of(self._own(arc), images, mode)

    def predict(self, images: np.ndarray, arc: AnyArc = None) -> np.ndarray:
        """Returns probabilities, float32 `[images, classes]`.

        The images are whole numbers from 0 to 255, `[images, size, size, 3]`.
        """
        images = _pixels(images, self.search.data.train.images.shape[1:])
        return evaluate.predict(self.search, self._own(arc), images)

    def export(
        self,
        target: str | os.PathLike[str] | None = None,
        arc: AnyArc = None,
        statistics: str | None = None,
        overwrite: bool = False,
    ) -> "keras.Model":
        """Returns an arc as a plain Keras model, see docs/EXPORT.md.

        Args:
          target: .keras, .tflite or .onnx file or folder to save it in, if any.
          statistics: "moving", "batch" or "measured"; by default the run's own.
          overwrite: whether to replace what this project has not written.
        """
        how = statistics or self.config.behaviour.bn_evaluation
        paths = [] if target is None else [user_path(target)]
        export.check(paths, how, overwrite)
        model = export.plain_model(self.search, self._own(arc), how)
        for path in paths:
            names = self.search.data.class_names
            for line in export.save(model, path, names):
                _warn(line)
        return model


def _pixels(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Returns pixels as uint8 `[images, *shape]`, or refuses them."""
    try:
        pixels = np.asarray(images)
    except ValueError as error:
        text = f"predict takes an array of images: {error}."
        raise UserError(text) from error
    whole = np.issubdtype(pixels.dtype, np.integer)
    if not whole or pixels.shape[1:] != shape or not len(pixels):
        wanted = ", ".join(map(str, shape))
        raise UserError(
            f"predict takes whole numbers from 0 to 255, [images, {wanted}]; "
            f"received {pixels.dtype} {list(pixels.shape)}. Floats from 0 to 1"
            " become such by (255 * images).round().astype('uint8')."
        )
    if pixels.min() < 0 or pixels.max() > 255:
        raise UserError(
            "predict takes pixels from 0 to 255; received "
            f"{pixels.min()} to {pixels.max()}."
        )
    return pixels.astype(np.uint8)
