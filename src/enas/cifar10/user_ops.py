"""Ops from a user's own file: --poison=my_ops.py:Blur, or --candidate_ops.

The file is run, because the user named it, and the op is tried on a small map
before a search begins.
"""

import itertools
import os
import re
import sys
import traceback
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.utils import naming

from enas.cifar10.branches import Branch, ChildOptions, Mode
from enas.cifar10.config import Config
from enas.cifar10.layers.image_ops import FROZEN
from enas.cifar10.ops import OPS, Cost, Op, add_ops, make_branch
from enas.cifar10.search_space import file_ops
from enas.errors import UserError

# Names that the last load added, so that a notebook may load a file again
# after an edit, or another one with an op of the same name.
_ADDED: set[str] = set()
# Path -> bytes of its last run: the file may be edited while a search starts.
_SOURCES: dict[str, bytes] = {}
_NO_COPIES: Mapping[str, str] = {}
MAP_SIZE = 8


def load(config: Config, copies: Mapping[str, str] = _NO_COPIES) -> None:
    """Adds the ops that a search names in files to the table; tries each.

    `copies` are path -> the run's copy of the file, which is run where the
    file itself is no longer there.

    Raises:
      UserError: there is no such file or class, the file fails, an op does
        not keep the shape of its input, or --op_setting is not legal.
    """
    load_files(config, copies)
    options = config.child_options()
    ops = list(file_ops(config))
    if ops:
        # Keras numbers layers without a name; a run read again needs its own.
        naming.reset_uids()
    for flag, path, name in ops:
        # No more, for weights of their own; larger q may still be refused.
        q = min(config.q or 1, 1000) if flag == "poison" else 1
        _try(name, path, options, q, config.poison_sharing == "unique")


def load_files(config: Config, copies: Mapping[str, str] = _NO_COPIES) -> None:
    """Adds the ops without trying them; arguments and errors as `load`."""
    _forget_earlier_files()
    for path in paths(config):
        words = [word for word in file_ops(config) if word[1] == path]
        names = dict.fromkeys(name for _, _, name in words)
        place = path if os.path.isfile(path) else copies.get(path, path)
        _load_file(path, place, names, f"--{words[0][0]}")


def paths(config: Config) -> list[str]:
    """Returns the full paths of the files that a search takes ops from."""
    return list(dict.fromkeys(path for _, path, _ in file_ops(config)))


def source_of(path: str) -> bytes:
    """Returns the contents of a file, by its full path, as `load` ran it."""
    return _SOURCES[path]


def _forget_earlier_files() -> None:
    for name in _ADDED:
        OPS.pop(name, None)
    _ADDED.clear()


def _load_file(path: str, place: str, names: Iterable[str], flag: str) -> None:
    if not os.path.isfile(place):
        raise UserError(
            f"{flag}=FILE.py:NAME takes an op from your own Python file; "
            f"there is no file {path}. Check the path; a relative one starts "
            "at the folder you are in, and a comma ends it. A run keeps copies "
            "of its files in user_ops/ in its directory and uses them itself."
        )
    before = set(OPS)
    _SOURCES[path], module = _run_file(place, flag)
    try:
        for name in names:
            if name not in set(OPS) - before:
                _add_class(module, name, path, flag)
    finally:
        _ADDED.update(set(OPS) - before)


def _run_file(path: str, flag: str) -> tuple[bytes, types.ModuleType]:
    if not path.endswith(".py"):
        raise UserError(
            f"{flag}=FILE.py:NAME takes an op from a Python file; received "
            f"{path}, whose name does not end in .py. Rename it."
        )
    name = "enas_user_ops_" + os.path.splitext(os.path.basename(path))[0]
    module = types.ModuleType(name)
    module.__file__ = path
    # A dataclass looks for the module of its class there.
    sys.modules[name] = module
    before = set(OPS)
    try:
        with open(path, "rb") as stream:
            source = stream.read()
        exec(compile(source, path, "exec"), vars(module))
    # The file is the user's: it may raise anything, or leave by sys.exit.
    except (Exception, SystemExit) as error:
        for name in set(OPS) - before:
            OPS.pop(name)
        frames = traceback.walk_tb(error.__traceback__)
        at = [n for frame, n in frames if frame.f_code.co_filename == path]
        raise UserError(
            f"{path}, which {flag} names, must run to its end; it raised "
            f"{_one_line(error)}{f' in line {at[-1]}' if at else ''}. Fix the "
            "file; it may import what is installed or on PYTHONPATH, not what "
            "is only beside it."
        ) from error
    return source, module


def _add_class(
    module: types.ModuleType, name: str, path: str, flag: str
) -> None:
    cls = getattr(module, name, None)
    if not (isinstance(cls, type) and issubclass(cls, Branch)):
        kind = "no such name" if cls is None else f"a {type(cls).__name__}"
        if isinstance(cls, type):
            kind = "a class that is not a Branch"
        raise UserError(
            f"{flag}={path}:{name} needs a class {name} in that file, derived "
            "from enas.cifar10.ops.Branch, or one registered under that "
            f"name by @register_poison({name!r}); the file has {kind}. "
            "docs/POISON.md shows one."
        )
    try:
        add_ops(Op(name, cls))
    except ValueError as error:
        raise UserError(f"{flag}={path}:{name}: {error}") from error


def _try(
    name: str, path: str, options: ChildOptions, q: int, unique: bool
) -> None:
    """Traces the op as a search does, and runs it on maps of its sizes.

    These are the size of an image, half and a quarter of it; the copies are
    the first two and the last of q.
    """
    who = f"The op {name} of {path}"
    try:
        cost = OPS[name].described(options).cost(options.filters, MAP_SIZE**2)
        branch = make_branch(name, 0, options, q if unique else 1)
        branch.build(options.feature_shape)
    except Exception as error:
        raise UserError(
            f"{who} cannot be built; it raised {_one_line(error)}. Fix its "
            "class."
        ) from error
    if not isinstance(cost, Cost):
        raise UserError(
            f"The method cost of the op {name} of {path} must return a Cost "
            f"of enas.cifar10.ops; it returned {cost!r}."
        )
    weights = branch.variables
    _check_weights(weights, who)
    for mode in (False, True, FROZEN):
        run = _traced(branch, mode, options)
        for divisor, copy in itertools.product(
            (4, 2, 1), sorted({0, min(1, q - 1), q - 1})
        ):
            x = _random_map(options, options.image_size // divisor)
            try:
                y, is_input = run(x, copy).numpy(), branch.returns_input(mode)
            except Exception as error:
                raise UserError(
                    f"{who} must turn a map {list(x.shape)} "
                    "into one of the same shape, of any height and width; it "
                    f"raised {_one_line(error)} for copy {copy} of {q}. Fix "
                    "its call(x, copy, training, seed)."
                ) from error
            _check_output(y, x, mode, is_input, who)
        _check_state(run, weights, who)


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


def _random_map(options: ChildOptions, side: int) -> np.ndarray:
    shape = [2, side, side, side]
    shape[3 if options.data_format == "NHWC" else 1] = options.filters
    x = np.random.default_rng(0).standard_normal(shape)
    return tf.cast(x, keras.config.dtype_policy().compute_dtype).numpy()


def _traced(branch: Any, mode: Mode, options: ChildOptions) -> Any:
    maps = keras.config.dtype_policy().compute_dtype
    signature = tf.TensorSpec(options.feature_shape, maps)
    return tf.function(
        lambda x, copy: branch(
            x, copy=copy, training=mode, seed=tf.constant([0, 1])
        ),
        input_signature=[signature, tf.TensorSpec((), tf.int32)],
        autograph=False,
    )


def _check_output(
    y: np.ndarray, x: np.ndarray, mode: Mode, is_input: bool, who: str
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


def _one_line(error: BaseException) -> str:
    # TensorFlow colours what it says.
    plain = re.sub("\x1b\\[[0-9;]*m", "", str(error))
    text = " ".join(plain.split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
