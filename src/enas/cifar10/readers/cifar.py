"""Finds CIFAR-10 and CIFAR-100 in all their forms, and reads them."""

import functools
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from enas.cifar10.readers import packed, tfds
from enas.cifar10.readers.published import Pairs, Published, missing, read_files
from enas.errors import UserError
from enas.paths import full_path
from enas.utils import Say

# Where other programs keep what they download: a variable that names the
# folder, its default, and the part of it.
HOMES = (
    ("KERAS_HOME", "~/.keras", "datasets"),
    ("TFDS_DATA_DIR", "~/tensorflow_datasets", ""),
)
BROKEN = (".part", ".partial", ".tmp", ".crdownload", ".incomplete")


class Found(NamedTuple):
    """A data set that was found: its form, its place, and how to read it."""

    form: str
    place: pathlib.Path
    read: Callable[[Published, pathlib.Path, Say], Pairs]


def find_cifar(
    what: Published, data_path: str | None, data_dir: str, log: Say
) -> tuple[str, Pairs]:
    """Reads the first copy of a published data set that is found.

    Searched are `data_path`, a folder or file or None, then the folder
    `data_dir`, which is at last downloaded into.

    Returns:
        (source, pairs): a sentence that says what was taken, and what
        `published.read_files` returns.

    Raises:
        UserError: None is found and none can be downloaded, or the one that
            is found is damaged.
    """
    found = None if data_path is None else _find(what, data_path)
    if data_path is not None and found is None:
        log(
            f"--data_path={data_path} {_missing(data_path)} of the forms of "
            f"{what.title}; looking in {data_dir}"
        )
    places = [data_dir]
    if found is None:
        places += homes(log)
    for place in places:
        found = found or _find(what, place)
    if found is None:
        reason = tfds.download(what, data_dir, log)
        found = _find(what, data_dir)
    if found is None:
        raise _not_found(what, data_path, places, reason)
    source = f"{what.title} as {found.form}, from {found.place}"
    log(source)
    return source, found.read(what, found.place, log)


def homes(log: Say) -> Iterator[str]:
    """Yields where Keras, torchvision and TFDS put data sets."""
    for variable, default, part in HOMES:
        home = os.environ.get(variable) or default
        try:
            yield full_path(os.path.join(home, part))
        except UserError as error:
            log(f"{home}, of {variable}, is passed over: {error}")


def holds(what: Published, place: str | os.PathLike[str]) -> bool:
    """Returns whether a place holds one of the forms."""
    return _find(what, place) is not None


def _find(what: Published, place: str | os.PathLike[str]) -> Found | None:
    try:
        return next(_forms(what, pathlib.Path(full_path(place))), None)
    except OSError:
        # No right to look into it, or a name that no file can have.
        return None


def _forms(what: Published, path: pathlib.Path) -> Iterator[Found]:
    """Yields the forms in a folder, or the one that a file has."""
    for suffix, name in what.folders.items():
        form = "binary version" if suffix else "Python batches"
        # Keras unpacks into a separate folder.
        for folder in (path, path / name, path / f"{name}-target" / name):
            if any(
                (folder / f"{file}{suffix}").is_file() for file in what.files
            ):
                read = functools.partial(_read_folder, suffix)
                yield Found(form, folder, read)
    prepared = tfds.find(what, path)
    if prepared is not None:
        yield Found("prepared TFDS folder", prepared, tfds.read)
    for file in (path, path / f"{what.name}.npz", *_archives(what, path)):
        if file.suffix == ".npz" and file.is_file():
            yield Found("npz file", file, packed.read_npz)
        elif file.is_file() and packed.is_archive(file):
            yield Found("archive", file, packed.read_archive)


def _archives(what: Published, folder: pathlib.Path) -> list[pathlib.Path]:
    stem = what.title.lower()
    usual = (f"{stem}-python.tar.gz", f"{stem}-binary.tar.gz")
    found = [
        path
        for path in folder.glob(f"{stem}-*")
        # Not downloads that were broken off, nor files for another program.
        if path.suffix not in BROKEN and "matlab" not in path.name
    ]
    return sorted(found, key=lambda path: (path.name not in usual, path))


def _read_folder(
    suffix: str, what: Published, folder: pathlib.Path, log: Say
) -> Pairs:
    def contents() -> Iterator[tuple[pathlib.Path, str, bytes]]:
        for file in what.files:
            path = folder / f"{file}{suffix}"
            if not path.is_file():
                raise missing(what, path)
            yield path, path.name, path.read_bytes()

    return read_files(what, suffix, contents(), log)


def _missing(place: str) -> str:
    """Returns what to say of a place that holds none."""
    path = pathlib.Path(full_path(place))
    try:
        if not path.exists():
            return "does not exist and so holds none"
        if path.is_file():
            return "is a file of another kind and so holds none"
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        return f"cannot be read ({error.strerror}) and so holds none"
    if not names:
        return "is empty and so holds none"
    more = ", .." if len(names) > 5 else ""
    return f"(in it: {', '.join(names[:5])}{more}) holds none"


def _not_found(
    what: Published,
    data_path: str | None,
    places: list[str],
    reason: str | None,
) -> UserError:
    given = "no --data_path was given"
    if data_path is not None:
        given = f"--data_path {data_path!r} {_missing(data_path)}"
    data_dir, *homes = places
    first, *_, last = what.files
    return UserError(
        f"{what.title} was not found: {given}, {data_dir!r} "
        f"{_missing(data_dir)} of its forms, {' and '.join(homes)} neither; "
        f"the download from {what.url} failed: {reason}. Forms are the "
        f"unpacked Python files ({first} .. {last}), the binary "
        f"version ({first}.bin ..), their archives, {what.name}.npz and a "
        f"folder prepared by TFDS ({what.name}/3.0.2). Name a place by "
        "--data_path, or use the built-in data set by --dataset=shapes."
    )
