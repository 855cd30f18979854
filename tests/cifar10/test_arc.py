"""The encoding of an architecture: three forms, and what is refused."""

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from enas.cifar10.arc import Arc, num_decisions
from enas.errors import UserError

STDOUT = helpers.ROOT / "tests/golden/enas/stdout.txt"
drawn = settings(max_examples=60, derandomize=True, deadline=None)


@st.composite
def arcs(draw):
    """Draws (flat arc, num_layers, num_ops)."""
    num_layers = draw(st.integers(1, 14))
    num_ops = draw(st.sampled_from([1, 6, 12, 306]))
    flat = []
    for layer in range(num_layers):
        flat.append(draw(st.integers(0, num_ops - 1)))
        flat += draw(
            st.lists(st.integers(0, 1), min_size=layer, max_size=layer)
        )
    return flat, num_layers, num_ops


def places(num_layers):
    """Returns the index in a flat arc of every layer's op id."""
    return [num_decisions(layer) for layer in range(num_layers)]


@pytest.mark.parametrize(
    ("num_layers", "expected"), [(1, 1), (2, 3), (3, 6), (6, 21), (12, 78)]
)
def test_number_of_decisions(num_layers, expected):
    assert num_decisions(num_layers) == expected


def test_every_form_of_a_small_arc():
    arc = Arc.from_flat([3, 0, 1, 5, 0, 1], 3, 6)
    assert arc.op_ids == (3, 0, 5)
    assert arc.skips == (1, 0, 1)
    assert arc.num_layers == 3
    assert [arc.layer_skips(layer) for layer in range(3)] == [(), (1,), (0, 1)]
    assert arc.layers() == [[3], [0, 1], [5, 0, 1]]
    assert arc.flat() == [3, 0, 1, 5, 0, 1]
    assert arc.lines() == ["[3]", "[0 1]", "[5 0 1]"]
    assert str(arc) == "3  0 1  5 0 1"


@drawn
@given(arcs())
def test_flat_arcs_come_back_from_every_form(drawing):
    flat, num_layers, num_ops = drawing
    arc = Arc.from_flat(flat, num_layers, num_ops)
    assert arc.num_layers == num_layers
    assert arc.flat() == flat
    texts = [
        str(arc),
        " ".join(map(str, flat)),
        ", ".join(map(str, flat)),
        str(flat),
        "\n".join(arc.lines()),
        "\t" + str(arc) + " \n",
    ]
    for text in texts:
        assert Arc.parse(text, num_layers, num_ops) == arc, text


@drawn
@given(arcs())
def test_layers_partition_the_flat_arc(drawing):
    flat, num_layers, num_ops = drawing
    arc = Arc.from_flat(flat, num_layers, num_ops)
    assert sum(arc.layers(), []) == flat
    assert [len(row) for row in arc.layers()] == list(range(1, num_layers + 1))
    assert list(arc.op_ids) == [flat[place] for place in places(num_layers)]
    joined = [bit for k in range(num_layers) for bit in arc.layer_skips(k)]
    assert joined == list(arc.skips)


def test_arcs_in_the_original_log_read_and_print_the_same():
    text = STDOUT.read_text(encoding="utf-8")
    found = re.findall(r"((?:^\[[\d ]+\]\n){6})val_acc=", text, re.MULTILINE)
    assert len(found) == 30, "3 epochs of 10 architectures"
    for block in found:
        arc = Arc.parse(block, 6, 6)
        assert "\n".join(arc.lines()) + "\n" == block


def test_arcs_are_values():
    first = Arc.from_flat([1, 2, 0], 2, 6)
    assert first == Arc.parse("1 2 0", 2, 6)
    assert len({first, Arc.parse("1  2 0", 2, 6), Arc((1, 2), (1,))}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.op_ids = (0, 0)


@drawn
@given(arcs(), st.integers(-3, 3).filter(bool))
def test_wrong_lengths_are_refused(drawing, change):
    flat, num_layers, num_ops = drawing
    wrong = flat + [0] * change if change > 0 else flat[:change]
    wanted = (
        f"An arc of {num_layers} layers has {len(flat)} numbers .*"
        f"received {len(wrong)}\\. Check --child_num_layers and the arc\\."
    )
    with pytest.raises(UserError, match=wanted):
        Arc.from_flat(wrong, num_layers, num_ops)
    with pytest.raises(UserError, match=wanted):
        Arc.parse(" ".join(map(str, wrong)), num_layers, num_ops)


@pytest.mark.parametrize("text", ["", " \n", "[]", ",,"])
def test_empty_texts_are_refused(text):
    with pytest.raises(UserError, match="received 0"):
        Arc.parse(text, 2, 6)


@drawn
@given(arcs(), st.data())
def test_op_ids_out_of_range_are_refused(drawing, data):
    flat, num_layers, num_ops = drawing
    layer = data.draw(st.integers(0, num_layers - 1))
    bad = data.draw(
        st.integers(-1000, -1) | st.integers(num_ops, num_ops + 1000)
    )
    flat[places(num_layers)[layer]] = bad
    with pytest.raises(
        UserError,
        match=f"0 to {num_ops - 1}; received {bad} at layer {layer}.*--poison",
    ):
        Arc.from_flat(flat, num_layers, num_ops)


@drawn
@given(arcs(), st.data())
def test_skip_bits_other_than_0_and_1_are_refused(drawing, data):
    flat, num_layers, num_ops = drawing
    bits = sorted(set(range(len(flat))) - set(places(num_layers)))
    if not bits:
        return
    place = data.draw(st.sampled_from(bits))
    flat[place] = data.draw(st.integers(2, 99) | st.integers(-99, -1))
    layer = sum(start < place for start in places(num_layers)) - 1
    with pytest.raises(
        UserError, match=f"0 or 1; received {flat[place]} at layer {layer}\\."
    ):
        Arc.from_flat(flat, num_layers, num_ops)


def test_ids_of_a_larger_search_space_are_refused_in_a_smaller_one():
    text = "305  6 1"
    assert Arc.parse(text, 2, 306).op_ids == (305, 6)
    with pytest.raises(UserError, match="0 to 5; received 305 at layer 0"):
        Arc.parse(text, 2, 6)


@pytest.mark.parametrize(
    "word",
    [
        "x",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "0x1",
        "1_0",
        "None",
        "nan",
        "(1)",
        "1;2",
        "\u00b2",
        "\u0661",
        "1" * 10,
        "9" * 5000,
    ],
)
def test_words_that_are_not_numbers_are_refused(word):
    wanted = f"separated by blanks.*received {re.escape(repr(word))}"
    with pytest.raises(UserError, match=wanted):
        Arc.parse(f"0 {word} 1", 2, 6)


@drawn
@given(st.text(max_size=30))
def test_junk_is_refused_or_read_never_another_error(text):
    try:
        arc = Arc.parse(text, 2, 6)
    except UserError:
        return
    assert Arc.parse(str(arc), 2, 6) == arc
