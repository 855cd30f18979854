"""When to kill a search: seen from outside, by what it writes."""

import os
import time

__all__ = ["KILL_TIMES", "phase_of"]

# The longest a small search lives after its first step, s.
LIFE_SECONDS = 5.0
START_SECONDS = 8.0
# The files of an epoch are written within some milliseconds.
WRITE_SECONDS = 0.004


def at_any_time(run, rng):
    """Waits for the first step of this start, then for a random time."""
    log = os.path.join(run, "stdout")
    wait = rng.uniform(0, LIFE_SECONDS)
    return _later(_lines_of_steps(log), wait)


def at_start(run, rng):
    """Waits for a random time: import, tracing, repairing, restoring."""
    del run
    return _later(lambda: True, rng.uniform(0, START_SECONDS))


def in_evaluation(run, rng):
    """Waits for an evaluation, then for a random time."""
    log = os.path.join(run, "stdout")
    started = _last_line(log)

    def evaluates():
        line = _last_line(log)
        return line != started and line.startswith(
            (b"Here are", b"val_acc", b"Eval", b"valid_acc", b"test_acc")
        )

    return _later(evaluates, rng.uniform(0, 0.5))


def in_child(run, rng):
    """Waits for a child epoch, then for a random time."""
    log = os.path.join(run, "stdout")
    started = _last_line(log)

    def trains():
        line = _last_line(log)
        return line != started and line.startswith(b"epoch=")

    return _later(trains, rng.uniform(0, 0.1))


def in_controller(run, rng):
    """Waits for a controller phase, then for a random time."""
    log = os.path.join(run, "stdout")
    started = _last_line(log)

    def trains():
        line = _last_line(log)
        return line != started and line.startswith(b"ctrl_step")

    return _later(trains, rng.uniform(0, 0.3))


def in_checkpoint(run, rng):
    """Waits for the n-th directory that is being written."""
    folder = os.path.join(run, "checkpoints")
    seen, wanted = set(), rng.randint(1, 4)

    def writes():
        names = _names(folder)
        seen.update(name for name in names if name.endswith(".part"))
        return len(seen) >= wanted

    return _later(writes, rng.uniform(0, WRITE_SECONDS))


def in_tables(run, rng):
    """Waits for a new metrics.csv or arcs.jsonl being written."""
    name = rng.choice(["metrics.csv.part", "metrics.csv", "arcs.jsonl"])
    return _changed(os.path.join(run, name), rng)


def in_result(run, rng):
    """Waits for result.json; the event file is written right after it."""
    return _changed(os.path.join(run, "result.json"), rng)


def in_events(run, rng):
    """Waits for the event files to grow."""
    folder = os.path.join(run, "events")
    wanted = rng.randint(1, 3)
    sizes = {_size_of(folder)}

    def grows():
        sizes.add(_size_of(folder))
        return len(sizes) > wanted

    return _later(grows, rng.uniform(0, WRITE_SECONDS))


KILL_TIMES = (
    at_any_time,
    in_child,
    in_checkpoint,
    in_controller,
    in_tables,
    in_evaluation,
    in_events,
    at_any_time,
    in_result,
    in_checkpoint,
    in_child,
    at_start,
)


def _changed(path, rng):
    before = _stamp(path)
    return _later(
        lambda: _stamp(path) not in (before, None),
        rng.uniform(0, WRITE_SECONDS),
    )


def _later(condition, seconds):
    """Returns a function that is true some seconds after a condition is."""
    times = []

    def moment():
        if not times and condition():
            times.append(time.monotonic())
        return bool(times) and time.monotonic() - times[0] >= seconds

    return moment


def _lines_of_steps(path):
    before = _size(path)

    def condition():
        return _size(path) > before and _last_line(path).startswith(
            (b"epoch=", b"ctrl_step", b"val_acc", b"Eval", b"Here")
        )

    return condition


def _last_line(path):
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, _size(path) - 400))
            lines = stream.read().splitlines()
    except OSError:
        return b""
    lines = [line for line in lines if line.strip(b"-")]
    return lines[-1] if lines else b""


def _names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _stamp(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _size(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _size_of(folder):
    return sum(_size(os.path.join(folder, name)) for name in _names(folder))


def phase_of(run, log_size):
    """Returns what a killed search was doing, by what it left, str.

    Args:
      run: str, the run directory.
      log_size: int, bytes of its file stdout before it was started.
    """
    parts = [
        n for n in _names(os.path.join(run, "checkpoints")) if ".part" in n
    ]
    if parts:
        return "writing a checkpoint"
    parts = [name for name in _names(run) if name.endswith(".part")]
    if parts:
        return f"writing {parts[0].removesuffix('.part')}"
    if any(".part" in name for name in _names(os.path.join(run, "events"))):
        return "merging event files"
    line = _last_line(os.path.join(run, "stdout"))
    if _size(os.path.join(run, "stdout")) <= log_size or not line:
        return "starting"
    for phase, starts in (
        ("child epoch", (b"epoch=", b"Starting", b"and after", b"Continuing")),
        ("controller phase", (b"ctrl_step", b"Epoch")),
        ("end of an evaluation or writing its files", (b"test_accuracy",)),
        ("evaluation", (b"Here", b"val_acc", b"Eval", b"valid_acc", b"[")),
    ):
        if line.startswith(starts):
            return phase
    return "starting"
