"""The benchmark: measures, prints a table, writes JSON, compares."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from enas.bench.measure import MEASURE
from enas.bench.options import read_options
from enas.bench.table import lines_of
from enas.errors import UserError
from enas.paths import MARK

THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns 1 if what was measured failed, else 0.

    It is 2 at a mistake in the options.
    """
    failed = 2
    try:
        options = read_options(argv)
        earlier = _read(options.compare) if options.compare else None
        failed = 1
        result = _read(options.show) if options.show else _measure(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return failed
    print("\n".join(lines_of(result, earlier)))
    if options.json and not options.show:
        with open(options.json, "w", encoding="utf-8") as stream:
            json.dump(result, stream, indent=1)
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Returns what is written as JSON."""
    if options.threads:
        os.environ |= dict.fromkeys(THREADS, str(options.threads))
    start, rows, machine = time.time(), [], _machine()
    speeds = [machine.pop("speed")]
    for part in options.parts.split(","):
        for row in MEASURE[part](options):
            rows.append({"part": part, **row})
            text = f"{row['what']}, {row['case']}: {row['median']:.3f}"
            print(text, file=sys.stderr, flush=True)
        speeds.append(_machine()["speed"])
    return {
        "program": MARK,
        "date": time.strftime("%Y-%m-%d", time.gmtime(start)),
        "minutes": (time.time() - start) / 60,
        "options": vars(options),
        "machine": machine,
        "speeds": speeds,
        "rows": rows,
    }


def _machine() -> dict[str, Any]:
    """Asks a new process, because NumPy counts its threads when imported."""
    command = [sys.executable, "-m", "enas.bench.machine"]
    return json.loads(subprocess.check_output(command))


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


if __name__ == "__main__":
    sys.exit(main())
