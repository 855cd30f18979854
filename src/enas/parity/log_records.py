"""Places records in epochs and common units. No TensorFlow here."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator

from enas.errors import UserError
from enas.parity.log_file import Log

# (phase, quantity) -> epoch from 0 -> position -> number. The position is the
# child's step in the epoch, from 1; the controller's arc, from 0; which of the
# ten architectures, from 0. Accuracies are shares, losses and entropies nats.
Series = dict[tuple[str, str], dict[int, dict[int, float]]]
# A log has the same accuracies; and a time is no property of the program.
_LEFT_OUT = ("epoch", "valid_acc", "test_acc", "seconds_")
# The paper's notebook numbers updates of so many arcs.
_ARCS_PER_UPDATE = 20


def step_bounds(log: Log) -> tuple[int, float]:
    """Returns the fewest and the most child steps that an epoch can have.

    The original prints epoch = step // n and evaluates at n * epoch (ENAS
    main.py `train`). The paper's steps count from 0 and restart each epoch.
    Raises a UserError if the lines contradict each other.
    """
    steps = log.printed_steps("child")
    if log.dialect == "paper":
        low, every = max(steps, default=0) + 1, math.gcd(*steps)
        whole = any(kind == "phase" for kind, _, _ in log.events)
        return low, low - 1 + every if whole and every else math.inf
    low, high, epoch, last, exact = 1, math.inf, 0, 0, Counter[int]()
    for kind, _, fields in log.events:
        step, epoch = fields.get("step", 0), fields.get("epoch", epoch)
        if kind == "phase" and epoch:
            low = max(low, math.ceil(last / epoch))
        elif kind == "child":
            last = step
            low = max(low, step // (epoch + 1) + 1)
            high = min(high, step // epoch if epoch else math.inf)
        elif kind == "eval_at" and epoch and step and not step % epoch:
            exact[step // epoch] += 1
    if exact:
        low = high = exact.most_common(1)[0][0]
    if low > high:
        raise UserError(
            f"The child lines of {log.path} contradict each other: an epoch "
            f"has at least {low} and at most {high} steps. If the file is of "
            "several runs, split it."
        )
    return low, high


def place(log: Log, steps: int) -> tuple[Series, list[str]]:
    """Returns the finite numbers of a log, and what was left out.

    What is logged twice, by a run that was continued, counts as logged last.
    `steps` are the child steps of an epoch. Raises a UserError if the epoch of
    no record can be told.
    """
    placer = _Placer(log, steps)
    for kind, _, fields in log.events:
        placer.add(kind, dict(fields))
    for row in log.rows:
        values = {c: v for c, v in row.items() if not c.startswith(_LEFT_OUT)}
        placer.put("epoch", int(row["epoch"]) - 1, 0, values)
    if not placer.series:
        raise UserError(
            f"No line of {log.path} can be placed in an epoch, which child "
            "lines (epoch= ..), 'Epoch 1: Training controller' and 'Epoch 1: "
            "Eval' tell. Give the log from its beginning."
        )
    left_out = placer.left_out.items()
    return placer.series, [f"{n} {what} left out" for what, n in left_out]


class _Placer:
    """Walks through the records of a log and keeps where it is."""

    def __init__(self, log: Log, steps: int):
        self.series: Series = defaultdict(lambda: defaultdict(dict))
        self.left_out: Counter[str] = Counter()
        self._paper, self._steps = log.dialect == "paper", steps
        self._log_every = math.gcd(*log.printed_steps("child"))
        # The paper's code counts arcs: 39, 79, ..; its notebook updates: 1, ..
        counts_arcs = min(log.printed_steps("controller"), default=0) > 1
        self._arcs = 1 if counts_arcs else _ARCS_PER_UPDATE
        self._epoch = -1  # of the phase whose header was read last
        self._lines: dict[str, Iterator[int]] = defaultdict(itertools.count)

    def add(self, kind: str, fields: dict) -> None:
        if kind == "log_every":
            self._log_every = fields["value"]
        elif kind == "phase":
            epoch = fields["epoch"] - (not self._paper)
            if epoch != self._epoch:
                self._epoch = epoch
                self._lines.clear()
        elif kind == "child":
            self._epoch = -1
            self.put(kind, *self._child_place(fields), fields)
        elif kind == "controller":
            self.put(kind, self._epoch, self._arc(fields.pop("step")), fields)
        elif kind == "evaluation":
            ((name, value),) = fields.items()
            arc = next(self._lines[name]) if name == "arc_accuracy" else 0
            self.put(kind, self._epoch, arc, fields)
            if self._paper and name != "arc_accuracy" and self._epoch >= 0:
                # What the paper's code prints is what metrics.csv calls so.
                column = f"best_{name.removesuffix('uracy')}"
                self.put("epoch", self._epoch, 0, {column: value})

    def put(self, phase: str, epoch: int, position: int, values: dict) -> None:
        """Keeps the numbers of a moment, if it has a place."""
        if not 0 <= epoch < 10**9 or position < 0:
            self.left_out["lines before the first epoch"] += 1
            return
        for name, value in values.items():
            numbers = self.series[phase, name][epoch]
            numbers[position] = value
            if not math.isfinite(value):
                del numbers[position]
                self.left_out["values that are nan or inf"] += 1

    def _child_place(self, fields: dict) -> tuple[int, int]:
        """Returns (epoch, step in it), and makes the accuracy a share."""
        epoch, step = fields.pop("epoch"), fields.pop("step")
        if self._paper:
            return epoch, step + 1
        images = fields.pop("images") or math.nan
        fields["accuracy"] = fields.pop("correct") / images
        # Counted after the step: an epoch's last is printed under the next one.
        epoch, before = divmod(step - 1, self._steps)
        return epoch, before + 1

    def _arc(self, printed: int) -> int:
        if self._paper:
            return (printed + 1) * self._arcs - 1
        # Not by ctrl_step, which lags behind in the original (row 28).
        line = next(self._lines["controller"])
        return line * self._log_every if self._log_every else -1
