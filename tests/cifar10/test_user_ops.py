"""Poisonings from a user's own file: found, tried, refused."""

import pathlib
import re

import numpy as np
import pytest

import helpers
from enas.cifar10 import build, user_ops
from enas.cifar10.config import Config
from enas.cifar10.main import main
from enas.cifar10.ops import OPS
from enas.errors import UserError
from enas.run import user_files
from enas.run.run_dir import RunDir
from enas.tools import draw
from enas.utils import Log

ROOT = helpers.ROOT
HEAD = """
import tensorflow as tf
from enas.cifar10.ops import Branch
from enas.cifar10.poison_ops import register_poison
"""
OP = """
class {name}(Branch):
    def call(self, x, copy, training, seed):
        return {result}
"""


pytestmark = pytest.mark.usefixtures("own_folder")


def write(text, name="my_ops.py"):
    pathlib.Path(name).write_text(HEAD + text)


def load(poison, **settings):
    user_ops.load(Config(poison=poison, q=2, child_out_filters=4, **settings))


def test_the_op_of_the_document_is_loaded():
    text = (ROOT / "docs/POISON.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, flags=re.S)[1]
    assert len(code.splitlines()) <= 15
    pathlib.Path("my_ops.py").write_text(code)
    load("identity, my_ops.py:Blur")
    assert "Blur" in OPS


def test_registered_names_and_classes_of_one_file_are_both_found():
    write(
        '@register_poison("third", part=3)'
        + OP.format(name="Part", result="x / self.part").replace(
            "    def call",
            "    def __init__(self, *args, part):\n"
            "        super().__init__(*args)\n"
            "        self.part = part\n\n    def call",
        )
        + OP.format(name="Half", result="x / 2")
    )
    load("my_ops.py:third,my_ops.py:Half", poison_sharing="unique")
    assert {"third", "Half"} <= set(OPS)


def test_a_file_is_read_again_after_an_edit():
    write(OP.format(name="Half", result="x / 2"))
    load("my_ops.py:Half")
    old = OPS["Half"].cls
    write(OP.format(name="Half", result="x / 3"))
    load("my_ops.py:Half")
    assert OPS["Half"].cls is not old


def opened(**settings):
    """Starts a run, and ends it before its first step."""
    config = Config(poison="my_ops.py:Half", q=2, output_dir="run", **settings)
    user_ops.load(config)
    run_dir = RunDir(config)
    run_dir.check()
    run_dir.open(Log(), helpers.small_data())
    run_dir.close()


def test_a_file_may_have_dataclasses_with_annotations_as_text():
    write(OP.format(name="Half", result="x / 2"))
    file = pathlib.Path("my_ops.py")
    head = "from __future__ import annotations\nimport dataclasses\n"
    kept = "@dataclasses.dataclass\nclass Kept:\n    share: float = 1.0\n"
    file.write_text(head + file.read_text() + kept)
    load("my_ops.py:Half")


def test_another_file_may_have_an_op_of_the_same_name():
    for name, result in (("one.py", "x"), ("two.py", "2.0 * x")):
        write(OP.format(name="Blur", result=result), name)
        load(f"{name}:Blur")
        module = OPS["Blur"].cls.__module__
        assert module == f"enas_user_ops_{name[:-3]}"


def test_a_run_keeps_the_file_and_goes_on_with_no_other(capsys):
    # A letter in another encoding, and line ends of another system.
    source = ("# coding: latin-1\r\n# \xfc\r\n" + HEAD).encode("latin-1")
    op = OP.format(name="Half", result="x / 2").encode()
    file, copy = map(pathlib.Path, ("my_ops.py", "run/user_ops/1_my_ops.py"))
    file.write_bytes(source + op)
    opened()
    assert copy.read_bytes() == source + op
    file.write_bytes(source + op.replace(b"2", b"3"))
    flags = ["x", "--flagfile=run/flags.txt", "--output_dir=run"]
    assert main(flags) == 2
    message = capsys.readouterr().err
    assert "whose contents may not change" in message, message
    assert str(copy) in message and message.count("\n") == 1
    assert copy.read_bytes() == source + op
    # Measuring it, too.
    config = Config(poison=f"{file.absolute()}:Half", q=2, output_dir="run")
    with pytest.raises(UserError, match="to measure it"):
        build.load_search(config, lambda line="": None)
    opened(reset_output_dir=True)
    assert copy.read_bytes() == file.read_bytes()
    opened()


def test_a_run_uses_its_copy_where_the_file_is_gone_and_the_file_may_move():
    write(OP.format(name="Half", result="x / 2"))
    small = ["--child_num_layers=2", "--controller_train_steps=1"]
    small += ["--num_valid=40", "--pictures_every=0", "--output_dir=run"]
    assert main(["x", *helpers.SMALL, *small, "--poison=my_ops.py:Half"]) == 0
    pathlib.Path("moved").mkdir()
    pathlib.Path("run").rename("moved/run")
    pathlib.Path("my_ops.py").rename("moved/my_ops.py")
    flags = ["x", "--flagfile=moved/run/flags.txt", "--output_dir=moved/run"]
    assert main(flags) == 0
    assert draw.main(["x", "--draw=moved/run/best_arc.txt"]) == 0
    assert main([*flags, "--poison=moved/my_ops.py:Half"]) == 0
    write(OP.format(name="Half", result="x / 3"), "moved/my_ops.py")
    assert main([*flags, "--poison=moved/my_ops.py:Half"]) == 2
    # Another run has no copy to use.
    pathlib.Path("moved/my_ops.py").unlink()
    assert main([*flags[:2], "--output_dir=new"]) == 2


def test_two_files_of_one_name_are_both_kept():
    texts = {}
    for folder, name in (("a", "One"), ("b", "Two")):
        pathlib.Path(folder).mkdir()
        write(OP.format(name=name, result="x / 2"), f"{folder}/my_ops.py")
        texts[folder] = pathlib.Path(folder, "my_ops.py").read_text()
    config = Config(
        poison="a/my_ops.py:One,b/my_ops.py:Two", q=2, output_dir="run"
    )
    user_ops.load(config)
    user_files.keep(config)
    kept = sorted(pathlib.Path("run/user_ops").iterdir())
    assert [path.name for path in kept] == ["1_my_ops.py", "2_my_ops.py"]
    assert [path.read_text() for path in kept] == [texts["a"], texts["b"]]
    user_files.check(config)


def test_an_op_of_one_file_is_not_replaced_by_that_of_another():
    half = '@register_poison("half")' + OP.format(name="Half", result="x / 2")
    for folder, more in (("a", ""), ("b", OP.format(name="Two", result="x"))):
        pathlib.Path(folder).mkdir()
        write(half + more, f"{folder}/my_ops.py")
    with pytest.raises(UserError, match="half is an op that another file has"):
        load("a/my_ops.py:half,b/my_ops.py:Two")
    load("b/my_ops.py:half,b/my_ops.py:Two")


def test_full_paths_hold_in_every_folder(tmp_path):
    for flag in ("poison", "candidate_ops"):

        def kept(ops, flag=flag):
            return getattr(Config(**{flag: ops}), flag)

        assert kept("identity, dropout") == "identity,dropout"
        found = kept("identity, ops.py:Blur")
        assert found == f"identity,{tmp_path}/ops.py:Blur"
        assert kept(found) == found


def test_a_list_of_ops_has_one_spelling_when_a_run_continues():
    write(OP.format(name="Half", result="x / 2"))
    opened()
    file = pathlib.Path("run/flags.txt")
    # As an earlier version wrote it.
    spaced = "conv_3x3, my_ops.py:Half , identity"
    file.write_text(file.read_text().replace("=enas6", f"={spaced}"))
    opened(candidate_ops=spaced.replace(" ", ""))


def test_a_folder_with_a_comma_is_refused(monkeypatch):
    pathlib.Path("a,b").mkdir()
    monkeypatch.chdir("a,b")
    for flag in ("poison", "candidate_ops"):
        with pytest.raises(UserError, match="split at commas.*/a,b/my_ops.py"):
            Config(**{flag: "identity,my_ops.py:Blur"})


def weighty(build, result="x / 2"):
    """Returns the text of an op Blur with weights."""
    return (
        "import keras\n"
        "from enas.cifar10.layers.image_ops import ConvBN\n"
        + OP.format(name="Blur", result=result)
        + "    def build(self, shape):\n"
        "        def conv(name):\n"
        "            layer = ConvBN(name, 1, self.options)\n"
        "            layer.build(shape)\n"
        "            return layer\n"
        f"        {build}\n"
    )


MISTAKES = {
    "no file": (None, "there is no file .*my_ops.py"),
    "null byte": ("\0", "null bytes"),
    "no class": ("Blur = None\n", "the file has no such name"),
    "not a class": ("Blur = 3\n", "the file has a int"),
    "not a branch": ("class Blur:\n    pass\n", "class that is not a Branch"),
    "syntax": ("def\n", "SyntaxError"),
    "exception": ("1 / 0\n", "ZeroDivisionError: .* by zero in line 5"),
    "neighbour": ("import my_neighbour\n", "or on PYTHONPATH, not what is"),
    "exit": ("raise SystemExit(3)\n", "SystemExit: 3"),
    "taken name": ('register_poison("identity")(Branch)\n', "Taken names"),
    "no call": ("class Blur(Branch):\n    pass\n", "must turn a map"),
    "other size": (
        OP.format(name="Blur", result="x[:, ::2, ::2]"),
        r"returned float32 \[2, 4, 4, 36\]",
    ),
    "other type": (
        OP.format(name="Blur", result="tf.cast(x, tf.float16)"),
        "returned float16",
    ),
    "exception in call": (
        OP.format(name="Blur", result="x @ tf.zeros([5, 5])"),
        "it raised ValueError",
    ),
    "only one size": (
        OP.format(name="Blur", result="x + x.shape[1]"),
        "of any height and width",
    ),
    "build fails": (
        OP.format(name="Blur", result="x")
        + "    def build(self, shape):\n        raise KeyError('w')\n",
        "cannot be built; it raised KeyError",
    ),
    "no identity": (
        OP.format(name="Blur", result="x / 2")
        + "    def returns_input(self, training):\n        return True\n",
        "its output differs",
    ),
    "a table of one copy": (
        OP.format(name="Blur", result="x * tf.gather([0.5], copy)"),
        "for copy 1 of 2",
    ),
    "two weights of one name": (
        weighty('self.a, self.c = (conv("same") for _ in "12")'),
        "same/w that is not the only one of its name",
    ),
    "whole numbers are trained": (
        weighty('self.c = self.add_weight((), dtype="int32", name="n")'),
        "n that is of type int32",
    ),
    "a layer that is not built": (
        weighty("self.c = keras.layers.Conv2D(36, 1)", "self.c(x)"),
        "build the layers inside there",
    ),
    "state beside the weights": (
        weighty("self.v = tf.Variable(0.0)", "x + self.v.assign_add(1.0)"),
        "checkpoints would not hold it",
    ),
    "a generator": (
        weighty(
            "self.g = tf.random.Generator.from_seed(1)", "x + self.g.normal([])"
        ),
        "checkpoints would not hold it",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_told_and_leave_nothing(case, capsys):
    text, wanted = MISTAKES[case]
    if text is not None:
        write(text)
    before = set(OPS)
    code = main(["x", "--poison=my_ops.py:Blur", "--q=2", "--output_dir=run"])
    message = capsys.readouterr().err
    assert code == 2
    assert message.startswith("error: ") and message.count("\n") == 1
    assert re.search(wanted, message), message
    assert not pathlib.Path("run").exists()
    assert set(OPS) - before <= {"Blur"}


def test_an_op_is_tried_in_the_type_of_the_search(capsys):
    write(OP.format(name="Mask", result="x * tf.ones([1, 1, 1, 1])"))
    words = ["x", "--poison=my_ops.py:Mask", "--q=2", "--output_dir=run"]
    load("my_ops.py:Mask")
    assert main([*words, "--mixed_precision=bfloat16"]) == 2
    message = capsys.readouterr().err
    assert "must turn a map" in message and message.count("\n") == 1
    write(OP.format(name="Mask", result="x * tf.ones([1, 1, 1, 1], x.dtype)"))
    space = build.space_of(
        Config(poison="my_ops.py:Mask", q=2, mixed_precision="bfloat16")
    )
    assert space.num_ops == 8


def test_an_op_is_tried_for_its_last_copy():
    write(OP.format(name="Blur", result="x * tf.gather([0.5, 0.7], copy)"))
    load("my_ops.py:Blur")
    config = Config(poison="my_ops.py:Blur", q=5)
    with pytest.raises(UserError, match="for copy 4 of 5"):
        user_ops.load(config)


def test_layers_of_keras_without_name_or_seed_are_the_same_each_time():
    layers = (
        "self.c = keras.layers.Conv2D(4, 1); self.c.build(shape); self.n = "
        "self.add_weight((), dtype='int32', trainable=False, name='n')"
    )
    write(weighty(layers, "self.c(x)"))
    config = Config(
        poison="my_ops.py:Blur",
        q=1,
        candidate_ops="identity",
        child_num_layers=2,
        child_out_filters=4,
    )
    found = []
    for _ in "12":
        child = build.build_child(config, build.space_of(config))
        found.append({v.path: v.numpy() for v in child.variables})
    one, other = found
    names = [name for name in one if name.endswith("kernel")]
    assert len(names) == 2
    for name in names:
        np.testing.assert_array_equal(one[name], other[name])
    assert np.any(one[names[0]] != one[names[1]])


def test_an_op_is_tried_at_every_size_that_the_search_has():
    # 28, 14 and 7 pixels: the last one is odd.
    even = "tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2), 2)"
    write(OP.format(name="Even", result=even))
    user_ops.load(Config(poison="my_ops.py:Even", q=1))
    with pytest.raises(UserError, match=r"Even of .*\[2, 7, 7, 36\]"):
        user_ops.load(Config(poison="my_ops.py:Even", q=1, image_size=28))


def test_a_message_of_tensorflow_is_told_without_its_colours():
    write(OP.format(name="Loud", result="tf.raise_('\x1b[1mtoo loud\x1b[0m')"))
    text = pathlib.Path("my_ops.py").read_text()
    told = "def raise_(text):\n    raise ValueError(text)\n"
    pathlib.Path("my_ops.py").write_text(
        told + text.replace("tf.raise_", "raise_")
    )
    with pytest.raises(UserError, match="too loud") as caught:
        load("my_ops.py:Loud")
    assert "\x1b" not in str(caught.value)


def test_a_name_in_a_file_may_not_be_one_that_ships():
    write(OP.format(name="dropout", result="x / 2"))
    with pytest.raises(UserError, match="Taken names"):
        load("my_ops.py:dropout")
