"""Reads your own data set: a sub-folder of images for each class."""

import concurrent.futures
import hashlib
import os
import struct
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from enas.cifar10.readers.layout import (
    SPLITS,
    Counts,
    class_names,
    entries,
    split_folders,
)
from enas.cifar10.readers.scaling import fitted
from enas.errors import UserError
from enas.paths import full_path
from enas.utils import Say

PREFIX = "folder:"
# What TensorFlow decodes on every platform.
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif")
KINDS = "PNG, JPEG, BMP and GIF"
# Of the images, where a split has no folder.
SHARE = 10


class Image(NamedTuple):
    """A file: its path, its name within the split, and its label."""

    path: str
    name: str
    label: int


def read_folder(
    dataset: str, size: int, how: str, log: Say
) -> tuple[str, list[tuple[np.ndarray, np.ndarray]], tuple[str, ...]]:
    """Reads the images of folder:PATH, scaled as by `scaling.fitted`.

    PATH holds a sub-folder for each class, or train, val (or valid, or
    validation) and test, which do. What there is no folder for is drawn from
    the training images: a tenth, by each image's own name, so that no image
    changes its split when others come and go. Images are in the order of a
    hash of their names, so that the first N are a mixture.

    Returns:
        (source, pairs, class_names): a sentence; images, uint8
        `[images, size, size, 3]`, and labels, int32 `[images]`, of training,
        validation and test set; the names of the classes, sorted by their
        code points, in the order of the labels.

    Raises:
        UserError: there are no classes, splits differ in theirs, one has no
            image that can be read, or an image is damaged.
    """
    path = full_path(dataset.removeprefix(PREFIX))
    skipped = Counts()
    folders = split_folders(path, skipped)
    names = class_names(folders, skipped)
    images = {k: _listed(v, names, skipped) for k, v in folders.items()}
    origin = {k: os.path.basename(v) + "/" for k, v in folders.items()}
    if list(folders.values()) == [path]:
        origin = {"train": "the classes' folders"}
    for split in ("test", "valid"):
        if split not in images:
            images[split] = _drawn(images["train"], split)
            images["train"] = sorted(
                {*images["train"]} - {*images[split]}, key=_order
            )
            origin[split] = f"a tenth of {origin['train']} by name"
    source = f"{len(names)} classes of images, from {path}"
    log(source)
    for split in SPLITS:
        if not images[split]:
            raise UserError(
                f"{path} has too few images for a {split} set. Add images, or "
                f"a folder {split}/ of its own."
            )
        log(f"{split}: {len(images[split])} images, {origin[split]}")
    if skipped:
        log(f"Skipped: {_told(skipped)}")
    pairs = [_read(images[split], size, how) for split in SPLITS]
    return source, pairs, tuple(map(_printable, names))


def _told(counts: Counts) -> str:
    return _printable(", ".join(f"{n} {k}" for k, n in sorted(counts.items())))


def _printable(name: str) -> str:
    r"""Returns a name with bytes that are not UTF-8 as text such as \xe9."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _listed(folder: str, names: Sequence[str], skipped: Counts) -> list[Image]:
    """Returns the images of a split in the order in which they are used."""
    images = []
    for label, name in enumerate(names):
        place = os.path.join(folder, name)
        found: list[Image] = []
        others = Counts()
        for entry in entries(place, skipped):
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.is_dir():
                others["folders within classes"] += 1
            elif suffix not in SUFFIXES:
                others[suffix or "without suffix"] += 1
            elif os.path.exists(entry.path) and not entry.stat().st_size:
                others["empty files"] += 1
            else:
                found.append(Image(entry.path, f"{name}/{entry.name}", label))
        if not found:
            raise UserError(
                f"The class {place} holds no image that can be read: it holds "
                f"{_told(others) or 'hidden files only'}, and read are {KINDS} "
                f"({', '.join(SUFFIXES)}). Convert them, or remove the folder."
            )
        skipped.update(others)
        images += found
    return sorted(images, key=_order)


def _hash(purpose: str, image: Image) -> int:
    # One spelling of accents: macOS writes others than Linux.
    name = unicodedata.normalize("NFC", f"{purpose}/{image.name}")
    content = name.encode(errors="surrogateescape")
    return int(hashlib.blake2b(content, digest_size=8).hexdigest(), 16)


def _order(image: Image) -> tuple[int, str]:
    return _hash("order", image), image.name


def _drawn(images: list[Image], split: str) -> list[Image]:
    """Returns the images that a split without a folder takes."""
    drawn = [image for image in images if _hash(split, image) % SHARE == 0]
    if drawn or len(images) < 3:
        return drawn
    # Too few for a tenth by name to hold one: the one that comes closest.
    return [min(images, key=lambda image: _hash(split, image))]


def _read(
    images: list[Image], size: int, how: str
) -> tuple[np.ndarray, np.ndarray]:
    def read(image: Image) -> np.ndarray:
        return fitted(decoded(image.path), size, how)

    # TensorFlow decodes without holding Python's lock.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pixels = np.stack(list(pool.map(read, images)))
    return pixels, np.array([image.label for image in images], np.int32)


def decoded(path: str) -> np.ndarray:
    """Returns the pixels of a picture, uint8 `[height, width, 3]`.

    Without transparency, and of a moving picture the first image.

    Raises:
        UserError: It is none that can be read.
    """
    import tensorflow as tf

    try:
        # TensorFlow takes text for UTF-8, which a name need not be.
        content = tf.io.read_file(os.fsencode(path)).numpy()
        # Of a BMP only as many channels as it has can be asked for.
        channels = 0 if content[:2] == b"BM" else 3
        image = tf.io.decode_image(
            content, channels=channels, expand_animations=False
        ).numpy()
        if image.shape[2] == 1:
            image = _colours_of_bmp(content)[image[..., 0]]
    except (tf.errors.OpError, ValueError, IndexError) as error:
        raise UserError(
            f"{path} cannot be read as a picture: its content is none of "
            f"{KINDS}, whatever its name says, or is damaged. Convert or "
            "remove it."
        ) from error
    return image[..., :3]


def _colours_of_bmp(content: bytes) -> np.ndarray:
    """Returns the colours of a BMP whose pixels are numbers, uint8 `[n, 3]`."""
    pixels, header = struct.unpack_from("<II", content, 10)
    if content[30] in (1, 2):
        raise ValueError("its rows are packed")
    table = np.frombuffer(content[14 + header : pixels], np.uint8)
    if not table.size:
        return np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    return table.reshape(-1, 4)[:, 2::-1]
