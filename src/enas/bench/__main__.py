"""The benchmark: measures, prints a table, writes JSON, compares."""

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from enas.bench import processes
from enas.bench.measure import MEASURE, measured
from enas.bench.table import lines_of
from enas.cifar10.behaviours import PROFILES
from enas.errors import UserError
from enas.parser import Parser
from enas.paths import MARK, check_free
from enas.tools.command import exit_code

# What `--json` writes and the table needs.
_PARTS = {"options", "machine", "speeds", "rows"}
THREADS = ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OPENBLAS_NUM")
# Option -> (its value, that with --quick, its help).
SIZES = {
    "layers": (12, 4, "layers of the child"),
    "filters": (36, 12, "channels of every layer"),
    "batch": (128, 32, "images in a batch"),
    "arcs": (30, 6, "random architectures that are timed"),
    "yardstick_arcs": (30, 2, "how many are also built without switches"),
    "processes": (2, 1, "processes for each search space, in turn"),
    "flat_layers": (3, 2, "layers where q=1 and many are compared"),
    "flat_arcs": (9, 3, "architectures there"),
}


def read_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line; a mistake in it is a UserError."""
    parser = Parser(prog="bash scripts/bench.sh", allow_abbrev=False)
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes, a few minutes")
    for name, (full, quick, text) in SIZES.items():
        text = f"{text} ({full}; {quick} with --quick)"
        add(f"--{name}", type=_positive, help=text)
    add("--poison", help="measure this poisoning alone")
    add("--q", type=_positive, help="its copies of every op")
    add("--profile", choices=tuple(PROFILES), default="enas")
    add("--threads", type=_positive, help="(all cores)")
    add("--data_path", help="CIFAR-10; without it, images are drawn")
    add("--parts", default=",".join(MEASURE), help="some of %(default)s")
    add("--json", help="write the numbers into this file")
    add("--overwrite", action="store_true", help="replace any file by --json")
    add("--compare", type=_result, help="earlier JSON to compare with")
    add("--show", type=_result, help="print this JSON's table, measure nothing")
    options = parser.parse_words(argv)
    for name, sizes in SIZES.items():
        if getattr(options, name) is None:
            setattr(options, name, sizes[options.quick])
    if (options.poison in (None, "none")) != (options.q is None):
        text = "together or not at all; --poison=none takes no --q"
        parser.error(f"--poison and --q are given {text}")
    for space in measured(options):
        space.make()
    if {*options.parts.split(",")} - {*MEASURE}:
        legal = ", ".join(MEASURE)
        parser.error(f"--parts is some of {legal}; received {options.parts}")
    if options.json:
        check_free(options.json, "--json", options.overwrite)
    return options


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"at least 1; received {text}")
    return int(text)


def _result(path: str) -> dict[str, Any]:
    try:
        result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if not isinstance(result, dict) or not _PARTS <= result.keys():
            raise ValueError(f"it lacks {', '.join(sorted(_PARTS))}")
        return result
    except (OSError, ValueError) as error:
        text = f"a file that --json wrote; received {path}: {error}"
        raise argparse.ArgumentTypeError(text) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 1 if what was measured failed, 2 at a mistake in the options."""
    return exit_code(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    options = read_options(argv)
    try:
        result = options.show or _measure(options)
    except UserError as error:
        # The options were right.
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines_of(result, options.compare)))
    if options.json and not options.show:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Returns what is written as JSON."""
    if options.threads:
        names = (f"{name}_THREADS" for name in THREADS)
        os.environ |= dict.fromkeys(names, str(options.threads))
    rows, machine = [], processes.machine()
    speeds = [machine.pop("speed")]
    for part in options.parts.split(","):
        for row in MEASURE[part](options):
            rows.append({"part": part, **row})
            text = f"{row['what']}, {row['case']}: {row['median']:.3f}"
            print(text, file=sys.stderr, flush=True)
        speeds.append(processes.machine()["speed"])
    return {
        "program": MARK,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "options": {**vars(options), "compare": None},
        "machine": machine,
        "speeds": speeds,
        "rows": rows,
    }


if __name__ == "__main__":
    sys.exit(main())
