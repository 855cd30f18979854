"""What TensorBoard gets at the start of a run: charts and table rows.

Charts of several tags are those of the tab Custom Scalars, the settings and
results of a run a row of the tab HParams. No TensorFlow here but what the
TensorBoard plugins import themselves.
"""

import dataclasses
import os
import re
from collections.abc import Sequence
from typing import Any

from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api, api_pb2, summary

from enas.cifar10.config import Config
from enas.cifar10.metrics import DESCRIPTIONS

# Category -> title of a chart -> the tags in it.
LAYOUT = {
    "1 What poison does": {
        "Poison share: sampled, Equation (1), least": (
            "poison/share_of_sampled_ops",
            "poison/share_by_equation_1",
            "poison/share_at_least",
        ),
        "Layers of the 10 arcs: candidate ops, poison": (
            "poison/good_layers",
            "poison/bad_layers",
        ),
    },
    "2 How good the networks are": {
        "Accuracy of the best of 10: validation, test": (
            "accuracy/valid_best_of_10",
            "accuracy/test_best_of_10",
        ),
        "Accuracy printed: validation, test, training": (
            "accuracy/valid_as_printed",
            "accuracy/test_as_printed",
            "child/train_accuracy",
        ),
    },
    "3 What the controller does": {
        "Reward and baseline": ("controller/reward", "controller/baseline"),
        "Entropy of an arc, nats": ("controller/entropy",),
        "Skip rate": ("controller/skip_rate",),
    },
    "4 Whether training is healthy": {
        "Child: loss": ("child/loss",),
        "Child: learning rate": ("child/learning_rate",),
        "Child: gradient norm": ("child/gradient_norm",),
        "Controller: gradient norm": ("controller/gradient_norm",),
        "Seconds: child, controller, evaluation": (
            "seconds/child",
            "seconds/controller",
            "seconds/evaluation",
        ),
    },
}
# Tag -> head of its column in the table of runs.
RESULTS = {
    "accuracy/valid_best_of_10": "valid, best",
    "accuracy/test_best_of_10": "test, best",
    "accuracy/test_as_printed": "test, printed",
    "poison/share_of_sampled_ops": "poison share",
}
# TensorBoard shows five settings at first, those that differ before others,
# and finds out which do only where it is given no results to show.
FIRST = ("child_num_layers", "dataset", "num_epochs", "poison", "q")


def layout() -> layout_pb2.Layout:
    """Returns the charts of `LAYOUT`."""
    return layout_pb2.Layout(
        category=[
            layout_pb2.Category(
                title=title, chart=[_chart(*item) for item in charts.items()]
            )
            for title, charts in LAYOUT.items()
        ]
    )


def _chart(title: str, tags: Sequence[str]) -> layout_pb2.Chart:
    # Tags are regular expressions here.
    lines = [f"^{tag}$" for tag in tags]
    content = layout_pb2.MultilineChartContent(tag=lines)
    return layout_pb2.Chart(title=title, multiline=content)


def hparams_config(config: Config) -> Any:
    """Returns the columns of the table of runs, a summary proto."""
    return summary.experiment_pb(
        [
            api_pb2.HParamInfo(name=name, differs=name in FIRST)
            for name in _settings(config)
        ],
        [
            api_pb2.MetricInfo(
                name=api_pb2.MetricName(tag=tag),
                display_name=head,
                description=DESCRIPTIONS[tag],
            )
            for tag, head in RESULTS.items()
        ],
    )


def hparams_of(config: Config) -> Any:
    """Returns the row of a run in the table, a summary proto."""
    name = os.path.basename(config.output_dir)
    return api.hparams_pb(_settings(config), name)


def tidy(graph: Any) -> Any:
    """Makes a graph easier to look at.

    Args:
      graph: `GraphDef` of the child; changed in place: without the edges that
        only order its nodes, and with scopes by their plain names, which
        Keras enters twice.
    """
    nodes = [node for node in graph.node if node.op != "NoOp"]
    for node in nodes:
        node.name = _plain(node.name)
        inputs = [_plain(name) for name in node.input if name[0] != "^"]
        node.ClearField("input")
        node.input.extend(inputs)
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    graph.ClearField("node")
    graph.node.extend(kept)
    return graph


def _plain(name: str) -> str:
    if name == "Identity":
        return "logits"
    return re.sub(r"\b(child|stem_conv|layer_\d+|fc)_1(?=/)", r"\1", name)


def _settings(config: Config) -> dict[str, Any]:
    """Returns the settings that may change the numbers, by name."""
    settings: dict[str, Any] = {"poison": config.poison, "q": config.q or 0}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name == "num_epochs" or not field.metadata.get("logging"):
            settings.setdefault(field.name, _cell(value))
    return settings


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, tuple):
        return " ".join(value or ("none",))
    return value
