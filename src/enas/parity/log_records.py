"""Places the lines of a log in epochs and common units. No TensorFlow here."""

import math
from typing import NamedTuple

from enas.errors import UserError

__all__ = ["Record", "aggregate", "records", "series"]

# Updates of the original and of the paper's code average so many arcs unless
# a flag says otherwise.
DEFAULT_AGGREGATE = 20


class Record(NamedTuple):
    """Numbers of one moment of a run.

    Attributes:
      phase: "child", "controller", "evaluation" or "epoch" (metrics.csv).
      epoch: int, from 0.
      position: int within phase and epoch: the child step, from 1; the
        controller's arc, from 0; which of the ten architectures, from 0.
      step: int, child steps done since the start of the run.
      values: dict, quantity -> float. Accuracies are shares in [0, 1],
        losses and entropies are in nats.
    """

    phase: str
    epoch: int
    position: int
    step: int
    values: dict


def aggregate(log):
    """Returns how many arcs a controller update averages, int."""
    for event in log.events:
        if event.kind == "aggregate" and event.fields["value"]:
            return event.fields["value"]
    if log.dialect == "paper" and _counts_arcs(log):
        return (_first_ctrl_step(log) + 1) // 2
    return DEFAULT_AGGREGATE


def _first_ctrl_step(log):
    steps = [e.fields["step"] for e in log.events if e.kind == "controller"]
    return min(steps, default=0)


def _counts_arcs(log):
    """Tells two versions of the paper's code apart.

    Both print every second update, one as the number of its last arc (39, 79,
    ..), the one of the notebook as the number of the update (1, 3, ..).
    """
    return _first_ctrl_step(log) > 1


def records(log, steps):
    """Converts a log.

    A moment that is logged twice, by a run that was continued, counts as it
    was logged last.

    Args:
      log: `Log`.
      steps: int, child steps per epoch.

    Returns:
      (records, unplaced): list of `Record`, and the number of lines whose
      epoch cannot be told, as in a log that lacks its beginning.

    Raises:
      UserError: that is so for all of them.
    """
    placer = _Placer(log, steps)
    for event in log.events:
        placer.add(event)
    for row in log.rows:
        values = {c: value for c, value in row.items() if c != "epoch"}
        placer.put("epoch", int(row["epoch"]) - 1, 0, values)
    if not placer.found:
        raise UserError(
            f"No line of {log.path} can be placed in an epoch. Legal is a log "
            "with the line 'Epoch 1: Training controller' or 'Epoch 1: Eval' "
            "before what belongs to it, or with child lines (epoch= ..). Give "
            "the log from its beginning."
        )
    return list(placer.found.values()), placer.unplaced


def series(all_records):
    """Sorts the finite numbers of records by what they measure.

    Args:
      all_records: list of `Record`.

    Returns:
      dict (phase, quantity) -> dict epoch -> dict position -> float.
    """
    found = {}
    for record in all_records:
        for quantity, value in record.values.items():
            if math.isfinite(value):
                epochs = found.setdefault((record.phase, quantity), {})
                epochs.setdefault(record.epoch, {})[record.position] = value
    return found


class _Placer:
    """Walks through the events of a log and keeps where it is."""

    def __init__(self, log, steps):
        self.found = {}
        self.unplaced = 0
        self._paper = log.dialect == "paper"
        self._steps = steps
        # From the number printed to that of the last arc before the line.
        self._arcs_per_count = 1 if _counts_arcs(log) else aggregate(log)
        self._log_every = math.gcd(
            *(e.fields["step"] for e in log.events if e.kind == "child")
        )
        self._epoch = None  # of the phase whose header was read last
        self._lines = {}  # kind -> lines of it in this phase

    def add(self, event):
        fields = dict(event.fields)
        if event.kind == "log_every":
            self._log_every = fields["value"]
        elif event.kind == "phase":
            self._start_phase(fields["epoch"] - (not self._paper))
        elif event.kind == "child":
            self._epoch = None
            self._add_child(fields)
        elif event.kind in ("controller", "arc_accuracy"):
            line = self._lines.get(event.kind, 0)
            self._lines[event.kind] = line + 1
            self._add_arc(event.kind, line, fields)
        elif event.kind in ("valid_accuracy", "test_accuracy"):
            self._add_accuracy(event.kind, fields["accuracy"])

    def put(self, phase, epoch, position, values):
        step = (epoch + 1) * self._steps
        if phase == "child":
            step += position - self._steps
        key = (phase, epoch, position, *values)
        self.found[key] = Record(phase, epoch, position, step, values)

    def _start_phase(self, epoch):
        if epoch != self._epoch:
            self._lines = {}
        self._epoch = epoch if epoch >= 0 else None

    def _add_child(self, fields):
        if self._paper:
            epoch, position = fields["epoch"], fields["step"] + 1
        else:
            # Counted after the step, so the last step of an epoch is printed
            # under the next one.
            epoch, before = divmod(fields["step"] - 1, self._steps)
            position = before + 1
            images = fields["images"]
            fields["accuracy"] = fields["correct"] / (images or math.nan)
        if epoch < 0:
            self.unplaced += 1
            return
        names = ("loss", "accuracy", "lr", "grad_norm")
        self.put("child", epoch, position, {n: fields[n] for n in names})

    def _add_arc(self, kind, line, fields):
        if self._epoch is None:
            self.unplaced += 1
        elif kind == "arc_accuracy":
            values = {"arc_accuracy": fields["accuracy"]}
            self.put("evaluation", self._epoch, line, values)
        else:
            names = ("loss", "entropy", "lr", "grad_norm", "accuracy")
            values = {n: fields[n] for n in (*names, "baseline")}
            self._put_arc(line, fields["step"], values)

    def _put_arc(self, line, printed, values):
        if self._paper:
            arc = (printed + 1) * self._arcs_per_count - 1
        elif self._log_every:
            # Not by ctrl_step, which lags behind in the original (row 28).
            arc = line * self._log_every
        else:
            self.unplaced += 1
            return
        self.put("controller", self._epoch, arc, values)

    def _add_accuracy(self, quantity, accuracy):
        if self._epoch is None:
            self.unplaced += 1
            return
        self.put("evaluation", self._epoch, 0, {quantity: accuracy})
        if self._paper:
            # What the paper's code prints is what metrics.csv calls so.
            column = f"best_{quantity.removesuffix('uracy')}"
            self.put("epoch", self._epoch, 0, {column: accuracy})
