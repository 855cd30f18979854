"""Ops from a user's own file: --poison=my_ops.py:Blur, or --candidate_ops.

The file is run, because the user named it, and the op is tried before a search
begins, as one is that a program has registered.
"""

import os
import sys
import traceback
import types
from collections.abc import Iterable, Iterator, Mapping

from keras.src.utils import naming

from enas.cifar10.branches import Branch
from enas.cifar10.config import Config
from enas.cifar10.op_trial import one_line, try_op
from enas.cifar10.ops import OPS, Op, add_ops, poison_sets
from enas.cifar10.search_space import CANDIDATE_OPS, expand, file_ops
from enas.errors import UserError

# Names that the last load added, so that a notebook may load a file again
# after an edit, or another one with an op of the same name.
_ADDED: set[str] = set()
# Path -> bytes of its last run: the file may be edited while a search starts.
_SOURCES: dict[str, bytes] = {}
_NO_COPIES: Mapping[str, str] = {}
# Larger q may still be refused.
MOST_COPIES = 1000


def load(config: Config, copies: Mapping[str, str] = _NO_COPIES) -> None:
    """Adds the ops that a search names in files to the table.

    Each, and each that a program has registered, is tried.

    `copies` are path -> the run's copy of the file, which is run where the
    file itself is no longer there.

    Raises:
      UserError: there is no such file or class, the file fails, an op does
        not keep the shape of its input, or --op_setting is not legal.
    """
    load_files(config, copies)
    _try(config, _registered(config))
    # Keras numbers layers without a name; a run read again needs its own.
    naming.reset_uids()
    _try(config, file_ops(config))


def _registered(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yields (flag, module, name) of every op that a program has added."""
    sets = {"poison": poison_sets(), "candidate_ops": CANDIDATE_OPS}
    for flag, known in sets.items():
        for name in expand(getattr(config, flag), known):
            module = OPS[name].cls.__module__ if name in OPS else "enas."
            if name not in _ADDED and not module.startswith("enas."):
                yield flag, module, name


def _try(config: Config, ops: Iterable[tuple[str, str, str]]) -> None:
    """Tries (flag, place, name) of some ops."""
    options = config.child_options()
    for flag, place, name in ops:
        q = (config.q or 1) if flag == "poison" else 1
        unique = config.poison_sharing == "unique"
        copies = min(q, MOST_COPIES) if unique else 1
        try_op(OPS[name], place, options, copies if unique else q, copies)


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
    before = dict(OPS)
    _SOURCES[path], module = _run_file(place, flag)
    try:
        for name in names:
            if name not in OPS.keys() - before.keys():
                _add_class(module, name, path, flag)
        lost = [name for name, op in before.items() if OPS[name] is not op]
        if lost:
            raise UserError(
                f"{flag}={path}:{lost[0]} is an op that another file has, too. "
                "Rename one of the two."
            )
    finally:
        _ADDED.update(OPS.keys() - before.keys())
        OPS.update(before)


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
            f"{one_line(error)}{f' in line {at[-1]}' if at else ''}. Fix the "
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
