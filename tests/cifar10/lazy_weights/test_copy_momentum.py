"""Weights that every copy has of its own move as if each step moved them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from enas.cifar10.behaviours import ENAS, PAPER
from enas.cifar10.child_optimizer import ChildOptimizer
from enas.cifar10.search_space import make_search_space
from enas.cifar10.train_steps import StepInput, child_step
from enas.optimizers import GradientRules
from enas.run.checkpoint import model_variables
from helpers import small_child

LAYERS, Q = 2, 3
CANDIDATES = "sep_conv_3x3", "max_pool_3x3"
POISON = "identity,transposed_conv,stretched_conv"
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(4, 32, 32, 3)).astype(np.float32)
LABELS = np.int32([0, 1, 2, 3])
PROFILES = {
    "enas": ENAS,
    "paper": PAPER,
    "paper_stay": dataclasses.replace(PAPER, unselected_weights="stay"),
    "paper_in_loss": dataclasses.replace(PAPER, l2="in_loss"),
}


def built(profile, q, candidates=CANDIDATES):
    space = make_search_space(POISON, q, "unique", ",".join(candidates))
    return small_child(space, LAYERS, 4, profile=profile)


class Trained:
    """A child that is trained with its copies apart, or all as one."""

    def __init__(self, profile, apart, q=Q, candidates=CANDIDATES):
        self.child = built(profile, q, candidates)
        # Large, so that decay and clipping show.
        rules = GradientRules(0.02, profile.l2, profile.clip, 0.5)
        self.optimizer = ChildOptimizer(
            self.child, rules, profile.unselected_weights, lazy=apart
        )
        self.copies = self.optimizer.copies
        self._step = self._run

    def _run(self, arc, rate, seed):
        batch, given = (IMAGES, LABELS), StepInput(rate, seed)
        step = child_step(self.child, self.optimizer, batch, arc, given)
        return step.loss, step.norm

    def step(self, arc, rate, seed):
        loss, norm = self._step(arc, rate, seed)
        return float(loss), float(norm)

    def compile(self):
        self._step = self.compiled = tf.function(self._run, autograph=False)
        return self

    def arrays(self):
        held = model_variables(self.child) | self.optimizer.variables
        return {
            name: v.numpy()
            for name, v in held.items()
            if "/copies/" not in name
        }


def arcs(num_ops, count):
    """Yields arcs that pick copies again after different numbers of steps."""
    rng = np.random.default_rng(1)
    for _ in range(count):
        links = LAYERS * (LAYERS - 1) // 2
        yield (
            rng.integers(len(CANDIDATES), num_ops, LAYERS).astype(np.int32),
            rng.integers(0, 2, links).astype(np.int32),
        )


@pytest.mark.parametrize("name", [*PROFILES, "compiled", "copies_alone"])
def test_copies_end_where_steps_over_all_weights_end(name):
    profile = PROFILES.get(name, ENAS)
    # None of these has weights: those of the copies have no counterparts.
    candidates = ("dropout", "identity")
    candidates = candidates if name == "copies_alone" else CANDIDATES
    apart, whole = (
        Trained(profile, flag, candidates=candidates) for flag in (True, False)
    )
    if name == "compiled":
        apart = apart.compile()
    begin = whole.arrays()
    for i, arc in enumerate(arcs(apart.child.search_space.num_ops, 12)):
        rate, seed = np.float32(0.05 / (1 + i)), np.int32([0, i])
        one, other = (t.step(arc, rate, seed) for t in (apart, whole))
        # Sums in another order: the last bits of 24, grown by training.
        np.testing.assert_allclose(one, other, rtol=1e-5)
    apart.copies.settle()
    found, wanted = apart.arrays(), whole.arrays()
    assert found.keys() == wanted.keys()
    for path, array in wanted.items():
        np.testing.assert_allclose(found[path], array, rtol=1e-4, atol=1e-6)
    moved = [
        np.any(wanted[v.path] != begin[v.path], axis=tuple(range(1, v.ndim)))
        for v in apart.copies.variables
    ]
    assert np.any(np.concatenate(moved))


def test_idle_copies_move_only_when_settled_or_picked():
    trained = Trained(ENAS, True)
    weight = trained.child.enas_layers[0].branches[3].w
    before = weight.numpy()
    trained.step((np.int32([4, 2]), np.int32([0])), 0.05, [0, 0])
    np.testing.assert_array_equal(weight.numpy()[1:], before[1:])
    trained.step((np.int32([6, 2]), np.int32([0])), 0.05, [0, 1])
    np.testing.assert_array_equal(weight.numpy()[2], before[2])
    assert np.any(weight.numpy()[1] != before[1])
    trained.copies.settle()
    assert np.any(weight.numpy()[2] != before[2])


def test_settling_twice_is_settling_once():
    trained = Trained(ENAS, True)
    for arc in arcs(trained.child.search_space.num_ops, 3):
        trained.step(arc, 0.05, [0, 0])
    trained.copies.settle()
    once = trained.arrays()
    trained.copies.settle()
    for path, array in trained.arrays().items():
        np.testing.assert_array_equal(array, once[path])


def traced(q):
    trained = Trained(ENAS, True, q).compile()
    links = LAYERS * (LAYERS - 1) // 2
    arc = tf.TensorSpec([LAYERS], tf.int32), tf.TensorSpec([links], tf.int32)
    rate, seed = tf.TensorSpec([]), tf.TensorSpec([2], tf.int32)
    step = trained.compiled.get_concrete_function(arc, rate, seed)
    return trained.copies.variables, step.graph


def test_a_step_holds_no_tensor_of_all_copies_and_as_many_nodes_for_any_q():
    _, few = traced(2)
    copied, many = traced(11)
    whole = {tuple(variable.shape) for variable in copied}
    shapes = [
        tuple(tensor.shape)
        for op in many.get_operations()
        for tensor in op.outputs
        if tensor.shape.rank
    ]
    assert whole.isdisjoint(shapes)
    sizes = [
        [len(graph.get_operations())]
        + sorted(len(f.node_def) for f in graph.as_graph_def().library.function)
        for graph in (few, many)
    ]
    assert sizes[0] == sizes[1]
