"""The verb checkpoint: the original's checkpoint and the port, side by side.

Prints what every tensor is and whether the port has it, then the accuracy of
arcs under its weights. The sizes of the network are read off the checkpoint.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from enas import tf_settings
from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import PROFILES
from enas.cifar10.config import Config
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace, expand
from enas.errors import UserError
from enas.parity.checkpoint_sizes import Sizes, read_sizes
from enas.tf1.names import KINDS, STATISTIC, WEIGHT, Entry, compare, port_name
from enas.tools.open_run import SPLITS, sampled_arcs
from enas.utils import quiet

if TYPE_CHECKING:
    from enas.cifar10.compiled import Compiled

NUM_ARCS = 10
# Arguments that are settings of a search by the same name.
_TEXTS = ("profile", "poison", "poison_sharing", "dataset", "data_path")
_SETTINGS = dict.fromkeys(_TEXTS, str) | {"q": int, "seed": int}
_VERDICTS = ("matched", "missing", "left over", "shape differs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    add = parser.add_argument
    text = "the checkpoint: its path without .index, or a folder with one"
    add("path", help=text)
    text = "an arc to measure, in quotes; may be given several times; default: "
    text += f"{NUM_ARCS} that the checkpoint's controller samples"
    add("--arc", action="append", help=text)
    add("--split", choices=SPLITS, default="valid", help="images")
    add("--num_images", type=int, help="only the first N")
    add("--no_accuracy", action="store_true", help="only the mapping")
    legal = {"profile": tuple(PROFILES), "dataset": ("cifar10", "shapes")}
    for name, kind in _SETTINGS.items():
        choices, default = legal.get(name), getattr(Config, name)
        text = "as in the search"
        add(f"--{name}", type=kind, choices=choices, default=default, help=text)
    text = "change one behaviour of the port, choice=value"
    add("--override", action="append", default=[], help=text)


def run(arguments: argparse.Namespace) -> int:
    """Prints the mapping and the accuracies.

    Returns:
      0 if every weight of child and controller matched, else 1.

    Raises:
      UserError: the checkpoint, an arc, the data or a setting is not legal.
    """
    tf_settings.start_tensorflow()
    from enas.parity.recorded_quantities.enas_tables import build_models
    from enas.run import checkpoint
    from enas.tf1 import files
    from enas.tf1.load import wanted_shapes

    prefix = files.find_prefix(arguments.path)
    tensors = checkpoint.read_tensors(prefix)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    sizes = read_sizes(shapes, prefix)
    config = _config(arguments, sizes)
    search_space = _search_space(config, sizes.num_ops)
    ids = config.child_num_layers, search_space.num_ops
    arcs = [Arc.parse(text, *ids) for text in arguments.arc or ()]
    compiled = build_models(config, search_space)
    entries = compare(shapes, wanted_shapes(compiled, config))
    print(f"{prefix}: {len(tensors)} tensors; {sizes}")
    _print_mapping(entries)
    if not arguments.no_accuracy:
        if reason := _why_no_accuracy(entries, config):
            print(f"Accuracy: not measured, {reason}.")
        else:
            checkpoint.assign(compiled, tensors)
            models = config, search_space, compiled
            _print_accuracies(models, arcs, arguments.split)
    return int(_wrong(entries, (WEIGHT,)) > 0)


def _why_no_accuracy(entries: Sequence[Entry], config: Config) -> str:
    """Returns why no accuracy can be measured, or an empty text."""
    from enas.cifar10.build import data_dir
    from enas.cifar10.readers.cifar import holds
    from enas.cifar10.readers.published import CIFAR

    wrong = _wrong(entries, (WEIGHT, STATISTIC))
    if wrong:
        return f"{wrong} tensors do not match"
    # A search would download the images; a look at a file should not.
    given = config.dataset != "cifar10" or config.data_path is not None
    if given or holds(CIFAR["cifar10"], data_dir()):
        return ""
    return "no CIFAR-10 here; give --data_path"


def _wrong(entries: Sequence[Entry], kinds: Sequence[str]) -> int:
    """Returns how many tensors of some kinds do not match."""
    return sum(
        entry.kind in kinds and entry.verdict != "matched" for entry in entries
    )


def _config(arguments: argparse.Namespace, sizes: Sizes) -> Config:
    if arguments.num_images is not None and arguments.num_images < 1:
        raise UserError(
            "--num_images is how many images to measure on, at least 1; "
            f"received {arguments.num_images}. Leave it out for all."
        )
    settings = {name: getattr(arguments, name) for name in _SETTINGS}
    settings[f"num_{arguments.split}"] = arguments.num_images
    override = tuple(arguments.override)
    return Config(override=override, **sizes.settings, **settings)


def _search_space(config: Config, num_ops: int) -> SearchSpace:
    """Returns the space of the arguments, else the first ops."""
    from enas.cifar10.build import space_of

    ops = expand(config.candidate_ops, CANDIDATE_OPS)
    if config.poison != "none" or config.q:
        return space_of(config)
    if num_ops > len(ops):
        raise UserError(
            f"The checkpoint's controller has {num_ops} op ids and the "
            f"original at most {len(ops)}, so it is of a poisoned search. Give "
            "its --poison and --q, as in flags.txt of that run."
        )
    return SearchSpace(ops[:num_ops], (), 0, config.poison_sharing)


def _print_mapping(entries: Sequence[Entry]) -> None:
    row = "{:<15}{:<18}{:<18}{}".format
    print(row("verdict", "kind", "shape", "TF1 name (the port's, if another)"))
    for entry in entries:
        wanted = list(entry.wanted or ())
        shape = str(wanted if entry.found is None else list(entry.found))
        if entry.verdict == "shape differs":
            shape += f", port {wanted} "
        port = port_name(entry.name)
        other = port != entry.name and entry.wanted is not None
        name = f"{entry.name} ({port})" if other else entry.name
        print(row(entry.verdict, entry.kind, shape, name))
    row = ("{:18}" + "{:>15}" * len(_VERDICTS)).format
    print(row("", *_VERDICTS))
    for kind in KINDS:
        found = [entry.verdict for entry in entries if entry.kind == kind]
        print(row(kind, *map(found.count, _VERDICTS)))


def _print_accuracies(
    models: tuple[Config, SearchSpace, "Compiled"], arcs: list[Arc], split: str
) -> None:
    from enas.cifar10.build import read_data
    from enas.cifar10.readers.fingerprint import told
    from enas.cifar10.search import Search

    config, search_space, compiled = models
    data = read_data(config, log=quiet)
    print(f"Data: {told(data.facts)}")
    search = Search(config, search_space, data, compiled, quiet)
    arcs = arcs or sampled_arcs(search, NUM_ARCS, "checkpoint")
    images = getattr(data, split)
    accuracies = [search.evaluation.accuracy_of(arc, images) for arc in arcs]
    print(f"Accuracy on {len(images)} images of the {split} set")
    for arc, accuracy in zip(arcs, accuracies, strict=True):
        print(f"{accuracy:<6.4f}  {arc}")
    mean = sum(accuracies) / len(accuracies)
    print(f"mean {mean:.4f}, best {max(accuracies):.4f}")
