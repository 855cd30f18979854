"""Prepared folders of TensorFlow Datasets, and the download that makes one."""

import contextlib
import http.client
import io
import json
import pathlib
import re
import sys
import threading
import urllib.request
from types import ModuleType
from typing import Any

import numpy as np

from enas.cifar10.readers.published import (
    ContentError,
    Pair,
    Pairs,
    Published,
    damaged,
    one_line,
    reading,
)
from enas.utils import Say

PROBE_TIMEOUT_S = 5.0
INFO = "dataset_info.json"


def find(what: Published, place: pathlib.Path) -> pathlib.Path | None:
    """Returns the prepared folder in a place, the newest version, or None.

    One that is named after the data set and describes another is returned as
    well: reading it says so.
    """
    folders = [
        path.parent
        for pattern in ("", "*/", "*/*/")
        for path in place.glob(pattern + INFO)
        # What a download that was broken off has left.
        if not path.parent.name.startswith("incomplete")
    ]
    found = [f for f in folders if _info(f).get("name") == what.name] or [
        f for f in folders if f == place or f.parent.name == what.name
    ]
    return max(found, key=_version, default=None)


def _info(folder: pathlib.Path) -> dict[str, Any]:
    try:
        info = json.loads((folder / INFO).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return info if isinstance(info, dict) else {}


def _version(folder: pathlib.Path) -> tuple[int, ...]:
    for text in (folder.resolve().name, str(_info(folder).get("version"))):
        if re.fullmatch(r"\d+\.\d+\.\d+", text):
            return tuple(map(int, text.split(".")))
    return ()


def read(what: Published, folder: pathlib.Path, log: Say) -> Pairs:
    """Returns (images, labels) of training and test set of a prepared folder.

    Raises:
        UserError: It is of another data set, or damaged.
    """
    whole = "a prepared TFDS folder must be readable and whole"
    with reading(what, folder, whole):
        name = json.loads((folder / INFO).read_bytes())["name"]
        if name != what.name:
            legal = f"it describes the data set {what.name}"
            raise damaged(what, folder / INFO, legal, repr(name))
        builder = _import_tfds().builder_from_directory(folder)
    splits = []
    for split, count in what.counts.items():
        with reading(what, folder, whole, f" (split {split})"):
            splits.append(_read_split(builder, split, count, log))
    return splits


def _read_split(builder: Any, name: str, count: int, log: Say) -> Pair:
    """Returns the images of a split in the order of the published files."""
    info = builder.info.splits[name]
    legal = f"its {name} split has {count} images"
    if info.num_examples != count:
        raise ContentError(legal, info.num_examples)
    for file_name in sorted(info.filenames):
        log(file_name)
    images = np.empty((count, 32, 32, 3), np.uint8)
    labels = np.full(count, -1, np.int32)
    start, tfds = 0, _import_tfds()
    # In TensorFlow's cache the decoded images would be in memory twice.
    config = tfds.ReadConfig(try_autocache=False)
    rows = builder.as_dataset(
        split=name, batch_size=1000, shuffle_files=False, read_config=config
    )
    for batch in tfds.as_numpy(rows):
        positions = _positions(batch, start)
        images[positions] = batch["image"]
        labels[positions] = batch["label"]
        start += len(batch["label"])
    lost = np.count_nonzero(labels < 0)
    if lost:
        raise ContentError(legal, f"{lost} fewer")
    return images, labels


def _positions(batch: dict[str, np.ndarray], start: int) -> Any:
    # TFDS shuffles what it prepares; the id tells where an image was, so that
    # the last 5,000 training images are those of the other forms.
    if "id" not in batch:
        return np.arange(start, start + len(batch["label"]))
    return [int(name.rsplit(b"_", 1)[1]) for name in batch["id"]]


def _import_tfds() -> ModuleType:
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    return tfds


def download(what: Published, data_dir: str, log: Say) -> str | None:
    """Lets TFDS download a data set; returns the reason if that failed."""
    # TFDS left alone retries for minutes if there is no network.
    reason = _probe(what.url, PROBE_TIMEOUT_S)
    if reason is not None:
        return reason
    log(f"Downloading {what.title} into {data_dir} with TensorFlow Datasets")
    try:
        folder = pathlib.Path(data_dir)
        builder = _import_tfds().builder(what.name, data_dir=folder)
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()
    # Whatever stops the download, the user needs the same advice.
    except Exception as error:
        return one_line(error)
    return None


def _probe(url: str, timeout_s: float) -> str | None:
    """Returns why a URL cannot be reached in time, or None if it can."""
    reasons: list[str | None] = [f"no answer within {timeout_s:g} seconds"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout_s):
                reasons.append(None)
        except (OSError, http.client.HTTPException) as error:
            reasons.append(one_line(error))

    # A thread, because no timeout of a socket covers the look-up of its name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return reasons[-1]
