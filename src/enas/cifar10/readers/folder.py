"""Reads a data set of one's own: class sub-folders of 32x32 images."""

import os

import numpy as np

from enas.errors import UserError

__all__ = ["full_name", "read_folder"]

PREFIX = "folder:"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")


def full_name(dataset):
    """Returns the value of --dataset with an absolute path, str."""
    if not dataset.startswith(PREFIX):
        return dataset
    path = os.path.expanduser(dataset.removeprefix(PREFIX))
    return PREFIX + os.path.abspath(path)


def read_folder(dataset, log):
    """Reads the images of a folder.

    The folder has either sub-folders train and test (and valid), each with a
    sub-folder per class, or the sub-folders per class themselves. Without test
    or valid a tenth of all images, drawn by a fixed seed, becomes each of them.
    Images are shuffled by that seed, so that the first N are a mixture.

    Args:
        dataset: str, folder:PATH.
        log: Function that is called with each line of the log.

    Returns:
        (source, pairs, class_names): a sentence; three pairs (train, valid,
        test) of uint8 images `[images, 32, 32, 3]` and int32 labels; tuple of
        str, sorted.

    Raises:
        UserError: there are no classes, or an image is not 32x32.
    """
    path = full_name(dataset).removeprefix(PREFIX)
    parts = [
        os.path.join(path, name)
        for name in ("train", "valid", "test")
        if os.path.isdir(os.path.join(path, name))
    ]
    split = [os.path.basename(part) for part in parts]
    if not {"train", "test"} <= set(split):
        parts, split = [path], ["train"]
    names = _class_names(parts, path)
    pairs = {
        name: _read_part(part, names, log)
        for name, part in zip(split, parts, strict=True)
    }
    for name in ("test", "valid"):
        if name not in pairs:
            pairs["train"], pairs[name] = _cut(pairs["train"])
    counts = ", ".join(f"{name} {len(pairs[name][1])}" for name in pairs)
    source = f"Images of {len(names)} classes from {path}: {counts}"
    log(source)
    return source, [pairs[n] for n in ("train", "valid", "test")], names


def _class_names(parts, path):
    """Returns the names of the classes, which all parts must have."""
    found = [
        tuple(sorted(e.name for e in os.scandir(part) if e.is_dir()))
        if os.path.isdir(part)
        else ()
        for part in parts
    ]
    if len(found[0]) < 2 or any(names != found[0] for names in found):
        raise UserError(
            f"--dataset=folder:PATH needs at least 2 sub-folders of images, one"
            " per class, in PATH itself or alike in PATH/train, PATH/test and, "
            f"if you like, PATH/valid; {path} has {found}."
        )
    return found[0]


def _read_part(part, names, log):
    files = [
        (os.path.join(part, name, file), label)
        for label, name in enumerate(names)
        for file in sorted(os.listdir(os.path.join(part, name)))
        if file.lower().endswith(SUFFIXES)
    ]
    if len(files) < 10:
        raise UserError(
            f"{part} holds {len(files)} images ({', '.join(SUFFIXES)}) in its "
            "sub-folders; at least 10 are needed. Check --dataset."
        )
    log(f"{part}: {len(files)} images")
    order = np.random.default_rng(0).permutation(len(files))
    images = np.stack([_read_image(files[i][0]) for i in order])
    return images, np.int32([files[i][1] for i in order])


def _read_image(path):
    import tensorflow as tf

    try:
        image = tf.io.decode_image(
            tf.io.read_file(path), channels=3, expand_animations=False
        ).numpy()
    except tf.errors.OpError as error:
        raise UserError(
            f"{path} cannot be read as a picture. Mend or remove it."
        ) from error
    if image.shape != (32, 32, 3):
        raise UserError(
            f"--dataset=folder:PATH takes images of 32x32 pixels; {path} has "
            f"{image.shape[1]}x{image.shape[0]}. Scale the images first."
        )
    return image


def _cut(pair):
    """Returns (the rest, the last tenth) of shuffled images and labels."""
    images, labels = pair
    count = max(1, len(labels) // 10)
    rest, cut = slice(0, -count), slice(-count, None)
    return (images[rest], labels[rest]), (images[cut], labels[cut])
