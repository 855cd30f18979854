"""Poisonings from a user's own file: --poison=path/to/my_ops.py:Blur.

The file is run, because the user named it, and the op is tried on a small map
before a search begins.
"""

import os
import types

import numpy as np
import tensorflow as tf

from enas.cifar10.image_ops import FROZEN
from enas.cifar10.ops import Branch, ChildOptions
from enas.cifar10.poison_ops import POISON_OPS, make_branch, register_poison
from enas.errors import UserError

__all__ = ["load", "paths", "source_of", "with_full_paths"]

# Path -> names that its last run registered, so that a notebook may load a
# file again after an edit, or another one with an op of the same name.
_REGISTERED = {}
# Path -> bytes of its last run: the file may be edited while a search starts.
_SOURCES = {}
MAP_SIZE = 8


def load(config):
    """Registers the ops that --poison names in files, and tries each.

    Args:
      config: `Config`; of a poison list only words such as my_ops.py:Blur
        are looked at.

    Raises:
      UserError: there is no such file or class, the file fails, or the op
        does not keep the shape of its input.
    """
    pairs = _pairs(config.poison)
    _forget_earlier_files()
    for path in paths(config.poison):
        names = [name for other, name in pairs if other == path]
        _load_file(path, names)
        for name in names:
            _try(name, path, config)


def paths(poison):
    """Returns the absolute paths of the files that --poison names, list."""
    return list(dict.fromkeys(path for path, _ in _pairs(poison)))


def source_of(path):
    """Returns the contents of a file as it was last run, bytes.

    Args:
      path: str, absolute, of a file that `load` has run.
    """
    return _SOURCES[path]


def with_full_paths(poison):
    """Returns the value of --poison with absolute paths, str."""
    words = [word.strip() for word in poison.split(",")]
    if not any(":" in word for word in words):
        return poison
    return ",".join(
        ":".join(_parts(word)) if ":" in word else word for word in words
    )


def _pairs(poison):
    words = [word.strip() for word in poison.split(",")]
    return [_parts(word) for word in words if ":" in word]


def _parts(word):
    """Returns (absolute path, name) of a word such as my_ops.py:Blur."""
    path, _, name = word.rpartition(":")
    return os.path.abspath(os.path.expanduser(path)), name


def _forget_earlier_files():
    for names in _REGISTERED.values():
        for name in names:
            POISON_OPS.pop(name, None)
    _REGISTERED.clear()


def _load_file(path, names):
    if not os.path.isfile(path):
        raise UserError(
            "--poison=FILE.py:NAME takes an op from a Python file of yours; "
            f"there is no file {path}. Check the path; a relative one starts "
            "at the folder you are in. A run keeps copies of its files in "
            "user_ops/ of its directory."
        )
    before = set(POISON_OPS)
    module = _run_file(path)
    try:
        for name in names:
            if name not in set(POISON_OPS) - before:
                _register_class(module, name, path)
    finally:
        _REGISTERED[path] = set(POISON_OPS) - before


def _run_file(path):
    if not path.endswith(".py"):
        raise UserError(
            "--poison=FILE.py:NAME takes an op from a Python file; received "
            f"{path}, whose name does not end in .py. Rename it."
        )
    name = "enas_user_ops_" + os.path.splitext(os.path.basename(path))[0]
    module = types.ModuleType(name)
    module.__file__ = path
    before = set(POISON_OPS)
    try:
        with open(path, "rb") as stream:
            _SOURCES[path] = stream.read()
        exec(compile(_SOURCES[path], path, "exec"), vars(module))
    # The file is the user's: it may raise anything, or leave by sys.exit.
    except (Exception, SystemExit) as error:
        for name in set(POISON_OPS) - before:
            POISON_OPS.pop(name)
        raise UserError(
            f"{path}, which --poison names, must run to its end; it raised "
            f"{_one_line(error)}. Mend the file: `python {path}` shows where."
        ) from error
    return module


def _register_class(module, name, path):
    cls = getattr(module, name, None)
    if not (isinstance(cls, type) and issubclass(cls, Branch)):
        kind = "no such name" if cls is None else f"a {type(cls).__name__}"
        if isinstance(cls, type):
            kind = "a class of another kind"
        raise UserError(
            f"--poison={path}:{name} needs a class {name} in that file, made "
            "from enas.cifar10.ops.Branch, or one registered under that "
            f"name by @register_poison({name!r}); the file has {kind}. "
            "docs/POISON.md shows one."
        )
    try:
        register_poison(name)(cls)
    except ValueError as error:
        raise UserError(f"--poison={path}:{name}: {error}") from error


def _try(name, path, config):
    """Traces the op as a search does and compares the shapes."""
    options = ChildOptions(
        filters=config.filters,
        data_format=config.data_format,
        seed=config.seed,
        profile=config.behaviour,
    )
    shape = [2, MAP_SIZE, MAP_SIZE, MAP_SIZE]
    shape[3 if config.data_format == "NHWC" else 1] = config.filters
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    copies = 2 if config.poison_sharing == "unique" else 1
    try:
        branch = make_branch(name, 0, options, copies)
        branch.build(options.feature_shape)
        tried = [
            (_traced(branch, mode, options)(x).numpy(), mode)
            for mode in (False, True, FROZEN)
        ]
        same = [branch.returns_input(mode) for _, mode in tried]
    except Exception as error:
        raise UserError(
            f"The op {name} of {path} must turn a map {shape} into one of the "
            f"same shape, of any height and width; it raised "
            f"{_one_line(error)}. Mend its call(x, copy, training, seed)."
        ) from error
    for (y, mode), is_input in zip(tried, same, strict=True):
        _check_output(y, x, mode, is_input, f"The op {name} of {path}")


def _traced(branch, mode, options):
    signature = tf.TensorSpec(options.feature_shape, tf.float32)
    return tf.function(
        lambda x: branch(
            x, copy=tf.constant(0), training=mode, seed=tf.constant([0, 1])
        ),
        input_signature=[signature],
        autograph=False,
    )


def _check_output(y, x, mode, is_input, who):
    if y.shape != x.shape or y.dtype != x.dtype:
        raise UserError(
            f"{who} must return a map of its input's shape and type; for "
            f"float32 {list(x.shape)} and training={mode} it returned "
            f"{y.dtype} {list(y.shape)}. Mend its call(x, copy, training, "
            "seed)."
        )
    if is_input and not np.array_equal(x, y):
        raise UserError(
            f"{who} says by returns_input({mode}) that it returns its input "
            "untouched, but its output differs. Return False there, or leave "
            "returns_input out."
        )


def _one_line(error):
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
