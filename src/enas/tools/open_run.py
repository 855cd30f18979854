"""An existing run, loaded to be measured or exported. It writes nothing."""

import dataclasses
import os
import re
import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from enas import tf_settings
from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.cifar10.flags import read_flags
from enas.errors import UserError
from enas.paths import read_text, user_path
from enas.run import checkpoint_names
from enas.utils import Say, quiet

if TYPE_CHECKING:
    from enas.cifar10.data_utils import Split
    from enas.cifar10.search import Search

# What the child does with dropout and noise: off, or on.
MODES = ("eval", "train")
SPLITS = ("valid", "test")


def check_word(name: str, word: object, legal: Sequence[str]) -> None:
    """Refuses a word that is none of the legal ones, with a UserError."""
    if not isinstance(word, str) or word not in legal:
        raise UserError(
            f"--{name} is one of {', '.join(legal)}; received "
            f"{reprlib.repr(word)}."
        )


def images_of(search: "Search", name: str) -> "Split":
    """Returns the images of a split; refuses an empty one by a UserError."""
    split = getattr(search.data, name)
    if not len(split):
        raise UserError(
            f"--split={name} is empty: this run trained on all training "
            "images. Measure on --split=test."
        )
    return split


def read_config(
    values: flags.FlagValues, argv: Sequence[str], run: str | None = None
) -> Config:
    """Reads a run's flags.txt, then the flags given.

    Args:
      argv: the program's name first.
      run: the run directory; None for the value of --output_dir in argv.

    Raises:
      UserError: there is no such run, or a flag is not legal.
    """
    run = run or given(argv, "output_dir")
    if not run:
        raise UserError(
            "--output_dir names the run directory of a search or a final "
            "training; received none. See --help."
        )
    run = user_path(run)
    path = os.path.join(run, "flags.txt")
    if not os.path.isfile(path):
        raise UserError(
            f"--output_dir={run} is not a run directory: it holds no "
            "flags.txt. Name one that a search or a final training has made."
        )
    place = [f"--flagfile={path}", *argv[1:], f"--output_dir={run}"]
    config, _ = read_flags(values, [argv[0], *place])
    # What is only read is not reset, and its images are compared.
    return dataclasses.replace(config, reset_output_dir=False)


def given(argv: Sequence[str], name: str) -> str | None:
    """Returns the last value given, as in a search; None if there is none."""
    value = None
    for i, word in enumerate(argv):
        if found := re.fullmatch(rf"--?{name}(?:=(.*))?", word):
            value = found[1] or "".join(argv[i + 1 : i + 2])
    return value


def load(config: Config, log: Say = quiet) -> "Search":
    """Returns the `Search` of a run, its output_dir, at its last checkpoint.

    Raises:
      UserError: there is no whole checkpoint, or one of another search, or
        the images are not those that it has seen.
    """
    tf_settings.start_tensorflow()
    from enas.cifar10 import build
    from enas.devices import describe_devices
    from enas.run import checkpoint, data_record

    _newest_checkpoint(config.output_dir)
    for line in describe_devices():
        log(line)
    search = build.load_search(
        config, lambda data: data_record.check(config, data, log)
    )
    # A search in progress may have deleted the one from before by now.
    checkpoint.restore(search, _newest_checkpoint(config.output_dir))
    return search


def _newest_checkpoint(run: str) -> str:
    found = checkpoint_names.directories(run)
    if not found:
        raise UserError(
            f"{run} has no complete checkpoint yet. Name the run directory of a"
            " search that has finished an epoch."
        )
    return found[-1]


def best_arc(search: "Search") -> Arc:
    """Returns the fixed arc, or that of best_arc.txt; UserError without it."""
    if search.arcs.fixed_arc is not None:
        return search.arcs.fixed_arc
    run = search.config.output_dir
    path = os.path.join(run, "best_arc.txt")
    if not os.path.isfile(path):
        raise UserError(
            f"{run} has no best_arc.txt, because it has not measured any "
            "architecture yet. Give one by --arc."
        )
    text = read_text(path, "A run writes its best architecture as text")
    return parsed(search, text)


def sampled_arcs(search: "Search", count: int, stream: str) -> list[Arc]:
    """Returns the fixed arc, or some of the controller, others per stream."""
    from enas.cifar10.evaluation import arc_of

    if search.arcs.fixed_arc is not None:
        return [search.arcs.fixed_arc]
    sample = search.arcs.draw(count, stream, 0)
    return [arc_of(sample, i) for i in range(count)]


def parsed(search: "Search", text: str) -> Arc:
    """Returns an arc that a run has weights for; refuses others."""
    layers = search.config.child_num_layers
    arc = Arc.parse(text, layers, search.search_space.num_ops)
    fixed = search.arcs.fixed_arc
    if search.config.child_from_scratch and arc != fixed:
        raise UserError(
            "A network trained from scratch holds one architecture, "
            f'"{fixed}"; received "{arc}". Leave --arc out.'
        )
    return arc
