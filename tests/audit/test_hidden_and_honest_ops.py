"""Ops that users write: what hides is found, what is honest is left alone."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from hidden_and_honest_ops import (
    HIDDEN,
    HONEST,
    ChannelGate,
    Conv,
    ConvNext,
    Counter,
    Decoy,
    Edge,
    Elu,
    EluInEvaluation,
    Factorised,
    Filter,
    FlippedInTraining,
    LargeIdentity,
    Parallel,
    PassesHardlyAnything,
    Patch,
    Rounded,
    Sign,
    SmallIdentity,
    SmallLinear,
    SpatialGate,
    StopsInTraining,
    TableSwitch,
    WeakNoise,
)

from enas.audit import audit_space
from enas.cifar10 import build, user_ops
from enas.cifar10.batches import standardize
from enas.cifar10.branches import Branch, ChildOptions, make_layer
from enas.cifar10.config import Config
from enas.cifar10.ops import OPS, Op
from enas.defences.combined import functions_of
from enas.probing import graphs

SMALL = Config(
    dataset="shapes", num_train=16, num_valid=8, num_test=8, child_out_filters=6
)


def space_of(monkeypatch, *classes, poison=(), q=None):
    """Returns the `Config` of a space of classes and a pooling."""
    # What a search refuses is audited here all the same.
    monkeypatch.setattr(user_ops, "_registered", lambda *unused: [])
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


def test_an_op_that_is_linear_at_some_sizes_only_makes_no_affine_child(
    monkeypatch,
):
    found = audited(monkeypatch, SmallLinear)["SmallLinear"]
    reason = " ".join(found.reasons)
    assert "is linear" in reason and "on maps of 16x16, 8x8" in reason
    assert not found.measures.linear


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
    sides = {Parallel: 5, Factorised: 7, Patch: 2, ChannelGate: 1}
    sides |= {ConvNext: 7, SpatialGate: 7}
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


def test_ops_that_training_tells_apart_are_two_functions(monkeypatch):
    others = EluInEvaluation, FlippedInTraining
    found = audited(monkeypatch, Elu, *others)
    assert not found["Elu"].suspicious and len(found) == 4
    (finding,) = found["EluInEvaluation"].findings
    assert finding.kind == "returns_input_in_training"


def test_copies_of_weak_noise_are_one_choice(monkeypatch):
    audit = audit_space(space_of(monkeypatch, Conv, poison=[WeakNoise], q=5))
    assert [2, 3, 4, 5, 6] in [list(each.op_ids) for each in audit.classes]


def test_a_copy_worth_choosing_does_not_stand_for_useless_ones(monkeypatch):
    audit = audit_space(space_of(monkeypatch, Conv, poison=[Decoy], q=5))
    found = {e.op_ids: e.suspicious for e in audit.classes}
    assert found[2,] is False and found[3, 4, 5, 6] is True


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


class FilterInABranch(Filter):
    """The same, read where no graph but that of a function shows it."""

    def call(self, x, copy, training, seed):
        plain = super().call
        y = lambda: plain(x, copy, training, seed)  # noqa: E731
        return tf.cond(tf.shape(x)[1] > 1, y, lambda: x)


class EdgeInABranch(FilterInABranch):
    values = (-1.0, 0.0, 1.0)


class Unlearns(Conv):
    """A convolution whose gradient is reversed."""

    def call(self, x, copy, training, seed):
        turned = tf.custom_gradient(lambda y: (y, lambda g: -g))
        return turned(super().call(x, copy, training, seed))


def test_fixed_weights_of_other_values_are_other_functions(monkeypatch):
    ops = Filter, Edge, FilterInABranch, EdgeInABranch, Conv, Unlearns
    found = audited(monkeypatch, *ops)
    assert {op.__name__ for op in ops} <= set(found)


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
