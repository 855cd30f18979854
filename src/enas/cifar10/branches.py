"""What the ops of a layer are made from, and what the child tells them.

Importing this module imports no TensorFlow: see `lazy_modules`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from enas.cifar10.behaviours import ENAS, Profile
from enas.drawing.costs import Cost
from enas.errors import UserError
from enas.lazy_modules import common_ops, keras, tf

# What `call` takes, see `Branch`: a feature map; `image_ops.FROZEN` counts as
# true; int32.
Map: TypeAlias = "tf.Tensor"
Mode: TypeAlias = bool | str
Ints: TypeAlias = "tf.Tensor"


def _dropout(x: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
    return common_ops.dropout(x, rate, seed)


@dataclasses.dataclass(frozen=True)
class ChildOptions:
    """What every part of the child needs to know.

    Attributes:
      filters: even, channels of every layer.
      data_format: "NHWC" or "NCHW".
      seed: of the initial weights.
      keep_prob: in (0, 1], of the dropout before the classifier.
      op_settings: values of the ops' settings by name, see `Setting`; one that
        is not in it has its default.
      image_size: side of an image, pixels.
      dropout: function (x, rate, seed) -> x with a share zeroed; comparing
        with a recording puts the recorded masks here.
    """

    filters: int
    data_format: str = "NHWC"
    seed: int = 69
    keep_prob: float = 1.0
    op_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    num_classes: int = 10
    image_size: int = 32
    profile: Profile = ENAS
    dropout: Callable = _dropout

    @property
    def feature_shape(self) -> tuple[int | None, ...]:
        """Static shape of every feature map, batch and size unknown."""
        if self.data_format == "NHWC":
            return (None, None, None, self.filters)
        return (None, self.filters, None, None)


@dataclasses.dataclass(frozen=True)
class Setting:
    """A number of an op's own, declared in its class; an op reads its value.

        class Fog(Branch):
            density = Setting("fog_density", 0.5, "Share of grey.", 0.0, 1.0)

            def call(self, x, copy, training, seed):
                return x * (1 - self.density)

    Attributes:
      name: what flags call it: --NAME=VALUE for an op that ships,
        --op_setting=NAME=VALUE for one of a user's.
      default: its type is the type of the values.
      help: one or two sentences, with the unit.
      lower, upper: smallest and largest legal value; None for no bound.
      alias: another name of the flag, or None.
    """

    name: str
    default: bool | int | float | str
    help: str = ""
    lower: float | None = None
    upper: float | None = None
    alias: str | None = None

    def __get__(self, branch: Branch | None, owner: type | None = None) -> Any:
        """Returns the value of an op, or of a class the `Setting` itself."""
        if branch is None:
            return self
        return branch.options.op_settings.get(self.name, self.default)


class Branch:
    """What a layer of the child can compute; same shape in and out.

    `make_branch` makes a Keras layer of it: methods other than `cost` and
    `returns_input` may use all of `keras.layers.Layer`. Layers inside are made
    and built in `build`.

    Its name is ENAS's scope, `branch_<index>`. It holds `copies` sets of
    weights: above 1 for poisonings whose copies have weights of their own.

    Call arguments:
      x: float32 `[batch, height, width, channels]` (or NCHW).
      copy: int32 scalar, which copy of a poisoning runs, in [0, q).
      training: bool, or `image_ops.FROZEN`, which counts as true.
      seed: int32 `[2]`, for what is random in this layer and step.
    """

    def __init__(self, name: str, options: ChildOptions, copies: int = 1):
        # Of the Keras layer, or of `_Named`.
        super().__init__(name=name)  # type: ignore[call-arg]
        self.options = options
        self.copies = copies

    def call(self, x: Map, copy: Ints, training: Mode, seed: Ints) -> Map:
        raise NotImplementedError

    def returns_input(self, training: Mode) -> bool:
        """Returns whether the output is the input itself, untouched.

        The paper's code adds skips in place, so what such an op returned is
        overwritten together with its input (row 6).
        """
        return False

    def cost(self, channels: int, pixels: int) -> Cost:
        """Returns what the op costs on a map; unknown unless a class says it.

        The map has as many channels in as out; pixels are height times width.
        """
        return Cost(known=False)

    def keras_form(self, x: Any, choices: Any) -> Any:
        """Builds standard Keras layers that compute what the op evaluates.

        x is an NHWC `keras.KerasTensor`. Of `tools.keras_layers.Choices`,
        `choices.lay(layer, x)` lays a layer of `image_ops`, and `choices.copy`
        is the copy of a poisoning.

        Raises:
          UserError: the class does not say.
        """
        raise UserError(
            f"The op {type(self).__name__} is your own and has no "
            "method keras_form, so it cannot be built from standard "
            "Keras layers. Give it one (docs/POISON.md), or export an "
            "architecture without it, by --arc."
        )


def make_layer(
    cls: type[Branch],
    name: str,
    options: ChildOptions,
    copies: int = 1,
    **arguments: Any,
) -> Any:
    """Returns the Keras layer of an op's class; arguments as `Branch` has."""
    layer = _mixed(cls, keras.layers.Layer)
    return layer(name, options, copies, **arguments)


def describe(
    cls: type[Branch], name: str, options: ChildOptions, **arguments: Any
) -> Branch:
    """Returns an op without weights, to ask for its cost; no TensorFlow."""
    return _mixed(cls, _Named)(name, options, **arguments)


class _Named:
    """Stands for a Keras layer where nothing is computed."""

    def __init__(self, name: str):
        self.name = name


def _mixed(cls: type, base: type) -> Any:
    return type(cls.__name__, (cls, base), {"__module__": cls.__module__})
