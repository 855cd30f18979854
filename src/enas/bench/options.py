"""The options of the benchmark, and the flags of the searches it measures."""

import argparse
import os
from collections.abc import Sequence

from absl import flags

from enas.bench.spaces import MEASURED, Space
from enas.cifar10.config import Config
from enas.cifar10.flags import define_flags, read_flags
from enas.parser import Parser
from enas.paths import check_free

__all__ = ["PARTS", "read_config", "read_options", "search_flags", "spaces_of"]

PARTS = ("program", "steps", "flat", "growth")
EPOCH_STEPS = 20
# Option -> (its value, that with --quick, its help).
SIZES = {
    "layers": (12, 4, "layers of the child"),
    "filters": (36, 12, "channels of every layer"),
    "batch": (128, 32, "images in a batch"),
    "arcs": (30, 6, "random architectures that are timed"),
    "times": (1, 1, "how often each is timed in a process"),
    "yardstick_arcs": (30, 2, "how many are also built without switches"),
    "processes": (2, 1, "processes for each search space, in turn"),
    "flat_layers": (3, 2, "layers where q=1 and many are compared"),
    "flat_arcs": (9, 3, "architectures there"),
}


def read_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line; a mistake in it is a UserError."""
    parser = Parser(prog="bash scripts/bench.sh", allow_abbrev=False)
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes, some minutes")
    for name, (full, quick, text) in SIZES.items():
        text = f"{text} ({full}; {quick} with --quick)"
        add(f"--{name}", type=_positive, help=text)
    add("--poison", help="measure this poisoning alone")
    add("--q", type=_positive, help="its copies of every op")
    add("--profile", default="enas", help="enas or paper")
    add("--threads", type=_positive, help="(all cores)")
    add("--data_path", help="CIFAR-10; without it, images are drawn")
    add(
        "--parts",
        default="program,steps,flat",
        help=f"comma list of {', '.join(PARTS)} (%(default)s)",
    )
    add("--json", help="write the numbers into this file")
    add("--overwrite", action="store_true", help="also a file not of this")
    add("--compare", help="earlier JSON to set beside it")
    add("--show", help="print the table of this JSON and measure nothing")
    options = parser.parse_words(argv)
    _check(parser, options)
    for name, (full, quick, _) in SIZES.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"at least 1; received {text}")
    return value


def _check(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> None:
    unknown = sorted(set(options.parts.split(",")) - set(PARTS))
    if unknown:
        parser.error(
            f"--parts is a comma list of {', '.join(PARTS)}; received "
            f"{', '.join(unknown)}"
        )
    if (options.poison in (None, "none")) != (options.q is None):
        parser.error(
            "--poison and --q are given together or not at all; "
            "--poison=none, the clean space, takes no --q"
        )
    for path in (options.compare, options.show):
        if path is not None and not os.path.isfile(path):
            parser.error(f"{path} is no file")
    if options.json:
        check_free(options.json, "--json", options.overwrite)


def spaces_of(options: argparse.Namespace) -> tuple[Space, ...]:
    """Returns the search spaces to measure."""
    if options.poison is None:
        return MEASURED
    return (Space(options.poison, options.q or 0),)


def search_flags(
    options: argparse.Namespace, space: Space, **sizes: int
) -> list[str]:
    """Returns the flags of a search; `sizes` go before those of `options`."""
    size = {**vars(options), **sizes}
    source = "--dataset=shapes"
    if options.data_path:
        source = f"--data_path={options.data_path}"
    return [
        source,
        f"--num_train={EPOCH_STEPS * size['batch']}",
        f"--child_num_layers={size['layers']}",
        f"--child_out_filters={size['filters']}",
        f"--batch_size={size['batch']}",
        f"--profile={options.profile}",
        *space.flags,
    ]


def read_config(search: Sequence[str]) -> Config:
    """Returns the `Config` of a search's flags."""
    values = flags.FlagValues()
    define_flags(values)
    return read_flags(values, ["bench", *search])[0]
