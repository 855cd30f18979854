"""The search program: flags -> Config -> search.

Counterpart of ENAS's src/cifar10/main.py. Only this file reads flags.
"""

import dataclasses
import signal
import sys

from absl import flags

from enas import tf_settings
from enas.cifar10.flags import (
    WITHOUT_EFFECT,
    define_flags,
    help_text,
    read_flags,
)
from enas.errors import Stopped, UserError
from enas.run.stop_signals import StopSignals
from enas.tf_noise import without_noise
from enas.utils import DASHES, Log, flag_lines

__all__ = ["main"]


def main(argv=None):
    """Runs a search from a command line.

    Args:
      argv: list of str, the program's name first; sys.argv by default.

    Returns:
      int, the exit code: 0, 1 for a failure of the run, 2 for a mistake of
      the user, 143 or 130 when SIGTERM or SIGINT ended it.
    """
    values = flags.FlagValues()
    define_flags(values)
    try:
        config, idle = read_flags(values, sys.argv if argv is None else argv)
        if values["help"].value:
            kind = "final" if config.child_from_scratch else "search"
            print(help_text(f"bash scripts/cifar10_macro_{kind}.sh"))
            return 0
        with StopSignals() as signals:
            return _run(config, idle, signals)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"error: {str(error).rstrip('.')}. The checkpoint before it is "
            "good. Make room or mend the rights; the same command continues.",
            file=sys.stderr,
        )
        return 1
    except Stopped as stopped:
        print(
            f"Stopped by {signal.Signals(stopped.number).name}; the steps that "
            f"were done are saved in {config.output_dir}. The same command "
            "goes on from there.",
            file=sys.stderr,
        )
        return 128 + stopped.number


def _run(config, idle, signals):
    # TensorFlow takes seconds to import, so flags are read before.
    tf_settings.before_import()
    with without_noise():
        from enas import devices
        from enas.cifar10 import program

        if config.deterministic:
            devices.be_deterministic()
        devices.find_devices()
    log = Log()
    log(DASHES)
    for line in flag_lines(dataclasses.asdict(config)):
        log(line)
    log(DASHES)
    for name in idle:
        log(f"--{name} is without effect: {WITHOUT_EFFECT[name][1]}.")
    return program.run(config, log, signals)


if __name__ == "__main__":
    sys.exit(main())
