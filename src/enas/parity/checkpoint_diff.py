"""The verb checkpoint: the original's checkpoint and the port, side by side.

Prints what every tensor is and whether the port has it, then the accuracy of
arcs under its weights. The sizes of the network are read off the checkpoint.
"""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from enas import tf_settings
from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import PROFILES
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace, expand
from enas.errors import UserError
from enas.tf1.names import KINDS, STATISTIC, WEIGHT, Entry, compare, port_name
from enas.tools.open_run import SPLITS, read_config, sampled_arcs
from enas.utils import quiet

if TYPE_CHECKING:
    from enas.cifar10.compiled import Compiled
    from enas.cifar10.search import Search

NUM_ARCS = 10
# Arguments that are settings of a search by the same name.
_TEXTS = ("profile", "poison", "poison_sharing", "candidate_ops")
_SETTINGS: dict[str, type] = dict.fromkeys(
    (*_TEXTS, "dataset", "data_path"), str
)
_SETTINGS |= {"q": int, "seed": int, "image_size": int}
_VERDICTS = ("matched", "missing", "left over", "shape differs")
# Tensors whose shapes give the sizes of the network.
Shapes = Mapping[str, Sequence[int]]
_STEM = "child/stem_conv/w"
_SOFTMAX = "controller/softmax/w"
_LSTM = "controller/lstm/layer_0/w"
_SIZES = (
    "{child_num_layers} layers, {child_out_filters} filters, {} ops, "
    "{controller_lstm_num_layers} LSTM layer(s) of {controller_lstm_size}"
)


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
        text = "as in the search; a run directory says it itself"
        add(f"--{name}", type=kind, help=text, choices=legal.get(name))
    text = "change one behaviour of the port, choice=value"
    add("--override", action="append", default=[], help=text)


def run(arguments: argparse.Namespace) -> int:
    """Prints the mapping and the accuracies.

    Returns 0 if every weight of child and controller matched, else 1.

    Raises:
      UserError: the checkpoint, an arc, the data or a setting is not legal.
    """
    tf_settings.start_tensorflow()
    from enas.cifar10.build import read_data
    from enas.cifar10.search import Search
    from enas.run import checkpoint
    from enas.tf1 import files
    from enas.tf1.load import wanted_shapes

    prefix = files.find_prefix(arguments.path)
    tensors = checkpoint.read_tensors(prefix)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    num_ops, sizes = read_sizes(shapes, prefix)
    config = _config(arguments, sizes)
    search_space = _search_space(config, num_ops)
    ids = config.child_num_layers, search_space.num_ops
    arcs = [Arc.parse(text, *ids) for text in arguments.arc or ()]
    compiled = build_models(config, search_space)
    entries = compare(shapes, wanted_shapes(compiled, config))
    told = _SIZES.format(num_ops, **sizes)
    print(f"{prefix}: {len(tensors)} tensors; {told}")
    _print_mapping(entries)
    if not arguments.no_accuracy:
        if reason := _why_no_accuracy(entries, config):
            print(f"Accuracy: not measured, {reason}.")
        else:
            checkpoint.assign(compiled, tensors)
            # What a search with a defence may choose.
            compiled.controller.prior = tensors.get("defence/prior")
            data = read_data(config, quiet)
            search = Search(config, search_space, data, compiled, quiet)
            _print_accuracies(search, arcs, arguments.split)
    return int(_wrong(entries, (WEIGHT,)) > 0)


def _why_no_accuracy(entries: Sequence[Entry], config: Config) -> str:
    """Returns why no accuracy can be measured, or an empty text."""
    from enas.cifar10.build import data_dir
    from enas.cifar10.readers.cifar import holds, homes
    from enas.cifar10.readers.published import CIFAR

    if wrong := _wrong(entries, (WEIGHT, STATISTIC)):
        return f"{wrong} tensors do not match"
    # A search would download the images; a look at a file should not.
    given = config.dataset != "cifar10" or config.data_path is not None
    places = data_dir(), *homes(quiet)
    if given or any(holds(CIFAR["cifar10"], place) for place in places):
        return ""
    return "no CIFAR-10 here; give --data_path"


def _wrong(entries: Sequence[Entry], kinds: Sequence[str]) -> int:
    asked = [entry for entry in entries if entry.kind in kinds]
    return sum(entry.verdict != "matched" for entry in asked)


def _config(arguments: argparse.Namespace, sizes: dict[str, Any]) -> Config:
    if arguments.num_images is not None and arguments.num_images < 1:
        raise UserError(
            "--num_images is how many images to measure on, at least 1; "
            f"received {arguments.num_images}. Leave it out for all."
        )
    usual = Config()
    if os.path.isfile(os.path.join(arguments.path, "flags.txt")):
        usual = read_config(make_flags(), ["checkpoint"], arguments.path)
    given = {name: getattr(arguments, name) for name in _SETTINGS}
    settings: dict[str, Any] = {
        name: getattr(usual, name) if value is None else value
        for name, value in given.items()
    }
    settings[f"num_{arguments.split}"] = arguments.num_images
    settings["override"] = (*usual.override, *arguments.override)
    return Config(**sizes, **settings)


def _search_space(config: Config, num_ops: int) -> SearchSpace:
    """Returns the space of the arguments, else the first ops."""
    from enas.cifar10.build import space_of

    ops = expand(config.candidate_ops, CANDIDATE_OPS)
    own = config.candidate_ops != Config.candidate_ops
    if own or config.poison != "none" or config.q:
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
        name, port = entry.name, port_name(entry.name)
        if port != name and entry.wanted is not None:
            name += f" ({port})"
        print(row(entry.verdict, entry.kind, shape, name))
    row = ("{:18}" + "{:>15}" * len(_VERDICTS)).format
    print(row("", *_VERDICTS))
    for kind in KINDS:
        found = [entry.verdict for entry in entries if entry.kind == kind]
        print(row(kind, *map(found.count, _VERDICTS)))


def _print_accuracies(search: "Search", arcs: list[Arc], split: str) -> None:
    from enas.cifar10.readers.fingerprint import told

    print(f"Data: {told(search.data.facts)}")
    arcs = arcs or sampled_arcs(search, NUM_ARCS, "checkpoint")
    images = getattr(search.data, split)
    accuracies = [search.evaluation.accuracy_of(arc, images) for arc in arcs]
    print(f"Accuracy on {len(images)} images of the {split} set")
    for arc, accuracy in zip(arcs, accuracies, strict=True):
        print(f"{accuracy:<6.4f}  {arc}")
    mean = sum(accuracies) / len(accuracies)
    print(f"mean {mean:.4f}, best {max(accuracies):.4f}")


def read_sizes(shapes: Shapes, prefix: str) -> tuple[int, dict[str, Any]]:
    """Returns the sizes of a checkpoint, from shapes by TensorFlow 1 name.

    A controller that is not there gets the original's LSTM, so that all of
    it is reported missing. `prefix` is for the message.

    Returns:
      (op ids of the controller, or branches without one; the other sizes as
      settings of a search).

    Raises:
      UserError: it is not a checkpoint of macro search.
    """
    layers = _count(shapes, r"child/layer_(\d+)/.*")
    branches = _count(shapes, r"child/layer_\d+/branch_(\d+)/.*")
    if len(shapes.get(_STEM, ())) != 4 or not branches:
        raise UserError(
            f"{prefix} has no child of ENAS macro search: that has {_STEM} of "
            "four dimensions and child/layer_0/branch_0/..; it has "
            f"{', '.join(sorted(shapes)[:3]) or 'nothing'}, .. Name another "
            "checkpoint."
        )
    lstm_layers = _count(shapes, r"controller/lstm/layer_(\d+)/w")
    sizes = {
        "child_num_layers": layers,
        "child_out_filters": shapes[_STEM][-1],
        "controller_lstm_size": _last(shapes, _LSTM, 4 * 64) // 4,
        "controller_lstm_num_layers": max(1, lstm_layers),
    }
    return _last(shapes, _SOFTMAX, branches), sizes


def build_models(config: Config, space: SearchSpace) -> "Compiled":
    """Returns a child and a controller with their optimizers."""
    from enas.cifar10 import build, compiled

    child = build.build_child(config, space)
    controller = build.build_controller(config, space)
    return compiled.Compiled(child, controller, config)


def _last(shapes: Shapes, name: str, default: int) -> int:
    return shapes[name][-1] if shapes.get(name) else default


def _count(shapes: Shapes, pattern: str) -> int:
    """Returns 1 + the largest number that a pattern finds, or 0."""
    matches = (re.fullmatch(pattern, name) for name in shapes)
    return max((int(match[1]) + 1 for match in matches if match), default=0)
