"""Finds and reads CIFAR-10: Python batches, binary version, TFDS folder.

TensorFlow is imported only to read or download the TFDS form.
"""

import contextlib
import functools
import http.client
import io
import json
import os
import pathlib
import pickle
import re
import sys
import threading
import urllib.request

import numpy as np

from enas.errors import UserError

__all__ = [
    "checked",
    "download",
    "find_cifar10",
    "holds_cifar10",
    "path_of",
    "read_python_file",
    "read_rows",
    "read_tfds",
]

IMAGES_PER_FILE = 10_000
TRAIN_FILES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_FILE = "test_batch"
# TFDS downloads from here. It is asked first, because TFDS left alone retries
# for minutes where there is no network.
DOWNLOAD_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
PROBE_TIMEOUT_S = 5.0


def holds_cifar10(place):
    """Returns whether a folder holds one of the three forms, bool."""
    return _find(place) is not None


def find_cifar10(data_path, data_dir, log):
    """Reads the first CIFAR-10 that is found.

    Args:
        data_path: Folder searched first, or None.
        data_dir: Folder searched next, and at last downloaded into.
        log: Function that is called with each line of the log.

    Returns:
        (source, train, test): a sentence that says what was taken, and pairs
        of images, uint8 `[images, 32, 32, 3]`, and labels, int32 `[images]`,
        in the order of the published files.

    Raises:
        UserError: None is found and none can be downloaded, or the one that
            is found is damaged.
    """
    found = None
    if data_path is not None:
        found = _find(data_path)
        if found is None:
            log(
                f"--data_path={data_path} {_missing(data_path)} of the three "
                f"forms of CIFAR-10; looking in {data_dir}"
            )
    found = found or _find(data_dir)
    if found is None:
        reason = download("cifar10", DOWNLOAD_URL, data_dir, log)
        found = _find(data_dir)
    if found is None:
        raise _not_found(data_path, data_dir, reason)
    form, folder, read = found
    source = f"CIFAR-10 as {form}, from {folder}"
    log(source)
    return source, *read(folder, log)


def _not_found(data_path, data_dir, reason):
    given = "no --data_path was given"
    if data_path is not None:
        given = f"--data_path {str(data_path)!r} {_missing(data_path)}"
    return UserError(
        f"CIFAR-10 was not found: {given}, {str(data_dir)!r} "
        f"{_missing(data_dir)} of the three forms (unpacked Python batches, "
        "data_batch_1 .. test_batch; unpacked binary version, "
        "data_batch_1.bin .. test_batch.bin; prepared TFDS folder, "
        f"cifar10/3.0.2), and the download from {DOWNLOAD_URL} failed: "
        f"{reason}. Name a folder that holds it with --data_path, or use the "
        "embedded data set with --dataset=shapes."
    )


def _missing(place):
    exists = path_of(place).exists()
    return "holds none" if exists else "does not exist and so holds none"


def path_of(place):
    """Returns a folder's `pathlib.Path`, a leading ~ replaced."""
    # A shell leaves the ~ of --data_path=~/cifar alone.
    return pathlib.Path(os.path.expanduser(place))


def _find(place):
    """Returns (form, folder, reader) of the first form in a place, or None."""
    place = path_of(place)
    names = (*TRAIN_FILES, TEST_FILE)
    for form, subfolder, suffix, read in _FILE_FORMS:
        for folder in (place, place / subfolder):
            if any(os.path.isfile(folder / (name + suffix)) for name in names):
                return form, folder, read
    folders = [
        found.parent
        for pattern in ("", "*/", "cifar10/*/")
        for found in place.glob(f"{pattern}dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", found.parent.resolve().name)
    ]
    if not folders:
        return None
    newest = max(folders, key=lambda folder: _version(folder.resolve().name))
    return "prepared TFDS folder", newest, read_tfds


def _version(name):
    return tuple(int(number) for number in name.split("."))


def _damaged(path, legal, received, data_set="CIFAR-10"):
    return UserError(
        f"{path} is not {data_set} as published: {legal}; received "
        f"{received}. Unpack or download it again, or point --data_path to "
        "another copy."
    )


def _read_files(suffix, read_file, folder, log):
    """Returns (train, test) of the six files in a folder."""
    count = len(TRAIN_FILES) * IMAGES_PER_FILE
    train, test = _empty(count), _empty(IMAGES_PER_FILE)
    parts = [
        (train, slice(start, start + IMAGES_PER_FILE))
        for start in range(0, count, IMAGES_PER_FILE)
    ] + [(test, slice(None))]
    for name, ((images, labels), part) in zip(
        (*TRAIN_FILES, TEST_FILE), parts, strict=True
    ):
        log(name + suffix)
        planes, labels[part] = checked(folder / (name + suffix), read_file)
        pixels = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        images[part] = pixels
    return train, test


def _empty(count):
    """Returns images uint8 `[count, 32, 32, 3]` and labels int32 to fill."""
    return np.empty((count, 32, 32, 3), np.uint8), np.empty(count, np.int32)


def checked(
    path,
    read_file,
    num_classes=10,
    siblings="all six files of the set are needed",
    data_set="CIFAR-10",
):
    """Returns (planes, labels) of one file; any trouble is a UserError."""
    damaged = functools.partial(_damaged, data_set=data_set)
    try:
        planes, labels = read_file(path)
    except UserError:
        raise
    except FileNotFoundError as error:
        received = "a folder without this one"
        raise damaged(path, siblings, received) from error
    # A damaged pickle can raise nearly anything.
    except Exception as error:
        legal = "it must be readable and whole"
        raise damaged(path, legal, _one_line(error)) from error
    if labels.min() < 0 or labels.max() >= num_classes:
        received = f"labels in [{labels.min()}, {labels.max()}]"
        raise damaged(path, f"labels lie in [0, {num_classes - 1}]", received)
    return planes, labels


def _one_line(error):
    # TensorFlow wraps what it says in names of its own nodes.
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error), flags=re.DOTALL)
    text = " ".join(f"{type(error).__name__} ({text.strip()})".split())
    return text if len(text) <= 300 else text[:297] + "..."


def _read_binary_file(path):
    """Returns planes uint8 `[images, 3072]` and labels of a binary file."""
    rows = read_rows(path, IMAGES_PER_FILE, 3073)
    return rows[:, 1:], rows[:, 0]


def read_rows(path, count, width, data_set="CIFAR-10"):
    """Returns the rows of a binary file, uint8 `[count, width]`."""
    size, expected = path.stat().st_size, count * width
    if size != expected:
        legal, received = f"it has {expected} bytes", f"{size} bytes"
        raise _damaged(path, legal, received, data_set)
    return np.fromfile(path, np.uint8).reshape(count, width)


def read_python_file(path, count=None, label_key="labels", data_set="CIFAR-10"):
    """Returns planes uint8 `[count, 3072]` and labels of a pickled file."""
    count = IMAGES_PER_FILE if count is None else count
    damaged = functools.partial(_damaged, data_set=data_set)
    try:
        with path.open("rb") as stream:
            content = _ArrayUnpickler(stream, encoding="bytes").load()
    except (EOFError, LookupError) as error:
        raise pickle.UnpicklingError(
            "a pickle that is truncated, or none at all: "
            f"{type(error).__name__}"
        ) from error
    if not isinstance(content, dict):
        received = f"a pickled {type(content).__name__}"
        raise damaged(path, "it is a pickled dictionary", received)
    values = [_entry(path, content, name) for name in ("data", label_key)]
    planes, labels = (np.asarray(value) for value in values)
    shape = (count, 3072)
    if planes.dtype != np.uint8 or planes.shape != shape:
        received = f"{planes.dtype} {list(planes.shape)}"
        raise damaged(path, f"its data is uint8 {list(shape)}", received)
    if labels.dtype.kind not in "iu" or labels.shape != shape[:1]:
        received = f"{labels.dtype} {list(labels.shape)}"
        legal = f"its labels are {count} integers"
        raise damaged(path, legal, received)
    return planes, labels


def _entry(path, content, name):
    # Python 2 wrote its keys as what Python 3 calls bytes.
    for key in (name, name.encode()):
        if key in content:
            return content[key]
    keys = ", ".join(map(str, content))
    raise _damaged(path, f"it has the key {name!r}", f"keys {keys[:200]}")


def _pickled_dtype(code, *_):
    code = code.decode("latin1") if isinstance(code, bytes) else code
    if not re.fullmatch(r"[<>|=]?[biuf][1248]?", code):
        raise pickle.UnpicklingError(f"an array of dtype {code!r}")
    # A copy, because the pickle sets the byte order of what it gets.
    return np.dtype(code, copy=True)


def _pickled_bytes(text, encoding="latin1"):
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _pickled_buffer(buffer, dtype, shape, order):
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


# The names in pickles of NumPy 1 and 2. None of NumPy's own functions is handed
# out, so that a file reaches only what stands here.
_ADMITTED = {
    ("_codecs", "encode"): _pickled_bytes,
    **{
        (f"{package}{module}", name): function
        for package in ("numpy.core", "numpy._core")
        for module, name, function in (
            (".multiarray", "_reconstruct", lambda *_: np.empty(0, np.int8)),
            (".multiarray", "scalar", lambda d, b: np.frombuffer(b, d)[0]),
            (".numeric", "_frombuffer", _pickled_buffer),
        )
    },
    ("numpy", "dtype"): _pickled_dtype,
    # Only named as the class to be made, which is always an array.
    ("numpy", "ndarray"): None,
}


class _ArrayUnpickler(pickle._Unpickler):
    """Reads plain containers and arrays of numbers, and runs nothing else.

    It is the one written in Python: that in C allots what a file says, so that
    nine bytes could fill the memory.
    """

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"a pickle that asks for {module}.{name}, which was not run; "
                "only arrays and plain containers are read"
            )
        return _ADMITTED[module, name]


# Name, usual folder, suffix of the files, reader.
_FILE_FORMS = tuple(
    (form, folder, suffix, functools.partial(_read_files, suffix, read_file))
    for form, folder, suffix, read_file in (
        ("Python batches", "cifar-10-batches-py", "", read_python_file),
        ("binary version", "cifar-10-batches-bin", ".bin", _read_binary_file),
    )
)


def read_tfds(folder, log, name="cifar10"):
    """Returns (train, test) of a prepared TFDS folder of `name`."""
    counts = {
        "train": len(TRAIN_FILES) * IMAGES_PER_FILE,
        "test": IMAGES_PER_FILE,
    }
    where, splits = folder, []
    try:
        _check_tfds_name(folder, name)
        builder = _import_tfds().builder_from_directory(folder)
        for split, count in counts.items():
            where = f"{folder} (split {split})"
            splits.append(_read_tfds_split(builder, split, count, log))
    except UserError:
        raise
    # TFDS and the TensorFlow under it have no common exception.
    except Exception as error:
        legal = "a prepared TFDS folder must be readable and whole"
        raise _damaged(where, legal, _one_line(error)) from error
    return splits


def _check_tfds_name(folder, wanted):
    path = folder / "dataset_info.json"
    name = json.loads(path.read_text())["name"]
    if name != wanted:
        legal = f"it describes the data set {wanted}"
        raise _damaged(path, legal, repr(name))


def _read_tfds_split(builder, name, count, log):
    """Returns the images of a split in the order of the published files."""
    info = builder.info.splits[name]
    if info.num_examples != count:
        legal = f"its {name} split has {count} images"
        raise _damaged(builder.data_path, legal, info.num_examples)
    for file_name in sorted(info.filenames):
        log(file_name)
    images, labels = _empty(count)
    labels.fill(-1)
    start = 0
    for batch in _tfds_batches(builder, name):
        positions = _positions(batch, start)
        images[positions] = batch["image"]
        labels[positions] = batch["label"]
        start += len(batch["label"])
    lost = np.count_nonzero(labels < 0)
    if lost:
        legal = f"its {name} split has {count} images"
        raise _damaged(builder.data_path, legal, f"{lost} fewer")
    return images, labels


def _tfds_batches(builder, name):
    tfds = _import_tfds()
    # In TensorFlow's cache the decoded images would be in memory twice.
    config = tfds.ReadConfig(try_autocache=False)
    rows = builder.as_dataset(
        split=name, batch_size=1000, shuffle_files=False, read_config=config
    )
    return tfds.as_numpy(rows)


def _positions(batch, start):
    # TFDS shuffles what it prepares; the id tells where an image was, so that
    # the last 5,000 training images are those of the other two forms.
    if "id" not in batch:
        return np.arange(start, start + len(batch["label"]))
    return [int(name.rsplit(b"_", 1)[1]) for name in batch["id"]]


def _import_tfds():
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    return tfds


def download(name, url, data_dir, log):
    """Lets TFDS download a data set; returns the reason if that failed."""
    reason = _probe(url, PROBE_TIMEOUT_S)
    if reason is not None:
        return reason
    title = name.replace("cifar", "CIFAR-")
    log(f"Downloading {title} into {data_dir} with TensorFlow Datasets")
    try:
        folder = path_of(data_dir)
        builder = _import_tfds().builder(name, data_dir=folder)
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()
    # Whatever stops the download, the user needs the same advice.
    except Exception as error:
        return _one_line(error)
    return None


def _probe(url, timeout_s):
    """Returns why a URL cannot be reached in time, or None if it can."""
    reasons = [f"no answer within {timeout_s:g} seconds"]

    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout_s):
                reasons.append(None)
        except (OSError, http.client.HTTPException) as error:
            reasons.append(_one_line(error))

    # A thread, because no timeout of a socket covers the look-up of its name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return reasons[-1]
