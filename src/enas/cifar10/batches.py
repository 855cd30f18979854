"""What the child sees: standardised images, augmented, in shuffled batches.

Everything random is a function of the seed and a position, so a resumed run
draws what the uninterrupted one would have drawn. NumPy only.
"""

import collections
import concurrent.futures
import functools
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from enas.cifar10.data_utils import DataSet, Split

# Of the side of an image, so 4 pixels of 32.
PADDING = 1 / 8
BATCHES_AHEAD = 2
Batch = tuple[np.ndarray, np.ndarray]
Argument = TypeVar("Argument")
Result = TypeVar("Result")


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and population std of images / 255, float32 `[1, 1, 1, 3]`.

    Images are uint8 `[images, size, size, 3]`, at least one. The original takes
    `np.mean` and `np.std` of float32 images stored plane by plane: NumPy adds
    up each plane pairwise, then the planes one by one. This repeats those
    additions on a few images at a time. For CIFAR-10 the result, times 255, is
    6e-4 from the exact one; pixel by pixel NumPy would be 32 from it.

    Source: row 29; original data_utils.py, `read_data`. Same, bit for bit.
    """
    pixels = np.float32(images[..., 0].size)

    def mean_of(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        # A thousand images of 32 x 32, or the memory of as many.
        step = max(1, 1_024_000 // images[0, ..., 0].size)
        chunks = np.split(images, range(step, len(images), step))
        sums = [np.sum(function(_planes(chunk)), axis=2) for chunk in chunks]
        totals = np.cumsum(np.concatenate(sums), axis=0, dtype=np.float32)
        return totals[-1] / pixels

    mean = mean_of(lambda planes: planes)
    centre = mean[:, None]
    std = np.sqrt(mean_of(lambda planes: np.square(planes - centre)))
    return mean.reshape(1, 1, 1, 3), std.reshape(1, 1, 1, 3)


def _planes(images: np.ndarray) -> np.ndarray:
    """Returns images / 255 plane by plane, float32 `[images, 3, pixels]`."""
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    rows = planes.reshape(len(images), 3, -1).astype(np.float32)
    rows /= np.float32(255)
    return rows


def standardize(
    images: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Returns (images / 255 - mean) / std, computed in float32 in this order.

    Images are uint8 `[images, height, width, 3]`, the result is float32; mean
    and std are float32 `[1, 1, 1, 3]`, in units of image / 255.

    Source: row 29; original data_utils.py, `read_data`. Same.
    """
    result = images.astype(np.float32)
    # Whole rows at a time: NumPy is slow where the last axis is 3.
    rows = result.reshape(len(result), -1)
    repeats = rows.shape[1] // 3
    rows /= np.float32(255)
    rows -= np.tile(mean.ravel(), repeats)
    rows /= np.tile(std.ravel(), repeats)
    return result


def augment(
    images: np.ndarray,
    rng: np.random.Generator,
    border: np.ndarray,
    cutout_size: int = 0,
) -> np.ndarray:
    """Shifts, flips and blanks images, each at random.

    Every image gets a border of one colour, an eighth of its side wide, and is
    cropped back to its size at one of 9 x 9 places (at a side of 32); half are
    flipped left to right; then a square of zeros is laid on. Its top left
    corner is any pixel, so it may stick out to the right and below.

    Args:
        images: float32 `[batch, height, width, channels]`, standardised, as is
            the result, a new array.
        border: float32 `[1, 1, 1, channels]`: zeros, which are the mean colour,
            as in ENAS, or black, as in the paper's code.
        cutout_size: Side of the square, pixels, >= 0; 0 for none.

    Source: row 29; original models.py, `_pre_process`, and the paper's
    dataset.py, which crops before it standardises. Same.
    """
    padding = int(images.shape[1] * PADDING)
    corners = rng.integers(-padding, padding + 1, (2, len(images)))
    flipped = rng.random(len(images)) < 0.5
    # The border where an image does not reach. A loop, because padding the
    # whole batch first takes several times as long, all of it fresh memory.
    result = np.empty_like(images)
    rows = result.reshape(len(result), -1)
    rows[:] = np.tile(border.ravel(), rows.shape[1] // border.size)
    for image, out, corner, flip in zip(
        images, result, corners.T.tolist(), flipped, strict=True
    ):
        _move(image, out[:, ::-1] if flip else out, corner)
    if cutout_size:
        result[_squares(rng, images.shape, cutout_size)] = 0
    return result


def _move(image: np.ndarray, out: np.ndarray, corner: list[int]) -> None:
    """Writes the window of the padded image that begins at the corner."""
    height, width, _ = image.shape
    down, right = corner
    out[
        max(0, -down) : height - max(0, down),
        max(0, -right) : width - max(0, right),
    ] = image[
        max(0, down) : height - max(0, -down),
        max(0, right) : width - max(0, -right),
    ]


def _squares(
    rng: np.random.Generator, shape: tuple[int, ...], side: int
) -> np.ndarray:
    """Returns bool `[batch, height, width]`, true in a square of each image."""
    batch, height, width, _ = shape
    top = rng.integers(0, height, (batch, 1, 1))
    left = rng.integers(0, width, (batch, 1, 1))
    y, x = np.arange(height)[:, None], np.arange(width)
    return (y >= top) & (y < top + side) & (x >= left) & (x < left + side)


def generator(seed: int, stream: str, number: int) -> np.random.Generator:
    """Returns the generator of one use of random numbers."""
    sequence = [seed, zlib.crc32(stream.encode()), number]
    return np.random.default_rng(np.random.SeedSequence(sequence))


# An epoch asks for the same permutation at every step, a reward batch for
# another one in between.
@functools.lru_cache(maxsize=8)
def _permutation(
    num_images: int, seed: int, stream: str, number: int
) -> np.ndarray:
    return generator(seed, stream, number).permutation(num_images)


def shuffled_indices(
    num_images: int, seed: int, stream: str, start: int, count: int
) -> np.ndarray:
    """Returns a stretch of the endless row of shuffled passes over images.

    Pass p is a permutation that depends on seed, stream (the use) and p alone,
    so the stretch can start anywhere. int64 `[count]`, in [0, num_images).

    Source: original models.py, `tf.train.shuffle_batch`. Deviates: its queue
    repeats and omits images (row 28e), here every image comes once per pass.
    """
    passes, stop = [np.empty(0, np.int64)], start + count
    while start < stop:
        number, first = divmod(start, num_images)
        order = _permutation(num_images, seed, stream, number)
        passes.append(order[first : first + stop - start])
        start += len(passes[-1])
    return np.concatenate(passes)


def _batch(data: "DataSet", split: "Split", part: Any) -> Batch:
    """Returns what an index or a slice selects of a split, standardised."""
    images = standardize(split.images[part], data.mean, data.std)
    return images, split.labels[part]


def train_batch(
    data: "DataSet",
    batch_size: int,
    seed: int,
    step: int,
    cutout_size: int = 0,
    partial: bool = False,
) -> Batch:
    """Returns the augmented training batch of a step.

    Args:
        step: Global step of the child, from 0, counted over all epochs.
        cutout_size: Side of the cutout square, pixels; 0 for none.
        partial: Whether the last batch of an epoch is what is left of the
            pass; else it is filled from the next pass.

    Returns:
        Images, float32 `[batch, size, size, 3]`, and labels, int32 `[batch]`.

    Source: row 29; original models.py. Same: an epoch of 45,000 images is 352
    batches of 128, and the 56 images by which these are more are the next
    epoch's first. The paper's code has 72 images in the 352nd batch.
    """
    start, count = step * batch_size, batch_size
    if partial:
        size = len(data.train)
        epoch, number = divmod(step, num_train_batches(size, batch_size))
        start = epoch * size + number * batch_size
        count = min(batch_size, size - number * batch_size)
    part = shuffled_indices(len(data.train), seed, "train", start, count)
    images, labels = _batch(data, data.train, part)
    rng = generator(seed, "augment", step)
    return augment(images, rng, data.border, cutout_size), labels


def reward_batch(
    data: "DataSet",
    batch_size: int,
    seed: int,
    index: int,
    augmented: bool = False,
) -> Batch:
    """Returns the shuffled validation batch that a reward is measured on.

    As of `train_batch`; every batch is full. The index is the number of the
    reward, from 0, counted over all epochs; augmented images are shifted and
    flipped.

    Source: row 24; original models.py, `build_valid_rl`. Same. The paper's code
    shuffles again for every arc (row 28); here the passes continue.
    """
    start, size = index * batch_size, len(data.valid)
    part = shuffled_indices(size, seed, "reward", start, batch_size)
    images, labels = _batch(data, data.valid, part)
    if augmented:
        rng = generator(seed, "augment_reward", index)
        images = augment(images, rng, data.border)
    return images, labels


def num_train_batches(num_train: int, batch_size: int) -> int:
    """Returns the steps of an epoch, `num_train / batch_size` rounded up.

    Source: row 29; original models.py, `num_train_batches`. Same.
    """
    return -(-num_train // batch_size)


def eval_batches(
    split: "Split",
    data: "DataSet",
    batch_size: int = 100,
    rng: np.random.Generator | None = None,
) -> Iterator[Batch]:
    """Yields a split once, in order and standardised, as `train_batch`.

    The last batch may have fewer images; an `rng` shifts and flips them.

    Source: row 30; original models.py. Deviates: its queues wrap round when
    the last batch is not full (row 28f); the paper's code leaves the last
    batch of the validation set out when it is not full.
    """
    for start in range(0, len(split), batch_size):
        images, labels = _batch(data, split, slice(start, start + batch_size))
        if rng is not None:
            images = augment(images, rng, data.border)
        yield images, labels


def prefetch(
    function: Callable[[Argument], Result], arguments: Iterable[Argument]
) -> Iterator[Result]:
    """Yields `function(argument)` for each argument in order, computed ahead.

    One thread computes at most two results that have not been asked for. What
    the function raises is raised here, in its turn. When the consumer stops,
    results not yet begun are dropped and the thread ends; so arguments may be
    endless.

    Source: original models.py, the threads of its queues. Same purpose.
    """
    arguments = iter(arguments)
    with concurrent.futures.ThreadPoolExecutor(1, "batches") as pool:
        first = itertools.islice(arguments, BATCHES_AHEAD)
        pending = collections.deque(pool.submit(function, x) for x in first)
        try:
            while pending:
                result = pending.popleft().result()
                for argument in itertools.islice(arguments, 1):
                    pending.append(pool.submit(function, argument))
                yield result
        finally:
            for future in pending:
                future.cancel()
