"""What TensorBoard gets at the start of a run: charts and table rows.

Charts, a quantity each, are in the tab Custom Scalars; settings and results
are in the tab HParams. Only the plugins import TensorFlow here.
"""

import copy
import dataclasses
import re
from typing import Any

from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalars
from tensorboard.plugins.hparams import api, api_pb2, summary

from enas.cifar10.config import Config
from enas.cifar10.metrics import DESCRIPTIONS

# Category -> title of a chart -> its tags: one, because TensorBoard colours a
# line by its run alone, or a line with its band: value, lower, upper.
LAYOUT: dict[str, dict[str, tuple[str, ...]]] = {
    "1 What poison does (x: epoch)": {
        "Poison share; band: least to Equation (1)": (
            "poison/share_of_sampled_ops",
            "poison/share_at_least",
            "poison/share_by_equation_1",
        ),
        "Layers with poison, mean of 10 arcs": ("poison/bad_layers",),
    },
    "2 How good the networks are": {
        "Test accuracy, best of 10 arcs": ("accuracy/test_best_of_10",),
        "Test accuracy, as printed": ("accuracy/test_as_printed",),
        "Validation accuracy, best of 10 arcs": ("accuracy/valid_best_of_10",),
        "Validation accuracy, as printed": ("accuracy/valid_as_printed",),
        "Training accuracy": ("child/train_accuracy",),
    },
    "3 What the controller does": {
        "Reward": ("controller/reward",),
        "Baseline": ("controller/baseline",),
        "Entropy of an arc, nats": ("controller/entropy",),
        "Skip rate": ("controller/skip_rate",),
        "Loss": ("controller/loss",),
    },
    "4 Whether training is healthy": {
        "Child: loss": ("child/loss",),
        "Child: learning rate": ("child/learning_rate",),
        "Child: gradient norm": ("child/gradient_norm",),
        "Controller: gradient norm": ("controller/gradient_norm",),
        "Child: seconds": ("seconds/child",),
        "Controller: seconds": ("seconds/controller",),
        "Evaluation: seconds": ("seconds/evaluation",),
    },
}
# What a search with a defence shows besides.
DEFENCE_LAYOUT = {
    "5 What the defence did": {
        "Op ids that may be chosen": ("defence/op_ids_alive",),
        "Functions that may be chosen": ("defence/functions_alive",),
        "Useless functions' share of the prior": (
            "defence/useless_share_of_prior",
        ),
    }
}
# Tag -> head of its column in the table of runs.
RESULTS = {
    "accuracy/valid_best_of_10": "valid, best",
    "accuracy/test_best_of_10": "test, best",
    "accuracy/test_as_printed": "test, printed",
    "accuracy/test_mean_of_sampled": "test, mean",
    "poison/share_of_sampled_ops": "poison share",
}
# TensorBoard shows five settings at first, those that differ before others,
# and finds out which do only where it is given no results to show.
FIRST = ("child_num_layers", "dataset", "num_epochs", "poison", "q")


def layout(config: Config) -> layout_pb2.Layout:
    """Returns the charts of a search."""
    whole = layout_pb2.Layout()
    defended = config.defence != "none" and config.child_fixed_arc is None
    shown = LAYOUT | DEFENCE_LAYOUT if defended else LAYOUT
    for category, charts in shown.items():
        part = whole.category.add(title=category)
        for title, tags in charts.items():
            chart = part.chart.add(title=title)
            if len(tags) == 1:
                # Tags are regular expressions here.
                chart.multiline.tag.append(f"^{tags[0]}$")
            else:
                value, lower, upper = tags
                chart.margin.series.add(value=value, lower=lower, upper=upper)
    return whole


def protos(config: Config) -> list[Any]:
    """Returns summaries: charts, columns of the table of runs, and its row."""
    row = _settings(config)
    columns = [
        api_pb2.HParamInfo(name=name, differs=name in FIRST) for name in row
    ]
    results = [
        api_pb2.MetricInfo(
            name=api_pb2.MetricName(tag=tag),
            display_name=head,
            description=DESCRIPTIONS[tag],
        )
        for tag, head in RESULTS.items()
    ]
    return [
        custom_scalars.pb(layout(config)),
        summary.experiment_pb(columns, results),
        # Without a name of its own a run is told from others by its path.
        api.hparams_pb(row, ""),
    ]


def tidy(graph: Any) -> Any:
    """Makes the `GraphDef` of a child easier to look at, in place.

    Edges that only order nodes go; scopes, which Keras enters twice, get plain
    names.
    """
    nodes = [node for node in copy.deepcopy(graph.node) if node.op != "NoOp"]
    for node in nodes:
        node.name = _plain(node.name)
        node.input[:] = [_plain(x) for x in node.input if x[0] != "^"]
    del graph.node[:]
    graph.node.extend(nodes)
    return graph


def _plain(name: str) -> str:
    if name == "Identity":
        return "logits"
    return re.sub(r"\b(child|stem_conv|layer_\d+|fc)_1(?=/)", r"\1", name)


def _settings(config: Config) -> dict[str, Any]:
    settings: dict[str, Any] = {"poison": config.poison, "q": config.q or 0}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None or isinstance(value, tuple):
            value = " ".join(value or ("none",))
        if field.name == "num_epochs" or not field.metadata.get("logging"):
            settings.setdefault(field.name, value)
    return settings
