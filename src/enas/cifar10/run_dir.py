"""One directory per run: the only code that writes files during a search."""

import csv
import dataclasses
import json
import os
import platform
import shutil
import subprocess

import keras
import numpy as np
import tensorflow as tf

import enas
from enas.cifar10 import checkpoint
from enas.cifar10.config import Config
from enas.cifar10.final import result_of
from enas.cifar10.metrics import COLUMNS, TAGS
from enas.errors import UserError

__all__ = ["RunDir", "check_parent"]

MARKER = ".enas_run"
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
        self._events = None

    def file(self, *names):
        """Returns the path of a file in the run directory."""
        return os.path.join(self.path, *names)

    def check(self):
        """Refuses a directory that a run may not use, before anything else.

        Raises:
          UserError: the path is a file, or a directory with other things in
            it, or a run with other flags.
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
        if os.listdir(self.path) and not os.path.isfile(self.file(MARKER)):
            raise UserError(
                f"--output_dir={self.path} holds something that is not a run "
                "of this program, so it is left alone, also by "
                "--reset_output_dir. Name a new or empty directory."
            )
        if self.config.reset_output_dir and os.path.islink(self.path):
            raise UserError(
                f"--output_dir={self.path} is a link, and --reset_output_dir "
                "does not delete what a link points to. Name the directory."
            )
        if not self.config.reset_output_dir:
            self._check_flags()

    def _check_flags(self):
        """Refuses to continue a run under other flags."""
        old = _read_lines(self.file("flags.txt"))
        if not old:
            return
        free = ("num_epochs", "log_every", "readings")
        new = set(_flag_lines(self.config, skip=free))
        old = {line for line in old if _flag_name(line) not in free}
        # A flag that is newer than the run had its default there.
        known = {_flag_name(line) for line in old}
        defaults = _flag_lines(Config(), skip=(*free, *known))
        old |= set(defaults)
        if old != new:
            raise UserError(
                f"--output_dir={self.path} holds a run with other flags. It "
                f"has {', '.join(sorted(old - new)) or 'none'}; received "
                f"{', '.join(sorted(new - old)) or 'none'}. Give the same "
                "flags to continue it, or another --output_dir, or "
                "--reset_output_dir to delete it."
            )

    def open(self, log):
        """Makes the directory, starts its files, points the log there.

        Args:
          log: `utils.Log`.
        """
        if self.config.reset_output_dir and os.path.isdir(self.path):
            shutil.rmtree(self.path)
        os.makedirs(self.file("checkpoints"), exist_ok=True)
        _write(self.file(MARKER), "A run of enas-ssp; see flags.txt.\n")
        _write(
            self.file("flags.txt"), "\n".join(_flag_lines(self.config)) + "\n"
        )
        _write(self.file("versions.json"), _json(_versions()))
        log.attach(self.file("stdout"))
        self._events = tf.summary.create_file_writer(self.file("events"))
        with self._events.as_default():
            table = "\n".join(
                f"    {line}" for line in _flag_lines(self.config)
            )
            tf.summary.text("flags", table, step=0)

    def resume(self, search):
        """Restores the newest checkpoint and drops rows behind it.

        Args:
          search: `Search`, its models built.

        Returns:
          bool, whether there was one.
        """
        directories = self.checkpoints()
        if directories:
            checkpoint.restore(search, directories[-1])
        self._drop_rows_behind(search.epoch)
        return bool(directories)

    def _drop_rows_behind(self, epoch):
        """Drops what was written of epochs that have no checkpoint."""
        rows = self.rows()
        kept = [row for row in rows if row["epoch"] <= epoch]
        if len(kept) < len(rows):
            self._write_rows(kept)
        lines = _read_lines(self.file("arcs.jsonl"))
        reports = [r for r in self.reports() if r["epoch"] <= epoch]
        if len(reports) < len(lines):
            _write(self.file("arcs.jsonl"), "".join(map(_json_line, reports)))

    def record(self, search, row, reports):
        """Writes everything an epoch leaves behind; the checkpoint last.

        Args:
          search: `Search`, after the epoch.
          row: dict column -> number, as `Search.run_epoch` returns it.
          reports: list of dicts of arcs, likewise.
        """
        rows = [*self.rows(), row]
        self._write_rows(rows)
        with open(self.file("arcs.jsonl"), "a", encoding="utf-8") as stream:
            for report in reports:
                stream.write(_json_line(report | {"arc": str(report["arc"])}))
        self._write_result(search, rows)
        with self._events.as_default():
            for column, tag in TAGS.items():
                if column in row:
                    tf.summary.scalar(tag, row[column], step=row["epoch"])
            self._events.flush()
        self._save(search)

    def rows(self):
        """Returns the rows of metrics.csv, dicts column -> number."""
        if not os.path.isfile(self.file("metrics.csv")):
            return []
        with open(self.file("metrics.csv"), newline="") as stream:
            return [
                {
                    column: int(cell) if column == "epoch" else float(cell)
                    for column, cell in row.items()
                    if cell
                }
                for row in csv.DictReader(stream)
            ]

    def reports(self):
        """Returns the lines of arcs.jsonl, without a torn last one."""
        reports = []
        lines = _read_lines(self.file("arcs.jsonl"))
        for number, line in enumerate(lines, 1):
            try:
                reports.append(json.loads(line))
            except json.JSONDecodeError:
                if number < len(lines):
                    raise UserError(
                        f"{self.file('arcs.jsonl')}, line {number}, is not "
                        "JSON. It was changed by hand; mend it or start anew."
                    ) from None
        return reports

    def close(self):
        """Closes the event file."""
        if self._events is not None:
            self._events.close()

    def _write_rows(self, rows):
        lines = [",".join(COLUMNS)]
        for row in rows:
            cells = (row.get(column, "") for column in COLUMNS)
            lines.append(",".join(map(_cell, cells)))
        _write(self.file("metrics.csv"), "\n".join(lines) + "\n")

    def _write_result(self, search, rows):
        if self.config.child_from_scratch:
            result = result_of(search, rows)
            _write(self.file("result.json"), _json(result))
            _write(self.file("best_arc.txt"), result["arc"] + "\n")
            return
        measured = [row for row in rows if "best_valid_acc" in row]
        if not measured:
            return
        best = max(measured, key=lambda row: row["best_valid_acc"])
        arc = self._best_arc(best["epoch"])
        result = {
            "finished": search.epoch >= self.config.num_epochs,
            "epochs": search.epoch,
            "last": rows[-1],
            "best": best,
            "arc": arc,
            "protocol": _protocol(self.config),
            "settings": dataclasses.asdict(self.config),
            "behaviours": dataclasses.asdict(self.config.behaviour),
            "images": {
                name: len(getattr(search.data, name))
                for name in ("train", "valid", "test")
            },
            "op_ids": search.search_space.num_ops,
            "branches": search.search_space.branches,
        }
        _write(self.file("result.json"), _json(result))
        _write(self.file("best_arc.txt"), arc + "\n")

    def _best_arc(self, epoch):
        """Returns the text of the arc that was best of its epoch's 10."""
        for report in self.reports():
            if report["epoch"] == epoch and "valid_acc" in report:
                return report["arc"]
        raise UserError(
            f"{self.file('arcs.jsonl')} has no measured arc of epoch {epoch}."
            " It was changed by hand; mend it or start anew."
        )

    def checkpoints(self):
        """Returns the directories of whole checkpoints, oldest first."""
        return checkpoint.directories(self.file("checkpoints"))

    def _save(self, search):
        name = f"epoch-{search.epoch}"
        checkpoint.write(search, self.file("checkpoints", name))
        for old in self.checkpoints()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)


def _protocol(config):
    """Returns in words what the accuracies of a run are."""
    profile = config.behaviour
    mode = {"eval": "evaluation", "train": "training"}[profile.evaluation_mode]
    printed = "a fresh arc sampled for every batch of 100"
    if profile.evaluation == "best_of_10":
        printed = (
            "10 arcs sampled, the best on one validation batch measured in "
            f"batches of {config.batch_size}"
        )
    return (
        f"valid_acc and test_acc: {printed}, under the shared weights, in "
        f"{mode} mode. best_valid_acc and best_test_acc: 10 arcs sampled, the "
        "best on one validation batch measured on the whole validation and "
        "test sets, in evaluation mode. Validation images are "
        f"{profile.valid_images}. best: the epoch with the highest "
        "best_valid_acc; arc: that epoch's best arc."
    )


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
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in skip:
            continue
        values = value if isinstance(value, tuple) else (value,)
        lines += [f"--{field.name}={v}" for v in values if v is not None]
    return lines


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


def _write(path, text):
    """Writes a file whole or not at all."""
    aside = f"{path}.part"
    with open(aside, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(aside, path)


def _read_lines(path):
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8") as stream:
        return stream.read().splitlines()


def _json(value):
    return json.dumps(value, indent=2) + "\n"


def _json_line(value):
    return json.dumps(value) + "\n"


def _cell(value):
    return repr(value) if isinstance(value, float) else str(value)
