"""One directory per run: the only code that writes files during a search."""

import dataclasses
import json
import os
import platform
import re
import shutil
import subprocess

import keras
import numpy as np
import tensorflow as tf

import enas
from enas.cifar10.config import Config
from enas.errors import DamagedError, UserError, naming
from enas.run import checkpoint, user_files
from enas.run.events import RunEvents
from enas.run.files import cut_torn_line, read_lines, write_whole
from enas.run.lock import RunLock
from enas.run.rows import RunRows

__all__ = ["RunDir", "check_parent"]

MARKER = ".enas_run"
LOCK = ".lock"
KEPT_CHECKPOINTS = 2


class RunDir:
    """The files of one run.

    Args:
      config: `Config`; its output_dir is the directory.

    Attributes:
      path: str.
    """

    def __init__(self, config):
        self.config = config
        self.path = config.output_dir
        self.tables = RunRows(self.path)
        self._lock = RunLock(self.file(LOCK))
        self._events = None

    def file(self, *names):
        """Returns the path of a file in the run directory."""
        return os.path.join(self.path, *names)

    def check(self):
        """Refuses a directory that a run may not use, before anything else.

        Raises:
          UserError: the path is a file, or a directory with other things in
            it, or a run with other flags or other files of the user's.
        """
        if not self.path:
            raise UserError(
                "--output_dir is the run directory; received an empty name. "
                "Name a new or empty directory."
            )
        if not os.path.lexists(self.path):
            check_parent(self.path, "output_dir")
            return
        if not os.path.isdir(self.path):
            raise UserError(
                f"--output_dir={self.path} is not a directory. Name a new or "
                "empty one."
            )
        # A start that was killed at once left no more than this.
        names = set(os.listdir(self.path)) - {f"{MARKER}.part"}
        if names and not os.path.isfile(self.file(MARKER)):
            raise UserError(
                f"--output_dir={self.path} holds something that is not a run "
                "of this program, so it is left alone, also by "
                "--reset_output_dir. Name a new or empty directory."
            )
        self._lock.check()
        if self.config.reset_output_dir:
            self._check_reset()
        else:
            self._check_flags()
            user_files.check(self.config)

    def _check_reset(self):
        """Refuses to delete what no run made, whatever marker is in it."""
        if os.path.realpath(self.path) != _lexical(self.path):
            raise UserError(
                f"--output_dir={self.path} is a link or leads through one, and "
                "--reset_output_dir does not delete what a link points to. "
                f"Name the directory, {os.path.realpath(self.path)}."
            )
        inside = [os.path.expanduser("~"), os.getcwd(), enas.__file__]
        kept = _holds(self.path, inside) or _strangers(self.path)
        if kept:
            raise UserError(
                f"--output_dir={self.path} holds {kept}, so --reset_output_dir "
                "does not delete it, although a run was in it. Name another "
                "directory."
            )

    def _check_flags(self):
        """Refuses to continue a run under other flags."""
        lines = read_lines(self.file("flags.txt"))
        if not lines:
            if self.positions():
                raise UserError(
                    f"{self.file('flags.txt')} says which flags the "
                    "checkpoints beside it are of; it is missing or empty. "
                    "Put it back, or take another --output_dir."
                )
            return
        free = [f.name for f in _fields() if f.metadata.get("logging")]
        new = set(_flag_lines(self.config, skip=free))
        old = {line for line in lines if _flag_name(line) not in free}
        # A flag that is newer than the run had its default there.
        known = {_flag_name(line) for line in old}
        old |= set(_flag_lines(Config(), skip=(*free, *known)))
        old, new = old - new, new - old
        fewer = f"--num_epochs={self.config.num_epochs}"
        for line in lines:
            if _is_more(line, self.config.num_epochs):
                old, new = old | {line}, new | {fewer}
        if old or new:
            raise UserError(
                f"--output_dir={self.path} holds a run with other flags. It "
                f"has {', '.join(sorted(old)) or 'none'}; received "
                f"{', '.join(sorted(new)) or 'none'}. Give the same flags to "
                "continue it (--num_epochs may grow, what only concerns the "
                "log may change), or another --output_dir, or "
                "--reset_output_dir to delete it."
            )

    def open(self, log):
        """Makes the directory, starts its files, points the log there.

        Args:
          log: `utils.Log`.

        Raises:
          UserError: another process runs a search there.
          WriteError: a file cannot be written.
        """
        with naming(self.path):
            os.makedirs(self.path, exist_ok=True)
        # First of all: whatever comes before the lock, two processes may do.
        write_whole(self.file(MARKER), "A run of enas-ssp; see flags.txt.\n")
        self._lock.take(log)
        if self.config.reset_output_dir:
            self._empty()
        with naming(self.file("checkpoints")):
            os.makedirs(self.file("checkpoints"), exist_ok=True)
        flags = _flag_lines(self.config)
        write_whole(self.file("flags.txt"), "\n".join(flags) + "\n")
        write_whole(self.file("versions.json"), _json(_versions()))
        user_files.keep(self.config)
        cut_torn_line(self.file("stdout"))
        log.attach(self.file("stdout"))

    def _empty(self):
        """Deletes all but the lock and, so that it stays a run, the marker."""
        for name in set(os.listdir(self.path)) - {LOCK, MARKER}:
            path = self.file(name)
            with naming(path):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.remove(path)

    def resume(self, search):
        """Goes back to the newest checkpoint that can be read, if there is one.

        Rows and events behind it are dropped, damaged checkpoints are kept
        under another name.

        Args:
          search: `Search`, its models built.

        Returns:
          bool, whether there was one.

        Raises:
          UserError: there are checkpoints and none can be read, or there were
            some; a run is never started anew without being told.
        """
        self._tidy()
        done = {row["epoch"] for row in self.tables.rows()}
        damaged, found = [], self.positions()
        while found:
            try:
                self._restore(search, found[-1], done)
                break
            except DamagedError as error:
                search.log(f"warning: {error}")
                damaged.append(found.pop())
        if not found and (damaged or len(done) > 1):
            raise self._no_checkpoint(damaged, done)
        for directory in damaged:
            search.log(f"Kept as {directory}.damaged; going on before it")
            checkpoint.set_aside(directory)
        self.tables.keep(search.whole_epochs)
        self._events = RunEvents(self.file("events"), search.whole_epochs)
        self._events.start(search, _flag_lines(self.config))
        return bool(found)

    def _tidy(self):
        """Mends torn lines and deletes checkpoints that were being written."""
        self.tables.mend()
        folder = self.file("checkpoints")
        for name in os.listdir(folder):
            if name.endswith(".part"):
                shutil.rmtree(os.path.join(folder, name))

    def _restore(self, search, directory, done):
        checkpoint.restore(search, directory)
        # An epoch's row is on the disk before its checkpoint.
        lost = search.whole_epochs > max(done) if done else self.checkpoints()
        if lost:
            raise DamagedError(
                f"{directory} cannot be used: {self.file('metrics.csv')} has "
                f"no row of epoch {search.whole_epochs}."
            )

    def _no_checkpoint(self, damaged, done):
        found = f"{len(damaged)} that cannot be read or used"
        if not damaged:
            found = f"none, and rows of {len(done)} epochs"
        return UserError(
            f"{self.file('checkpoints')} holds no checkpoint to go on from; "
            f"received {found}. Put one back from a copy, or begin anew with "
            "another --output_dir or with --reset_output_dir, which deletes "
            "the run."
        )

    def record(self, search, row, reports):
        """Writes everything an epoch leaves behind; the checkpoint last.

        Args:
          search: `Search`, after the epoch.
          row: dict column -> number, as `Search.run_epoch` returns it.
          reports: list of dicts of arcs, likewise.
        """
        self.tables.add(search, row, reports)
        self._events.add(row | _bounds(search))
        self._events.add_pictures(search, reports, self.tables.ops)
        self.save(search)

    def save(self, search):
        """Writes a checkpoint and deletes those that nobody needs.

        Kept are the last two whole epochs and, behind them, the last two
        within an epoch: the one before is there if the last is damaged.

        Args:
          search: `Search`.

        Returns:
          str, the checkpoint's directory.

        Raises:
          NonFiniteError: a weight is not finite; nothing is written.
          WriteError: it cannot be written; the one before is untouched.
        """
        written = checkpoint.write(search, self.file("checkpoints"))
        whole, order = self.checkpoints(), self.positions()
        newer = order[order.index(whole[-1]) + 1 :] if whole else order
        kept = {*whole[-KEPT_CHECKPOINTS:], *newer[-KEPT_CHECKPOINTS:]}
        for path in set(order) - kept:
            with naming(path):
                shutil.rmtree(path)
        return written

    def save_beside(self, search):
        """Saves a state that is not to be gone on from.

        Args:
          search: `Search`.

        Returns:
          str, the directory.
        """
        path = self.file("checkpoints", "nonfinite")
        return checkpoint.write_beside(search, path)

    def checkpoints(self):
        """Returns the checkpoints of whole epochs, oldest first."""
        return checkpoint.directories(self.file("checkpoints"))

    def positions(self):
        """Returns all checkpoints, also within an epoch, oldest first."""
        return checkpoint.positions(self.file("checkpoints"))

    def close(self):
        """Closes the event file and lets go of the directory."""
        try:
            if self._events is not None:
                self._events.close()
        finally:
            self._lock.release()


def _bounds(search):
    """Returns what the share of poison is laid beside, dict."""
    space = search.search_space
    good = space.max_good_share(search.config.tanh_constant)
    return {
        "poison_share_uniform": space.uniform_poison_share,
        "poison_share_least": 1 - good,
    }


def _lexical(path):
    """Returns what a path says, with no link of its own followed.

    Links above the working directory or in a parent are the machine's own
    (/home, /var); only the named directory itself must be none.
    """
    full = os.path.abspath(path)
    return os.path.join(
        os.path.realpath(os.path.dirname(full)), os.path.basename(full)
    )


def _holds(path, places):
    """Returns the first of some places that is in a directory, or None."""
    root = os.path.realpath(path)
    for place in map(os.path.realpath, places):
        if os.path.commonpath([root, place]) == root:
            return place
    return None


def _strangers(path):
    """Returns a name in a directory that no run writes, or None."""
    for name in (".git", ".hg", ".svn", "setup.py", "pyproject.toml"):
        if os.path.lexists(os.path.join(path, name)):
            return name
    return None


def check_parent(path, flag):
    """Refuses a path that no directory can be made at.

    Args:
      path: str.
      flag: str, the flag that gave it.

    Raises:
      UserError: what holds it is not a directory or cannot be written to.
    """
    parent = os.path.abspath(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        raise UserError(
            f"--{flag}={path} cannot be made, because {parent} is not a "
            "directory that you may write to. Name another."
        )


def _flag_lines(config, skip=()):
    """Returns the flagfile that repeats a run, a line per flag.

    Where a run writes to is left out, so that a repetition gets its own.
    """
    skip = ("output_dir", "reset_output_dir", "export_tf1_checkpoint", *skip)
    lines = []
    for field in _fields():
        value = getattr(config, field.name)
        if field.name in skip:
            continue
        values = value if isinstance(value, tuple) else (value,)
        lines += [f"--{field.name}={v}" for v in values if v is not None]
    return lines


def _fields():
    return dataclasses.fields(Config)


def _is_more(line, num_epochs):
    """Returns whether a flag line is of a larger --num_epochs."""
    found = re.fullmatch(r"--num_epochs=(\d{1,18})", line)
    return bool(found) and int(found[1]) > num_epochs


def _flag_name(line):
    return line.removeprefix("--").split("=")[0]


def _versions():
    """Returns what the numbers of a run depend on besides its flags."""
    return {
        "enas-ssp": enas.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "devices": [d.device_type for d in tf.config.list_physical_devices()],
    }


def _commit():
    """Returns the commit of the checkout this runs from, or None."""
    command = ["git", "rev-parse", "HEAD"]
    folder = os.path.dirname(os.path.abspath(enas.__file__))
    try:
        found = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _json(value):
    return json.dumps(value, indent=2) + "\n"
