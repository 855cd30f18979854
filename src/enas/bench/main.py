"""The benchmark: measures, prints a table, writes JSON, compares."""

import json
import os
import subprocess
import sys
import time

from enas.bench.measure import MEASURE
from enas.bench.options import read_options
from enas.bench.table import lines_of
from enas.errors import UserError

__all__ = ["main"]

THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def main(argv=None):
    """Runs the benchmark.

    Args:
      argv: list of str without the program's name; sys.argv by default.

    Returns:
      int, exit code: 0, 1 if something that was measured failed.
    """
    options = read_options(argv)
    earlier = _read(options.compare) if options.compare else None
    if options.show:
        _print(_read(options.show), earlier)
        return 0
    try:
        result = _measure(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _print(result, earlier)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as stream:
            json.dump(result, stream, indent=1)
    return 0


def _measure(options):
    """Returns what is written as JSON, a dict."""
    if options.threads:
        os.environ |= dict.fromkeys(THREADS, str(options.threads))
    start, rows, machine = time.time(), [], _machine()
    speeds = [machine.pop("speed")]
    for part in options.parts.split(","):
        for row in MEASURE[part](options):
            rows.append(row)
            _say(f"{row['what']}, {row['case']}: {row['median']:.3f}")
        speeds.append(_machine()["speed"])
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime(start)),
        "minutes": (time.time() - start) / 60,
        "options": vars(options),
        "machine": machine,
        "speeds": speeds,
        "rows": rows,
    }


def _machine():
    """Asks a new process, because NumPy counts its threads when imported."""
    command = [sys.executable, "-m", "enas.bench.machine"]
    return json.loads(subprocess.check_output(command))


def _read(path):
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def _print(result, earlier):
    for line in lines_of(result, earlier):
        print(line)


def _say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
