"""What the controller may choose: ids, branches, copies and shares."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.cifar10.search_space import (
    CANDIDATE_OPS,
    POISON_SETS,
    make_search_space,
)
from enas.errors import UserError

drawn = settings(max_examples=60, derandomize=True, deadline=None)

REGISTERED = (
    "identity",
    "transposed_conv_3x3",
    "transposed_conv_5x5",
    "dropout",
    "relative_gaussian",
    "stretched_conv",
    "half",
)

# The 17 runs of the paper's table 1: set, q, op ids.
TABLE_1 = [
    ("none", None, 6),
    ("identity", 6, 12),
    ("identity", 36, 42),
    ("identity", 120, 126),
    ("identity", 300, 306),
    ("transposed_conv", 1, 8),
    ("transposed_conv", 6, 18),
    ("transposed_conv", 20, 46),
    ("transposed_conv", 50, 106),
    ("dropout", 6, 12),
    ("dropout", 36, 42),
    ("dropout", 120, 126),
    ("dropout", 300, 306),
    ("grouped", 1, 10),
    ("grouped", 6, 30),
    ("grouped", 20, 86),
    ("grouped", 50, 206),
]


def make(poison, q=None, sharing="shared", candidate_ops="enas6"):
    return make_search_space(poison, q, sharing, candidate_ops, REGISTERED)


@st.composite
def spaces(draw):
    """Draws the search space of any poison set, q, sharing and candidates."""
    poison = draw(st.sampled_from(sorted(POISON_SETS)))
    q = draw(st.integers(1, 300)) if POISON_SETS[poison] else None
    return make(
        poison,
        q,
        draw(st.sampled_from(["shared", "unique"])),
        draw(st.sampled_from(sorted(CANDIDATE_OPS))),
    )


@pytest.mark.parametrize(("poison", "q", "num_ops"), TABLE_1)
def test_op_ids_of_the_runs_of_table_1(poison, q, num_ops):
    assert make(poison, q).num_ops == num_ops


def test_candidate_ops_are_those_of_the_reference_in_its_order():
    assert make("none").candidate_ops == (
        "conv_3x3",
        "sep_conv_3x3",
        "conv_5x5",
        "sep_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    )
    assert make("none", candidate_ops="paper5").candidate_ops == (
        "identity",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    )


ADAPTIVE = (
    "jittered_identity",
    "jittered_dropout",
    "jittered_stretched_conv",
    "disguised_identity",
    "mixed",
)


def test_poison_sets_are_those_of_the_paper_its_later_ones_and_adaptive_ones():
    p1 = ("identity",)
    p2 = ("transposed_conv_3x3", "transposed_conv_5x5")
    p3 = ("dropout",)
    assert POISON_SETS == {
        "none": (),
        "identity": p1,
        "transposed_conv": p2,
        "dropout": p3,
        "grouped": p1 + p2 + p3,
        "relative_gaussian": ("relative_gaussian",),
        "stretched_conv": ("stretched_conv",),
        **{name: (name,) for name in ADAPTIVE},
    }


def test_every_id_of_a_small_grouped_space():
    space = make("grouped", 2)
    rows = [
        (space.label(op), space.branch(op), space.copy(op), space.is_poison(op))
        for op in range(space.num_ops)
    ]
    assert rows == [
        ("conv_3x3", 0, 0, False),
        ("sep_conv_3x3", 1, 0, False),
        ("conv_5x5", 2, 0, False),
        ("sep_conv_5x5", 3, 0, False),
        ("avg_pool_3x3", 4, 0, False),
        ("max_pool_3x3", 5, 0, False),
        ("identity#0", 6, 0, True),
        ("identity#1", 6, 1, True),
        ("transposed_conv_3x3#0", 7, 0, True),
        ("transposed_conv_3x3#1", 7, 1, True),
        ("transposed_conv_5x5#0", 8, 0, True),
        ("transposed_conv_5x5#1", 8, 1, True),
        ("dropout#0", 9, 0, True),
        ("dropout#1", 9, 1, True),
    ]


@drawn
@given(spaces())
def test_op_ids_and_instances_are_one_to_one(space):
    ids = range(space.num_ops)
    found = {
        (space.is_poison(op), space.op_name(op), space.copy(op)) for op in ids
    }
    expected = {(False, name, 0) for name in space.candidate_ops}
    expected |= {
        (True, name, copy)
        for name in space.poison_ops
        for copy in range(space.q)
    }
    assert found == expected
    assert space.num_ops == len(expected)
    assert len({space.label(op) for op in ids}) == space.num_ops
    for op in ids:
        assert space.branches[space.branch(op)] == space.op_name(op)


@drawn
@given(spaces())
def test_every_branch_is_reached(space):
    reached = {space.branch(op) for op in range(space.num_ops)}
    assert reached == set(range(len(space.branches)))
    assert len(set(space.branches)) == len(space.branches)


@drawn
@given(spaces())
def test_copies_get_consecutive_ids_op_by_op(space):
    names = [space.op_name(op) for op in range(space.num_ops)]
    copies = [space.copy(op) for op in range(space.num_ops)]
    good = len(space.candidate_ops)
    assert names[:good] == list(space.candidate_ops)
    assert copies[:good] == [0] * good
    expected = [name for name in space.poison_ops for _ in range(space.q)]
    assert names[good:] == expected
    assert copies[good:] == [*range(space.q)] * len(space.poison_ops)


@drawn
@given(spaces(), st.integers(1, 300))
def test_branches_never_grow_with_q(space, q):
    if space.poison_ops:
        other = dataclasses.replace(space, q=q)
        assert other.branches == space.branches
    assert len(space.branches) <= 6 + 4


@pytest.mark.parametrize(
    ("poison", "branches"),
    [
        ("none", 6),
        ("identity", 7),
        ("transposed_conv", 8),
        ("dropout", 7),
        ("grouped", 10),
    ],
)
def test_a_branch_for_every_distinct_poisoning(poison, branches):
    q = None if poison == "none" else 300
    assert len(make(poison, q).branches) == branches


@pytest.mark.parametrize("sharing", ["shared", "unique"])
def test_identity_poison_shares_the_branch_of_the_candidate(sharing):
    space = make("identity", 3, sharing, "paper5")
    assert space.num_ops == 8
    assert space.branches == space.candidate_ops
    assert [space.branch(op) for op in range(8)] == [0, 1, 2, 3, 4, 0, 0, 0]
    assert [space.copy(op) for op in range(8)] == [0, 0, 0, 0, 0, 0, 1, 2]
    assert [space.is_poison(op) for op in range(8)] == [False] * 5 + [True] * 3
    assert space.label(0) == "identity"
    assert space.label(7) == "identity#2"
    assert space.uniform_poison_share == pytest.approx(3 / 8)


def test_grouped_poison_of_the_five_op_space():
    space = make("grouped", 2, candidate_ops="paper5")
    assert space.branches[5:] == (
        "transposed_conv_3x3",
        "transposed_conv_5x5",
        "dropout",
    )
    branches = [space.branch(op) for op in range(5, 13)]
    assert branches == [0, 0, 5, 5, 6, 6, 7, 7]


def test_only_unique_poisonings_have_weights_for_every_copy():
    shared, unique = make("grouped", 7), make("grouped", 7, "unique")
    branches = range(10)
    assert [shared.weight_copies(b) for b in branches] == [1] * 10
    assert [unique.weight_copies(b) for b in branches] == [1] * 6 + [7] * 4
    clean = make("none", sharing="unique")
    assert [clean.weight_copies(b) for b in range(6)] == [1] * 6


@drawn
@given(spaces())
def test_a_copy_always_has_its_slice_of_the_weights(space):
    for op in range(space.num_ops):
        copies = space.weight_copies(space.branch(op))
        assert copies in (1, space.q)
        assert copies == 1 or space.copy(op) < copies


@drawn
@given(spaces())
def test_equation_1(space):
    """|q P| / (|S^| + |q P|), the poison probability of a uniform draw."""
    copies = space.q * len(space.poison_ops)
    expected = copies / (len(space.candidate_ops) + copies)
    assert space.uniform_poison_share == pytest.approx(expected, abs=1e-12)
    poison = sum(space.is_poison(op) for op in range(space.num_ops))
    assert poison == copies


@pytest.mark.parametrize(
    ("q", "uniform"), [(6, 0.5), (36, 6 / 7), (120, 20 / 21), (300, 50 / 51)]
)
def test_equation_1_of_the_identity_runs(q, uniform):
    assert make("identity", q).uniform_poison_share == pytest.approx(uniform)


# 5e-4: the reference gives three decimals.
@pytest.mark.parametrize(
    ("q", "share"), [(6, 0.953), (36, 0.770), (120, 0.501), (300, 0.287)]
)
def test_largest_share_of_good_ops_under_the_bound(q, share):
    ours = make("identity", q).max_good_share(1.5)
    assert ours == pytest.approx(share, abs=5e-4)


@drawn
@given(spaces(), st.floats(0, 20))
def test_largest_share_is_that_of_the_best_bounded_softmax(space, bound):
    share = space.max_good_share(bound)
    assert 1 - space.uniform_poison_share <= share + 1e-12
    assert share <= 1
    assert space.max_good_share(bound + 1) >= share
    if not space.poison_ops:
        assert share == 1


def test_without_a_bound_good_ops_can_win_entirely():
    assert make("identity", 300).max_good_share(None) == 1
    assert make("none").max_good_share(1.5) == 1


def test_zero_bound_leaves_the_uniform_share():
    assert make("identity", 300).max_good_share(0.0) == pytest.approx(6 / 306)


def test_description_tells_ids_copies_and_bounds():
    assert make("transposed_conv", 50, "unique").describe(1.5) == [
        "Search space: 106 op ids, 8 branches per layer",
        "  op id 0: conv_3x3",
        "  op id 1: sep_conv_3x3",
        "  op id 2: conv_5x5",
        "  op id 3: sep_conv_5x5",
        "  op id 4: avg_pool_3x3",
        "  op id 5: max_pool_3x3",
        "  op ids 6 to 55: transposed_conv_3x3, poison, 50 copies, unique",
        "  op ids 56 to 105: transposed_conv_5x5, poison, 50 copies, unique",
        "Poison probability of an op at the uniform controller "
        "(Equation 1): 0.9434",
        "Largest share of good ops that the bounded logits can reach: 0.5465",
    ]


def test_a_comma_list_names_registered_poisonings():
    space = make("dropout, half", 3)
    assert space.poison_ops == ("dropout", "half")
    assert space.num_ops == 12
    assert space.branches[6:] == ("dropout", "half")


def test_spaces_are_values():
    assert make("identity", 6) == make("identity", 6)
    assert make("identity", 6) != make("identity", 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("identity", 6).q = 7


@pytest.mark.parametrize(
    ("poison", "wanted"),
    [
        ("nonsense", "Unknown poison 'nonsense' in --poison='nonsense'"),
        ("", "Unknown poison ''"),
        ("identity,", "Unknown poison '' in --poison='identity,'"),
        ("Identity", "Unknown poison 'Identity'"),
        ("identity,conv_3x3", "Unknown poison 'conv_3x3'"),
    ],
)
def test_unknown_poisonings_are_refused_with_the_known_ones(poison, wanted):
    with pytest.raises(UserError, match=wanted) as caught:
        make(poison, 3)
    for known in (*POISON_SETS, *REGISTERED):
        assert known in str(caught.value)


@pytest.mark.parametrize("poison", ["half,half", "dropout,half, dropout"])
def test_an_op_named_twice_is_refused(poison):
    with pytest.raises(UserError, match="names an op twice"):
        make(poison, 3)


@pytest.mark.parametrize("q", [None, 0, -1, 100_001])
@pytest.mark.parametrize("poison", ["identity", "grouped", "half"])
def test_q_out_of_range_is_refused(poison, q):
    wanted = f"--poison={poison} needs --q, .* 1 to 100000; received --q={q}"
    with pytest.raises(UserError, match=wanted):
        make(poison, q)


@pytest.mark.parametrize("q", [1, 300, -1])
def test_q_without_a_poison_is_refused(q):
    with pytest.raises(UserError, match=f"--q={q} was given without a poison"):
        make("none", q)


@pytest.mark.parametrize("q", [None, 0])
def test_no_copies_without_a_poison_is_the_clean_space(q):
    space = make("none", q)
    assert (space.num_ops, space.q, space.poison_ops) == (6, 0, ())
    assert space.uniform_poison_share == 0


def test_copies_of_a_poisoning_are_one_kind():
    space = make_search_space(
        "identity,dropout", 3, "shared", "paper5", REGISTERED
    )
    kinds = [space.kind(op_id) for op_id in range(space.num_ops)]
    assert kinds == [0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6]
    assert space.kinds[0] == space.kinds[5] == "identity"
