"""A small data set drawn from a seed, for trying the search without CIFAR-10.

Every picture is a pattern, its class, in two colours that are drawn apart from
the class and cover exactly half of the pixels each. So a child without any
ReLU, which sees only channel means, stays near chance, while one layer of
convolution and ReLU sees the class at once. NumPy only.
"""

import numpy as np

IMAGE_SIZE = 32
TILT_DEGREES = 8.0
PIXEL_NOISE = 6.0
Rng = np.random.Generator


def _noise(rng: Rng, count: int, rows: float, columns: float) -> np.ndarray:
    """Returns noise of Gaussian spectrum, its grain about rows x columns."""
    white = rng.standard_normal((count, IMAGE_SIZE, IMAGE_SIZE))
    y = np.fft.fftfreq(IMAGE_SIZE)[:, None] * rows
    x = np.fft.rfftfreq(IMAGE_SIZE)[None, :] * columns
    smooth = np.fft.rfft2(white) * np.exp(-10.0 * (y * y + x * x))
    return np.fft.irfft2(smooth, s=(IMAGE_SIZE, IMAGE_SIZE))


def _coordinates(
    rng: Rng, count: int, period: float, degrees: float | np.ndarray = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns two tilted axes in radians, shifted by a random phase."""
    tilt = degrees + rng.uniform(-TILT_DEGREES, TILT_DEGREES, (count, 1, 1))
    # No pattern may keep step with strides 2 and 4: the mean over every second
    # pixel, which a linear reduction computes, would then give the class away.
    scale = 2 * np.pi / (period * rng.uniform(0.9, 1.1, (count, 1, 1)))
    phase = rng.uniform(0, 2 * np.pi, (2, count, 1, 1))
    y, x = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    along, across = x * cos - y * sin, x * sin + y * cos
    return along * scale + phase[0], across * scale + phase[1]


def _stripes(rng: Rng, count: int, degrees: float | np.ndarray) -> np.ndarray:
    return np.sin(_coordinates(rng, count, 6.5, degrees)[1])


def _checkers(rng: Rng, count: int, period: float) -> np.ndarray:
    along, across = _coordinates(rng, count, period)
    return np.sin(along) * np.sin(across)


def _squares(rng: Rng, count: int) -> np.ndarray:
    along, across = _coordinates(rng, count, 9.0)
    return np.maximum(np.cos(along), np.cos(across))


def _rings(rng: Rng, count: int) -> np.ndarray:
    y, x = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    centre = rng.uniform(8, 24, (2, count, 1, 1))
    period = 9.0 * rng.uniform(0.9, 1.1, (count, 1, 1))
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    radius = np.hypot(y - centre[0], x - centre[1])
    return np.sin(2 * np.pi * radius / period + phase)


# A field of any real numbers for each class; its median is the outline.
_FIELDS = {
    "rows": lambda rng, count: _stripes(rng, count, 0.0),
    "columns": lambda rng, count: _stripes(rng, count, 90.0),
    # Both directions, so that a flipped picture stays in its class.
    "diagonals": lambda rng, count: _stripes(
        rng, count, rng.choice([-45.0, 45.0], (count, 1, 1))
    ),
    "fine checkers": lambda rng, count: _checkers(rng, count, 8.5),
    "coarse checkers": lambda rng, count: _checkers(rng, count, 17.0),
    "squares": _squares,
    "rings": _rings,
    "sand": lambda rng, count: _noise(rng, count, 1.5, 1.5),
    "blobs": lambda rng, count: _noise(rng, count, 6.0, 6.0),
    "grain": lambda rng, count: _noise(rng, count, 1.0, 8.0),
}
CLASS_NAMES = tuple(_FIELDS)


def _patterns(rng: Rng, labels: np.ndarray) -> np.ndarray:
    """Returns +1 and -1, 512 of each, `[images, height, width, 1]`."""
    fields = np.empty((len(labels), IMAGE_SIZE, IMAGE_SIZE), np.float32)
    for label, draw in enumerate(_FIELDS.values()):
        chosen = labels == label
        fields[chosen] = draw(rng, np.count_nonzero(chosen))
    medians = np.median(fields, axis=(1, 2), keepdims=True)
    return np.where(fields > medians, np.float32(1), np.float32(-1))[..., None]


def _colours(rng: Rng, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean colour and half the difference, `[count, 1, 1, 3]`."""
    middle = rng.uniform(100, 155, (count, 1, 1, 3))
    # Mostly light against dark, so that one filter serves many images; which
    # of the two is the lighter one is left to chance.
    tint = rng.uniform(0.6, 1.4, (count, 1, 1, 3))
    sign = rng.choice([-1.0, 1.0], (count, 1, 1, 1))
    contrast = rng.uniform(40, 70, (count, 1, 1, 1)) * tint * sign
    return middle.astype(np.float32), contrast.astype(np.float32)


def _draw(rng: Rng, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 images `[count, 32, 32, 3]` and int32 labels `[count]`."""
    labels = rng.permutation(np.arange(count, dtype=np.int32) % len(_FIELDS))
    middle, contrast = _colours(rng, count)
    images = _patterns(rng, labels) * contrast
    images += middle
    noise = rng.standard_normal(images.shape, np.float32)
    noise *= PIXEL_NOISE
    images += noise
    return np.clip(np.rint(images), 0, 255).astype(np.uint8), labels


def make_shapes(
    seed: int = 0,
    num_train: int = 5000,
    num_valid: int = 1000,
    num_test: int = 1000,
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Draws the data set: ten patterns in random colours.

    Every split has its own stream of random numbers, so the size of one, at
    least 1, does not change the others. Classes are balanced to within one
    image. The same seed, at least 0, gives the same bytes.

    Returns:
        Three pairs (train, valid, test) of uint8 images
        `[images, 32, 32, 3]` and int32 labels `[images]` in [0, 10), the
        index into `CLASS_NAMES`.
    """
    return tuple(
        _draw(np.random.default_rng([seed, stream]), count)
        for stream, count in enumerate((num_train, num_valid, num_test))
    )
