"""Errors of random arcs under the shared weights of a run.

    python -m enas.experiments.arc_errors outputs/run --machine=mine

Draws architectures for every number of layers without poison, from none to
all: what they differ by is what a controller could learn. With --retrained it
takes those of that table that are of the run's row and seed, so that they can
be ranked against training from scratch. Each is measured on test images in
evaluation mode, that of the rewards, and is a line of arc_errors.csv in --into.
"""

import argparse
import functools
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enas.cifar10.arc import Arc
from enas.cifar10.flags import make_flags
from enas.errors import UserError
from enas.experiments import collect
from enas.experiments.jobs import with_random_skips
from enas.experiments.table1_rows import matching
from enas.parser import Parser
from enas.paths import full_path
from enas.run.files import Line, read_table
from enas.tools import open_run
from enas.tools.command import run_tool

if TYPE_CHECKING:
    from enas.cifar10.data_utils import Split
    from enas.cifar10.search import Search

KEY = ("row", "seed", "defence", "variant", "kind", "commit", "machine")


def _read_arguments(words: list[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m enas.experiments.arc_errors")
    add = parser.add_argument
    add("run", help="a run directory")
    add("--machine", required=True, help="a name for it")
    add("--arcs", type=int, default=16, help="per number of good layers")
    add("--images", type=int, default=10_000, help="the first so many")
    add("--retrained", metavar="RETRAINED.csv", help="measure its arcs")
    add("--into", default="docs/table1", help="folder of arc_errors.csv")
    given = parser.parse_words(words)
    if min(given.arcs, given.images) < 1:
        raise UserError(
            "--arcs and --images are at least 1; received "
            f"{given.arcs} and {given.images}."
        )
    return given


def _run(argv: list[str]) -> Iterator[str]:
    given = _read_arguments(argv[1:])
    config = open_run.read_config(make_flags(), ["run"], given.run)
    if config.child_from_scratch:
        raise UserError(
            f"{config.output_dir} is a training of one architecture, which "
            "has no shared weights. Name the run directory of a search."
        )
    search = open_run.load(config)
    if given.retrained:
        arcs = _of_table(search, read_table(full_path(given.retrained)))
    else:
        arcs = _by_good_layers(search, given.arcs)
    run = collect.of_run(vars(config))
    run["variant"] = collect.variant(vars(config))
    result = pathlib.Path(config.output_dir, "result.json")
    made = collect.origin(result, given.machine, search.whole_epochs)
    count, test = given.images, search.data.test
    images = type(test)(test.images[:count], test.labels[:count])
    lines = []
    for kind, arc in arcs:
        measured = _measured(search, arc, images)
        lines.append(run | {"kind": kind} | made | measured)
        yield f"{kind}: test error {measured['test_error']} %  {arc}"
    os.makedirs(given.into, exist_ok=True)
    collect.merge(os.path.join(given.into, "arc_errors.csv"), lines, KEY)


def _measured(search: "Search", arc: Arc, images: "Split") -> dict[str, Any]:
    poison = sum(map(search.search_space.is_poison, arc.op_ids))
    return {
        "images": len(images),
        "good_layers": arc.num_layers - poison,
        "test_error": collect.error_of(
            search.evaluation.accuracy_of(arc, images)
        ),
        "arc": collect.short(str(arc)),
    }


def _of_table(search: "Search", table: list[Line]) -> list[tuple[str, Arc]]:
    """Returns (kind, arc) of the lines of this run's space and seed."""
    config = search.config
    run = collect.of_run(vars(config)) | {"defence": "none"}
    lines = [line for line in matching(table, **run) if line.get("arc")]
    # With other settings, which the kind names, it is another space.
    lines = [line for line in lines if " " not in line["kind"]]
    if not lines:
        raise UserError(
            f"--retrained has no architecture of row {run['row']} and seed "
            f"{run['seed']}, the run's. `table1.sh --retrain` trains some, "
            "and `python -m enas.experiments.collect` adds them to the table."
        )
    layers, ops = config.child_num_layers, search.search_space.num_ops
    found = {line["arc"]: line["kind"] for line in lines}
    return [(k, Arc.parse(arc, layers, ops)) for arc, k in found.items()]


def _by_good_layers(search: "Search", count: int) -> list[tuple[str, Arc]]:
    """Returns (kind, arc), `count` arcs for every number of good layers."""
    layers, space = search.config.child_num_layers, search.search_space
    good = len(space.candidate_ops)
    if space.num_ops == good:
        raise UserError(
            f"{search.config.output_dir} has no poison, so all layers of its "
            "architectures are good. Name a poisoned run, or --retrained."
        )
    rng = np.random.default_rng(search.config.seed)
    return [
        (f"good_{k}_{number}", arc_with(k, rng, layers, good, space.num_ops))
        for k in range(layers + 1)
        for number in range(1, count + 1)
    ]


def arc_with(
    good_layers: int,
    rng: np.random.Generator,
    layers: int,
    good: int,
    num_ops: int,
) -> Arc:
    """Returns a random arc, every skip with odds of a half.

    In `good_layers` of the layers the op is uniform among the good ones, whose
    op ids are below `good`, in the others among poison.
    """
    op_ids = rng.integers(good, num_ops, layers)
    chosen = rng.permutation(layers)[:good_layers]
    op_ids[chosen] = rng.integers(good, size=good_layers)
    return with_random_skips(op_ids, rng)


main = functools.partial(run_tool, _run)

if __name__ == "__main__":
    sys.exit(main())
