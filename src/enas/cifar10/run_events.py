"""The TensorBoard events of a run, without what a kill left too much."""

import os
import time

import tensorflow as tf

from enas.cifar10.checkpoint import writing
from enas.cifar10.metrics import TAGS
from enas.cifar10.run_files import rename, sync_directory

__all__ = ["RunEvents", "read_events"]

_MERGED = "events.out.tfevents.{:010d}.0merged.v2"


class RunEvents:
    """Writes one point per row and tag.

    Args:
      folder: str, of the event files.
      epochs: int, epochs that are done; points of later ones, which a killed
        process wrote, are dropped.
    """

    def __init__(self, folder, epochs):
        self._folder = folder
        _merge(folder, epochs)
        with writing(self._folder):
            self._writer = tf.summary.create_file_writer(folder)

    def add_flags(self, lines):
        """Writes the flags, as text."""
        table = "\n".join(f"    {line}" for line in lines)
        with writing(self._folder), self._writer.as_default():
            tf.summary.text("flags", table, step=0)
            self._writer.flush()

    def add(self, row):
        """Writes the row of an epoch, to the disk."""
        with writing(self._folder), self._writer.as_default():
            for column, tag in TAGS.items():
                if column in row:
                    tf.summary.scalar(tag, row[column], step=row["epoch"])
            self._writer.flush()

    def close(self):
        """Closes the event file."""
        with writing(self._folder):
            self._writer.close()


def read_events(path):
    """Yields the events of a file up to where it is torn or damaged."""
    records = tf.data.TFRecordDataset(path, buffer_size=1 << 18)
    records = records.as_numpy_iterator()
    while True:
        try:
            yield tf.compat.v1.Event.FromString(next(records))
        except (StopIteration, tf.errors.DataLossError):
            return


def _merge(folder, epochs):
    """Puts all event files into one, without what a killed process left.

    Each start adds a file. The points of an epoch without a checkpoint are
    dropped, because they will be written again; a torn end goes as well.
    """
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = [os.path.join(folder, name) for name in names]
    old = [path for path in paths if not path.endswith(".part")]
    if not paths:
        return
    new = os.path.join(folder, _MERGED.format(int(time.time())))
    aside = f"{new}.part"
    with writing(aside), tf.io.TFRecordWriter(aside) as writer:
        for event in *_restart(), *_points(old, epochs):
            writer.write(event.SerializeToString())
    with writing(folder):
        rename(aside, new)
        for path in {*paths} - {new, aside}:
            os.remove(path)
        sync_directory(folder)


def _restart():
    """Returns events that make a running TensorBoard forget the rest."""
    log = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    event, now = tf.compat.v1.Event, time.time()
    return (
        event(wall_time=now, file_version="brain.Event:2"),
        event(wall_time=now, step=0, session_log=log),
    )


def _points(paths, epochs):
    """Yields each point once, and only those of epochs that are done."""
    seen = set()
    for path in paths:
        for event in read_events(path):
            tags = tuple(value.tag for value in event.summary.value)
            if tags and event.step <= epochs and (event.step, tags) not in seen:
                seen.add((event.step, tags))
                yield event
