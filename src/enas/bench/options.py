"""The options of the benchmark, and the flags of the searches it measures."""

import argparse
import os

from absl import flags

from enas.bench.cases import CASES, Case
from enas.cifar10.flags import define_flags, read_flags

__all__ = ["PARTS", "cases_of", "read_config", "read_options", "search_flags"]

PARTS = ("program", "steps", "flat", "growth")
DEFAULT_PARTS = "program,steps,flat"
EPOCH_STEPS = 20
FULL = {
    "layers": 12,
    "filters": 36,
    "batch": 128,
    "arcs": 30,
    "times": 1,
    "yardstick_arcs": 30,
    "processes": 2,
    "flat_layers": 3,
    "flat_arcs": 9,
}
QUICK = {
    "layers": 4,
    "filters": 12,
    "batch": 32,
    "arcs": 6,
    "times": 1,
    "yardstick_arcs": 2,
    "processes": 1,
    "flat_layers": 2,
    "flat_arcs": 3,
}
HELP = {
    "layers": "layers of the child",
    "filters": "channels of every layer",
    "batch": "images in a batch",
    "arcs": "random architectures that are timed",
    "times": "how often each is timed in a process",
    "yardstick_arcs": "how many of them are also built without switches",
    "processes": "processes for each search space, one after the other",
    "flat_layers": "layers of the child where q=1 and many are compared",
    "flat_arcs": "architectures there",
}


def read_options(argv=None):
    """Parses the command line.

    Args:
      argv: list of str without the program's name; sys.argv by default.

    Returns:
      argparse.Namespace.
    """
    parser = argparse.ArgumentParser(
        prog="bash scripts/bench.sh", allow_abbrev=False
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, some minutes"
    )
    for name, text in HELP.items():
        parser.add_argument(
            f"--{name}",
            type=_positive,
            help=f"{text} ({FULL[name]}; {QUICK[name]} with --quick)",
        )
    parser.add_argument("--poison", help="measure this poisoning alone")
    parser.add_argument("--q", type=_positive, help="its copies of every op")
    parser.add_argument("--profile", default="enas", help="enas or paper")
    parser.add_argument("--threads", type=_positive, help="(all cores)")
    parser.add_argument(
        "--data_path", help="CIFAR-10; without it, images are drawn"
    )
    parser.add_argument(
        "--parts",
        default=DEFAULT_PARTS,
        help=f"comma list of {', '.join(PARTS)} (%(default)s)",
    )
    parser.add_argument("--json", help="write the numbers into this file")
    parser.add_argument("--compare", help="earlier JSON to set beside it")
    parser.add_argument(
        "--show", help="print the table of this JSON and measure nothing"
    )
    options = parser.parse_args(argv)
    _check(parser, options)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"at least 1; received {text}")
    return value


def _check(parser, options):
    unknown = set(options.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(
            f"--parts is a comma list of {', '.join(PARTS)}; received "
            f"{', '.join(sorted(unknown))}"
        )
    if (options.poison in (None, "none")) != (options.q is None):
        parser.error(
            "--poison and --q are given together or not at all; "
            "--poison=none, the clean space, takes no --q"
        )
    for path in (options.compare, options.show):
        if path is not None and not os.path.isfile(path):
            parser.error(f"{path} is no file")


def cases_of(options):
    """Returns the search spaces to measure, tuple of `Case`."""
    if options.poison is None:
        return CASES
    return (Case(options.poison, options.q or 0),)


def search_flags(options, case, layers=None, filters=None, batch=None):
    """Returns the flags of a search, list of str.

    Args:
      options: what `read_options` returned.
      case: `Case`.
      layers: int, in place of the option's.
      filters: int, in place of the option's.
      batch: int, in place of the option's.
    """
    batch = batch or options.batch
    source = ["--dataset=shapes"]
    if options.data_path:
        source = [f"--data_path={options.data_path}"]
    return [
        *source,
        f"--num_train={EPOCH_STEPS * batch}",
        f"--child_num_layers={layers or options.layers}",
        f"--child_out_filters={filters or options.filters}",
        f"--batch_size={batch}",
        f"--profile={options.profile}",
        *case.flags,
    ]


def read_config(search):
    """Returns the `Config` of a search's flags, list of str."""
    values = flags.FlagValues()
    define_flags(values)
    return read_flags(values, ["bench", *search])[0]
