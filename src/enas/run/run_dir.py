"""One directory per run: the only code that writes files during a search."""

import contextlib
import os
import pathlib
import shutil

import enas
from enas.cifar10.config import Config
from enas.cifar10.data_utils import DataSet
from enas.cifar10.metrics import EpochNumbers
from enas.cifar10.search import Search
from enas.errors import DamagedError, UserError, naming
from enas.run import (
    checkpoint,
    data_record,
    flag_file,
    lock,
    result,
    user_files,
    versions,
)
from enas.run.checkpoint_names import FOLDER, directories, positions
from enas.run.events import RunEvents
from enas.run.files import cut_torn_line, rename, write_whole
from enas.run.rows import RunRows
from enas.utils import Log, quiet

MARKER = ".enas_run"
LOCK = ".lock"
KEPT_CHECKPOINTS = 2
# What a run writes besides, all that a reset deletes; each may have a .part.
# `exported.txt` stays: it says which exports, wherever they are, are its own.
WRITTEN = set(
    "arcs.jsonl best_arc.txt checkpoints data.jsonl events flags.txt "
    "metrics.csv ops.jsonl result.json stdout user_ops versions.json "
    "versions.jsonl".split()
)


class RunDir:
    """The files of one run."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.path = config.output_dir
        self.tables = RunRows(self.path)
        self.events: RunEvents
        self._opened = contextlib.ExitStack()
        # Images that an opened run has yet to write down, before it saves.
        self._unsettled: DataSet | None = None

    def file(self, *names: str) -> str:
        """Returns the path of a file in the run directory."""
        return os.path.join(self.path, *names)

    def check(self) -> None:
        """Refuses a directory that a run may not use, before anything else.

        Raises:
          UserError: it is a file, holds other things than runs, or is a run
            in use or with other flags or files of ops.
        """
        flag_file.check_lines(self.config)
        if not os.path.lexists(self.path):
            check_parent(self.path, "output_dir")
            return
        if not os.path.isdir(self.path):
            raise UserError(
                f"--output_dir={self.path} is not a directory. Name a new or "
                "empty one."
            )
        # A start that was killed at once left no more than the part.
        names = self._names() - {f"{MARKER}.part"}
        if names and not os.path.isfile(self.file(MARKER)):
            raise UserError(
                f"--output_dir={self.path} holds something that is not a run "
                "of this program, so it is left alone, also by "
                "--reset_output_dir. Name a new or empty directory."
            )
        lock.check(self.file(LOCK))
        if self.config.reset_output_dir:
            _check_reset(self.path)
        else:
            self._check_settings()

    def _check_settings(self) -> None:
        flag_file.check(self.config, bool(positions(self.path)))
        user_files.check(self.config)

    def open(self, log: Log, data: DataSet) -> None:
        """Makes the directory, starts its files, points the log there.

        Args:
          data: what the search will see, passed by `data_record.check`.

        Raises:
          UserError: another process runs a search there, or has since `check`.
          WriteError: a file cannot be written.
        """
        with naming(self.path):
            os.makedirs(self.path, exist_ok=True)
        # First of all: whatever comes before the lock, two processes may do.
        write_whole(self.file(MARKER), "A run of enas-ssp; see flags.txt.\n")
        self._opened.enter_context(lock.held(self.file(LOCK), log))
        if self.config.reset_output_dir:
            self._empty()
        else:
            # Since they were checked another process may have run there.
            self._check_settings()
            data_record.check(self.config, data, quiet)
        with naming(self.file(FOLDER)):
            os.makedirs(self.file(FOLDER), exist_ok=True)
        self._unsettled = data
        if not data_record.changed(self.config, data):
            self._settle()
        user_files.keep(self.config)
        cut_torn_line(self.file("stdout"))
        log.attach(self.file("stdout"))
        versions.keep(self.path, log)

    def _settle(self) -> None:
        """Writes down flags and images, if that was put off.

        A run is not tied to other images before it has learned from them.
        """
        if self._unsettled is not None:
            flag_file.keep(self.config)
            data_record.keep(self.config, self._unsettled)
            self._unsettled = None

    def _names(self) -> set[str]:
        """Returns what is in the directory, without folders of other runs."""
        # `outputs` is the default directory and `outputs/clean` one of a user.
        names = os.listdir(self.path)
        return {name for name in names if not _holds_a_run(self.file(name))}

    def _empty(self) -> None:
        """Deletes what a run wrote; other runs and a user's files stay."""
        for name in self._names():
            path = self.file(name)
            if name.removesuffix(".part") not in WRITTEN:
                continue
            with naming(path):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.remove(path)

    def resume(self, search: Search) -> bool:
        """Sets a built search to the newest good checkpoint, if there is one.

        Rows and events after it are dropped, damaged ones get another name.
        Returns whether there was one.

        Raises:
          UserError: there are or were checkpoints, and none can be read.
        """
        self.tables.repair()
        # Checkpoints that were being written.
        for part in pathlib.Path(self.path, FOLDER).glob("*.part"):
            shutil.rmtree(part)
        done = {row["epoch"] for row in self.tables.rows()}
        damaged, found = [], positions(self.path)
        while found:
            try:
                self._restore(search, found[-1], done)
                break
            except DamagedError as error:
                search.log(f"warning: {error}")
                damaged.append(found.pop())
        if not found and (damaged or len(done) > 1):
            what = f"{len(damaged)} that cannot be read or used"
            if not damaged:
                what = f"none, and rows of {len(done)} epochs"
            raise UserError(
                f"{self.file('checkpoints')} holds no checkpoint to continue "
                f"from; received {what}. Put one back from a copy, or begin "
                "anew with another --output_dir or with --reset_output_dir, "
                "which deletes the run."
            )
        for directory in damaged:
            search.log(
                f"Kept as {directory}.damaged; continuing from the one before"
            )
            shutil.rmtree(f"{directory}.damaged", ignore_errors=True)
            rename(directory, f"{directory}.damaged")
        self.tables.keep(search.whole_epochs)
        events = RunEvents(self.file("events"), search.whole_epochs)
        self.events = self._opened.enter_context(contextlib.closing(events))
        self.events.start(search, flag_file.lines_of(self.config))
        return bool(found)

    def _restore(self, search: Search, directory: str, done: set[int]) -> None:
        checkpoint.restore(search, directory)
        # An epoch's row is on the disk before its checkpoint.
        lost = (
            search.whole_epochs > max(done) if done else directories(self.path)
        )
        if lost:
            raise DamagedError(
                f"{directory} cannot be used: {self.file('metrics.csv')} has "
                f"no row of epoch {search.whole_epochs}."
            )

    def record(
        self, search: Search, numbers: EpochNumbers, reports: list[dict]
    ) -> None:
        """Writes everything that an epoch leaves; the checkpoint last."""
        self._settle()
        rows = self.tables.add(search, numbers, reports)
        result.keep(search, rows, self.tables.arcs)
        space, row = search.search_space, numbers.measured()
        # What the share of poison is compared with, where a controller without
        # a defence chooses.
        if search.config.defence == "none" and search.arcs.fixed_arc is None:
            good = space.max_good_share(search.config.tanh_constant)
            row["poison_share_uniform"] = space.uniform_poison_share
            row["poison_share_least"] = 1 - good
        self.events.add(row, search.defence.numbers())
        self.events.add_pictures(search, reports, self.tables.ops)
        self.save(search)

    def save(self, search: Search) -> None:
        """Writes a checkpoint and deletes those that nobody needs.

        Kept are the last two whole epochs and, after them, the last two within
        an epoch: the one before is there if the last is damaged.

        Raises:
          NonFiniteError: a weight is not finite; nothing is written.
          WriteError: it cannot be written; the one before is untouched.
        """
        self._settle()
        checkpoint.write(search, self.file(FOLDER))
        whole, order = directories(self.path), positions(self.path)
        newer = order[order.index(whole[-1]) + 1 :] if whole else order
        kept = {*whole[-KEPT_CHECKPOINTS:], *newer[-KEPT_CHECKPOINTS:]}
        for path in set(order) - kept:
            with naming(path):
                shutil.rmtree(path)

    def save_unchecked(self, search: Search) -> str:
        """Saves a state from which nothing continues; returns its directory."""
        path = self.file(FOLDER, "nonfinite")
        checkpoint.write_unchecked(search, path)
        return path

    def close(self) -> None:
        """Closes the event file and releases the directory."""
        self._opened.close()


def check_parent(path: str, flag: str) -> None:
    """Refuses a path that no directory can be made at, with a UserError."""
    parent = os.path.abspath(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        raise UserError(
            f"--{flag}={path} cannot be made, because {parent} is not a "
            "directory that you may write to. Name another."
        )


def _holds_a_run(path: str) -> bool:
    """Says whether a path is a run or holds some, as a sweep does."""
    # Where another process deletes at this moment there is nothing to find.
    folders = () if os.path.islink(path) else os.walk(path)
    return any(MARKER in files for _, _, files in folders)


def _check_reset(path: str) -> None:
    """Refuses a link, and what holds a home, this program or a checkout."""
    named = pathlib.Path(os.path.abspath(path))
    root = pathlib.Path(path).resolve()
    # Links in a parent are the machine's own (/home, /var); only the named
    # directory itself must be none.
    if root != named.parent.resolve() / named.name:
        raise UserError(
            f"--output_dir={path} is a link or leads through one, and "
            "--reset_output_dir does not delete what a link points to. "
            f"Name the directory, {root}."
        )
    places = os.path.expanduser("~"), os.getcwd(), enas.__file__
    inside = map(os.path.realpath, places)
    kept = [p for p in inside if pathlib.Path(p).is_relative_to(root)]
    # Names that no run writes.
    names = ".git", ".hg", ".svn", "setup.py", "pyproject.toml"
    kept += [name for name in names if os.path.lexists(root / name)]
    if kept:
        raise UserError(
            f"--output_dir={path} holds {kept[0]}, so --reset_output_dir "
            "does not delete it, although a run was in it. Name another "
            "directory."
        )
