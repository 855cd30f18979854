"""Measures a finished run again, with behaviours changed.

    python -m enas.experiments.reevaluate outputs --override=bn_evaluation=batch

Samples arcs from the run's controller and prints, on the run's test set, the
mean error over them and the error of the one that is best on the validation
set. Writes nothing.
"""

import os
import sys

import numpy as np
from absl import flags

from enas.cifar10.flags import define_flags, read_flags
from enas.errors import UserError
from enas.tf_noise import without_noise

__all__ = ["main", "reevaluate"]

NUM_ARCS = 10


def main(argv):
    """Runs the tool; returns its exit code."""
    values = flags.FlagValues()
    define_flags(values)
    try:
        if len(argv) < 2:
            raise UserError("Name a run directory, then flags to change.")
        run = argv[1]
        flagfile = f"--flagfile={os.path.join(run, 'flags.txt')}"
        arguments = [argv[0], flagfile, *argv[2:], f"--output_dir={run}"]
        config, _ = read_flags(values, arguments)
        for line in reevaluate(config):
            print(line)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def reevaluate(config):
    """Yields lines with the errors of a run's arcs.

    Args:
      config: the run's `Config`, its output_dir the run, with overrides.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with without_noise():
        from enas.cifar10 import checkpoint, program
        from enas.cifar10.run_dir import RunDir
        from enas.cifar10.search import arc_of

        program.find_devices()

    directories = RunDir(config).checkpoints()
    if not directories:
        raise UserError(
            f"{config.output_dir} has no whole checkpoint yet. Name the run "
            "directory of a search that has ended an epoch."
        )
    search = program.load_search(config, log=lambda line: None)
    checkpoint.restore(search, directories[-1])
    sample = search.arcs.draw(NUM_ARCS, "reevaluate", 0)
    errors = []
    for i in range(NUM_ARCS):
        arc = arc_of(sample, i)
        valid, test = (
            100 * (1 - search.accuracy_of(arc, split))
            for split in (search.data.valid, search.data.test)
        )
        errors.append((valid, test))
        yield f"arc {i}: valid error {valid:.2f} test error {test:.2f}  {arc}"
    mean = np.mean(errors, axis=0)
    yield (
        f"epoch {search.epoch}, overrides {config.override or 'none'}: mean "
        f"valid error {mean[0]:.2f}, mean test error {mean[1]:.2f}; best arc "
        f"on the validation set: valid {min(errors)[0]:.2f}, test "
        f"{min(errors)[1]:.2f}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
