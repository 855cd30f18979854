"""A search, and what one does with it, from Python: docs/PYTHON.md."""

import contextlib
import functools
import io
import json
import os
import threading

from absl import flags

from enas import tf_settings
from enas.cifar10.arc import Arc
from enas.cifar10.flags import define_flags
from enas.run.stop_signals import StopSignals
from enas.tf_noise import without_noise
from enas.tools import open_run as trained

__all__ = ["Run", "run_search"]


def run_search(config, quiet=False):
    """Runs or continues what a `Config` describes.

    Args:
      config: `Config`; with child_from_scratch it is a final training.
      quiet: bool, print nothing; the log is in the run directory all the same.

    Returns:
      A `Run`.

    Raises:
      Stopped: Ctrl-C or "interrupt the kernel"; what was trained is saved, and
        the same call goes on from there.
      UserError: a setting, the data or the run directory is not legal.
      RuntimeError: training met a number that is not finite.
    """
    tf_settings.before_import()
    with without_noise():
        from enas.cifar10 import program

        program.find_devices()
    from enas.utils import Log

    silence = contextlib.redirect_stdout(io.StringIO())
    with silence if quiet else contextlib.nullcontext(), _signals() as signals:
        code = program.run(config, Log(), signals)
    if code:
        raise RuntimeError(
            f"Training stopped, because a number was not finite; the end of "
            f"{config.output_dir}/stdout says where."
        )
    return Run(config.output_dir)


@contextlib.contextmanager
def _signals():
    signals = StopSignals()
    # Python hands signals to its main thread, and only that may ask for them.
    main = threading.current_thread() is threading.main_thread()
    with signals if main else contextlib.nullcontext():
        yield signals


class Run:
    """A run directory, to look at and to use. It is only read.

    Args:
      path: str, the run directory.
      overrides: sequence of str, behaviours to change, "choice=value".

    Raises:
      UserError: it is no run directory.
    """

    def __init__(self, path, overrides=()):
        self.path = path
        values = flags.FlagValues()
        define_flags(values)
        changed = [f"--override={override}" for override in overrides]
        self.config = trained.read_config(values, ["run", *changed], path)

    @property
    def result(self):
        """The contents of result.json, dict."""
        path = os.path.join(self.path, "result.json")
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)

    @functools.cached_property
    def search(self):
        """The `Search`, as the last checkpoint left it."""
        return trained.load(self.config)

    @property
    def best_arc(self):
        """The `Arc` that result.json names."""
        return self.arc(self.result["arc"])

    def arc(self, text):
        """Returns the `Arc` of a text such as "0  3 0"."""
        ops = self.search.search_space.num_ops
        return Arc.parse(text, self.config.child_num_layers, ops)

    def sample(self, count=10):
        """Returns arcs from the controller, list of `Arc`."""
        return trained.arcs_of(self.search, (), count, "api")

    def draw(self, arc=None):
        """Returns the picture of an arc, a matplotlib Figure.

        Args:
          arc: `Arc`; the best one by default.
        """
        from enas.drawing import picture as arc_picture

        return arc_picture.picture(*self._planned(arc))

    def describe(self, arc=None):
        """Returns the table of an arc as text, str; arguments as `draw`."""
        from enas.drawing import text as arc_text

        return "\n".join(arc_text.describe(*self._planned(arc)))

    def _planned(self, arc):
        from enas.drawing.plan import plan

        arc, profile = arc or self.best_arc, self.config.behaviour
        space, final = self.search.search_space, self.config.child_from_scratch
        nodes = plan(arc, space, self.config.filters, profile, final)
        return arc, space, nodes, profile, profile.classifier_bias == "learned"

    def accuracy(self, arc=None, split="test", mode="eval"):
        """Returns the accuracy of an arc under the run's weights, float.

        Args:
          arc: `Arc`; the best one by default.
          split: "valid" or "test".
          mode: "eval", or "train", with dropout and noise on.
        """
        images = getattr(self.search.data, split)
        return self.search.accuracy_of(arc or self.best_arc, images, mode)

    def predict(self, images, arc=None):
        """Returns probabilities, float32 `[images, classes]`.

        Args:
          images: uint8 `[images, 32, 32, 3]`.
          arc: `Arc`; the best one by default.
        """
        from enas.tools import evaluate

        return evaluate.predict(self.search, arc or self.best_arc, images)

    def export(self, target=None, arc=None, statistics=None):
        """Returns an arc as a plain Keras model, see docs/EXPORT.md.

        Args:
          target: str, where to save it: a .keras file or a new folder; None
            saves nothing.
          arc: `Arc`; the best one by default.
          statistics: "moving", "batch" or "measured"; what the run evaluates
            with by default.
        """
        from enas.tools import export

        how = statistics or self.config.behaviour.bn_evaluation
        export.check([target or "unsaved.keras"], how)
        model = export.plain_model(self.search, arc or self.best_arc, how)
        if target is not None:
            export.save(model, target)
        return model
