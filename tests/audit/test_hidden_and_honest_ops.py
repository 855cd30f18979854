"""Ops that users write: what hides is found, what is honest is left alone."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from enas.audit import audit_space
from enas.cifar10 import build
from enas.cifar10.batches import standardize
from enas.cifar10.branches import Branch, ChildOptions, make_layer
from enas.cifar10.config import Config
from enas.cifar10.layers.image_ops import ConvBN
from enas.cifar10.ops import OPS, Op
from enas.defences.combined import functions_of
from enas.probing import graphs

SMALL = Config(
    dataset="shapes", num_train=16, num_valid=8, num_test=8, child_out_filters=6
)


class Conv(Branch):
    """Two convolutions as those of the candidates."""

    def build(self, shape):
        self.a = ConvBN("a", 1, self.options)
        self.b = ConvBN("b", 3, self.options)
        self.a.build(shape)
        self.b.build(shape)

    def call(self, x, copy, training, seed):
        return self.b(self.a(x, training=training), training=training)


class TableSwitch(Conv):
    """Copy 0 is a convolution, all others the identity, by a table."""

    def build(self, shape):
        super().build(shape)
        self.table = self.add_weight(
            shape=(1000,), initializer="zeros", trainable=False, name="table"
        )
        self.table.assign(tf.one_hot(0, 1000))

    def call(self, x, copy, training, seed):
        on = tf.gather(self.table, copy)
        return on * super().call(x, copy, training, seed) + (1 - on) * x


class FixedMask(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        if not training:
            return y
        drawn = tf.random.stateless_uniform(tf.shape(y), (1, 2))
        return y * tf.cast(drawn > 0.99, y.dtype)


class GarbageInTraining(Conv):
    def call(self, x, copy, training, seed):
        if training:
            return tf.random.stateless_normal(tf.shape(x), (1, 2))
        return super().call(x, copy, training, seed)


class NoiseIfTrue(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return self.options.dropout(y, 0.99, seed) if training is True else y


class SmallIdentity(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.where(tf.shape(x)[1] >= 32, y, x)


class LargeIdentity(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.where(tf.shape(x)[1] >= 32, x, y)


class Counter(Branch):
    def build(self, shape):
        self.n = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="n"
        )

    def call(self, x, copy, training, seed):
        self.n.assign_add(1.0)
        return tf.nn.relu(x + self.n)


class Sign(Branch):
    def call(self, x, copy, training, seed):
        return tf.sign(x)


class Root(Branch):
    def call(self, x, copy, training, seed):
        return tf.sqrt(x)


class Ignores(Conv):
    """A kernel of zeros and a random offset: says nothing of its input."""

    def call(self, x, copy, training, seed):
        noise = tf.random.stateless_normal(x.shape[-1:], (3, 4))
        return 0 * super().call(x, copy, training, seed) + noise


class StopsInTraining(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.stop_gradient(y) if training else y


class PassesHardlyAnything(Conv):
    """Stops the gradient without an operation of its graph that says so."""

    @staticmethod
    @tf.custom_gradient
    def hidden(y):
        return y, lambda gradient: 1e-9 * gradient

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return self.hidden(y) if training else y


class InputInTraining(Conv):
    def call(self, x, copy, training, seed):
        return x + 0.0 if training else super().call(x, copy, training, seed)


class NoiseInEvaluation(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return y if training else y + tf.random.normal(tf.shape(y))


HIDDEN = {
    NoiseInEvaluation: "random",
    StopsInTraining: "no_gradient",
    PassesHardlyAnything: "no_gradient",
    InputInTraining: "returns_input_in_training",
    FixedMask: "loses_information",
    GarbageInTraining: "ignores_input",
    NoiseIfTrue: "loses_information",
    SmallIdentity: "returns_input",
    LargeIdentity: "returns_input",
    Counter: "has_state",
    Sign: "no_gradient",
    Root: "not_finite",
    Ignores: "constant",
}


class Parallel(Branch):
    """A 3x3 and a 5x5 kernel side by side."""

    def build(self, shape):
        self.a = ConvBN("a", 3, self.options)
        self.b = ConvBN("b", 5, self.options)
        self.a.build(shape)
        self.b.build(shape)

    def call(self, x, copy, training, seed):
        return self.a(x, training=training) + self.b(x, training=training)


class Kernel(Branch):
    """A kernel kept in another order than TensorFlow's, or in two parts."""

    shapes = ((6, 6, 3, 3),)

    def build(self, shape):
        self.w = [
            self.add_weight(shape=s, initializer="he_normal", name=f"w{i}")
            for i, s in enumerate(self.shapes)
        ]

    def kernels(self):
        return [tf.transpose(self.w[0], [2, 3, 1, 0])]

    def call(self, x, copy, training, seed):
        for kernel in self.kernels():
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
        return tf.nn.relu(x)


class Factorised(Kernel):
    shapes = ((1, 7, 6, 6), (7, 1, 6, 6))

    def kernels(self):
        return self.w


class KernelPerSize(Kernel):
    shapes = ((3, 3, 6, 6), (3, 3, 6, 6))

    def call(self, x, copy, training, seed):
        y, z = (tf.nn.relu(tf.nn.conv2d(x, w + 0.0, 1, "SAME")) for w in self.w)
        return tf.where(tf.shape(x)[1] >= 32, y, z)


class StartsAsIdentity(Conv):
    """A residual block whose scale starts at 0."""

    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(), initializer="zeros", name="s")

    def call(self, x, copy, training, seed):
        return x + self.scale * super().call(x, copy, training, seed)


class LayerScale(StartsAsIdentity):
    """One whose scale starts near 0."""

    def build(self, shape):
        super().build(shape)
        self.scale.assign(1e-4)


class Large(Conv):
    def call(self, x, copy, training, seed):
        return 1e25 * super().call(x, copy, training, seed)


class Table(Conv):
    """Looks a factor up by a word."""

    def build(self, shape):
        super().build(shape)
        self.word = tf.constant("two")
        pairs = tf.lookup.KeyValueTensorInitializer(["two"], [2.0])
        self.table = tf.lookup.StaticHashTable(pairs, 1.0)

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return self.table.lookup(self.word) * y


class Filter(Conv):
    """A fixed filter that is a weight, but never trained."""

    values = (1.0, 1.0, 1.0)

    def build(self, shape):
        super().build(shape)
        self.fixed = self.add_weight(
            shape=(1, 3, 6, 1), initializer="zeros", trainable=False, name="f"
        )
        row = tf.constant(self.values)[None, :, None, None]
        self.fixed.assign(tf.broadcast_to(row, self.fixed.shape))

    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.nn.depthwise_conv2d(y, self.fixed, [1] * 4, "SAME")


class Edge(Filter):
    values = (-1.0, 0.0, 1.0)


class Rounded(Conv):
    def call(self, x, copy, training, seed):
        y = super().call(x, copy, training, seed)
        return tf.cast(tf.cast(y, tf.int32), tf.float32) + 0 * y


HONEST = (
    Parallel,
    Kernel,
    Factorised,
    KernelPerSize,
    StartsAsIdentity,
    LayerScale,
    Large,
    Table,
)


def space_of(monkeypatch, *classes, poison=(), q=None):
    """Returns the `Config` of a space of classes and a pooling."""
    for cls in (*classes, *poison):
        monkeypatch.setitem(OPS, cls.__name__, Op(cls.__name__, cls))
    return dataclasses.replace(
        SMALL,
        candidate_ops=",".join([*(c.__name__ for c in classes), POOL]),
        poison=",".join(c.__name__ for c in poison) or "none",
        q=q,
    )


POOL = "max_pool_3x3"


def audited(monkeypatch, *classes, **poison):
    """Returns what the audit says of each function, by its label."""
    audit = audit_space(space_of(monkeypatch, *classes, **poison))
    json.loads(audit.to_json(), parse_constant=pytest.fail)
    return {each.label: each for each in audit.classes}


@pytest.mark.parametrize("cls", HIDDEN, ids=lambda cls: cls.__name__)
def test_what_an_op_hides_is_found(cls, monkeypatch):
    found = audited(monkeypatch, cls)
    kinds = {finding.kind for finding in found[cls.__name__].findings}
    assert HIDDEN[cls] in kinds
    assert not found[POOL].suspicious


def test_an_op_that_hides_at_one_size_is_told_with_the_size(monkeypatch):
    found = audited(monkeypatch, SmallIdentity, LargeIdentity)
    small, large = (
        " ".join(found[name].reasons)
        for name in ("SmallIdentity", "LargeIdentity")
    )
    assert "returns its input" in small and "on maps of 16x16, 8x8" in small
    assert "returns its input" in large and "on maps of 32x32" in large


def test_copies_that_a_table_tells_apart_are_probed_one_by_one(monkeypatch):
    config = space_of(monkeypatch, Conv, poison=[TableSwitch], q=5)
    audit = audit_space(config)
    found = [e for e in audit.classes if e.label == "TableSwitch"]
    kinds = {e.op_ids: {f.kind for f in e.findings} for e in found}
    assert set(kinds) == {(2,), (3, 4, 5, 6)} and not kinds[2,]
    assert {"returns_input", "linear"} <= kinds[3, 4, 5, 6]


@pytest.mark.parametrize("cls", HONEST, ids=lambda cls: cls.__name__)
def test_an_honest_op_is_clean(cls, monkeypatch):
    found = audited(monkeypatch, cls)[cls.__name__]
    assert not found.reasons
    sides = {Parallel: 5, Factorised: 7}
    assert found.measures.claims == sides.get(cls, 3)


def test_two_ops_of_one_class_are_one_computation(monkeypatch):
    class SiluA(Conv):
        def call(self, x, copy, training, seed):
            y = tf.nn.silu(super().call(x, copy, training, seed))
            large = tf.shape(x)[1] > 4
            return tf.cond(large, lambda: tf.nn.relu(y), lambda: tf.tanh(y))

    class SiluB(SiluA):
        pass

    class Other(Conv):
        def call(self, x, copy, training, seed):
            y = tf.nn.silu(super().call(x, copy, training, seed))
            large = tf.shape(x)[1] > 4
            return tf.cond(large, lambda: tf.tanh(y), lambda: tf.nn.relu(y))

    found = audited(monkeypatch, SiluA, SiluB, Other)
    assert found["SiluA, SiluB"].relation == "same computation"
    assert not found["Other"].suspicious


def test_what_learns_is_not_one_choice_with_what_does_not(monkeypatch):
    class Relu(Branch):
        def call(self, x, copy, training, seed):
            return tf.nn.relu(x)

    class StoppedRelu(Relu):
        def call(self, x, copy, training, seed):
            y = super().call(x, copy, training, seed)
            return tf.stop_gradient(y) if training else y

    classes = Conv, StopsInTraining, PassesHardlyAnything, Relu, StoppedRelu
    found = audited(monkeypatch, *classes)
    for honest in (Conv, Relu):
        assert not found[honest.__name__].suspicious


def test_ops_that_only_large_maps_tell_apart_are_two_functions(monkeypatch):
    class Relu(Branch):
        def call(self, x, copy, training, seed):
            return tf.nn.relu(x)

    class Rolled(Branch):
        """Relu on maps of up to 8x8 pixels."""

        def call(self, x, copy, training, seed):
            return tf.nn.relu(tf.roll(x, 8, axis=2))

    assert {"Relu", "Rolled"} <= set(audited(monkeypatch, Relu, Rolled))


def test_fixed_weights_of_other_values_are_other_functions(monkeypatch):
    found = audited(monkeypatch, Filter, Edge)
    assert {"Filter", "Edge"} <= set(found)


def test_an_op_that_rounds_is_not_the_one_that_does_not(monkeypatch):
    assert {"Conv", "Rounded"} <= set(audited(monkeypatch, Conv, Rounded))


def test_copies_of_different_size_get_past_as_the_document_says(monkeypatch):
    class Scaled(Branch):
        def call(self, x, copy, training, seed):
            factor = 1.5 ** tf.cast(copy, tf.float32)
            return factor * (x + 0.02 * tf.nn.relu(x))

    audit = audit_space(space_of(monkeypatch, Conv, poison=[Scaled], q=3))
    scaled = [each for each in audit.classes if each.label == "Scaled"]
    # docs/DEFENCE.md, "What gets past"; copy 0 is nearly its input.
    assert [bool(each.findings) for each in scaled] == [True, False, False]


class Deep(Conv):
    operations = 20

    def call(self, x, copy, training, seed):
        x = super().call(x, copy, training, seed)
        for _ in range(self.operations):
            x = x * 1.0001
        return x


def test_an_op_of_many_operations_is_audited(monkeypatch):
    assert not audited(monkeypatch, Deep)["Deep"].suspicious


def test_a_graph_of_many_operations_is_read_to_its_end():
    # More than Python lets functions call each other.
    found = []
    for operations in (1000, 1001):
        branch = make_layer(Deep, "deep", ChildOptions(6))
        branch.operations = operations
        branch.build((None, None, None, 6))
        found.append(graphs.signature(branch, 6))
    assert [(each.copy, each.claims) for each in found] == [("nothing", 3)] * 2
    assert found[0].digest != found[1].digest


def test_a_probed_op_is_left_as_it_was(monkeypatch):
    config = space_of(monkeypatch, Conv, Counter)
    space = build.space_of(config)
    child = build.build_child(config, space)
    before = [v.numpy() for v in child.variables]
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    functions_of(child, space, images.astype(np.float32))
    for variable, old in zip(child.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old, variable.path)


def test_a_defence_finds_what_the_audit_finds(monkeypatch):
    config = space_of(monkeypatch, Conv, LargeIdentity, SmallIdentity, Sign)
    audit = audit_space(config)
    space = build.space_of(config)
    single = dataclasses.replace(config, child_num_layers=1)
    child = build.build_child(single, space)
    data = build.read_data(config, lambda line: None)
    images = standardize(data.train.images[:4], data.mean, data.std)
    found = {f.op_ids: f.useless for f in functions_of(child, space, images)}
    wanted = {
        each.op_ids: tuple(finding.text for finding in each.findings)
        for each in audit.classes
    }
    assert found == wanted
