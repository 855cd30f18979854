"""Weights of the branches that run are looked up before the switches."""

import keras
import numpy as np
import tensorflow as tf

from enas.cifar10.lazy_weights.lookup import Lookup, _Scope
from enas.cifar10.ops import OPS, Branch, Op
from enas.cifar10.search_space import make_search_space
from enas.optimizers import GradientRules
from helpers import child_gradients, small_child

LAYERS, LINKS = 2, 1
POISON = "identity,transposed_conv,stretched_conv"


def test_state_is_assigned_in_its_own_type_whatever_layers_compute_in():
    count = keras.Variable(np.zeros(2), dtype="float32", trainable=False)
    with keras.src.backend.AutocastScope("bfloat16"), _Scope([]):
        count.assign_add(np.ones(2))
    np.testing.assert_array_equal(count.numpy(), [1.0, 1.0])


def built(poison="none", q=None):
    space = make_search_space(poison, q, "shared", "enas6")
    return small_child(space, LAYERS, 4)


def arc(*op_ids):
    return tf.constant(op_ids), tf.zeros([LINKS], tf.int32)


def test_a_branch_reads_its_own_weights_in_the_scope():
    child = built(POISON, 1)
    for op_id in range(child.search_space.num_ops):
        with Lookup(child).scope(arc(op_id, op_id)):
            for layer in child.enas_layers:
                branch = layer.branches[child.branch_of[op_id]]
                for variable in branch.trainable_variables:
                    with keras.StatelessScope():
                        own = variable.value.numpy()
                    np.testing.assert_array_equal(variable.value, own)


def test_counterparts_read_what_was_looked_up():
    child = built()
    conv_3x3, conv_5x5 = child.enas_layers[1].branches[0:3:2]
    with Lookup(child).scope(arc(0, 2)):
        mine, other = conv_5x5.inp_conv.w.value, conv_3x3.inp_conv.w.value
    np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(mine, conv_5x5.inp_conv.w.value)
    assert not np.array_equal(mine, conv_3x3.inp_conv.w.value)


def test_gradients_reach_the_weights_of_the_branches_that_run_alone():
    child = built(POISON, 1)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
    for op_id in range(child.search_space.num_ops):
        branch = child.branch_of[op_id]
        _, gradients, _, _ = child_gradients(
            child,
            images.astype(np.float32),
            np.array([0, 1]),
            arc(op_id, op_id),
            np.array([0, 1]),
            GradientRules(),
        )
        reached = {
            variable.path
            for variable, gradient in zip(
                child.trainable_variables, gradients, strict=True
            )
            if np.any(gradient) and "/branch_" in variable.path
        }
        own = {
            variable.path
            for layer in child.enas_layers
            for variable in layer.branches[branch].trainable_variables
        }
        assert reached == own


def test_no_branch_makes_zeros_for_weights_of_which_it_has_its_own():
    child = built()

    @tf.function(autograph=False)
    def gradients(images, labels, op_ids):
        links = tf.zeros([LINKS], tf.int32)
        seed = tf.constant([0, 1])
        return child_gradients(
            child, images, labels, (op_ids, links), seed, GradientRules()
        )[1]

    graph = gradients.get_concrete_function(
        tf.TensorSpec([2, 32, 32, 3]),
        tf.TensorSpec([2], tf.int32),
        tf.TensorSpec([LAYERS], tf.int32),
    ).graph.as_graph_def()
    made = [
        [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        for function in graph.library.function
        if "_grad_" in function.signature.name
        for node in function.node_def
        if node.op == "Const" and "/zeros" in node.name
    ]
    # Four of the six ops have no 3x3 kernel; all have a 1x1 convolution.
    assert [3, 3, 4, 4] in made
    assert [1, 1, 4, 4] not in made


class Normed(Branch):
    """A user's op, with a layer of Keras that keeps statistics."""

    def __init__(self, name, options, copies=1):
        super().__init__(name, options, copies)
        self.norm = keras.layers.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)

    def call(self, x, copy, training, seed):
        return self.norm(x, training=bool(training))


def test_what_a_layer_of_an_op_assigns_in_training_is_assigned(monkeypatch):
    monkeypatch.setitem(OPS, "normed", Op("normed", Normed))
    child = built("normed", 1)
    statistics = child.enas_layers[0].branches[6].norm.moving_mean
    images = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])

    @tf.function(autograph=False)
    def gradients(op_ids):
        arc = op_ids, tf.zeros([LINKS], tf.int32)
        rules = GradientRules()
        child_gradients(child, images, [0, 1], arc, [0, 1], rules)

    gradients(tf.constant([0, 0]))
    assert not np.any(statistics.numpy())
    gradients(tf.constant([6, 0]))
    assert np.all(statistics.numpy())
