"""The child: names of the original, switching, gradients."""

import re

import numpy as np
import pytest
import tensorflow as tf

import helpers
from enas.cifar10.macro_child import MacroChild, pool_layers
from enas.cifar10.ops import ChildOptions
from enas.cifar10.search_space import POISON_SETS, make_search_space
from enas.optimizers import GradientRules
from enas.run.checkpoint import model_variables
from helpers import CLEAN, LAYERS, child_gradients, small_child

BATCH = 4
NO_SKIPS = np.zeros(LAYERS * (LAYERS - 1) // 2, np.int32)
IMAGES = tf.random.stateless_normal([BATCH, 32, 32, 3], [1, 2])
LABELS = tf.constant([0, 1, 2, 3])
SEED = tf.constant([3, 4])


def space(poison, q, sharing="shared"):
    return make_search_space(poison, q, sharing, "enas6")


def same_op(op_id, layers=LAYERS):
    return np.full(layers, op_id, np.int32)


@pytest.fixture(scope="module")
def grouped_child():
    return small_child(space("grouped", 3))


def names_in_original(section):
    """Returns dict name -> shape of a section of the original's variables."""
    text = (helpers.GOLDEN / "enas/variables.txt").read_text()
    body = text.split(f"## {section}")[1].split("\n## ")[0]
    found = re.findall(r"^(\S+) \[([\d, ]*)\]", body, flags=re.M)
    return {
        name: tuple(int(n) for n in shape.split(",") if n)
        for name, shape in found
    }


def test_trainable_variables_are_those_of_the_original_in_its_order():
    child = MacroChild(CLEAN, 12, ChildOptions(36))
    child.build()
    ours = {v.path: tuple(v.shape) for v in child.trainable_variables}
    original = names_in_original("child trainable")
    assert list(ours.items()) == list(original.items())
    assert len(ours) == 466
    assert sum(int(np.prod(shape)) for shape in ours.values()) == 697_860


def test_batch_norm_variables_are_those_of_the_original():
    child = MacroChild(CLEAN, 12, ChildOptions(36))
    child.build()
    others = names_in_original("other global")
    original = {
        name: shape
        for name, shape in others.items()
        if name.startswith("child/") and not name.endswith("/Momentum")
    }
    trainable = names_in_original("child trainable")
    ours = {
        name: tuple(v.shape)
        for name, v in model_variables(child).items()
        if name not in trainable
    }
    assert ours == original


def test_six_ops_give_six_different_outputs():
    # The published ENAS bound every branch to the last one.
    child = small_child()
    outputs = [
        child(IMAGES, (same_op(op), NO_SKIPS), training=True, seed=SEED)
        for op in range(6)
    ]
    for i in range(6):
        for j in range(i):
            difference = np.abs(outputs[i] - outputs[j]).max()
            assert difference > 1e-2, (i, j)


@pytest.mark.parametrize("training", [False, True])
def test_every_id_runs_its_branch_eager_and_in_a_graph(grouped_child, training):
    layer = grouped_child.enas_layers[0]
    x = tf.random.stateless_normal([BATCH, 8, 8, 8], [5, 6])
    chosen = grouped_child.search_space

    def call(branch, copy):
        return layer(
            [x],
            branch=branch,
            copy=copy,
            bits=NO_SKIPS[:0],
            training=training,
            seed=SEED,
        )[-1]

    graph = tf.function(call)
    for op_id in range(chosen.num_ops):
        branch, copy = chosen.branch(op_id), chosen.copy(op_id)
        direct = layer.branches[branch].call(x, copy, training, SEED)
        index = tf.constant(branch), tf.constant(copy)
        for output in (call(*index), graph(*index)):
            np.testing.assert_allclose(output, direct, rtol=0, atol=1e-5)


def test_gradient_of_ops_not_chosen_is_l2_alone():
    child, l2 = small_child(), 0.01
    arc = (same_op(2), NO_SKIPS)
    _, gradients, _, _ = child_gradients(
        child, IMAGES, LABELS, arc, SEED, GradientRules(l2_reg=l2)
    )
    for variable, gradient in zip(
        child.trainable_variables, gradients, strict=True
    ):
        l2_alone = np.allclose(gradient, 2 * l2 * variable, rtol=1e-6, atol=0)
        branch = re.search(r"/branch_(\d)/", variable.path)
        if branch and branch[1] != "2":
            assert l2_alone, variable.path
        if branch and branch[1] == "2" and variable.path.endswith("/w"):
            assert not l2_alone, variable.path


def test_batch_norm_statistics_move_in_the_chosen_ops_only():
    child = small_child()
    before = {name: v.numpy() for name, v in model_variables(child).items()}
    child(IMAGES, (same_op(1), NO_SKIPS), training=True, seed=SEED)
    for name, variable in model_variables(child).items():
        branch = re.search(r"/branch_(\d)/", name)
        moved = not np.array_equal(before[name], variable.numpy())
        if "moving_mean" in name:
            assert moved == (branch is None or branch[1] == "1"), name


def test_evaluation_changes_nothing():
    child = small_child()
    before = {name: v.numpy() for name, v in model_variables(child).items()}
    child(IMAGES, (same_op(1), NO_SKIPS))
    for name, variable in model_variables(child).items():
        np.testing.assert_array_equal(before[name], variable.numpy())


# Unique copies start from 200: below 1,000 numbers TensorFlow writes zeros as
# one constant node, above as two, and a single copy is not stacked.
@pytest.mark.parametrize("sharing, few", [("shared", 1), ("unique", 200)])
def test_graph_of_300_copies_is_no_larger_than_of_few(sharing, few):
    def nodes(q):
        child = small_child(space("grouped", q, sharing), layers=1, filters=2)

        def step(ops, skips):
            return child_gradients(
                child, IMAGES, LABELS, (ops, skips), SEED, GradientRules()
            )

        graph = tf.function(step).get_concrete_function(
            tf.TensorSpec([1], tf.int32), tf.TensorSpec([0], tf.int32)
        )
        functions = graph.graph.as_graph_def().library.function
        return (
            len(child.enas_layers[0].branches),
            len(child.variables),
            len(graph.graph.get_operations())
            + sum(len(function.node_def) for function in functions),
        )

    assert nodes(300) == nodes(few)


@pytest.mark.parametrize("sharing", ["shared", "unique"])
@pytest.mark.parametrize("poison", [p for p in POISON_SETS if p != "none"])
def test_branches_and_variables_do_not_grow_with_copies(poison, sharing):
    def parts(q):
        child = small_child(space(poison, q, sharing), layers=2, filters=2)
        return len(child.enas_layers[1].branches), len(child.variables)

    assert parts(300) == parts(1)


def test_poison_leaves_the_start_of_the_six_ops_as_it_was():
    clean = model_variables(small_child())
    poisoned = model_variables(small_child(space("transposed_conv", 4)))
    for name, variable in clean.items():
        np.testing.assert_array_equal(variable, poisoned[name])


def test_pool_layers_are_those_of_the_original():
    assert pool_layers(12) == {3, 7}
    assert pool_layers(24) == {7, 15}
    assert pool_layers(7) == {1, 3}
    assert pool_layers(3) == {0, 1}
    assert pool_layers(2) == set()


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5, 7])
def test_any_depth_trains(layers):
    child = small_child(layers=layers, filters=2)
    skips = np.ones(layers * (layers - 1) // 2, np.int32)
    arc = (same_op(3, layers), skips)
    loss, gradients, _, logits = child_gradients(
        child, IMAGES, LABELS, arc, SEED, GradientRules()
    )
    assert logits.shape == (BATCH, 10)
    assert np.isfinite(loss)
    assert len(gradients) == len(child.trainable_variables)


def test_start_of_the_weights_is_he_normal_cut_and_not_rescaled():
    # 90,000 draws: the std of the estimate is 0.3 %, the bound 5 of them.
    child = small_child(filters=100, layers=1)
    branch = child.enas_layers[0].branches[0]
    w = branch.out_conv.w.numpy()
    nominal = np.sqrt(2 / (3 * 3 * 100))
    assert np.abs(w).max() <= 2 * nominal
    assert w.std() == pytest.approx(0.8796 * nominal, rel=0.015)
    depth = child.enas_layers[0].branches[1].out_conv.w_depth.numpy()
    assert np.abs(depth).max() <= 2 * np.sqrt(2 / (3 * 3 * 100))
