"""CIFAR-10 as several test files read it."""

import shutil

import numpy as np
import pytest

from cifar_files import PER_FILE, TEST, TRAIN, set_images_per_file


@pytest.fixture
def small_files(monkeypatch, offline):
    """Has files of 20 images be whole, and no network."""
    set_images_per_file(monkeypatch, PER_FILE)


@pytest.fixture(scope="session")
def published():
    """Images and labels as published, training images first."""
    rng = np.random.default_rng(0)
    count = TRAIN + TEST
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, count).astype(np.int32)


@pytest.fixture(scope="session")
def tfds_template(tmp_path_factory, published):
    """A prepared TFDS folder, made once; its images are in shuffled order."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    root = tmp_path_factory.mktemp("tfds")
    images, labels = published

    def rows(split, part):
        order = np.random.default_rng(1).permutation(len(labels[part]))
        ids = [f"{split}_{i:05d}" for i in order]
        return tf.data.Dataset.from_tensor_slices(
            {
                "id": ids,
                "image": images[part][order],
                "label": labels[part][order].astype(np.int64),
            }
        )

    tfds.disable_progress_bar()
    tfds.dataset_builders.store_as_tfds_dataset(
        name="cifar10",
        version="3.0.2",
        data_dir=root,
        features=tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={
            "train": rows("train", slice(0, TRAIN)),
            "test": rows("test", slice(TRAIN, None)),
        },
    )
    return root


@pytest.fixture
def tfds_root(tfds_template, tmp_path):
    root = tmp_path / "tfds"
    shutil.copytree(tfds_template, root)
    return root
