"""Measures a finished run again, with behaviours changed.

    python -m enas.experiments.reevaluate outputs --override=bn_evaluation=batch

Samples arcs from the run's controller and prints, on the run's test set, the
mean error over them and the error of the one that is best on the validation
set, in the mode that the profile evaluates in. Writes nothing.
"""

import functools
import operator
import sys
from collections.abc import Iterator

import numpy as np

from enas.cifar10.flags import make_flags
from enas.errors import UserError
from enas.tools import open_run
from enas.tools.command import run_tool

NUM_ARCS = 10


def _run(argv: list[str]) -> Iterator[str]:
    if len(argv) < 2:
        raise UserError("Name a run directory, then flags to change.")
    program, run, *rest = argv
    config = open_run.read_config(make_flags(), [program, *rest], run)
    if config.child_from_scratch:
        raise UserError(
            f"{run} holds one architecture, trained from scratch, and no "
            "controller to sample from. Measure it with scripts/evaluate.sh."
        )
    search = open_run.load(config, print)
    splits = [open_run.images_of(search, name) for name in open_run.SPLITS]
    errors, mode = [], search.profile.evaluation_mode
    arcs = open_run.sampled_arcs(search, NUM_ARCS, "reevaluate")
    for i, arc in enumerate(arcs):
        valid, test = (
            100 * (1 - search.evaluation.accuracy_of(arc, split, mode))
            for split in splits
        )
        errors.append((valid, test))
        yield f"arc {i}: valid error {valid:.2f} test error {test:.2f}  {arc}"
    mean = np.mean(errors, axis=0)
    # Of equals the first, as the search chooses.
    best = min(errors, key=operator.itemgetter(0))
    yield (
        f"epoch {search.epoch}, overrides {config.override or 'none'}: mean "
        f"valid error {mean[0]:.2f}, mean test error {mean[1]:.2f}; best arc "
        f"on the validation set: valid {best[0]:.2f}, test {best[1]:.2f}"
    )


main = functools.partial(run_tool, _run, usage=str(__doc__))

if __name__ == "__main__":
    sys.exit(main())
