"""What an op that does not ship must not do, found before a search begins."""

import keras
import pytest
import tensorflow as tf

from enas import common_ops
from enas.cifar10 import build, user_ops
from enas.cifar10.branches import Branch, ChildOptions, make_layer
from enas.cifar10.config import Config
from enas.cifar10.layers.image_ops import ConvBN
from enas.cifar10.lazy_weights.lookup import Lookup
from enas.cifar10.op_trial import try_op
from enas.cifar10.ops import OPS, Op
from enas.cifar10.poison_ops import register_poison
from enas.errors import UserError

OPTIONS = ChildOptions(4)


def tried(cls, q=3, copies=1, options=OPTIONS):
    try_op(Op(cls.__name__, cls), "my_ops.py", options, q, copies)


class Scale(Branch):
    def build(self, shape):
        shape = (self.options.filters,)
        self.s = common_ops.add_weight(self, "s", shape, "ones", self.copies)

    def call(self, x, copy, training, seed):
        return x * common_ops.of_copy(self.s, self.copies, copy)


class Gathers(Scale):
    """Right in evaluation; a step has narrowed the weight to one copy."""

    def call(self, x, copy, training, seed):
        return x * tf.gather(self.s.value, copy)


def test_weights_of_a_copy_are_read_as_a_step_narrows_them():
    tried(Scale, q=4, copies=1)
    tried(Scale, q=4, copies=4)
    with pytest.raises(UserError, match="answers otherwise in a training step"):
        tried(Gathers, q=4, copies=4)


class KeepsATrace(Scale):
    """A function inside keeps the weight that it first met: one of a step."""

    def build(self, shape):
        super().build(shape)
        self.fast = tf.function(lambda x: x * self.s.value)

    def call(self, x, copy, training, seed):
        return self.fast(x)


def test_a_function_inside_that_keeps_the_weights_of_a_step_is_refused():
    with pytest.raises(UserError, match="out of scope"):
        tried(KeepsATrace)


class Moves(Scale):
    def call(self, x, copy, training, seed):
        self.s.assign(0.9 * self.s)
        return x * self.s


class Draws(Branch):
    def call(self, x, copy, training, seed):
        return x + tf.random.normal(tf.shape(x))


class DrawsALittle(Branch):
    def call(self, x, copy, training, seed):
        return x + 0.01 * tf.random.normal(tf.shape(x), dtype=x.dtype)


class DrawsInEvaluation(Branch):
    def call(self, x, copy, training, seed):
        return x if training else x + tf.random.normal(tf.shape(x))


@pytest.mark.parametrize("cls", [DrawsALittle, DrawsInEvaluation])
def test_what_is_drawn_without_the_seed_is_seen_in_every_mode(cls):
    with pytest.raises(UserError, match="that its seed does not decide"):
        tried(cls)


class DrawsByKeras(Branch):
    def build(self, shape):
        self.drop = keras.layers.Dropout(0.5)
        self.drop.build(shape)

    def call(self, x, copy, training, seed):
        return self.drop(x, training=bool(training))


@pytest.mark.parametrize(
    ("cls", "wanted"),
    [(Moves, "assigns its weight .*s, which is trained"), (Draws, "seed does")],
)
def test_what_makes_a_run_another_is_refused(cls, wanted):
    with pytest.raises(UserError, match=wanted):
        tried(cls)


def test_keras_layers_that_draw_are_no_mistake():
    tried(DrawsByKeras)


class Table(Branch):
    def call(self, x, copy, training, seed):
        return tf.nn.relu(x) + 0 * tf.zeros(1000)[copy]


def test_the_last_copy_is_tried_whatever_its_number():
    tried(Table, q=1000)
    with pytest.raises(UserError, match="for copy 1999 of 2000"):
        tried(Table, q=2000)


def test_an_op_that_a_program_registers_is_tried_too():
    register_poison("draws")(Draws)
    for words in ({"poison": "draws", "q": 2}, {"candidate_ops": "draws"}):
        config = Config(child_out_filters=4, **words)
        with pytest.raises(UserError, match="The op draws of test_op_trial"):
            user_ops.load(config)


def test_unnamed_layers_of_a_registered_op_keep_their_names():
    class Unnamed(Branch):
        def build(self, shape):
            conv = keras.layers.Conv2D(4, 1)
            conv.build(shape)
            self.conv = conv

        def call(self, x, copy, training, seed):
            return self.conv(x)

    register_poison("unnamed")(Unnamed)
    config = Config(
        child_num_layers=1,
        child_out_filters=4,
        candidate_ops="identity",
        poison="unnamed",
        q=2,
    )
    paths = []
    for _ in range(2):
        child = build.build_child(config, build.space_of(config))
        paths.append([v.path for v in child.variables])
    assert paths[0] == paths[1]


def test_a_cell_of_a_notebook_may_be_run_again():
    for factor in (1.0, 2.0):

        @register_poison("notebook")
        class Cell(Branch):
            scale = factor

    assert OPS["notebook"].cls.scale == 2.0
    with pytest.raises(ValueError, match="exists"):
        register_poison("identity")(Cell)
    with pytest.raises(ValueError, match="exists"):
        register_poison("notebook")(Scale)


def test_a_layer_that_all_layers_share_is_read_as_it_is():
    options, one = OPTIONS, []

    class Tied(Branch):
        def build(self, shape):
            if not one:
                one.append(keras.layers.Conv2D(4, 1, name="one"))
                one[0].build(shape)
            self.one = one[0]

        def call(self, x, copy, training, seed):
            return self.one(x)

    class Other(Branch):
        def build(self, shape):
            self.conv = ConvBN("other", 1, self.options)
            self.conv.build(shape)

        def call(self, x, copy, training, seed):
            return self.conv(x, training=training)

    class Layer:
        def __init__(self):
            self.branches = [
                make_layer(cls, f"branch_{i}", options)
                for i, cls in enumerate((Tied, Other))
            ]
            for branch in self.branches:
                branch.build(options.feature_shape)

    class Child:
        enas_layers = Layer(), Layer()

        def branches_and_copies(self, op_ids):
            return op_ids, 0 * op_ids

    arc = tf.constant([0, 1]), tf.constant([0])
    (kernel, _) = one[0].trainable_variables
    with Lookup(Child()).scope(arc):
        # Layer 1 runs the other op, whose kernel has the same shape.
        read = tf.convert_to_tensor(kernel.value)
    assert read.numpy().tolist() == kernel.numpy().tolist()


def test_a_returns_input_that_fails_is_told_in_one_sentence():
    class Unsure(Branch):
        def call(self, x, copy, training, seed):
            return tf.nn.relu(x)

        def returns_input(self, training):
            raise KeyError("who knows")

    with pytest.raises(UserError, match="it raised KeyError: 'who knows'"):
        tried(Unsure)
