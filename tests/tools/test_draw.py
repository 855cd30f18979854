"""Reading an architecture: its steps, what they cost, table and picture."""

import json
import pathlib
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from enas.cifar10.arc import Arc
from enas.cifar10.behaviours import ENAS, PAPER
from enas.cifar10.ops import OPS, ChildOptions, make_branch
from enas.cifar10.search_space import SearchSpace
from enas.drawing import costs as arc_costs
from enas.drawing.plan import plan, skip_sources
from enas.tools.draw import main
from helpers import CLEAN, small_data

POISONED = SearchSpace(CLEAN.candidate_ops, ("identity", "dropout"), 2)
ARC = "0  6 1  2 0 1  8 1 1 1"


def arc(text=ARC, space=POISONED):
    return Arc.parse(text, 4, space.num_ops)


def steps(text=ARC, profile=ENAS, **more):
    nodes = plan(arc(text), POISONED, ChildOptions(4, profile=profile), **more)
    return {node.name: node.inputs for node in nodes}


def test_bits_mean_stem_and_layers_in_enas_and_layers_in_the_paper():
    assert skip_sources(arc(), 3, ENAS) == ["stem", "layer 0", "layer 1"]
    assert skip_sources(arc(), 3, PAPER) == ["layer 0", "layer 1", "layer 2"]
    assert skip_sources(arc(), 2, ENAS) == ["layer 0"]
    assert skip_sources(arc(), 0, ENAS) == []


def test_sums_in_enas_leave_the_cache_as_it_is():
    found = steps("0  6 1  2 0 1  8 1 1 1")
    # Four layers: halved after layers 0 and 1.
    assert found["layer_1/sum"] == ("layer_1/op", "layer_0/pool_at_0/from_0")
    assert found["layer_2/op"] == ("layer_1/pool_at_1/from_2",)
    assert found["layer_3/sum"] == (
        "layer_3/op",
        "layer_1/pool_at_1/from_0",
        "layer_1/pool_at_1/from_1",
        "layer_1/pool_at_1/from_2",
    )


def test_sums_in_the_paper_overwrite_what_was_returned_untouched():
    found = steps("0  6 1  2 0 0  6 1 0 1", PAPER)
    # Layer 1 is identity with a skip to its own input: the sum is twice it,
    # and is what the later layers find in layer 0's place.
    assert found["layer_1/double"] == ("layer_1/op", "layer_1/op")
    assert found["layer_1/pool_at_1/from_1"] == ("layer_1/double",)
    assert found["layer_3/sum"] == ("layer_3/op", "layer_1/pool_at_1/from_1")
    assert found["layer_3/double"] == ("layer_3/sum", "layer_3/sum")


def test_what_does_not_lead_to_the_logits_is_left_out():
    found = steps("0  1 0  2 0 0  3 0 0 0")
    reductions = [name for name in found if "pool_at" in name]
    assert reductions == [
        "layer_0/pool_at_0/from_1",
        "layer_1/pool_at_1/from_2",
    ]


def test_channels_double_in_the_final_network_only():
    for final, wanted in ((False, {4}), (True, {4, 8, 16})):
        nodes = plan(arc(), POISONED, ChildOptions(4), final)
        assert {node.channels for node in nodes} == wanted


@pytest.mark.parametrize("op", OPS)
def test_parameters_of_an_op_are_those_of_its_branch(op):
    branch = make_branch(OPS[op], 0, ChildOptions(6), 1)
    branch.build((None, None, None, 6))
    weights = sum(int(np.prod(v.shape)) for v in branch.trainable_variables)
    space = SearchSpace((op,))
    nodes = plan(Arc((0,), ()), space, ChildOptions(6))
    (node,) = (node for node in nodes if node.kind == "op")
    assert arc_costs.cost_of(node, ChildOptions(6)).parameters == weights


@pytest.mark.parametrize("op", OPS)
def test_every_op_that_ships_says_its_cost(op):
    assert OPS[op].described(ChildOptions(6)).cost(6, 1024).known


def test_multiply_adds_by_hand():
    space = SearchSpace(("sep_conv_3x3",))
    nodes = plan(Arc((0,), ()), space, ChildOptions(6))
    costs = arc_costs.layer_costs(nodes, ChildOptions(6))
    assert costs["stem"].multiply_adds == 32 * 32 * 3 * 3 * 3 * 6
    assert costs[0].multiply_adds == 32 * 32 * (6 * 6 + 9 * 6 + 6 * 6)
    assert costs["head"] == arc_costs.Cost(60, 60)


def write_run(folder, text=ARC):
    (folder / "best_arc.txt").write_text(text + "\n")
    (folder / "flags.txt").write_text(
        "--poison=identity,dropout\n--q=2\n--child_out_filters=4\n"
    )
    return str(folder / "best_arc.txt")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_run_is_drawn_with_its_own_flags(suffix, tmp_path, capsys):
    path = write_run(tmp_path)
    picture = tmp_path / f"picture.{suffix}"
    assert main(["arc", "--draw", path, f"--picture={picture}"]) == 0
    text = capsys.readouterr().out
    assert "identity#0  POISON" in text and "dropout#0  POISON" in text
    assert "4 layers, 4 filters, 2 layers of poison, 5 of 6 skips." in text
    contents = picture.read_bytes()
    if suffix == "png":
        assert contents.startswith(b"\x89PNG")
    else:
        assert b"</svg>" in contents and b"#d62728" in contents


def test_a_style_of_the_users_changes_no_picture(tmp_path, capsys):
    path = write_run(tmp_path)
    pictures = [tmp_path / "one.png", tmp_path / "two.png"]
    style = {"text.usetex": True, "figure.facecolor": "red"}
    for picture, rc in zip(pictures, ({}, style), strict=True):
        with matplotlib.rc_context(rc):
            flags = ["arc", "--draw", path, f"--picture={picture}"]
            assert main(flags) == 0
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_the_picture_lies_beside_the_arc(tmp_path, capsys):
    assert main(["arc", f"--draw={write_run(tmp_path)}", "--final"]) == 0
    assert (tmp_path / "best_arc.png").stat().st_size > 1000


def test_an_op_of_ones_own_is_named_and_not_counted(tmp_path, capsys):
    path = tmp_path / "arc.txt"
    path.write_text("[0]\n[6 1]\n")
    flags = ["--poison=ops.py:Blur", "--q=3", f"--draw={path}"]
    flags += ["--op_setting=blur_share=0.5"]
    assert main(["arc", *flags]) == 0
    text = capsys.readouterr().out
    assert "Blur#0  POISON" in text and "its ops are named, not counted" in text


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--draw=no/such.txt"], "no/such.txt cannot be read"),
        (["--draw=short.txt"], "received 2"),
        (["--draw=arc.txt"], "Op ids of this search space are 0 to 5"),
        (["--draw=arc.txt", "--poison=arsenic", "--q=1"], "arsenic"),
        (["--draw=ok.txt", "--picture=x.bmp"], ".png, .svg, .pdf"),
        (["--draw=ok.txt", "--picture=no/x.png"], "cannot be written"),
        (["--draw=ok.txt", "--colour=red"], "colour"),
    ],
)
def test_mistakes_are_told(flags, wanted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("short.txt").write_text("0 1")
    pathlib.Path("arc.txt").write_text("0  6 1")
    pathlib.Path("ok.txt").write_text("0  5 1")
    before = sorted(tmp_path.iterdir())
    assert main(["arc", *flags]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message
    assert sorted(tmp_path.iterdir()) == before


def test_drawing_needs_no_tensorflow_and_reading_no_matplotlib(tmp_path):
    path = write_run(tmp_path)
    code = (
        "import sys; from enas.tools import draw;"
        "assert 'matplotlib' not in sys.modules;"
        f"code = draw.main(['arc', '--draw={path}']);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules);"
        "sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_picture_of_another_program_is_not_overwritten(tmp_path, capsys):
    path = pathlib.Path(write_run(tmp_path))
    target = path.with_suffix(".png")
    target.write_bytes(b"a cat")
    assert main(["arc", f"--draw={path}"]) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert target.read_bytes() == b"a cat"
    assert main(["arc", f"--draw={path}", "--overwrite"]) == 0
    # The project's own picture is replaced without asking.
    assert main(["arc", f"--draw={path}"]) == 0


def test_the_wrong_word_of_an_arc_is_named(tmp_path, capsys):
    path = pathlib.Path(write_run(tmp_path))
    path.write_text(path.read_text() + "val_acc=0.35\n", encoding="utf-8-sig")
    assert main(["arc", f"--draw={path}"]) == 2
    assert "'val_acc=0.35'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("dataset", "seen", "head"),
    [("shapes", 3, 24), ("shapes", 0, 80), ("cifar100", 0, 800)],
)
def test_the_last_matrix_is_counted_for_the_classes_of_the_run(
    dataset, seen, head, tmp_path, capsys
):
    (tmp_path / "flags.txt").write_text(
        f"--dataset={dataset}\n--child_out_filters=4\n--child_num_layers=2\n"
    )
    (tmp_path / "arc.txt").write_text("0  1 1")
    facts = small_data().facts | {"classes": ["a"] * seen, "after_epoch": 0}
    if seen:
        (tmp_path / "data.jsonl").write_text(json.dumps(facts) + "\n")
    assert main(["draw", f"--draw={tmp_path}/arc.txt"]) == 0
    (line,) = [
        text for text in capsys.readouterr().out.splitlines() if "head" in text
    ]
    assert line.split()[-2:] == [str(head // 2), str(head // 2)]
