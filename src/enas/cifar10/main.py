"""The search program: flags -> Config -> search.

Counterpart of ENAS's src/cifar10/main.py. Only this file reads flags.
"""

import dataclasses
import os
import sys

from absl import flags

from enas.cifar10.flags import (
    WITHOUT_EFFECT,
    define_flags,
    help_text,
    read_flags,
)
from enas.errors import UserError
from enas.tf_noise import without_noise
from enas.utils import DASHES, Log, flag_lines

__all__ = ["main"]


def main(argv=None):
    """Runs a search from a command line.

    Args:
      argv: list of str, the program's name first; sys.argv by default.

    Returns:
      int, the exit code: 0, 1 for a failure of the run, 2 for a mistake of
      the user, 130 when interrupted.
    """
    values = flags.FlagValues()
    define_flags(values)
    try:
        config, idle = read_flags(values, sys.argv if argv is None else argv)
        if values["help"].value:
            print(help_text("bash scripts/cifar10_macro_search.sh"))
            return 0
        return _run(config, idle)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}. The last checkpoint is good.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted. The same command continues after the last whole "
            "epoch.",
            file=sys.stderr,
        )
        return 130


def _run(config, idle):
    # TensorFlow takes seconds to import, so flags are read before.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # TensorFlow leaves these kernels out on many CPUs, AMD's among them, where
    # they halve the time of a convolution.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with without_noise():
        from enas.cifar10 import program

        program.find_devices()
    log = Log()
    log(DASHES)
    for line in flag_lines(dataclasses.asdict(config)):
        log(line)
    log(DASHES)
    for name in idle:
        log(f"--{name} is without effect: {WITHOUT_EFFECT[name][1]}.")
    return program.run(config, log)


if __name__ == "__main__":
    sys.exit(main())
