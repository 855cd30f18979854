"""The TensorBoard events of a run, without what a kill left over."""

import contextlib
import itertools
import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from enas.cifar10.metrics import DESCRIPTIONS, EVENT_TAGS
from enas.cifar10.search import Search
from enas.run import event_charts
from enas.run.checkpoint import writing
from enas.run.files import RunLines, rename, sync_directory


class RunEvents:
    """Writes one point per row and tag.

    Args:
      epochs: how many are done; points of later ones, which a killed process
        wrote, are dropped.

    Attributes:
      tags: of the epochs that are done, and of texts written since.
    """

    def __init__(self, folder: str, epochs: int) -> None:
        self._folder = folder
        self.tags = _merge(folder, epochs)
        with writing(folder):
            self._writer = tf.summary.create_file_writer(folder)

    def start(self, search: Search, flags: Sequence[str]) -> None:
        """Writes what does not change in a run, as step 0."""
        config, arc = search.config, search.arcs.fixed_arc
        with self._step():
            table = "\n".join(f"    {line}" for line in flags)
            about = "A flagfile that repeats the run."
            tf.summary.text("flags", table, step=0, description=about)
            for proto in event_charts.protos(config):
                raw = proto.SerializeToString()
                tf.summary.experimental.write_raw_pb(raw, step=0)
            if config.tensorboard_graph:
                tf.summary.graph(event_charts.tidy(search.compiled.graph()))
            if arc is not None and config.pictures_every:
                # matplotlib takes a second to import; not every run draws.
                from enas.run.event_pictures import write_arc

                write_arc(
                    search, arc, "fixed", "The architecture in training.", 0
                )

    def add(
        self, row: dict[str, float], more: dict[str, float] | None = None
    ) -> None:
        """Writes an epoch's columns, and `more` by its tags."""
        found = {t: row[c] for c, t in EVENT_TAGS.items() if c in row}
        with self._step():
            for tag, number in {**(more or {}), **found}.items():
                about = DESCRIPTIONS.get(tag)
                tf.summary.scalar(tag, number, row["epoch"], about)

    def add_pictures(
        self, search: Search, reports: Sequence[dict], ops: RunLines
    ) -> None:
        """Writes pictures and texts of an epoch."""
        every = search.config.pictures_every
        fixed = search.arcs.fixed_arc is not None
        if fixed or not every or search.epoch % every:
            return
        from enas.run import event_pictures

        with self._step():
            event_pictures.write_ops(search, ops)
            if reports:
                event_pictures.write_arcs(search, reports)

    def add_text(self, tag: str, lines: list[str]) -> None:
        """Writes lines as a text, of the first epoch."""
        with self._step():
            tf.summary.text(tag, "\n\n".join(lines), step=1)
        self.tags.add(tag)

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        with writing(self._folder), self._writer.as_default():
            yield
            self._writer.flush()

    def close(self) -> None:
        with writing(self._folder):
            self._writer.close()


def read_events(path: str) -> Iterator[Any]:
    """Yields the events of a file up to where it is torn or damaged."""
    records = tf.data.TFRecordDataset(path, buffer_size=1 << 18)
    with contextlib.suppress(tf.errors.DataLossError):
        for record in records.as_numpy_iterator():
            yield tf.compat.v1.Event.FromString(record)


def _merge(folder: str, epochs: int) -> set[str]:
    """Puts the files, one of each start, into one; returns the tags left."""
    tags: set[str] = set()
    # Files of the user's stay, and what a file system keeps of a removed one.
    found = pathlib.Path(folder).glob("events.out.tfevents.*")
    old = sorted(str(path) for path in found if path.is_file())
    if not old:
        return tags
    name = f"events.out.tfevents.{int(time.time()):010d}.0merged.v2"
    new = os.path.join(folder, name)
    # One name, so that what a full disk left of it is written over.
    aside = os.path.join(folder, "merged.part")
    with writing(aside), tf.io.TFRecordWriter(aside) as writer:
        for event in _points(old, epochs):
            writer.write(event.SerializeToString())
            tags.update(value.tag for value in event.summary.value)
    with writing(folder):
        rename(aside, new)
        for path in {*old} - {new}:
            os.remove(path)
        sync_directory(folder)
    return tags


def _points(paths: Sequence[str], epochs: int) -> Iterator[Any]:
    """Yields each point once, of epochs that are done: 0 is written anew."""
    # The first two events make a running TensorBoard forget the rest.
    log = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    event, now = tf.compat.v1.Event, time.time()
    yield event(wall_time=now, file_version="brain.Event:2")
    yield event(wall_time=now, step=0, session_log=log)
    seen = set()
    for event in itertools.chain.from_iterable(map(read_events, paths)):
        tags = tuple(value.tag for value in event.summary.value)
        done = 0 < event.step <= epochs
        if tags and done and (event.step, tags) not in seen:
            seen.add((event.step, tags))
            yield event
