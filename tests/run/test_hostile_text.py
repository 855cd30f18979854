"""Any text as a flag, an arc or a log: read, or refused in one sentence."""

import contextlib
import io
import pathlib

from hostile import hostile, mutated, refused_or, searches
from hypothesis import strategies as st

from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.parity.diff_enas import main as parity
from helpers import GOLDEN

FLAGS = [flag for flag in Config.__dataclass_fields__ if "dir" not in flag]

# No line ends in it: a flag cannot hold a zero byte.
WORDS = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]),
    max_size=12,
)
NUMBERS = st.one_of(
    st.integers(-3, 400).map(str), st.floats().map(str), st.just("1" + "0" * 80)
)
VALUES = st.one_of(NUMBERS, WORDS, st.sampled_from(["true", "none", "", "~"]))
ARCS = st.one_of(
    st.lists(st.integers(-1, 9), max_size=12).map(
        lambda numbers: " ".join(map(str, numbers))
    ),
    st.text("0123456789 ,[]\n-x\u00b2\uff11", max_size=30),
    WORDS,
)


@hostile("arcs", text=ARCS, layers=st.integers(1, 5), num_ops=st.integers(1, 9))
def test_arcs(text, layers, num_ops):
    """Any text is an arc that can be written and read again, or refused."""
    arc = refused_or(Arc.parse, text, layers, num_ops)
    if arc is not None:
        assert Arc.parse(str(arc), layers, num_ops) == arc
        assert len(arc.op_ids) == layers and max(arc.op_ids) < num_ops


@hostile(
    "flags",
    flags=st.lists(st.tuples(st.sampled_from(FLAGS), VALUES), max_size=3),
)
def test_flags(flags):
    """Any values of any flags."""
    # A search of a million channels is legal, and is not built here.
    searches("--output_dir=run", *(f"--{name}={v}" for name, v in flags))


@hostile("words for flags", words=st.lists(WORDS, min_size=1, max_size=3))
def test_words(words):
    """Any words in place of flags."""
    searches("--output_dir=run", *words)


LINES = st.one_of(
    st.tuples(st.sampled_from(FLAGS), VALUES).map("--{0[0]}={0[1]}".format),
    st.sampled_from(["", "# note", "--flagfile=drawn.flags", "--", "-", "//"]),
    WORDS,
)


@hostile(
    "flagfiles",
    data=st.one_of(
        st.binary(max_size=80),
        st.lists(LINES, max_size=5).map(lambda x: "\n".join(x).encode()),
        mutated(
            (GOLDEN.parents[1] / "scripts/presets/quick.flags").read_bytes()
        ),
    ),
)
def test_flagfiles(data):
    """Any bytes as a flagfile."""
    pathlib.Path("drawn.flags").write_bytes(data)
    searches("--flagfile=drawn.flags", "--output_dir=run", "--dataset=shapes")


@hostile("fixed arcs", text=ARCS)
def test_fixed_arcs(text):
    """Any text as the fixed arc of a search."""
    searches(
        "--output_dir=run", "--child_num_layers=2", f"--child_fixed_arc={text}"
    )


LOGS = [
    (GOLDEN / name / "stdout.txt").read_bytes()[-3000:]
    for name in ("enas", "paper")
]


@hostile("logs", data=st.one_of(*map(mutated, LOGS), st.binary(max_size=300)))
def test_logs(data):
    """Any bytes as a log that is compared with a recorded one."""
    pathlib.Path("drawn").write_bytes(data)
    known = str(GOLDEN / "enas/stdout.txt")
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        assert parity(["logs", "drawn", known, "--tensorboard=none"]) in (0, 2)
