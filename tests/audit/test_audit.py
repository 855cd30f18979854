"""The audit finds every poisoning for the right reason, and not by its name."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from enas.audit import audit_space
from enas.audit.audit import Audit, ClassAudit, audit_child, bounded_share
from enas.audit.main import main
from enas.audit.report import short_lines
from enas.cifar10 import build, user_ops
from enas.cifar10.branches import Branch
from enas.cifar10.config import Config
from enas.cifar10.ops import OPS, Op
from enas.cifar10.search_space import POISON_SETS
from enas.defences.combined import functions_of
from enas.probing.findings import Finding, Measures
from enas.probing.probes import Probed

SMALL = {
    "dataset": "shapes",
    "num_train": 16,
    "num_valid": 8,
    "num_test": 8,
    "child_out_filters": 6,
}


def audited(candidate_ops="conv_3x3", **settings):
    # One candidate is enough, unless they are what a test is about.
    config = Config(**SMALL, candidate_ops=candidate_ops, **settings)
    return audit_space(config)


def kinds_of(audit):
    """Returns dict, label -> (kinds of findings, op ids, relation)."""
    return {
        each.label: (
            {finding.kind for finding in each.findings},
            each.multiplicity,
            each.relation,
        )
        for each in audit.classes
    }


def test_the_six_candidates_are_clean():
    audit = audited("enas6")
    assert audit.clean and len(audit.classes) == 6
    assert "Nothing suspicious" in str(audit)
    assert audit.useless_share == 0 and audit.linear_chain is None


WANTED = {
    "identity": {"returns_input", "linear"},
    "transposed_conv_3x3": {"linear"},
    "transposed_conv_5x5": {"linear"},
    "dropout": {"returns_input", "linear", "loses_information"},
    "relative_gaussian": {"returns_input", "linear", "loses_information"},
    "stretched_conv": {"unmet_weights", "receptive_field"},
}


@pytest.mark.parametrize(
    ("sharing", "profile"), [("shared", "enas"), ("unique", "paper")]
)
def test_every_poisoning_is_found_for_the_right_reason(sharing, profile):
    poison = ",".join(WANTED)
    settings = {"poison_sharing": sharing, "profile": profile}
    # All six of the other profile are in the test above.
    candidates = "conv_3x3" if profile == "enas" else "enas6"
    audit = audited(candidates, poison=poison, q=3, **settings)
    found = kinds_of(audit)
    has_weights = ("transposed_conv_3x3", "transposed_conv_5x5")
    for name, wanted in WANTED.items():
        kinds, count, relation = found.pop(name)
        assert kinds == wanted, name
        assert count == 3
        own = sharing == "unique" and name in (*has_weights, "stretched_conv")
        assert relation == ("same computation" if own else "same function")
    assert all(kinds == set() and n == 1 for kinds, n, _ in found.values())
    assert audit.linear_chain < 1e-4


def test_every_shipped_poisoning_is_tested_here():
    shipped = {op for each in POISON_SETS.values() for op in each}
    assert shipped == {*WANTED, *ADAPTIVE, "mixed"}


def add(monkeypatch, name, cls, **arguments):
    # What a search refuses is audited here all the same.
    monkeypatch.setattr(user_ops, "_registered", lambda *unused: [])
    monkeypatch.setitem(OPS, name, Op(name, cls, arguments))


def test_no_verdict_rests_on_a_name(monkeypatch):
    plain = kinds_of(audited(poison="dropout,stretched_conv", q=2))
    for name in ("dropout", "stretched_conv"):
        row = OPS[name]
        monkeypatch.setitem(
            OPS,
            f"conv_9x9_of_{name}",
            dataclasses.replace(row, name=f"conv_9x9_of_{name}"),
        )
    other = kinds_of(
        audited(poison="conv_9x9_of_dropout,conv_9x9_of_stretched_conv", q=2)
    )
    renamed = {k.removeprefix("conv_9x9_of_"): v for k, v in other.items()}
    assert renamed == plain


def test_whatever_a_child_computes_in_it_is_probed_in_float32_and_nhwc():
    space = {"candidate_ops": "conv_3x3", "poison": "identity", "q": 2}
    other = Config(
        **SMALL, **space, mixed_precision="bfloat16", data_format="NCHW"
    )
    ops, data = build.space_of(other), build.read_data(other, print)
    child = build.build_child(other, ops)
    branch = child.enas_layers[0].branches[0]
    for variable in branch.variables:
        variable.assign(variable + 1.0)
    twin = build.build_twin(other, ops, child)
    ours = twin.enas_layers[0].branches[0].variables
    for variable, wanted in zip(ours, branch.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), wanted.numpy())
    found = audit_child(child, ops, other, data)
    assert kinds_of(found) == kinds_of(audited(**space))
    discard = dataclasses.replace(other, defence="discard")
    defence = build.build_defence(discard, ops, child, data)
    assert defence.alive.tolist() == [True, False, False]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_image_is_enough(value):
    config = Config(**SMALL, candidate_ops="conv_3x3")
    space = build.space_of(config)
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)) * value
    child = build.build_twin(config, space)
    (function,) = functions_of(child, space, images.astype(np.float32))
    assert not function.useless


def test_a_poison_among_the_candidates_is_found_as_well():
    found = kinds_of(audited("paper5"))
    assert found["identity"] == (WANTED["identity"], 1, "one op id")


class Twin(Branch):
    """Identity with an operation that changes its graph and nothing else."""

    def call(self, x, copy, training, seed):
        return x + 0 * tf.nn.relu(x)


class Jittered(Branch):
    """Nearly the identity, each copy a little otherwise."""

    def call(self, x, copy, training, seed):
        return x * (1 + 0.01 * tf.cast(copy, tf.float32))


class Changing(Branch):
    """Each copy another function of the two."""

    def call(self, x, copy, training, seed):
        return tf.where(copy % 2 == 0, x, tf.nn.relu(x) - 1.0)


class Dead(Branch):
    """Says nothing of its input."""

    def call(self, x, copy, training, seed):
        return tf.zeros_like(x)


def test_an_irrelevant_operation_hides_no_copy(monkeypatch):
    add(monkeypatch, "twin", Twin)
    found = kinds_of(audited(poison="identity,twin", q=4))
    assert found["identity, twin"] == (WANTED["identity"], 8, "same function")


def test_near_copies_are_one_choice(monkeypatch):
    add(monkeypatch, "jittered", Jittered)
    found = kinds_of(audited(poison="identity,jittered", q=5))
    assert found["identity, jittered"][1:] == (10, "alike")
    assert "returns_input" in found["identity, jittered"][0]


def test_copies_that_do_different_things_are_different_functions(monkeypatch):
    add(monkeypatch, "changing", Changing)
    audit = audited(poison="changing", q=6)
    found = [each for each in audit.classes if each.label == "changing"]
    assert sorted(each.op_ids for each in found) == [(1, 3, 5), (2, 4, 6)]
    assert [bool(each.findings) for each in found] == [True, False]


def test_the_same_op_twice_under_two_names_is_one_computation(monkeypatch):
    monkeypatch.setitem(
        OPS, "other", dataclasses.replace(OPS["sep_conv_3x3"], name="other")
    )
    audit = audited("sep_conv_3x3,conv_5x5,other")
    found = kinds_of(audit)["sep_conv_3x3, other"]
    assert found == (set(), 2, "same computation")
    assert not audit.clean


def test_a_constant_is_found(monkeypatch):
    add(monkeypatch, "dead", Dead)
    kinds, *_ = kinds_of(audited(poison="dead", q=1))["dead"]
    assert "constant" in kinds


def test_as_many_probes_for_300_copies_as_for_2(monkeypatch):
    runs = []
    run = Probed._run
    monkeypatch.setattr(
        Probed, "_run", lambda *args: runs.append(1) or run(*args)
    )
    counts = []
    for q in (2, 300):
        runs.clear()
        audited(poison="grouped", q=q)
        counts.append(len(runs))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("bound", [0.5, 1.5, None])
def test_shares_are_those_of_bounded_logits(bound):
    least, most = bounded_share(300, 306, bound)
    if bound is None:
        assert (least, most) == (0.0, 1.0)
    else:
        logits = tf.constant([bound] * 6 + [-bound] * 300)
        wanted = tf.reduce_sum(tf.nn.softmax(logits)[6:])
        assert least == pytest.approx(float(wanted), rel=1e-5)
        assert least < 300 / 306 < most


def test_shares_of_very_wide_logits_are_all_or_nothing():
    assert bounded_share(300, 306, 1e6) == (0.0, 1.0)


def test_a_long_name_is_cut_and_not_lost():
    names = ("SqueezeAndExcitationBlockWithGate", "AnotherNameThatIsVeryLong")
    classes = tuple(
        ClassAudit((i,), "one op id", name, 0.5, 0.1, 0.9, (), Measures())
        for i, name in enumerate(names)
    )
    text = str(Audit(classes, 2, 12, 1.5, None))
    assert "SqueezeAndExcitationBlock .." in text and names[1] in text


def test_bounds_of_a_search_with_a_defence_are_told_to_be_without_it():
    finding = (Finding("linear", "is linear"),)
    op = ClassAudit((0,), "one op id", "x", 1.0, 1.0, 1.0, finding, Measures())
    lines = short_lines(Audit((op,), 1, 12, 1.5, None, defence="discard"))
    assert lines[-1] == "This is the space without --defence=discard."


FLAGS = [f"--{name}={value}" for name, value in SMALL.items()]
FLAGS.append("--candidate_ops=conv_3x3")


def test_the_program_prints_writes_and_draws(tmp_path, capsys):
    target, image = tmp_path / "a.json", tmp_path / "a.png"
    arguments = [*FLAGS, "--poison=identity", "--q=20"]
    files = [f"--json={target}", f"--picture={image}"]
    assert main(["audit", *arguments, *files]) == 0
    text = capsys.readouterr().out
    assert "Data: fingerprint" in text and "drawn" in text
    assert "20 op ids are one choice" in text and "returns its input" in text
    content = json.loads(target.read_text())
    assert content["num_ops"] == 21 and not content["clean"]
    assert content["classes"][0]["label"] == "identity"
    assert image.stat().st_size > 5000
    # What this program wrote is replaced, anything else only if asked.
    assert main(["audit", *arguments, *files, "--strict"]) == 3
    capsys.readouterr()
    assert main(["audit", *FLAGS, "--strict"]) == 0
    target.write_text("mine")
    assert main(["audit", *arguments, files[0]]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["audit", *arguments, files[0], "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--poison=identity"], "--q"),
        (["--picture=a.gif"], ".png, .svg, .pdf"),
        (["--json="], "is empty"),
        (["--run=nowhere"], "flags.txt"),
        (["--strict=maybe"], "--strict"),
    ],
)
def test_mistakes_are_told(arguments, wanted, capsys):
    assert main(["audit", *FLAGS, *arguments]) == 2
    assert wanted in capsys.readouterr().err


def test_a_run_is_audited_with_its_own_weights(small_run, capsys):
    assert main(["audit", f"--run={small_run}"]) == 0
    text = capsys.readouterr().out
    assert "transposed_conv_3x3" in text and "of 2 layers" in text


def test_a_network_from_scratch_has_no_space_to_audit(small_final, capsys):
    assert main(["audit", f"--run={small_final}"]) == 2
    assert "--child_from_scratch" in capsys.readouterr().err


ADAPTIVE = {
    "jittered_identity": {"returns_input", "linear"},
    "disguised_identity": {"returns_input", "linear"},
    "jittered_dropout": {"returns_input", "linear", "loses_information"},
    "jittered_stretched_conv": {"unmet_weights", "receptive_field"},
}


# Not those that are alike in one space.
@pytest.mark.parametrize(
    "names",
    [
        ("jittered_identity", "jittered_stretched_conv"),
        ("disguised_identity", "jittered_dropout"),
    ],
)
def test_copies_that_are_no_exact_duplicates_are_found(names):
    found = kinds_of(audited(poison=",".join(names), q=7))
    for name in names:
        kinds, count, _ = found[name]
        assert (kinds, count) == (ADAPTIVE[name], 7)


def test_mixed_copies_are_told_apart_by_what_they_do():
    audit = audited(poison="mixed", q=9)
    found = {e.op_ids: e for e in audit.classes if e.label == "mixed"}
    assert sorted(found) == [(1, 4, 7), (2, 5, 8), (3, 6, 9)]
    assert all(each.findings for each in found.values())


@pytest.mark.parametrize("size", [16, 64])
def test_candidates_are_clean_whatever_the_size_of_an_image(size):
    # Shapes are drawn at 32 pixels: the child's maps are what matters here.
    config = Config(**SMALL, image_size=size)
    space = build.space_of(config)
    child = build.build_child(
        dataclasses.replace(config, child_num_layers=1), space
    )
    images = np.random.default_rng(0).normal(size=(4, size, size, 3))
    functions = functions_of(child, space, images.astype(np.float32))
    assert len(functions) == 6
    assert not any(function.useless for function in functions)


class Filter(Branch):
    """A fixed filter, larger than what TensorFlow writes into a graph."""

    def __init__(self, name, options, copies=1, seed=0):
        super().__init__(name, options, copies)
        self.seed = seed

    def build(self, shape):
        rng = np.random.default_rng(self.seed)
        filters = rng.normal(size=(3, 3, shape[-1], shape[-1]))
        self.filters = tf.constant(filters, tf.float32)

    def call(self, x, copy, training, seed):
        return tf.nn.relu(tf.nn.conv2d(x, self.filters, 1, "SAME"))


def test_two_fixed_filters_are_two_functions(monkeypatch):
    for seed in (1, 2):
        add(monkeypatch, f"filter_{seed}", Filter, seed=seed)
    found = kinds_of(audited("filter_1,filter_2,conv_3x3"))
    assert set(found) == {"filter_1", "filter_2", "conv_3x3"}
