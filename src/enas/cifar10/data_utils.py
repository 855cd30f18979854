"""The images of a run: CIFAR, drawn shapes or a folder, split and measured."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from enas.cifar10.batches import channel_statistics
from enas.cifar10.behaviours import ENAS, Profile
from enas.cifar10.readers import fingerprint
from enas.cifar10.readers.cifar import find_cifar
from enas.cifar10.readers.folder import PREFIX, read_folder
from enas.cifar10.readers.published import CIFAR
from enas.cifar10.readers.scaling import fitted_all
from enas.cifar10.readers.shapes import CLASS_NAMES, make_shapes
from enas.errors import UserError

# Of the paper's code, in pixel values (row 29).
FIXED_MEAN = (125.3, 123.0, 113.9)
FIXED_STD = (63.0, 62.1, 66.7)
SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes:
        images: uint8 `[images, size, size, 3]`.
        labels: int32 `[images]`, in [0, classes).
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What a run trains on.

    Attributes:
        source: A sentence that says which form was read from where.
        valid: The images that rewards are measured on.
        mean: float32 `[1, 1, 1, 3]`, of the training images / 255, or the
            fixed one of profile paper.
        std: float32 `[1, 1, 1, 3]`, population, of the same.
        border: float32 `[1, 1, 1, 3]`, standardised colour around an image
            that is shifted.
        class_names: What the labels stand for, in their order.
    """

    name: str
    source: str
    train: Split
    valid: Split
    test: Split
    mean: np.ndarray
    std: np.ndarray
    border: np.ndarray
    class_names: tuple[str, ...] = CIFAR["cifar10"].class_names

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """What a run keeps of its data: fingerprint, place, classes, splits."""
        splits = {}
        for name in SPLITS:
            split = getattr(self, name)
            splits[name] = fingerprint.describe(split.images, split.labels)
        return {
            "fingerprint": fingerprint.fingerprint_of(splits, self.class_names),
            "place": self.source,
            "classes": list(self.class_names),
            "splits": splits,
        }


def read_data(
    dataset: str,
    data_path: str | None = None,
    data_dir: str = "data",
    num_train: int | None = None,
    num_valid: int | None = None,
    num_test: int | None = None,
    num_valids: int = 5000,
    all_train: bool = False,
    image_size: int = 32,
    resize: str = "area",
    profile: Profile = ENAS,
    log: Callable[[str], None] = print,
) -> DataSet:
    """Reads a data set, splits it and measures its mean and std.

    CIFAR-10 is looked for in `data_path`, then in `data_dir`, in each as the
    Python batches, the binary version and a prepared TFDS folder, and is at
    last downloaded into `data_dir` by TFDS. The last `num_valids` of its 50,000
    training images validate; of every split the first images are kept, and
    mean and std are those of the training images that are kept.

    Args:
        dataset: "cifar10", "cifar100", "shapes" or "folder:PATH".
        data_path: Folder that is or holds CIFAR-10; None for none.
        data_dir: Folder searched next and downloaded into.
        num_train: Keep the first N training images; None for all.
        num_valid: Keep the first N validation images; None for all.
        num_test: Keep the first N test images; None for all.
        num_valids: Training images of CIFAR-10 set aside for validation,
            in [1, 49,999]. The shapes are drawn in three splits.
        all_train: Train on the validation images as well and leave
            that split empty, as for a final network.
        image_size: Side of the images, pixels, to which they are scaled.
        resize: "area" or "crop", for images of a folder that are not square.
        profile: Says which mean, std and border.

    Raises:
        UserError: There is no such data set, a file of it is damaged or
            missing, or it has fewer images than were asked for.

    Source: row 29; original data_utils.py, `read_data`, and the paper's
    dataset.py. Same numbers and log lines; deviates: images stay uint8 and are
    standardised batch by batch, and there are more forms.
    """
    log("-" * 80)
    log("Reading data")
    if dataset.startswith(PREFIX):
        source, pairs, names = read_folder(dataset, image_size, resize, log)
        splits = [Split(*pair) for pair in pairs]
    elif dataset == "shapes":
        names = CLASS_NAMES
        source = "Shapes drawn from seed 0; --data_path is not used"
        log(source)
        splits = [Split(*pair) for pair in make_shapes()]
    elif dataset in CIFAR:
        names = CIFAR[dataset].class_names
        source, (train, test) = find_cifar(
            CIFAR[dataset], data_path, data_dir, log
        )
        splits = [*_set_aside(Split(*train), num_valids), Split(*test)]
    else:
        raise UserError(
            "--dataset names the images to train on: cifar10, cifar100, shapes "
            f"or folder:PATH; received {dataset!r}. Use one of them."
        )
    if all_train:
        splits[:2] = _joined(*splits[:2])
    counts = (num_train, num_valid, num_test)
    splits = list(map(_first, SPLITS, splits, counts))
    splits = [Split(fitted_all(s.images, image_size), s.labels) for s in splits]
    train_split, valid, test_split = splits
    statistics = _statistics(train_split, profile, log)
    return DataSet(
        dataset, source, train_split, valid, test_split, *statistics, names
    )


def _statistics(
    train: Split, profile: Profile, log: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (mean, std, border) and logs the first two."""
    log("Prepropcess: [subtract mean], [divide std]")
    if profile.channel_statistics == "measured":
        mean, std = channel_statistics(train.images)
        # A channel that is the same everywhere says nothing: it becomes 0,
        # exactly; its mean and deviation are rounded.
        least = train.images.min(axis=(0, 1, 2))
        same = least == train.images.max(axis=(0, 1, 2))
        mean = np.where(same, least.astype(np.float32) / np.float32(255), mean)
        std = np.where(same, np.float32(1), std)
    else:
        mean, std = (
            np.array(values, np.float32).reshape(1, 1, 1, 3) / np.float32(255)
            for values in (FIXED_MEAN, FIXED_STD)
        )
    log(f"mean: {np.reshape(mean * np.float32(255), [-1])}")
    log(f"std: {np.reshape(std * np.float32(255), [-1])}")
    black = profile.crop_border == "black"
    return mean, std, -mean / std if black else np.zeros_like(mean)


def _first(name: str, split: Split, count: int | None) -> Split:
    if count is None:
        return split
    if not len(split):
        raise UserError(
            f"--num_{name}={count}: there are no {name} images. Training "
            "from scratch uses all of them for training; leave it out."
        )
    if not 1 <= count <= len(split):
        raise UserError(
            f"--num_{name} keeps the first images of the {name} split, which "
            f"has {len(split)}, so it must be in [1, {len(split)}]; received "
            f"{count}. Leave it out to keep all."
        )
    # A copy, so that the images left out do not stay in memory.
    return Split(split.images[:count].copy(), split.labels[:count].copy())


def _joined(train: Split, valid: Split) -> tuple[Split, Split]:
    """Returns all training images and an empty split."""
    images = np.concatenate([train.images, valid.images])
    labels = np.concatenate([train.labels, valid.labels])
    return Split(images, labels), Split(images[:0], labels[:0])


def _set_aside(split: Split, count: int) -> tuple[Split, Split]:
    if not 1 <= count < len(split):
        raise UserError(
            "num_valids sets training images aside for validation, at least 1 "
            f"and fewer than the {len(split)} there are; received {count}. "
            "The original's value is 5000."
        )
    return (
        Split(split.images[:-count], split.labels[:-count]),
        Split(split.images[-count:], split.labels[-count:]),
    )
