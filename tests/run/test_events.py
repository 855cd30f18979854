"""What a run shows in TensorBoard: tags, charts, pictures, texts."""

import collections
import dataclasses
import glob
import os
import types

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from matplotlib.colors import to_hex
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from enas.cifar10 import main
from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.cifar10.metrics import DESCRIPTIONS, EVENT_TAGS
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.defences.combined import Combined
from enas.defences.members import Function
from enas.drawing.op_shares import heat_map
from enas.drawing.picture import POISON, sheet
from enas.drawing.plan import Drawing
from enas.errors import UserError
from enas.run import event_pictures, events
from enas.run.event_charts import (
    DEFENCE_LAYOUT,
    FIRST,
    LAYOUT,
    RESULTS,
    layout,
    tidy,
)
from enas.run.event_pictures import shares_of
from enas.run.events import RunEvents, read_events
from enas.run.files import RunLines

SPACE = SearchSpace(CANDIDATE_OPS["enas6"], ("identity", "dropout"), 2)
OPTIONS = ChildOptions(4)
ARCS = [
    Arc((6, 0, 9), (1, 0, 1)),
    Arc((1, 2, 3), (0, 0, 0)),
    Arc((8, 4, 5), (1, 1, 1)),
]


def values_of(folder):
    """Returns dict, tag -> list of (step, summary value)."""
    found = collections.defaultdict(list)
    for path in glob.glob(os.path.join(folder, "*")):
        for event in read_events(path):
            for value in event.summary.value:
                found[value.tag].append((event.step, value))
    return found


def text_of(value):
    return b"".join(value.tensor.string_val).decode()


def a_search(every=1, fixed=None, epoch=1):
    """Returns the least that the events need of a search."""
    return types.SimpleNamespace(
        config=Config(
            child_num_layers=3,
            pictures_every=every,
            poison="identity,dropout",
            q=2,
        ),
        search_space=SPACE,
        arcs=types.SimpleNamespace(fixed_arc=fixed),
        compiled=types.SimpleNamespace(
            child=types.SimpleNamespace(options=OPTIONS)
        ),
        epoch=epoch,
    )


def reports_of(arcs):
    reports = [
        {
            "epoch": 1,
            "arc": arc,
            "accuracy": 0.1 * i,
            "images": 10,
            "poison_layers": sum(map(SPACE.is_poison, arc.op_ids)),
        }
        for i, arc in enumerate(arcs)
    ]
    reports[-1] |= {"valid_acc": 0.5, "test_acc": 0.5}
    return reports


def ops_file(path, *epochs):
    """Returns the `RunLines` of counts of three layers."""
    ops = RunLines(str(path / "ops.jsonl"), "counts")
    layer = [1, 0, 0, 0, 0, 0, 3, 0]
    ops.add({"epoch": epoch, "counts": [layer] * 3} for epoch in epochs)
    return ops


# A real run


def test_a_run_shows_numbers_pictures_texts_charts_and_settings(small_run):
    found = values_of(f"{small_run}/events")
    plugins = {
        tag: values[0][1].metadata.plugin_data.plugin_name
        for tag, values in found.items()
    }
    for tag in EVENT_TAGS.values():
        assert plugins[tag] == "scalars", tag
        ((_, value),) = found[tag]
        assert value.metadata.summary_description == DESCRIPTIONS[tag]
    for tag in ("arcs/best", "arcs/sampled", "ops/share_per_layer"):
        assert plugins[tag] == "images"
        ((step, value),) = found[tag]
        assert step == 1 and value.metadata.summary_description
        wide, high, png = value.tensor.string_val
        assert tf.io.decode_png(png).shape == [int(high), int(wide), 3]
        assert len(png) < 200_000
    for tag in ("arcs/best_as_text", "arcs/sampled_as_text", "flags"):
        assert plugins[tag] == "text"
        assert found[tag][0][1].metadata.summary_description
    with open(f"{small_run}/best_arc.txt", encoding="utf-8") as stream:
        best = stream.read().strip()
    assert best in text_of(found["arcs/best_as_text"][0][1])
    assert f"`{best}`" in text_of(found["arcs/sampled_as_text"][0][1])


def test_theory_stands_beside_the_sampled_share_of_poison(small_run):
    found = values_of(f"{small_run}/events")
    theory = {
        tag: float(tf.make_ndarray(found[tag][0][1].tensor))
        for tag in ("poison/share_by_equation_1", "poison/share_at_least")
    }
    # Three poisonings, twice each, beside two ops; logits within 1.5.
    assert theory["poison/share_by_equation_1"] == pytest.approx(0.75)
    least = 6 / (6 + 2 * np.exp(3))
    assert theory["poison/share_at_least"] == pytest.approx(least)


def test_charts_and_results_name_tags_that_exist(small_run):
    charts = [tags for titles in LAYOUT.values() for tags in titles.values()]
    tags = {tag for tags in charts for tag in tags} | set(RESULTS)
    assert tags <= set(EVENT_TAGS.values())
    ((_, value),) = values_of(f"{small_run}/events")["custom_scalars__config__"]
    kept = layout_pb2.Layout.FromString(value.tensor.string_val[0])
    assert [category.title for category in kept.category] == list(LAYOUT)


@pytest.mark.parametrize("defence", ["none", "prune"])
def test_a_chart_shows_one_quantity(defence):
    # A line's colour is its run's: two tags in a chart cannot be told apart.
    config = Config(defence=defence)
    charts = [c for part in layout(config).category for c in part.chart]
    lines = [chart for chart in charts if chart.HasField("multiline")]
    assert all(len(chart.multiline.tag) == 1 for chart in lines)
    (band,) = [chart for chart in charts if chart.HasField("margin")]
    assert band.margin.series[0].value == "poison/share_of_sampled_ops"


def test_charts_of_a_defence_are_of_what_it_reports():
    functions = [Function((0, 1), ("linear",), True), Function((2,), (), False)]
    told = Combined(["prune"], functions, 2, 3).numbers()
    shown = {t for c in DEFENCE_LAYOUT.values() for (t,) in c.values()}
    assert shown == set(told)
    config = Config(defence="prune")
    titles = [part.title for part in layout(config).category]
    assert titles == [*LAYOUT, *DEFENCE_LAYOUT]
    # Where one architecture is trained it does nothing.
    config = Config(
        defence="prune", child_num_layers=2, child_fixed_arc="0  1 1"
    )
    assert [part.title for part in layout(config).category] == [*LAYOUT]


def test_settings_are_a_row_of_the_table_of_runs(small_run):
    found = values_of(f"{small_run}/events")
    ((_, value),) = found["_hparams_/session_start_info"]
    content = value.metadata.plugin_data.content
    row = plugin_data_pb2.HParamsPluginData.FromString(content)
    # A name would merge this run with those of the same one elsewhere.
    assert row.session_start_info.group_name == ""
    settings = row.session_start_info.hparams
    assert settings["q"].number_value == 2
    assert settings["poison"].string_value == "identity,transposed_conv"
    ((_, value),) = found["_hparams_/experiment"]
    content = value.metadata.plugin_data.content
    table = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    # TensorBoard shows nothing of a table without columns.
    assert {info.name for info in table.hparam_infos} == set(settings)
    # It shows five at first: those that differ, in alphabetical order.
    shown = {info.name for info in table.hparam_infos if info.differs}
    assert shown == set(FIRST) and len(FIRST) == 5
    heads = {info.name.tag: info.display_name for info in table.metric_infos}
    assert heads == RESULTS


def test_a_final_network_is_drawn_once(small_final):
    found = values_of(f"{small_final}/events")
    assert [step for step, _ in found["arcs/fixed"]] == [0]
    assert [step for step, _ in found["arcs/fixed_as_text"]] == [0]
    assert not {"arcs/best", "arcs/sampled", "ops/share_per_layer"} & set(found)


def test_the_graph_has_plain_names_and_no_edges_of_order():
    graph = tf.compat.v1.GraphDef()
    text_format.Parse(
        """
        node { name: "images" op: "Placeholder" }
        node {
          name: "child_1/layer_0_1/bn_1/Relu" op: "Relu" input: "images"
        }
        node { name: "NoOp" op: "NoOp" input: "^child_1/layer_0_1/bn_1/Relu" }
        node {
          name: "Identity" op: "Identity"
          input: "child_1/layer_0_1/bn_1/Relu:0" input: "^NoOp"
        }
        """,
        graph,
    )
    nodes = {node.name: list(node.input) for node in tidy(graph).node}
    assert nodes == {
        "images": [],
        "child/layer_0/bn_1/Relu": ["images"],
        "logits": ["child/layer_0/bn_1/Relu:0"],
    }


# Starting again


def test_what_comes_at_every_start_is_there_once_and_new(tmp_path):
    folder = str(tmp_path / "events")
    for start in range(3):
        events = RunEvents(folder, start)
        events.start(a_search(), [f"--log_every={start}"])
        events.add({"epoch": start + 1, "child_loss": 0.5})
        events.close()
    found = values_of(folder)
    assert sorted(step for step, _ in found["child/loss"]) == [1, 2, 3]
    ((_, flags),) = found["flags"]
    assert "--log_every=2" in text_of(flags)
    for tag in ("custom_scalars__config__", "_hparams_/session_start_info"):
        assert len(found[tag]) == 1


def test_what_else_lies_among_the_events_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "events.out.tfevents.1.a.v2").touch()
    events._merge(str(tmp_path), 1)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[1:] == ["notes.txt", "plugins"]
    assert names[0].endswith("merged.v2")


def test_an_audit_is_written_once_and_a_kill_before_it_does_not_lose_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(main, "_audited", lambda search: ["nothing"])
    folder, run = str(tmp_path / "events"), types.SimpleNamespace()
    search = a_search()
    # Killed after the first epoch's checkpoint, and after the second's.
    for start, done in enumerate(((0,), (1, 2), (2, 3))):
        run.events = RunEvents(folder, start)
        for search.whole_epochs in done:
            main._note_audit(search, run)
        run.events.close()
    ((step, text),) = values_of(folder)["audit"]
    assert step == 1 and text_of(text) == "nothing"


@pytest.mark.parametrize(
    ("every", "fixed", "wanted"),
    [(1, None, [1, 2, 3, 4]), (2, None, [2, 4]), (0, None, []), (1, 0, [])],
)
def test_pictures_come_only_in_the_epochs_asked_for(
    every, fixed, wanted, tmp_path
):
    fixed = None if fixed is None else ARCS[fixed]
    events = RunEvents(str(tmp_path / "events"), 0)
    ops = ops_file(tmp_path, 1, 2, 3, 4)
    for epoch in range(1, 5):
        search = a_search(every, fixed, epoch)
        events.add_pictures(search, [], ops)
    events.close()
    found = values_of(str(tmp_path / "events"))
    assert [s for s, _ in found.get("ops/share_per_layer", [])] == wanted


def test_the_same_epoch_gives_the_same_bytes(tmp_path):
    written = []
    for name in ("one", "two"):
        events = RunEvents(str(tmp_path / name), 0)
        ops = RunLines(str(tmp_path / "ops.jsonl"), "counts")
        ops = ops if ops.read() else ops_file(tmp_path, 1)
        events.add_pictures(a_search(), reports_of(ARCS), ops)
        events.close()
        written.append(
            {
                tag: [value.SerializeToString() for _, value in values]
                for tag, values in values_of(str(tmp_path / name)).items()
            }
        )
    assert len(written[0]) == 5 and written[0] == written[1]


# Pictures


def test_the_sheet_paints_poison_and_nothing_else_red():
    drawings = [Drawing.of(arc, SPACE, OPTIONS) for arc in ARCS]
    figure = sheet(drawings, [("one", True), ("two", False), ("three", True)])
    for axes, arc in zip(figure.axes, ARCS, strict=True):
        boxes = [p for p in axes.patches if to_hex(p.get_facecolor()) == POISON]
        assert len(boxes) == sum(map(SPACE.is_poison, arc.op_ids))
        texts = [text.get_text() for text in axes.texts]
        assert f"0: {SPACE.label(arc.op_ids[0])}" in texts


def test_architectures_are_ranked_by_accuracy():
    ranked = sorted(reports_of(ARCS), key=lambda r: -r["accuracy"])
    lines = list(event_pictures._list(a_search(), ranked))
    first, _, arc, _ = lines[:4]
    wanted = "1. accuracy 0.200, 1 poison: **dropout#0**, avg_pool_3x3, "
    assert first.startswith(wanted)
    assert arc == "    `8  4 1  5 1 1`"
    wanted = "1. accuracy 0.000, 2 poison: **identity#0**, conv_3x3, **"
    assert lines[8].startswith(wanted)


def test_heat_maps_name_ops_and_mark_poison(tmp_path):
    first, shares = shares_of(ops_file(tmp_path, 2, 4), SPACE, 3)
    assert first == 2 and shares.shape == (3, 8, 3)
    np.testing.assert_array_equal(
        shares[0, :, 0], [0.25, 0, 0, 0, 0, 0, 0.75, 0]
    )
    # Epoch 3 was not written down.
    assert np.isnan(shares[:, :, 1]).all()
    axes = next(
        axes
        for axes in heat_map(first, shares, SPACE).axes
        if axes.get_title() == "layer 0"
    )
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels[5:]] == [
        "max_pool_3x3",
        "identity x2",
        "dropout x2",
    ]
    red = [to_hex(label.get_color()) == POISON for label in labels]
    assert red == [False] * 6 + [True] * 2


@pytest.mark.parametrize(
    "counts", [[[1, 2]], [["a"] * 8] * 3, {"a": 1}, [[0] * 8] * 3, 7, [[], [1]]]
)
def test_counts_of_another_search_are_refused(counts, tmp_path):
    ops = RunLines(str(tmp_path / "ops.jsonl"), "counts")
    ops.add([{"epoch": 1, "counts": counts}])
    with pytest.raises(UserError, match="holds counts of 3 layers and 8 ops"):
        shares_of(ops, SPACE, 3)


def test_only_the_settings_that_change_numbers_are_in_the_table():
    from enas.run.event_charts import _settings

    settings = _settings(Config())
    for field in dataclasses.fields(Config):
        counts = not field.metadata.get("logging") or field.name == "num_epochs"
        assert (field.name in settings) == counts, field.name
