"""Any file in place of a CIFAR batch: read, or refused in one sentence."""

import functools
import os
import pathlib
import pickle

import numpy as np
from hostile import hostile, listing, mutated, refused_or
from hypothesis import strategies as st

from enas.cifar10.readers.published import CIFAR, read_one


def read_batch(path, suffix):
    content = path.read_bytes()
    return read_one(CIFAR["cifar10"], path, content, suffix, 10_000)


class Harmful:
    """Pickles to a call that makes a folder when it is read."""

    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return self.function, ("harmed",)


SMALL = {b"data": np.zeros((3, 3072), np.uint8), b"labels": [0, 1, 2]}
OBJECTS = st.recursive(
    st.one_of(
        st.none(),
        st.integers(),
        st.floats(),
        st.binary(max_size=9),
        st.text(max_size=9),
        st.sampled_from(
            [os.mkdir, os.system, eval, np.dtype("O"), np.ones(3), np.uint8(3)]
        ),
        st.sampled_from([os.mkdir, os.system, open, eval, exec]).map(Harmful),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([b"data", b"labels", "data", "labels", 3]), inner
        ),
        st.tuples(inner, inner),
    ),
    max_leaves=6,
)


@hostile(
    "pickles",
    data=st.one_of(
        st.tuples(OBJECTS, st.integers(0, 5)).map(lambda x: pickle.dumps(*x)),
        st.integers(0, 5).flatmap(lambda p: mutated(pickle.dumps(SMALL, p))),
        st.binary(max_size=60).map(lambda tail: b"\x80\x04" + tail + b"."),
        # A memo of a thousand million entries.
        st.integers(0, 2**32 - 1).map(
            lambda n: b"\x80\x02Nr" + n.to_bytes(4, "little") + b"."
        ),
    ),
)
def test_pickles(data):
    """Any pickle in place of a CIFAR batch; what it asks for is not run."""
    path = pathlib.Path("data_batch_1")
    path.write_bytes(data)
    before = listing()
    read = functools.partial(read_batch, path, "")
    assert refused_or(read) is None
    assert listing() == before


@hostile(
    "whole pickles of wrong arrays",
    rows=st.sampled_from([0, 9_999, 10_000, 10_001]),
    width=st.sampled_from([0, 3071, 3072]),
    kind=st.sampled_from(["u1", "i1", "f4", "?", "c8", "O", "U1", "M8[s]"]),
    label=st.one_of(
        st.integers(-(2**70), 2**70), st.sampled_from([0.5, "x", None, [1]])
    ),
)
def test_wrong_arrays(rows, width, kind, label):
    """Batches of wrong shape, kind or labels."""
    path = pathlib.Path("data_batch_1")
    images = np.zeros((rows, width), kind) if kind != "O" else [None]
    labels = [3] * (rows - 1) + [label]
    with path.open("wb") as stream:
        pickle.dump({b"data": images, b"labels": labels}, stream)
    read = functools.partial(read_batch, path, "")
    if refused_or(read) is not None:
        assert (rows, width, kind) == (10_000, 3072, "u1") and label in range(
            10
        )


@hostile(
    "binary batches",
    size=st.one_of(
        st.integers(0, 40_000_000), st.sampled_from([30_730_000, 30_730_001])
    ),
    places=st.dictionaries(
        st.integers(0, 9_999), st.integers(0, 255), max_size=4
    ),
)
def test_binary_batches(size, places):
    """Files of any size with any labels."""
    path = pathlib.Path("data_batch_1.bin")
    path.unlink(missing_ok=True)
    with path.open("wb") as stream:
        stream.truncate(size)
        for image, label in places.items():
            if image * 3073 < size:
                stream.seek(image * 3073)
                stream.write(bytes([label]))
    read = functools.partial(read_batch, path, ".bin")
    if refused_or(read) is not None:
        assert size == 30_730_000 and all(x < 10 for x in places.values())
