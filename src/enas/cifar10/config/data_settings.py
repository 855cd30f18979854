"""What is read, and the batches made of it. No TensorFlow here."""

import dataclasses
from typing import ClassVar

from enas.cifar10.config.values import setting


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """What is read, and the batches made of it."""

    GROUP: ClassVar[str] = "Data"

    dataset: str = setting(
        "cifar10",
        "What to train on: cifar10; cifar100, its 100 fine classes; shapes, an"
        " embedded data set that needs no download; or folder:PATH, a folder of"
        " yours with a sub-folder of images for each class.",
        path="folder",
    )
    data_path: str | None = setting(
        None,
        "Where CIFAR is: a folder or file that is, or holds, the unpacked"
        " Python or binary files, their archive, an npz file or a prepared"
        " TFDS folder (data/README.md). Then data/ and the folders of Keras"
        " and TFDS are searched, and at last TFDS downloads into data/.",
        path="full",
        logging=True,
    )
    data_changed: str = setting(
        "refuse",
        "What to do with a run that has seen other images than those read now:"
        " refuse to continue or measure it, or allow it. Not kept in flags.txt;"
        " the log and result.json say that it was so.",
        choices=("refuse", "allow"),
        logging=True,
    )
    num_train: int | None = setting(
        None, "Use only the first N training images.", lower=1
    )
    num_valid: int | None = setting(
        None, "Use only the first N validation images.", lower=1
    )
    num_test: int | None = setting(
        None, "Use only the first N test images.", lower=1
    )
    image_size: int = setting(
        32,
        "Side of the images that the child takes, in pixels, a multiple of 4;"
        " images of other sizes are scaled to it once.",
        lower=8,
        upper=512,
    )
    resize: str = setting(
        "area",
        "How an image of a folder that is not square becomes one: area scales"
        " all of it, crop its largest centred square.",
        choices=("area", "crop"),
    )
    data_format: str = setting(
        "NHWC",
        "Layout inside the child. NCHW only where the device has the kernels"
        " (a GPU).",
        choices=("NHWC", "NCHW"),
    )
    batch_size: int = setting(
        128,
        "Images in a training batch and in the batch behind a reward.",
        lower=1,
    )
    child_cutout_size: int = setting(
        0,
        "Side of the square that cutout blanks, in pixels; 0 for none.",
        lower=0,
        alias="cutout",
    )
