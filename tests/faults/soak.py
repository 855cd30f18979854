"""Runs a tiny search for long and measures its process from outside."""

import csv
import os
import shutil
import statistics
import subprocess
import sys
import time

from faults.configurations import CONFIGURATIONS, arguments_of

__all__ = ["add_arguments", "run"]

FIRST = 30  # Epochs after which a search must have all the memory it needs.
MAX_GROWTH = 0.03
MAX_SLOWER = 0.10


def add_arguments(parser):
    """Adds the verb's arguments.

    Args:
      parser: `argparse.ArgumentParser`.
    """
    parser.add_argument(
        "--epochs", type=int, default=300, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--configuration",
        choices=tuple(CONFIGURATIONS),
        default="identity",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--directory",
        default=os.path.join("outputs", "soak"),
        help="emptied and used (default: %(default)s)",
    )


def run(arguments):
    """Runs, measures after every epoch and prints what grew.

    Args:
      arguments: namespace as `add_arguments` makes it.

    Returns:
      int, 0 if memory, file handles and step time stayed flat, else 1.
    """
    folder = arguments.directory
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    search = os.path.join(folder, "run")
    samples = _measure(
        arguments_of(arguments.configuration, arguments.epochs, search),
        search,
        os.path.join(folder, "log"),
    )
    _write(os.path.join(folder, "samples.csv"), samples)
    lines, good = verdict(samples)
    print("\n".join(lines))
    return 0 if good else 1


def _measure(argv, search, log):
    """Returns a dict per epoch, measured when its row is written."""
    command = [sys.executable, "-m", "enas.cifar10.main", *argv[1:]]
    samples = []
    with open(log, "wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        while process.poll() is None:
            rows = _rows(os.path.join(search, "metrics.csv"))
            if len(rows) > len(samples):
                samples += _sample(process.pid, search, rows[len(samples) :])
            time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"The search ended with {process.returncode}: {log}")
    return samples


def _sample(pid, search, rows):
    folder = f"/proc/{pid}"
    try:
        with open(f"{folder}/status", encoding="utf-8") as stream:
            status = dict(line.split(":", 1) for line in stream)
        now = {
            "resident_kb": int(status["VmRSS"].split()[0]),
            "cpu_seconds": _cpu_seconds(folder),
            "threads": int(status["Threads"]),
            "files": len(os.listdir(f"{folder}/fd")),
            "run_bytes": _bytes(search),
        }
    except (OSError, KeyError):  # It ended meanwhile.
        return []
    return [
        {
            "epoch": int(row["epoch"]),
            "seconds_child": float(row["seconds_child"]),
            **now,
        }
        for row in rows
    ]


def _cpu_seconds(folder):
    """Returns the processor time a process has used."""
    with open(f"{folder}/stat", encoding="utf-8") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rows(path):
    if not os.path.isfile(path):
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _bytes(folder):
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            # Checkpoints come and go.
            try:
                total += os.path.getsize(os.path.join(place, name))
            except FileNotFoundError:
                pass
    return total


def _write(path, samples):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, samples[0])
        table.writeheader()
        table.writerows(samples)


def verdict(samples):
    """Returns what the samples say and whether all of it is flat.

    Args:
      samples: list of dicts, one per epoch, more than `FIRST`.

    Returns:
      (lines, good): list of str; bool. Time is judged by the processor's,
      since the clock's grows with whatever else the machine does.
    """
    one, last = samples[FIRST - 1], samples[-1]
    grown = last["resident_kb"] / one["resident_kb"] - 1
    parts = samples[FIRST : 3 * FIRST], samples[-2 * FIRST :]
    early, late = map(_cpu_per_epoch, parts)
    slower = late / early - 1
    child = [statistics.median(s["seconds_child"] for s in p) for p in parts]
    lines = [
        f"epochs: {last['epoch']}",
        f"resident memory: {one['resident_kb']} kB after epoch {FIRST}, "
        f"{last['resident_kb']} kB after epoch {last['epoch']} ({grown:+.2%})",
        f"processor time of an epoch: {early:.4f} s in epochs {FIRST + 1} to "
        f"{3 * FIRST}, {late:.4f} s in the last {2 * FIRST} ({slower:+.1%})",
        f"child phase by the clock, which other jobs stretch: median "
        f"{child[0]:.4f} s, then {child[1]:.4f} s",
        f"open files: {one['files']}, then {last['files']}; threads: "
        f"{one['threads']}, then {last['threads']}",
        f"run directory: {one['run_bytes']} bytes, then {last['run_bytes']}",
    ]
    good = (
        grown <= MAX_GROWTH
        and slower <= MAX_SLOWER
        and last["files"] <= one["files"]
    )
    return lines, good


def _cpu_per_epoch(samples):
    first, last = samples[0], samples[-1]
    used = last["cpu_seconds"] - first["cpu_seconds"]
    return used / (last["epoch"] - first["epoch"])
