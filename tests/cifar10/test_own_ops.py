"""An op in a file of its own, from the search to the export."""

import json
import pathlib
import re

import numpy as np
import pytest

import helpers
from enas.cifar10 import arc, user_ops
from enas.cifar10.config import Config
from enas.cifar10.main import main
from enas.cifar10.ops import OPS
from enas.cifar10.search_space import make_search_space
from enas.errors import UserError
from enas.tools import evaluate, export
from enas.tools.api import Run

# A class and a row, with a setting, a cost and a Keras form.
MIX = """
from enas.cifar10.ops import Op, add_ops
{code}
add_ops(Op("mix", Mix, poison_sets=("mixed_up",)))
"""
SIZE = (
    *helpers.SMALL[:-2],
    "--child_num_layers=2",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
    "--op_setting=mix_share=0.25",
)
# Of each case: the flags, an arc of the op alone.
CASES = {
    "candidate": (
        (
            "--candidate_ops=my_mix.py:Mix,conv_3x3,max_pool_3x3",
            "--poison=identity",
            "--q=6",
        ),
        "0  0 1",
    ),
    "poison": (
        ("--poison=my_mix.py:mix", "--q=2", "--poison_sharing=unique"),
        "3  2 1",
    ),
}


@pytest.fixture(autouse=True)
def file_of_the_op(own_folder):
    """Starts in a folder with the op of the document."""
    text = (helpers.ROOT / "docs/POISON.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, flags=re.S)[1]
    pathlib.Path("my_mix.py").write_text(MIX.format(code=code))


@pytest.mark.parametrize("case", CASES)
def test_it_is_searched_drawn_counted_evaluated_exported_and_trained(
    case, capsys
):
    flags, alone = CASES[case]
    search = ["x", *SIZE, *flags, "--num_valid=40", "--output_dir=run"]
    assert main(search) == 0
    assert (
        "--op_setting=mix_share=0.25\n"
        in pathlib.Path("run/flags.txt").read_text()
    )
    assert pathlib.Path("run/user_ops/1_my_mix.py").is_file()
    pathlib.Path("run/arc.txt").write_text(alone)
    capsys.readouterr()

    assert arc.main(["arc", "--draw=run/arc.txt"]) == 0
    table = capsys.readouterr().out
    # Weights of 4 x 4, each of which meets every pixel of 32 x 32.
    row = r"layer 0 +\d +[mM]ix.* 32x32 +16 +16,384"
    assert re.search(row, table), table
    assert "?" not in table
    assert pathlib.Path("run/arc.png").stat().st_size > 1000

    tool = ["x", "--output_dir=run", f"--arc={alone}"]
    assert evaluate.main(tool) == 0
    assert alone in capsys.readouterr().out
    assert export.main([*tool, "--to=net.keras"]) == 0
    away = re.search(r"at most (\S+) from the run's", capsys.readouterr().out)
    assert float(away[1]) < 1e-5

    run = Run("run")
    op = run.search.compiled.child.enas_layers[0].branches[
        run.search.search_space.branch(int(alone[0]))
    ]
    assert op.share == 0.25
    assert op.w.shape == (2, 1, 1, 4, 4)[case == "candidate" :]
    assert run.predict(np.zeros((1, 32, 32, 3), np.uint8), run.arc(alone)).any()

    final = (f"--child_fixed_arc={alone}", "--child_from_scratch")
    assert main(["x", *SIZE, *flags, *final, "--output_dir=final"]) == 0
    result = json.loads(pathlib.Path("final/result.json").read_text())
    assert result["arc"] == alone and result["finished"]

    file = pathlib.Path("my_mix.py")
    file.write_text(file.read_text() + "# another\n")
    draw = ["arc", "--draw=run/arc.txt", "--overwrite"]
    for program, words in (main, [*search, "--num_epochs=2"]), (arc.main, draw):
        assert program(words) == 2
        assert "whose contents may not change" in capsys.readouterr().err


def test_sets_ops_and_files_stand_beside_each_other():
    flag = "enas6, my_mix.py:mix,dropout"
    config = Config(candidate_ops=flag, child_num_branches=8)
    user_ops.load(config)
    space = make_search_space("mixed_up", 3, "shared", config.candidate_ops)
    assert space.candidate_ops[5:] == ("max_pool_3x3", "mix", "dropout")
    assert space.poison_ops == ("mix",) and space.num_ops == 11
    assert space.branch(6) == space.branch(10) == 6
    with pytest.raises(UserError, match="has 8 ops; received .*branches=6"):
        Config(candidate_ops=flag, child_num_branches=6)


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("mix_share=2", "mix_share must be at least 0.0 and at most 1.0"),
        ("mix_share=much", "mix_share is a number; received 'much'"),
        ("mix=1", "here mix_share; received 'mix=1'"),
        ("poison_dropout_rate=1", "have their own flags"),
    ],
)
def test_a_setting_that_is_not_legal_is_refused(setting, wanted):
    config = Config(candidate_ops="my_mix.py:mix", op_setting=[setting])
    with pytest.raises(UserError, match=wanted):
        user_ops.load(config)


@pytest.mark.parametrize(
    "name", ["poison_noise_sigma", "poison_dropout_rate", "other_share"]
)
def test_a_setting_of_a_name_that_is_taken_is_refused(name):
    file = pathlib.Path("my_mix.py")
    text = file.read_text().replace("mix_share", name)
    other = "\nclass Other(Mix):\n    low = Setting('other_share', 1)\n"
    file.write_text(text + other)
    ops = "my_mix.py:mix,my_mix.py:Other"
    with pytest.raises(UserError, match=f"declares a setting '{name}'"):
        user_ops.load(Config(candidate_ops=ops))


def test_names_and_costs_that_are_not_legal_are_refused():
    with pytest.raises(UserError, match="Unknown candidate op 'conv_7x7'"):
        make_search_space("none", None, candidate_ops="conv_7x7")
    with pytest.raises(UserError, match="names an op twice"):
        make_search_space("none", None, candidate_ops="enas6,conv_3x3")
    file = pathlib.Path("my_mix.py")
    file.write_text(file.read_text().replace("return Cost(", "return dict("))
    with pytest.raises(UserError, match="cost of the op mix .* must return"):
        user_ops.load(Config(candidate_ops="my_mix.py:mix"))


def test_an_op_that_ships_stands_in_one_file():
    # Sets of the paper's space, a preset and a script name some by their flags.
    for op in OPS.values():
        if not op.poison_sets or op.name in ("identity", "dropout"):
            continue
        files = [
            path.name
            for path in (helpers.ROOT / "src/enas/cifar10").glob("*.py")
            if f'"{op.name}"' in path.read_text()
        ]
        own = [name for name in files if name.endswith("poison_ops.py")]
        # "mixed" is a word of the profiles as well.
        assert len(own) == 1 and (files == own or op.name == "mixed"), op.name


def test_the_old_names_of_an_op_file_hold():
    pathlib.Path("old.py").write_text(
        "from enas.cifar10.branches import Branch, ChildOptions\n"
        "from enas.cifar10.poison_ops import register_poison\n"
        "@register_poison('half', part=2)\n"
        "class Half(Branch):\n"
        "    def __init__(self, name, options, copies=1, part=1):\n"
        "        super().__init__(name, options, copies)\n"
        "        assert isinstance(options, ChildOptions)\n"
        "        self.part = part\n"
        "    def call(self, x, copy, training, seed):\n"
        "        return x / self.part\n"
    )
    user_ops.load(Config(poison="old.py:half", q=2))
    assert not OPS["half"].described(Config().child_options()).cost(4, 4).known


def test_a_space_keeps_its_ops_whatever_files_are_read_later():
    config = Config(candidate_ops="my_mix.py:Mix,conv_3x3")
    user_ops.load(config)
    space = make_search_space("none", None, "shared", config.candidate_ops)
    pathlib.Path("other.py").write_text(
        "from enas.cifar10.branches import Branch\n"
        "class Mix(Branch):\n"
        "    def call(self, x, copy, training, seed):\n"
        "        return x * 0.5\n"
    )
    user_ops.load(Config(candidate_ops="other.py:Mix,conv_3x3"))
    op = space.described("Mix", config.child_options())
    assert op.cost(4, 64).known
