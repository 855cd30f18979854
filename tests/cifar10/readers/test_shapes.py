import numpy as np
import pytest

from enas.cifar10.readers.shapes import CLASS_NAMES, make_shapes


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(seed=0, num_train=2000, num_valid=400, num_test=400)


def error_of_least_squares(features, train, test):
    """Trains one linear map to the classes; returns its test error."""
    (x, y), (test_x, test_y) = train, test
    x, test_x = features(x), features(test_x)
    centre, scale = x.mean(0), x.std(0) + 1e-6

    def rows(values):
        values = (values - centre) / scale
        return np.hstack([values, np.ones((len(values), 1))])

    weights, *_ = np.linalg.lstsq(rows(x), np.eye(10)[y], rcond=None)
    return np.mean((rows(test_x) @ weights).argmax(1) != test_y)


def mean_colours(images):
    return images.mean(axis=(1, 2))


def linear_features(images):
    """All that a linear child can bring behind global average pooling.

    Mean colours of the whole, of every phase of strides 2 and 4, and of the
    rows and columns along the border, which zero padding makes count less.
    """
    x = images.astype(np.float32)
    parts = [mean_colours(x)]
    for stride in (2, 4):
        for row in range(stride):
            for column in range(stride):
                parts.append(mean_colours(x[:, row::stride, column::stride]))
    for i in (0, 1, -2, -1):
        parts += [x[:, i].mean(axis=1), x[:, :, i].mean(axis=1)]
    return np.concatenate(parts, axis=1)


def relu_features(images):
    """Mean absolute differences: what one convolution with ReLU sees."""
    x = images.astype(np.float32)
    parts = []
    for lag in (1, 2, 3, 4, 6):
        for row, column in ((lag, 0), (0, lag), (lag, lag)):
            one = x[:, : 32 - row, : 32 - column]
            other = x[:, row:, column:]
            parts.append(np.abs(one - other).mean(axis=(1, 2, 3)))
    features = np.stack(parts, axis=1)
    return features / features.mean(axis=1, keepdims=True)


def test_form_and_range(shapes):
    for (images, labels), count in zip(shapes, (2000, 400, 400), strict=True):
        assert images.shape == (count, 32, 32, 3)
        assert images.dtype == np.uint8
        assert labels.shape == (count,)
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(np.bincount(labels), count // 10)
    assert len(CLASS_NAMES) == 10


def test_same_seed_same_bytes_other_seed_others():
    first, again = make_shapes(3, 20, 20, 20), make_shapes(3, 20, 20, 20)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    other = make_shapes(4, 20, 20, 20)
    assert not np.array_equal(first[0][0], other[0][0])


def test_splits_differ_and_do_not_depend_on_each_others_size(shapes):
    (train, _), (valid, _), (test, _) = shapes
    assert not np.array_equal(valid, test)
    assert not np.array_equal(train[:400], valid)
    small = make_shapes(seed=0, num_train=10, num_valid=400, num_test=1)
    np.testing.assert_array_equal(small[1][0], valid)
    np.testing.assert_array_equal(small[2][0], make_shapes(0, 1, 1, 1)[2][0])


def test_both_colours_cover_half_of_every_image(shapes):
    images = shapes[1][0].astype(np.float32)
    # Along the axis of its colours an image has two values, equally often, so
    # the mean lies midway between the extremes but for noise of size 6.
    centred = images.reshape(len(images), -1, 3)
    centred = centred - centred.mean(axis=1, keepdims=True)
    covariance = np.einsum("npi,npj->nij", centred, centred)
    axis = np.linalg.eigh(covariance)[1][:, :, -1]
    side = np.einsum("npi,ni->np", centred, axis) > 0
    assert abs(side.mean() - 0.5) < 0.002
    assert np.abs(side.mean(axis=1) - 0.5).max() < 0.03


def test_class_means_carry_no_colour(shapes):
    images, labels = shapes[0]
    colours = mean_colours(images)
    error = colours.std(axis=0) / np.sqrt(200)
    for label in range(10):
        offset = colours[labels == label].mean(axis=0) - colours.mean(axis=0)
        # 30 comparisons at 4 standard errors: one false alarm in 500 seeds.
        assert np.all(np.abs(offset) < 4 * error), CLASS_NAMES[label]


def test_linear_view_is_near_chance_and_relu_view_is_not(shapes):
    train, _, test = shapes
    # Chance is an error of 0.90; its standard error on 400 images is 0.015.
    assert error_of_least_squares(mean_colours, train, test) > 0.85
    assert error_of_least_squares(linear_features, train, test) > 0.80
    assert error_of_least_squares(relu_features, train, test) < 0.25


def test_a_flipped_image_stays_in_its_class(shapes):
    train, _, (images, labels) = shapes
    flipped = images[:, :, ::-1], labels
    assert error_of_least_squares(relu_features, train, flipped) < 0.25
