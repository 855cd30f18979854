"""Finds and reads CIFAR-100: Python files, binary version, TFDS folder.

The reading is that of `cifar10_files`; the 100 fine labels are used.
"""

import functools

import numpy as np

from enas.cifar10.readers import cifar10 as files
from enas.errors import UserError

__all__ = ["CLASS_NAMES", "find_cifar100"]

DOWNLOAD_URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
COUNTS = {"train": 50_000, "test": 10_000}
CLASS_NAMES = tuple(
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


def find_cifar100(data_path, data_dir, log):
    """Reads the first CIFAR-100 that is found.

    Args:
        data_path: Folder searched first, or None.
        data_dir: Folder searched next, and at last downloaded into.
        log: Function that is called with each line of the log.

    Returns:
        (source, train, test), as `cifar10_files.find_cifar10` returns them;
        labels are the fine ones, in [0, 100).

    Raises:
        UserError: None is found and none can be downloaded, or the one that
            is found is damaged.
    """
    places = [place for place in (data_path, data_dir) if place is not None]
    found, reason = _find(places), None
    if found is None:
        reason = files.download("cifar100", DOWNLOAD_URL, data_dir, log)
        found = _find(places)
    if found is None:
        raise UserError(
            "CIFAR-100 was not found in "
            f"{' or '.join(repr(str(place)) for place in places)}, neither as "
            "the unpacked Python files (train, test) nor as the binary version "
            "(train.bin, test.bin) nor as a prepared TFDS folder, and the "
            f"download from {DOWNLOAD_URL} failed: {reason}. Name a folder "
            "that holds it with --data_path, or use --dataset=shapes."
        )
    form, folder, read = found
    source = f"CIFAR-100 as {form}, from {folder}"
    log(source)
    return source, *read(folder, log)


def _find(places):
    """Returns (form, folder, reader) of the first that is there, or None."""
    for place in map(files.path_of, places):
        for form, subfolder, suffix, read_file in _FORMS:
            for folder in (place, place / subfolder):
                if (folder / f"train{suffix}").is_file():
                    read = functools.partial(_read, suffix, read_file)
                    return form, folder, read
        folders = sorted(place.glob("cifar100/*/dataset_info.json"))
        if folders:
            read = functools.partial(files.read_tfds, name="cifar100")
            return "prepared TFDS folder", folders[-1].parent, read
    return None


def _read(suffix, read_file, folder, log):
    """Returns (train, test) of the two files in a folder."""
    pairs = []
    for name, count in COUNTS.items():
        log(name + suffix)
        planes, labels = files.checked(
            folder / (name + suffix),
            functools.partial(read_file, count=count),
            num_classes=100,
            siblings="both files of the set are needed",
            data_set="CIFAR-100",
        )
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        pairs.append((np.ascontiguousarray(images), np.int32(labels)))
    return pairs


def _read_python_file(path, count):
    return files.read_python_file(path, count, "fine_labels", "CIFAR-100")


def _read_binary_file(path, count):
    # A coarse label, the fine one, then the pixels.
    rows = files.read_rows(path, count, 3074, "CIFAR-100")
    return rows[:, 2:], rows[:, 1]


# Name, usual folder, suffix of the files, reader.
_FORMS = (
    ("Python files", "cifar-100-python", "", _read_python_file),
    ("binary version", "cifar-100-binary", ".bin", _read_binary_file),
)
