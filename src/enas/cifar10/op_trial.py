"""Tries an op that does not ship, on small maps, before a search begins."""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from enas.cifar10.branches import ChildOptions, Mode
from enas.cifar10.layers.image_ops import FROZEN
from enas.cifar10.lazy_weights.lookup import scope_of
from enas.cifar10.ops import Cost, Op, make_branch
from enas.errors import UserError

MODES: tuple[Mode, ...] = (False, True, FROZEN)
MAP_SIZE = 8
# Relative distance of answers that count as one, also in bfloat16; and of those
# of one program called twice.
EQUAL = 0.02
REPEATED = 1e-5
Answers = Sequence[np.ndarray]
Run = Callable[[np.ndarray, int], tf.Tensor]


def try_op(
    op: Op, place: str, options: ChildOptions, q: int, copies: int
) -> None:
    """Refuses an op that a search cannot run, with a UserError.

    It is traced as a search does, and run on maps of the size of an image, of
    half and of a quarter of it, for the first two and the last of q copies.

    Args:
      place: the file or the module of its class.
      copies: how many sets of weights it has.
    """
    who = f"The op {op.name} of {place}"
    branch = _built(op, who, options, copies)
    weights = branch.variables
    _check_weights(weights, who)
    _move(weights)
    maps = [_random_map(options, options.image_size // n) for n in (4, 2, 1)]
    chosen = sorted({0, min(1, q - 1), q - 1})

    def answer(
        run: Run, x: np.ndarray, copy: int, mode: Mode = True
    ) -> tuple[np.ndarray, bool]:
        before = [variable.numpy() for variable in weights]
        try:
            y, is_input = run(x, copy).numpy(), branch.returns_input(mode)
        except Exception as error:
            raise UserError(
                f"{who} must turn a map {list(x.shape)} "
                "into one of the same shape, of any height and width; it "
                f"raised {one_line(error)} for copy {copy} of {q}. Fix "
                "its call(x, copy, training, seed)."
            ) from error
        _put_back(weights, before, who)
        return y, is_input

    # First in a step: what a function inside keeps of it fails below.
    in_step, wrong = [], None
    try:
        step = _in_a_step(branch, options)
        in_step = [answer(step, maps[0], copy)[0] for copy in chosen]
    except UserError as error:
        wrong = error
    runs = {mode: _traced(branch, mode, options) for mode in MODES}
    for mode, run in runs.items():
        for x, copy in itertools.product(maps, chosen):
            y, is_input = answer(run, x, copy, mode)
            _check_output(y, x, mode, is_input, who)
        _check_state(run, weights, who)
    # The plain call says more plainly what is wrong, if it fails as well.
    if wrong:
        raise wrong
    for mode, run in runs.items():
        first, second = (
            [answer(run, maps[0], copy, mode)[0] for copy in chosen]
            for _ in range(2)
        )
        told = in_step if mode is True else first
        _check_repeats(told, first, second, who, copies)


def one_line(error: BaseException) -> str:
    """Returns an error as a line of text."""
    # TensorFlow colours what it says.
    plain = re.sub("\x1b\\[[0-9;]*m", "", str(error))
    text = " ".join(plain.split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _built(op: Op, who: str, options: ChildOptions, copies: int) -> Any:
    try:
        cost = op.described(options).cost(options.filters, MAP_SIZE**2)
        branch = make_branch(op, 0, options, copies)
        branch.build(options.feature_shape)
    except Exception as error:
        raise UserError(
            f"{who} cannot be built; it raised {one_line(error)}. Fix its "
            "class."
        ) from error
    if not isinstance(cost, Cost):
        raise UserError(
            f"The method cost of the op {who.removeprefix('The op ')} must "
            f"return a Cost of enas.cifar10.ops; it returned {cost!r}."
        )
    return branch


def _check_weights(weights: Sequence[Any], who: str) -> None:
    """Refuses weights that a search cannot train or keep."""
    paths = [v.path for v in weights]
    for v in weights:
        wrong = ""
        if paths.count(v.path) > 1:
            wrong = "is not the only one of its name. Give each its own."
        elif v.trainable and v.dtype != "float32":
            wrong = f"is of type {v.dtype}. Add trainable=False, or use floats."
        if wrong:
            raise UserError(f"{who} has a weight {v.path} that {wrong}")


def _move(weights: Sequence[Any]) -> None:
    """Moves what is trained: what begins as a constant tells nothing apart."""
    rng = np.random.default_rng(1)
    for variable in (v for v in weights if v.trainable):
        old = variable.numpy()
        noise = rng.standard_normal(old.shape) * (0.1 + 0.1 * np.abs(old))
        # A scale or a variance may have to stay positive.
        variable.assign(old + (np.abs(noise) if (old > 0).all() else noise))


def _random_map(options: ChildOptions, side: int) -> np.ndarray:
    shape = [2, side, side, side]
    shape[3 if options.data_format == "NHWC" else 1] = options.filters
    x = np.random.default_rng(0).standard_normal(shape)
    return tf.cast(x, keras.config.dtype_policy().compute_dtype).numpy()


def _traced(branch: Any, mode: Mode, options: ChildOptions) -> Any:
    def run(x: tf.Tensor, copy: tf.Tensor) -> tf.Tensor:
        seed = tf.constant([0, 1])
        return branch(x, copy=copy, training=mode, seed=seed)

    return tf.function(run, input_signature=_inputs(options), autograph=False)


def _in_a_step(branch: Any, options: ChildOptions) -> Run:
    """Returns a function that runs an op as a training step does."""

    def run(x: tf.Tensor, copy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seed = tf.constant([0, 1])
        with tf.GradientTape() as tape, scope_of(branch, copy):
            tape.watch(x)
            y = branch(x, copy=copy, training=True, seed=seed)
        return y, tape.gradient(y, x, unconnected_gradients="zero")

    traced = tf.function(run, _inputs(options), autograph=False)
    return lambda x, copy: traced(x, copy)[0]


def _inputs(options: ChildOptions) -> list[tf.TensorSpec]:
    maps = keras.config.dtype_policy().compute_dtype
    signature = tf.TensorSpec(options.feature_shape, maps)
    return [signature, tf.TensorSpec((), tf.int32)]


def _put_back(
    variables: Sequence[Any], before: Sequence[np.ndarray], who: str
) -> None:
    """Undoes what a call did to its state; refuses that of a weight."""
    for variable, old in zip(variables, before, strict=True):
        new = variable.numpy()
        if variable.trainable and not np.array_equal(new, old, equal_nan=True):
            raise UserError(
                f"{who} assigns its weight {variable.path}, which is trained, "
                "so that measuring a network would change it. Add trainable="
                "False, or compute with a changed copy of it."
            )
        variable.assign(old)


def _check_output(
    y: Any, x: np.ndarray, mode: Mode, is_input: bool, who: str
) -> None:
    if y.shape != x.shape or y.dtype != x.dtype:
        raise UserError(
            f"{who} must return a map of its input's shape and type; for "
            f"{x.dtype} {list(x.shape)} and training={mode} it returned "
            f"{y.dtype} {list(y.shape)}. Fix its call(x, copy, training, "
            "seed)."
        )
    if is_input and not np.array_equal(x, y):
        raise UserError(
            f"{who} says by returns_input({mode}) that it returns its input "
            "untouched, but its output differs. Return False there, or leave "
            "returns_input out."
        )


def _check_state(run: Any, weights: Sequence[Any], who: str) -> None:
    """Refuses what a call keeps or reads besides the weights of `build`."""
    held = {id(v.value.handle) for v in weights}
    for captured in run.get_concrete_function().captured_inputs:
        if captured.dtype == tf.resource and id(captured) not in held:
            raise UserError(
                f"{who} uses a variable, a generator or a table that is no "
                "weight of its layer after build(shape), so that checkpoints "
                "would not hold it. Make all state there by self.add_weight("
                "trainable=False), and build the layers inside there."
            )


def _check_repeats(
    in_step: Answers, first: Answers, second: Answers, who: str, copies: int
) -> None:
    """Refuses an op that answers otherwise the second time, or in a step."""
    if _differ(first, second, REPEATED):
        raise UserError(
            f"{who} draws numbers that its seed does not decide, so that no "
            "run could be repeated or resumed. Draw by the seed of the call, "
            "such as by tf.random.stateless_normal(shape, seed)."
        )
    if _differ(first, in_step, EQUAL):
        raise UserError(
            f"{who}, with {copies} sets of weights, answers otherwise in a "
            "training step, in which it gets the weights of one copy alone. "
            "Read each by common_ops.of_copy(self.w, self.copies, copy), "
            "outside of any tf.function."
        )


def _differ(some: Answers, others: Answers, most: float) -> bool:
    a, b = np.asarray(some, np.float64), np.asarray(others, np.float64)
    # Of numbers that are not finite nothing can be said.
    return a.shape != b.shape or bool(
        np.linalg.norm(a - b) > most * np.linalg.norm(a)
    )
