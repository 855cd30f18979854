"""CIFAR-10 and CIFAR-100 as published: their files, sizes and classes."""

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from enas.cifar10.readers import pickles
from enas.errors import UserError

Wrong = Callable[[str, object], UserError]
Planes = tuple[np.ndarray, np.ndarray]
Pairs = list[tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Published:
    """What a published data set is made of.

    Attributes:
        name: As --dataset and TensorFlow Datasets call it.
        title: As people call it.
        files: Name of each file -> its images; the last is the test set. The
            files of the binary version end in .bin as well.
        label_key: Where the labels are in the dictionary of a Python file.
        label_bytes: Bytes before the pixels of an image in a binary file, the
            last of which is the label.
        python_folder: What the archive of the Python version unpacks to.
        binary_folder: The same of the binary version.
        url: Where TensorFlow Datasets downloads it from.
        class_names: In the order of the labels.
    """

    name: str
    title: str
    files: dict[str, int]
    label_key: str
    label_bytes: int
    python_folder: str
    binary_folder: str
    url: str
    class_names: tuple[str, ...]

    @property
    def num_test(self) -> int:
        """Images of the test set."""
        return list(self.files.values())[-1]

    @property
    def num_train(self) -> int:
        """Images of the training set."""
        return sum(self.files.values()) - self.num_test

    def split(self, images: np.ndarray, labels: np.ndarray) -> "Pairs":
        """Returns (images, labels) of training and test set."""
        count = self.num_train
        return [
            (images[:count], labels[:count]),
            (images[count:], labels[count:]),
        ]


CIFAR100_NAMES = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl
    boy bridge bus butterfly camel can castle caterpillar cattle chair
    chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
    lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
    mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road
    rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television
    tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf
    woman worm
    """.split()
)
CIFAR = {
    "cifar10": Published(
        "cifar10",
        "CIFAR-10",
        dict.fromkeys(
            [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], 10_000
        ),
        "labels",
        1,
        "cifar-10-batches-py",
        "cifar-10-batches-bin",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        tuple(
            """
            airplane automobile bird cat deer dog frog horse ship truck
            """.split()
        ),
    ),
    "cifar100": Published(
        "cifar100",
        "CIFAR-100",
        {"train": 50_000, "test": 10_000},
        "fine_labels",
        2,
        "cifar-100-python",
        "cifar-100-binary",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        CIFAR100_NAMES,
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
    log: Callable[[str], None],
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
    stops = np.cumsum(list(what.files.values()))
    slots = {
        name: slice(stop - count, stop)
        for (name, count), stop in zip(what.files.items(), stops, strict=True)
    }
    images = np.empty((stops[-1], 32, 32, 3), np.uint8)
    labels = np.empty(stops[-1], np.int32)
    place: object = ""
    for path, name, content in contents:
        place = path
        log(name)
        part = slots.pop(name.removesuffix(suffix))
        planes, labels[part] = read_one(
            what, path, content, suffix, part.stop - part.start
        )
        images[part] = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    for name in slots:
        folder = os.path.dirname(str(place))
        raise missing(what, os.path.join(folder, name + suffix))
    return what.split(images, labels)


def read_one(
    what: Published, path: object, content: bytes, suffix: str, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Reads one file.

    Args:
        path: Where the content is from.
        content: All of the file.
        suffix: ".bin" for the binary version, "" for the Python version.
        count: Images that it must hold.

    Returns:
        (planes, labels): uint8 `[count, 3072]`, the red, green and blue plane
        of each image, and integers `[count]`.

    Raises:
        UserError: It holds something else.
    """
    read = _read_binary if suffix else _read_python
    wrong = functools.partial(damaged, what, path)
    try:
        planes, labels = read(what, content, count, wrong)
    except UserError:
        raise
    # A damaged pickle can raise nearly anything.
    except Exception as error:
        raise wrong("it must be readable and whole", one_line(error)) from error
    check_labels(labels, len(what.class_names), wrong)
    return planes, labels


def check_labels(labels: np.ndarray, classes: int, wrong: Wrong) -> None:
    """Refuses labels outside [0, classes)."""
    if labels.min() < 0 or labels.max() >= classes:
        received = f"labels in [{labels.min()}, {labels.max()}]"
        raise wrong(f"labels are in [0, {classes - 1}]", received)


def _read_binary(
    what: Published, content: bytes, count: int, wrong: Wrong
) -> Planes:
    width = what.label_bytes + 3072
    if len(content) != count * width:
        legal = f"it has {count * width} bytes"
        raise wrong(legal, f"{len(content)} bytes")
    rows = np.frombuffer(content, np.uint8).reshape(count, width)
    return rows[:, what.label_bytes :], rows[:, what.label_bytes - 1]


def _read_python(
    what: Published, content: bytes, count: int, wrong: Wrong
) -> Planes:
    found = pickles.load(content)
    if not isinstance(found, dict):
        raise wrong(
            "it is a pickled dictionary", f"a pickled {type(found).__name__}"
        )
    planes, labels = (
        np.asarray(_entry(found, name, wrong))
        for name in ("data", what.label_key)
    )
    if planes.dtype != np.uint8 or planes.shape != (count, 3072):
        received = f"{planes.dtype} {list(planes.shape)}"
        raise wrong(f"its data is uint8 [{count}, 3072]", received)
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        received = f"{labels.dtype} {list(labels.shape)}"
        raise wrong(f"its labels are {count} integers", received)
    return planes, labels


def _entry(content: dict, name: str, wrong: Wrong) -> Any:
    # Python 2 wrote its keys as what Python 3 calls bytes.
    for key in (name, name.encode()):
        if key in content:
            return content[key]
    keys = ", ".join(map(str, content))
    raise wrong(f"it has the key {name!r}", f"keys {keys[:200]}")
