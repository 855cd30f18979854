"""Brings images to the side that the child takes. NumPy only.

A pixel of the result is the mean of the part of the image that it covers,
computed in whole numbers, so every machine gets the same.
"""

import functools
import math

import numpy as np

from enas.errors import UserError


def fitted(image: np.ndarray, size: int, how: str) -> np.ndarray:
    """Returns an image as a square.

    Args:
        image: uint8 `[height, width, 3]`, sides up to 65,000.
        size: Side of the square, pixels.
        how: "area" scales the whole image, whose sides may change their
            ratio; "crop" cuts out the largest centred square first.

    Returns:
        uint8 `[size, size, 3]`, the image itself where it has this size.
    """
    height, width, channels = image.shape
    if how == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
        height = width = side
    if (height, width) == (size, size):
        return image
    # Sums up to 255 * height are exact in float32, the rest is in float64.
    rows = _weights(height, size) @ image.reshape(height, -1).astype(np.float32)
    rows = rows.reshape(size, width, channels).astype(np.float64)
    sums = _weights(width, size).astype(np.float64) @ rows
    area = height * width
    return ((sums.astype(np.int64) + area // 2) // area).astype(np.uint8)


def fitted_all(images: np.ndarray, size: int) -> np.ndarray:
    """Returns square images, uint8 `[images, side, side, 3]`, at a size."""
    if images.shape[1] == size:
        return images
    shape = len(images), size, size, 3
    try:
        result = np.empty(shape, np.uint8)
    except MemoryError:
        raise UserError(
            f"{len(images)} images at --image_size={size} take "
            f"{math.prod(shape) / 2**30:.0f} GB, more than this machine gives. "
            "Use a smaller size or, by --num_train, fewer images."
        ) from None
    for image, out in zip(images, result, strict=True):
        out[:] = fitted(image, size, "area")
    return result


@functools.lru_cache(maxsize=64)
def _weights(old: int, new: int) -> np.ndarray:
    """Returns how much of each old pixel is in each new one, `[new, old]`.

    In units in which an old pixel is `new` wide and a new one `old`: float32,
    whole numbers, each row adding up to `old`.
    """
    first, pixel = np.arange(new)[:, None] * old, np.arange(old) * new
    overlap = np.minimum(first + old, pixel + new) - np.maximum(first, pixel)
    return np.maximum(overlap, 0).astype(np.float32)
