"""Published data sets in one file: archives as they are, and npz files."""

import itertools
import os
import pathlib
import tarfile
from collections.abc import Iterator

import numpy as np

from enas.cifar10.readers.published import (
    ContentError,
    Pairs,
    Published,
    check_pair,
    read_files,
    reading,
)
from enas.utils import Say

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")


def is_archive(path: pathlib.Path) -> bool:
    """Returns whether a file is a tar file, packed or not, or should be."""
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return True
    try:
        return tarfile.is_tarfile(path)
    # What a damaged file raises has no common kind.
    except Exception:
        return False


def read_archive(what: Published, path: pathlib.Path, log: Say) -> Pairs:
    """Reads a tar file, packed or not; nothing of it is written anywhere."""
    whole = "an archive must be readable and whole"
    with reading(what, path, whole), tarfile.open(path) as archive:
        members = _members(what, archive)
        first = next(members, None)
        if first is None:
            legal = f"it holds {', '.join(what.files)}"
            raise ContentError(legal, "none of these")
        suffix = ".bin" if first[1].endswith(".bin") else ""
        contents = (
            (f"{path}/{member}", name, content)
            for member, name, content in itertools.chain([first], members)
            if name.endswith(".bin") == bool(suffix)
        )
        return read_files(what, suffix, contents, log)


def _members(
    what: Published, archive: tarfile.TarFile
) -> Iterator[tuple[str, str, bytes]]:
    """Yields (path, name, contents) of the files that matter, once through."""
    for member in archive:
        name = os.path.basename(member.name)
        stream = archive.extractfile(member) if member.isfile() else None
        if stream is not None and name.removesuffix(".bin") in what.files:
            yield member.name, name, stream.read()


def read_npz(what: Published, path: pathlib.Path, log: Say) -> Pairs:
    """Reads x_train, y_train, x_test and y_test of an npz file.

    Images may be planes, `[images, 3072]` or `[images, 3, 32, 32]`.
    """
    log(path.name)
    with reading(what, path), np.load(path, allow_pickle=False) as arrays:
        if not set(NPZ_KEYS) <= set(arrays.files):
            legal = f"it has the arrays {', '.join(NPZ_KEYS)}"
            raise ContentError(legal, ", ".join(arrays.files)[:200] or "none")
        pairs = []
        for split, count in what.counts.items():
            images = arrays[f"x_{split}"]
            labels = arrays[f"y_{split}"].reshape(-1)
            if images.shape in ((count, 3072), (count, 3, 32, 32)):
                images = images.reshape(count, 3, 32, 32).transpose(0, 2, 3, 1)
            check_pair(what, "images are", images, labels, [count, 32, 32, 3])
            pair = np.ascontiguousarray(images), labels.astype(np.int32)
            pairs.append(pair)
    return pairs
