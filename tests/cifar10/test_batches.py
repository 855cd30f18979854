import itertools
import threading
import time

import numpy as np
import pytest

from enas.cifar10 import batches
from enas.cifar10.data_utils import DataSet, Split

MEAN_COLOUR = np.zeros((1, 1, 1, 3), np.float32)


def published_layout(raw):
    """Turns rows of 3072 bytes, plane by plane, into images."""
    planes = raw.reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def random_images(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def numbered(count, seed):
    """A split whose labels are the positions of the images."""
    return Split(random_images(count, seed), np.arange(count, dtype=np.int32))


@pytest.fixture(scope="module")
def data():
    train, valid, test = numbered(50, 1), numbered(30, 2), numbered(7, 3)
    mean, std = batches.channel_statistics(train.images)
    return DataSet("fake", "fake", train, valid, test, mean, std, 0 * mean)


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 4500])
def test_statistics_repeat_the_additions_of_the_original(count):
    # The original's expression, on the memory layout it has there.
    raw = random_images(count, seed=count).reshape(count, 3072)
    floats = (raw.astype(np.float32) / 255.0).reshape(-1, 3, 32, 32)
    floats = floats.transpose(0, 2, 3, 1)
    mean, std = batches.channel_statistics(published_layout(raw))
    over = {"axis": (0, 1, 2), "keepdims": True}
    np.testing.assert_array_max_ulp(mean, np.mean(floats, **over), maxulp=1)
    np.testing.assert_array_max_ulp(std, np.std(floats, **over), maxulp=1)


def test_standardize_is_the_plain_formula_and_leaves_its_input():
    images = random_images(5)
    before = images.copy()
    mean = np.float32([0.4, 0.5, 0.6]).reshape(1, 1, 1, 3)
    std = np.float32([0.2, 0.25, 0.3]).reshape(1, 1, 1, 3)
    result = batches.standardize(images, mean, std)
    expected = (images.astype(np.float32) / 255.0 - mean) / std
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(images, before)
    assert result.dtype == np.float32


def all_windows(image):
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    for top, left in itertools.product(range(9), repeat=2):
        window = padded[top : top + 32, left : left + 32]
        yield (top, left, False), window
        yield (top, left, True), window[:, ::-1]


def test_augment_gives_each_of_162_windows_equally_often():
    image = np.random.default_rng(0).standard_normal((32, 32, 3))
    image = image.astype(np.float32)
    windows = {window.tobytes(): key for key, window in all_windows(image)}
    counts = dict.fromkeys(windows.values(), 0)
    draws = 162 * 20
    images = np.broadcast_to(image, (draws, *image.shape))
    for result in batches.augment(
        images, np.random.default_rng(1), MEAN_COLOUR
    ):
        counts[windows[result.tobytes()]] += 1
    counts = np.array(list(counts.values()))
    chi_square = np.sum((counts - 20) ** 2 / 20)
    # 161 degrees of freedom: mean 161, standard deviation 18; five of them.
    assert chi_square < 161 + 5 * 18


def test_augment_does_not_write_into_its_input():
    images = np.ones((8, 32, 32, 3), np.float32)
    result = batches.augment(images, np.random.default_rng(0), MEAN_COLOUR, 16)
    assert images.min() == 1
    assert result.dtype == np.float32
    assert result.shape == images.shape


@pytest.mark.parametrize("side", [1, 8, 16])
def test_cutout_is_a_square_whose_corner_is_any_pixel(side, monkeypatch):
    # Without the shift there is no border that could be taken for cutout.
    monkeypatch.setattr(batches, "PADDING", 0)
    images = np.ones((3000, 32, 32, 3), np.float32)
    result = batches.augment(
        images, np.random.default_rng(2), MEAN_COLOUR, side
    )
    blank = result[..., 0] == 0
    np.testing.assert_array_equal(result == 0, np.stack([blank] * 3, -1))
    top, left = blank.any(2).argmax(1), blank.any(1).argmax(1)
    areas = np.minimum(side, 32 - top) * np.minimum(side, 32 - left)
    np.testing.assert_array_equal(blank.sum((1, 2)), areas)
    assert set(top) == set(left) == set(range(32))
    # Uniform in [0, 32): mean 15.5, standard error 9.2 / sqrt(3000) = 0.17.
    assert abs(top.mean() - 15.5) < 0.8
    assert abs(left.mean() - 15.5) < 0.8


def test_no_cutout_by_default():
    images = np.ones((100, 32, 32, 3), np.float32)
    result = batches.augment(images, np.random.default_rng(3), MEAN_COLOUR)
    # Only the border can be blank, and at most 4 rows and 4 columns of it.
    assert result[:, 4:28, 4:28].min() == 1


@pytest.mark.parametrize("num_images", [1, 7, 50])
def test_every_pass_holds_every_image_once(num_images):
    row = batches.shuffled_indices(num_images, 5, "train", 0, 4 * num_images)
    passes = row.reshape(4, num_images)
    expected = np.broadcast_to(np.arange(num_images), passes.shape)
    np.testing.assert_array_equal(np.sort(passes, axis=1), expected)
    assert row.dtype == np.int64


def test_any_stretch_of_the_row_is_the_same_however_it_is_asked_for():
    whole = batches.shuffled_indices(50, 5, "train", 0, 1000)
    for start, count in [(0, 1), (49, 2), (128, 128), (450, 550), (990, 0)]:
        batches._permutation.cache_clear()
        part = batches.shuffled_indices(50, 5, "train", start, count)
        np.testing.assert_array_equal(part, whole[start : start + count])


def test_passes_seeds_and_streams_are_shuffled_otherwise():
    def order(seed, stream, start):
        return tuple(batches.shuffled_indices(50, seed, stream, start, 50))

    orders = {
        order(0, "train", 0),
        order(0, "train", 50),
        order(1, "train", 0),
        order(0, "reward", 0),
    }
    assert len(orders) == 4


def test_result_of_shuffled_indices_may_be_written_to():
    first = batches.shuffled_indices(50, 0, "train", 0, 50)
    expected = first.copy()
    first[:] = 0
    again = batches.shuffled_indices(50, 0, "train", 0, 50)
    np.testing.assert_array_equal(again, expected)


def test_train_batches_are_full_and_cover_the_images(data):
    labels = []
    for step in range(25):
        images, batch_labels = batches.train_batch(data, 16, 0, step)
        assert images.shape == (16, 32, 32, 3)
        assert images.dtype == np.float32
        assert batch_labels.dtype == np.int32
        labels.append(batch_labels)
    # 25 steps of 16 are 8 passes over 50 images.
    counts = np.bincount(np.concatenate(labels), minlength=50)
    np.testing.assert_array_equal(counts, 8)


def test_a_train_batch_depends_on_seed_and_step_alone(data):
    later = batches.train_batch(data, 16, 3, 7, 8)
    batches._permutation.cache_clear()
    batches.train_batch(data, 16, 3, 1, 8)
    again = batches.train_batch(data, 16, 3, 7, 8)
    for first, second in zip(later, again, strict=True):
        np.testing.assert_array_equal(first, second)
    other = batches.train_batch(data, 16, 4, 7, 8)
    assert not np.array_equal(later[1], other[1])


def test_train_batch_may_exceed_the_split(data):
    images, labels = batches.train_batch(data, 120, 0, 0)
    assert len(images) == len(labels) == 120
    assert np.bincount(labels, minlength=50).min() == 2


def test_reward_batches_are_validation_images_as_they_are(data):
    images, labels = batches.reward_batch(data, 20, 0, 2)
    chosen = data.valid.images[labels]
    expected = batches.standardize(chosen, data.mean, data.std)
    np.testing.assert_array_equal(images, expected)
    assert len(set(labels)) == 20


def test_reward_batches_go_through_all_validation_images(data):
    drawn = [batches.reward_batch(data, 10, 0, i)[1] for i in range(3)]
    assert sorted(np.concatenate(drawn)) == list(range(30))


def test_an_epoch_of_the_original_has_352_steps():
    assert batches.num_train_batches(45000, 128) == 352
    assert batches.num_train_batches(128, 128) == 1
    assert batches.num_train_batches(129, 128) == 2


def test_eval_batches_are_in_order_and_the_last_is_short(data):
    parts = list(batches.eval_batches(data.test, data, 3))
    assert [len(labels) for _, labels in parts] == [3, 3, 1]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    expected = batches.standardize(data.test.images, data.mean, data.std)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, data.test.labels)


def batch_threads():
    threads = threading.enumerate()
    return [thread for thread in threads if thread.name.startswith("batches")]


def test_prefetch_keeps_the_order():
    assert list(batches.prefetch(lambda i: i * i, range(20))) == [
        i * i for i in range(20)
    ]
    assert list(batches.prefetch(lambda i: i, [])) == []


def test_prefetch_is_two_ahead_of_its_consumer_and_no_more():
    begun = []
    stream = batches.prefetch(begun.append, itertools.count())
    for taken in range(1, 5):
        next(stream)
        deadline = time.monotonic() + 5
        while len(begun) < taken + 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert begun == list(range(taken + 2))
    stream.close()


def test_prefetch_raises_in_its_turn_and_ends_its_thread():
    def fail_at_three(i):
        if i == 3:
            raise ValueError("three")
        return i

    received = []
    with pytest.raises(ValueError, match="three"):
        for value in batches.prefetch(fail_at_three, itertools.count()):
            received.append(value)
    assert received == [0, 1, 2]
    assert not batch_threads()


def test_prefetch_stops_with_its_consumer():
    stream = batches.prefetch(lambda i: i, itertools.count())
    next(stream)
    assert len(batch_threads()) == 1
    stream.close()
    assert not batch_threads()


def test_the_border_has_its_colour():
    images = np.full((200, 32, 32, 3), 7, np.float32)
    black = np.float32([-1, -2, -3]).reshape(1, 1, 1, 3)
    result = batches.augment(images, np.random.default_rng(5), black)
    around = result[result[..., 0] != 7]
    assert len(around) > 1000
    np.testing.assert_array_equal(
        around, np.broadcast_to(black[0, 0], around.shape)
    )


def test_a_partial_last_batch_ends_the_pass(data):
    # 50 images in batches of 20: 20, 20, 10, and every epoch each image once.
    for epoch in range(2):
        drawn = [
            batches.train_batch(data, 20, 0, 3 * epoch + i, partial=True)
            for i in range(3)
        ]
        assert [len(labels) for _, labels in drawn] == [20, 20, 10]
        labels = np.concatenate([labels for _, labels in drawn])
        np.testing.assert_array_equal(np.sort(labels), np.arange(50))


def test_augmented_reward_batches_show_the_same_images_moved(data):
    plain, labels = batches.reward_batch(data, 30, 0, 1)
    moved, same = batches.reward_batch(data, 30, 0, 1, augmented=True)
    np.testing.assert_array_equal(labels, same)
    assert np.any(plain != moved)
    again, _ = batches.reward_batch(data, 30, 0, 1, augmented=True)
    np.testing.assert_array_equal(moved, again)


def test_evaluation_may_augment_and_keeps_labels_and_order(data):
    rng = np.random.default_rng(0)
    plain = list(batches.eval_batches(data.valid, data, 8))
    moved = list(batches.eval_batches(data.valid, data, 8, rng))
    for (images, labels), (other, same) in zip(plain, moved, strict=True):
        np.testing.assert_array_equal(labels, same)
        assert images.shape == other.shape
    assert any(np.any(a[0] != b[0]) for a, b in zip(plain, moved, strict=True))
