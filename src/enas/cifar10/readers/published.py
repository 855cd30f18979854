"""CIFAR-10 and CIFAR-100 as published: their files, sizes and classes."""

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Iterator

import numpy as np

from enas.cifar10.readers import pickles
from enas.errors import UserError
from enas.utils import Say

Pair = tuple[np.ndarray, np.ndarray]
Pairs = list[Pair]
WHOLE = "it must be readable and whole"


@dataclasses.dataclass(frozen=True)
class Published:
    """What a published data set is made of.

    Attributes:
        name: As --dataset and TensorFlow Datasets call it.
        title: As people call it.
        files: Name of each file -> its images; the last is the test set.
        label_key: Where the labels are in the dictionary of a Python file.
        label_bytes: Bytes before the pixels of an image in a binary file, the
            last of which is the label.
        folders: Suffix of the files of a version, "" or ".bin" -> what its
            archive unpacks to.
        url: Where TensorFlow Datasets downloads it from.
        class_names: In the order of the labels.
    """

    name: str
    title: str
    files: dict[str, int]
    label_key: str
    label_bytes: int
    folders: dict[str, str]
    url: str
    class_names: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Images of the splits train and test."""
        *train, test = self.files.values()
        return {"train": sum(train), "test": test}


_CIFAR10_FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock
cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange
orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
snail snake spider squirrel streetcar sunflower sweet_pepper table tank
telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CIFAR = {
    "cifar10": Published(
        "cifar10",
        "CIFAR-10",
        dict.fromkeys(_CIFAR10_FILES, 10_000),
        "labels",
        1,
        {"": "cifar-10-batches-py", ".bin": "cifar-10-batches-bin"},
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        tuple(_CIFAR10_NAMES.split()),
    ),
    "cifar100": Published(
        "cifar100",
        "CIFAR-100",
        {"train": 50_000, "test": 10_000},
        "fine_labels",
        2,
        {"": "cifar-100-python", ".bin": "cifar-100-binary"},
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        tuple(_CIFAR100_NAMES.split()),
    ),
}


def damaged(
    what: Published, path: object, legal: str, received: object
) -> UserError:
    """Returns the error of a file that is not as published."""
    return UserError(
        f"{path} is not {what.title} as published: {legal}; received "
        f"{received}. Unpack or download it again, or point --data_path to "
        "another copy."
    )


class ContentError(Exception):
    """Content is not as published: (what is legal, what was received)."""


@contextlib.contextmanager
def reading(
    what: Published, path: object, whole: str = WHOLE, part: str = ""
) -> Iterator[None]:
    """Makes whatever goes wrong in the `with` block a `UserError` of a file.

    `whole` is said if the file, or this `part` of it, cannot be read at all.
    """
    try:
        yield
    except UserError:
        raise
    except ContentError as error:
        raise damaged(what, path, *error.args) from error
    # What damaged files raise has no common kind.
    except Exception as error:
        raise damaged(what, f"{path}{part}", whole, one_line(error)) from error


def missing(what: Published, path: object) -> UserError:
    """Returns the error of a file that is not there, but others of its set."""
    number = {2: "both", 6: "all six"}[len(what.files)]
    legal = f"{number} files of the set are needed"
    return damaged(what, path, legal, "a place without this one")


def one_line(error: Exception) -> str:
    """Returns kind and text of an exception, at most 300 characters."""
    # TensorFlow wraps what it says in names of its own nodes.
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error), flags=re.DOTALL)
    text = " ".join(f"{type(error).__name__} ({text.strip()})".split())
    return text if len(text) <= 300 else text[:297] + "..."


def read_files(
    what: Published,
    suffix: str,
    contents: Iterable[tuple[object, str, bytes]],
    log: Say,
) -> Pairs:
    """Reads all files of a published data set.

    Args:
        suffix: Of the files, ".bin" for the binary version.
        contents: (path, name, bytes) of each file, in any order.

    Returns:
        (images, labels) of training and test set, in the published order:
        uint8 `[images, 32, 32, 3]` and int32 `[images]`.

    Raises:
        UserError: One is damaged or missing.
    """
    slots, total = {}, 0
    for name, count in what.files.items():
        slots[name] = slice(total, total + count)
        total += count
    images = np.empty((total, 32, 32, 3), np.uint8)
    labels = np.empty(total, np.int32)
    path: object = ""
    for path, name, content in contents:
        log(name)
        part = slots.pop(name.removesuffix(suffix))
        count = part.stop - part.start
        planes, labels[part] = read_one(what, path, content, suffix, count)
        images[part] = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    for name in slots:
        folder = os.path.dirname(str(path))
        raise missing(what, os.path.join(folder, name + suffix))
    count = what.counts["train"]
    return [(images[:count], labels[:count]), (images[count:], labels[count:])]


def read_one(
    what: Published, path: object, content: bytes, suffix: str, count: int
) -> Pair:
    """Reads one file, which must hold `count` images; `suffix` as above.

    Returns:
        (planes, labels): uint8 `[count, 3072]`, the red, green and blue plane
        of each image, and integers `[count]`.

    Raises:
        UserError: It holds something else.
    """
    with reading(what, path):
        if suffix:
            planes, labels = _read_binary(what, content, count)
        else:
            planes, labels = _read_python(what, content)
        check_pair(what, "data is", planes, labels, [count, 3072])
    return planes, labels


def check_pair(
    what: Published,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    shape: list[int],
) -> None:
    """Refuses all but uint8 images of a shape, and a label for each.

    `name` is what a message calls the images, with its verb.
    """
    if images.dtype != np.uint8 or list(images.shape) != shape:
        received = f"{images.dtype} {list(images.shape)}"
        raise ContentError(f"its {name} uint8 {shape}", received)
    if labels.dtype.kind not in "iu" or labels.shape != (shape[0],):
        received = f"{labels.dtype} {list(labels.shape)}"
        raise ContentError(f"its labels are {shape[0]} integers", received)
    classes = len(what.class_names)
    if labels.min() < 0 or labels.max() >= classes:
        received = f"labels in [{labels.min()}, {labels.max()}]"
        raise ContentError(f"labels are in [0, {classes - 1}]", received)


def _read_binary(what: Published, content: bytes, count: int) -> Pair:
    width = what.label_bytes + 3072
    if len(content) != count * width:
        raise ContentError(
            f"it has {count * width} bytes", f"{len(content)} bytes"
        )
    rows = np.frombuffer(content, np.uint8).reshape(count, width)
    return rows[:, what.label_bytes :], rows[:, what.label_bytes - 1]


def _read_python(what: Published, content: bytes) -> Pair:
    found = pickles.load(content)
    if not isinstance(found, dict):
        received = f"a pickled {type(found).__name__}"
        raise ContentError("it is a pickled dictionary", received)

    def entry(name: str) -> np.ndarray:
        # Python 2 wrote its keys as what Python 3 calls bytes.
        for key in (name, name.encode()):
            if key in found:
                return np.asarray(found[key])
        keys = ", ".join(map(str, found))
        raise ContentError(f"it has the key {name!r}", f"keys {keys[:200]}")

    return entry("data"), entry(what.label_key)
