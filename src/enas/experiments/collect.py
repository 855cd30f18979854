"""Keeps what runs have measured: small tables that need no run directory.

    python -m enas.experiments.collect outputs/table1 --machine=mine

Adds every finished search below the folders named to epochs.csv (a line per
epoch) and runs.csv (a line per run) in --into, and every architecture trained
from scratch by `table1.sh --retrain` to retrained.csv. What is there already
is rewritten, so the command may be repeated.
"""

import dataclasses
import functools
import json
import operator
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from enas.cifar10.arc import Arc
from enas.cifar10.metrics import COLUMNS
from enas.cifar10.search_space import CANDIDATE_OPS, expand
from enas.errors import UserError
from enas.experiments.jobs import poison_arc, read_config
from enas.experiments.plan import PRESETS
from enas.experiments.sweep import READINGS
from enas.experiments.table1_rows import all_rows
from enas.parser import Parser
from enas.run import files, versions
from enas.run.files import Line
from enas.run.rows import RunRows
from enas.tools.command import run_tool

# What tells one run from another.
KEY = ("row", "seed", "defence", "variant", "commit", "machine")
RETRAINED_KEY = (*KEY[:3], "kind", "epochs", *KEY[4:], "arc")
# No table or figure needs the others, or more digits of some, and the tables
# stay below 300 kB.
_LEFT_OUT = set(
    "child_lr baseline controller_loss controller_grad_norm good_layers "
    "bad_layers".split()
)
_SECONDS = [c for c in COLUMNS if c.startswith("seconds_")]
EPOCH_COLUMNS = [c for c in COLUMNS if c not in {*_LEFT_OUT, *_SECONDS}]
EPOCH_COLUMNS.append("seconds")
_COARSE = set("child_loss child_grad_norm entropy skip_rate seconds".split())
# Settings that stand in columns of their own or that `variant` names itself.
_NAMED = set(
    "poison q seed defence override controller_training child_fixed_arc "
    "child_from_scratch".split()
)
# Settings of a training from scratch that go with how long it is.
_OF_EPOCHS = ("num_epochs", "child_lr_T_0")
# What a run is called in a line for people.
NAMES = ("row", "seed", "defence", "variant", "kind")


def _run(argv: list[str]) -> Iterator[str]:
    parser = Parser(prog="python -m enas.experiments.collect")
    parser.add_argument("folders", nargs="+", help="sweeps or runs")
    parser.add_argument("--machine", required=True, help="a name for it")
    parser.add_argument("--into", default="docs/table1", help="folder")
    given = parser.parse_words(argv[1:])
    names = collect(given.folders, given.machine, given.into)
    yield f"{len(names)} finished runs in {given.into}: {', '.join(names)}"


def collect(folders: Iterable[str], machine: str, into: str) -> list[str]:
    """Adds finished searches to the tables; returns their names.

    Args:
      folders: sweeps, or run directories.
      machine: the name that tells its rounding from that of others.
      into: folder of the tables, which need not exist.

    Raises:
      UserError: there is no such folder, or a file of a run is damaged.
    """
    runs, epochs, retrained = [], [], []
    for folder in folders:
        if not os.path.isdir(folder):
            raise UserError(
                f"{folder} is not a folder. Name the --output_dir of a sweep "
                "or a run directory."
            )
        for path in sorted(pathlib.Path(folder).rglob("result.json")):
            result = files.read_result(path)
            if not result.get("finished"):
                continue
            if result["settings"].get("child_from_scratch"):
                retrained.append(_retrained_line(path, result, machine))
            else:
                rows = RunRows(str(path.parent))
                runs.append(_run_line(path, result, machine, rows))
                epochs += _epoch_lines(rows, runs[-1])
    os.makedirs(into, exist_ok=True)
    merge(os.path.join(into, "runs.csv"), runs, KEY)
    merge(os.path.join(into, "epochs.csv"), epochs, KEY)
    merge(os.path.join(into, "retrained.csv"), retrained, RETRAINED_KEY)
    named = (map(run.get, NAMES) for run in (*runs, *retrained))
    return [" ".join(filter(None, names)) for names in named]


def _retrained_line(
    path: pathlib.Path, result: dict, machine: str
) -> dict[str, Any]:
    """Returns the line of retrained.csv of one finished training."""
    settings = result["settings"]
    # Which arc it is says the name of its folder, a `Job`'s.
    found = re.search(
        r"_(best_arc|random_arc_\d+)(?:_(.+))?_seed\d+$", path.parent.name
    )
    kind, defence = found.groups() if found else ("given", None)
    others = _other_settings(settings, "retrain.flags")
    others = [*settings["override"], *others]
    # One wave of the learning rate; the number of epochs has its own column.
    usual = [f"{name}={result['epochs']}" for name in _OF_EPOCHS]
    kind = " ".join([kind, *(word for word in others if word not in usual)])
    layers = settings["child_num_layers"]
    arc = Arc.parse(result["arc"], layers, result["op_ids"])
    if "test_acc" not in result["last"]:
        raise UserError(
            f"{path.parent} has not measured its last epoch, so it has no line "
            "in a table. Leave its folder out; trainings of which "
            "--eval_every_epochs divides --num_epochs can be collected."
        )
    return {
        **of_run(settings),
        "defence": (defence or "none").replace("+", ","),
        "kind": kind,
        "epochs": result["epochs"],
        **origin(path, machine, result["epochs"]),
        "poison_layers": sum(op >= _good_ops(settings) for op in arc.op_ids),
        "poison_layers_uniform": _uniform_poison(result),
        "parameters": result["parameters"],
        "test_error": error_of(result["last"]["test_acc"]),
        "arc": short(result["arc"]),
    }


def _good_ops(settings: Mapping[str, Any]) -> int:
    return len(expand(settings["candidate_ops"], CANDIDATE_OPS))


def _uniform_poison(result: dict) -> str:
    """Returns the layers of poison expected at a uniform controller."""
    settings = result["settings"]
    share = 1 - _good_ops(settings) / result["op_ids"]
    return f"{share * settings['child_num_layers']:.2f}"


def origin(path: pathlib.Path, machine: str, epochs: int) -> Line:
    """Returns where and when a result was made, and by which commit."""
    starts = versions.read(str(path.parent))
    # A start that finds all epochs done trains nothing.
    starts = [each for each in starts if each.get("epochs", -1) < epochs]
    commit = (starts[-1].get("commit") if starts else None) or "unknown"
    date = time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))
    return {"commit": commit[:7], "machine": machine, "date": date}


def _run_line(
    path: pathlib.Path, result: dict, machine: str, rows: RunRows
) -> dict[str, Any]:
    """Returns the line of runs.csv of a finished run."""
    settings, wanted = result["settings"], set(READINGS.values())
    measured = [row for row in rows.rows() if "test_acc" in row]
    if not (measured and measured[-1].keys() >= wanted):
        raise UserError(
            f"{path.parent} has not measured all readings in the last epoch "
            "that it evaluated, so it has no line in a table. Leave its folder "
            "out; searches with --readings=last or all can be collected."
        )
    last = measured[-1]
    reports = [r for r in rows.arcs.read() if r["epoch"] == last["epoch"]]
    best = next(r for r in reports if "valid_acc" in r)
    layers = [report["poison_layers"] for report in reports]
    return {
        **of_run(settings),
        "variant": variant(settings),
        **origin(path, machine, result["epochs"]),
        "epochs": result["epochs"],
        "poison": settings["poison"],
        "q": settings["q"] or 0,
        "op_ids": result["op_ids"],
        **{name: error_of(last[column]) for name, column in READINGS.items()},
        "poison_share": f"{last['poison_share']:.4f}",
        "poison_layers_best": best["poison_layers"],
        "poison_layers_10": f"{sum(layers) / len(layers):.2f}",
        "poison_layers_uniform": _uniform_poison(result),
        "best_arc": short(best["arc"]),
        "arcs": "; ".join(short(report["arc"]) for report in reports),
    }


def of_run(settings: Mapping[str, Any]) -> Line:
    """Returns the row of Table 1, or poison:q, of a run, its seed, defence."""
    poison, q = settings["poison"], settings["q"]
    rows = {(row.poison, row.q): row.name for row in all_rows().values()}
    return {
        "row": rows.get((poison, q or 0), f"{poison}:{q}"),
        "seed": str(settings["seed"]),
        "defence": settings.get("defence", "none"),
    }


def variant(settings: Mapping[str, Any]) -> str:
    """Returns in what a search differs from those of a row, in words."""
    # As a result has them: lists, not tuples.
    settings = json.loads(json.dumps(settings))
    words = [] if settings["controller_training"] else ["uniform"]
    if settings["child_fixed_arc"]:
        words.append(_kind_of_arc(settings))
    others = _other_settings(settings, "small.flags")
    return " ".join([*settings["override"], *words, *others])


def _other_settings(settings: Mapping[str, Any], preset: str) -> list[str]:
    """Returns name=value of what differs from a row's runs with a preset."""
    row = all_rows().get(of_run(settings)["row"])
    flags = f"--flagfile={PRESETS / preset}", "--profile=paper"
    config = read_config((*flags, *(row.flags if row else ())))
    usual = json.loads(json.dumps(vars(config)))
    words = []
    for field in dataclasses.fields(config):
        name, value = field.name, settings.get(field.name, usual[field.name])
        changes = name == "num_epochs" or not field.metadata.get("logging")
        if changes and name not in _NAMED and value != usual[name]:
            words.append(f"{name}={value}".removesuffix(".0"))
    return words


def _kind_of_arc(settings: Mapping[str, Any]) -> str:
    """Returns the control that a fixed arc is, or which other one it is."""
    text, layers = settings["child_fixed_arc"], settings["child_num_layers"]
    space = settings["poison"], settings["q"] or 0, _good_ops(settings)
    for skip, control in enumerate(("poison_only", "poison_all_skips")):
        if space[1] and Arc.parse(text, layers, 10**9) == poison_arc(
            *space, layers, skip
        ):
            return control
    return f"fixed_arc={short(text)}"


def error_of(accuracy: float) -> str:
    """Returns the error of an accuracy, per cent, as the tables have it."""
    return f"{100 - 100 * accuracy:.2f}"


def short(arc: str) -> str:
    """Returns an architecture with single spaces."""
    return " ".join(arc.split())


def _epoch_lines(rows: RunRows, run: Line) -> list[Line]:
    lines = []
    for row in rows.rows():
        row["seconds"] = sum(row.get(column, 0.0) for column in _SECONDS)
        cells = {
            column: f"{row[column]:.{3 if column in _COARSE else 4}g}"
            for column in EPOCH_COLUMNS
            if column in row
        }
        key = {name: run[name] for name in KEY}
        lines.append(key | dict.fromkeys(EPOCH_COLUMNS, "") | cells)
    return lines


def merge(path: str, new: list[dict[str, Any]], key: Sequence[str]) -> None:
    """Writes a table with new lines instead of those of the same runs."""
    if not new:
        return
    new = [{name: str(cell) for name, cell in line.items()} for line in new]
    old, columns = files.read_table(path), list(new[0])
    if os.path.exists(path) and not (old and old[0].keys() == set(columns)):
        raise UserError(
            f"{path} is not a table of this program. Name another folder by "
            "--into."
        )
    key_of = operator.itemgetter(*key)
    keys = set(map(key_of, new))
    kept = [line for line in old if key_of(line) not in keys]
    # Folders may overlap; an epoch of a run is one more line of its key.
    new = list({tuple(line.items()): line for line in new}.values())
    # A stable order: the lines of one run stay in the order of its epochs.
    lines = sorted([*kept, *new], key=key_of)
    files.write_whole(path, files.table_text(lines, columns))


main = functools.partial(run_tool, _run)

if __name__ == "__main__":
    sys.exit(main())
