"""Hostile and broken input: refused in one sentence, and nothing happens.

A few cases of each property run with the ordinary tests; ENAS_FAULT_CASES
says how many in the fault harness, which counts them.
"""

import contextlib
import functools
import io
import os
import pathlib
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enas.cifar10 import build, data_utils
from enas.cifar10 import main as main_program
from enas.cifar10.arc import Arc
from enas.cifar10.config import Config
from enas.cifar10.main import main
from enas.cifar10.readers import tfds
from enas.cifar10.readers.published import CIFAR, read_one
from enas.cifar10.readers.shapes import make_shapes
from enas.errors import UserError
from enas.parity.diff_enas import main as parity
from enas.run import checkpoint
from enas.run.events import RunEvents
from enas.run.lock import RunLock
from enas.run.rows import RunRows
from enas.tf1.files import find_prefix
from helpers import GOLDEN

ROOT = GOLDEN.parents[1]
CASES = int(os.environ.get("ENAS_FAULT_CASES", "8"))
FLAGS = [flag for flag in Config.__dataclass_fields__ if "dir" not in flag]


def hostile(what, **strategies):
    """Runs a test on drawn input and prints how many cases it was given."""

    def decorate(function):
        done = []
        parameters = ", ".join(strategies)

        @settings(
            max_examples=CASES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(**strategies)
        def cases(**drawn):
            done.append(1)
            function(**drawn)

        def test(harmless):
            del harmless
            try:
                cases()
            finally:
                print(f"\n{len(done)} cases of {what}")

        test.__doc__ = f"{function.__doc__} ({parameters})"
        return test

    return decorate


@pytest.fixture
def harmless(tmp_path, monkeypatch):
    """Runs in a folder of its own; nothing is built, trained or asked for."""
    monkeypatch.chdir(tmp_path)
    shapes = functools.cache(make_shapes)
    monkeypatch.setattr(data_utils, "make_shapes", shapes)
    monkeypatch.setattr(tfds, "_probe", lambda *unused: "no network")
    monkeypatch.setattr(build, "build_search", lambda *unused: None)
    monkeypatch.setattr(main_program, "train", lambda *unused: 0)
    monkeypatch.setattr(build.tf1_checkpoint, "start", lambda *unused: None)
    monkeypatch.setattr(build.tf1_export, "export", lambda *unused: None)


def read_batch(path, suffix):
    content = path.read_bytes()
    return read_one(CIFAR["cifar10"], path, content, suffix, 10_000)


def listing():
    return {
        path: path.is_file() and path.read_bytes()
        for path in pathlib.Path().rglob("*")
    }


def searches(*arguments):
    """Runs the program, which must accept, or refuse and write nothing."""
    shutil.rmtree("run", ignore_errors=True)
    before = listing()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["search", "--dataset=shapes", *arguments])
    assert code in (0, 2), err.getvalue()
    if code == 2:
        # absl warns of a flagfile that names itself, and reads it once.
        told = [
            line
            for line in err.getvalue().splitlines()
            if not line.startswith("Warning: Hit circular flagfile")
        ]
        assert told[0].startswith("error: "), told
        assert listing() == before


def refused_or(function, *arguments):
    """Returns what a function returns, None if it refused."""
    try:
        return function(*arguments)
    except UserError as error:
        assert str(error)
        return None


PIECES = (b"", b"\x00" * 9, b"\n", b",", b"nan", b"9" * 40)


@st.composite
def mutated(draw, data):
    """Draws bytes with pieces exchanged, cut out, doubled or zeroed."""
    data = bytes(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from(
                    [b"", b"\x00" * 9, b"\n", b",", b"nan", b"9" * 40]
                ),
                st.just(data[start:stop] * 2),
            )
        )
        data = data[:start] + piece + data[stop:]
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    return data


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


class Harmful:
    """Pickles to a call that makes a folder when it is read."""

    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return self.function, ("harmed",)


SMALL = {b"data": np.zeros((3, 3072), np.uint8), b"labels": [0, 1, 2]}
OBJECTS = st.recursive(
    st.one_of(
        st.none(),
        st.integers(),
        st.floats(),
        st.binary(max_size=9),
        st.text(max_size=9),
        st.sampled_from(
            [os.mkdir, os.system, eval, np.dtype("O"), np.ones(3), np.uint8(3)]
        ),
        st.sampled_from([os.mkdir, os.system, open, eval, exec]).map(Harmful),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([b"data", b"labels", "data", "labels", 3]), inner
        ),
        st.tuples(inner, inner),
    ),
    max_leaves=6,
)


@hostile(
    "pickles",
    data=st.one_of(
        st.tuples(OBJECTS, st.integers(0, 5)).map(lambda x: pickle.dumps(*x)),
        st.integers(0, 5).flatmap(lambda p: mutated(pickle.dumps(SMALL, p))),
        st.binary(max_size=60).map(lambda tail: b"\x80\x04" + tail + b"."),
        # A memo of a thousand million entries.
        st.integers(0, 2**32 - 1).map(
            lambda n: b"\x80\x02Nr" + n.to_bytes(4, "little") + b"."
        ),
    ),
)
def test_pickles(data):
    """Any pickle in place of a CIFAR batch; what it asks for is not run."""
    path = pathlib.Path("data_batch_1")
    path.write_bytes(data)
    before = listing()
    read = functools.partial(read_batch, path, "")
    assert refused_or(read) is None
    assert listing() == before


@hostile(
    "whole pickles of wrong arrays",
    rows=st.sampled_from([0, 9_999, 10_000, 10_001]),
    width=st.sampled_from([0, 3071, 3072]),
    kind=st.sampled_from(["u1", "i1", "f4", "?", "c8", "O", "U1", "M8[s]"]),
    label=st.one_of(
        st.integers(-(2**70), 2**70), st.sampled_from([0.5, "x", None, [1]])
    ),
)
def test_wrong_arrays(rows, width, kind, label):
    """Batches of wrong shape, kind or labels."""
    path = pathlib.Path("data_batch_1")
    images = np.zeros((rows, width), kind) if kind != "O" else [None]
    labels = [3] * (rows - 1) + [label]
    with path.open("wb") as stream:
        pickle.dump({b"data": images, b"labels": labels}, stream)
    read = functools.partial(read_batch, path, "")
    if refused_or(read) is not None:
        assert (rows, width, kind) == (10_000, 3072, "u1") and label in range(
            10
        )


@hostile(
    "binary batches",
    size=st.one_of(
        st.integers(0, 40_000_000), st.sampled_from([30_730_000, 30_730_001])
    ),
    places=st.dictionaries(
        st.integers(0, 9_999), st.integers(0, 255), max_size=4
    ),
)
def test_binary_batches(size, places):
    """Files of any size with any labels."""
    path = pathlib.Path("data_batch_1.bin")
    path.unlink(missing_ok=True)
    with path.open("wb") as stream:
        stream.truncate(size)
        for image, label in places.items():
            if image * 3073 < size:
                stream.seek(image * 3073)
                stream.write(bytes([label]))
    read = functools.partial(read_batch, path, ".bin")
    if refused_or(read) is not None:
        assert size == 30_730_000 and all(x < 10 for x in places.values())


@functools.cache
def small_checkpoint():
    """Returns dict, ending -> bytes, and the tensors of a checkpoint."""
    tensors = {
        "child/stem_conv/w": np.arange(27, dtype=np.float32).reshape(3, 9),
        "child/layer_0/bn/offset": np.ones(5, np.float32),
        "global_step": np.int32(12),
        "empty": np.zeros((0, 3), np.float64),
    }
    checkpoint.save("good", tensors)
    files = {
        path.name.removeprefix("good"): path.read_bytes()
        for path in pathlib.Path().glob("good.*")
    }
    return files, tensors


@hostile(
    "checkpoints",
    ending=st.sampled_from([".index", ".data-00000-of-00001"]),
    draw=st.data(),
)
def test_checkpoints(ending, draw):
    """Checkpoints with damaged files are refused, or read bit for bit."""
    files, tensors = small_checkpoint()
    for name, contents in files.items():
        pathlib.Path(f"drawn{name}").write_bytes(contents)
    damaged = draw.draw(
        st.one_of(
            mutated(files[ending]),
            st.integers(0, 8 * len(files[ending]) - 1).map(
                functools.partial(flipped, files[ending])
            ),
            st.just(bytes(len(files[ending]))),
            st.binary(max_size=200),
        )
    )
    pathlib.Path(f"drawn{ending}").write_bytes(damaged)
    found = refused_or(checkpoint.read_tensors, "drawn")
    if found is not None:
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found[name].tobytes() == tensor.tobytes()


def flipped(data, bit):
    data = bytearray(data)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


@hostile(
    "files that name a checkpoint",
    data=st.one_of(
        st.binary(max_size=80),
        mutated(
            b'model_checkpoint_path: "drawn"\nall_model_checkpoint_paths: "x"\n'
        ),
    ),
)
def test_states(data):
    """Any bytes as the file `checkpoint` of a folder."""
    os.makedirs("folder", exist_ok=True)
    pathlib.Path("folder/checkpoint").write_bytes(data)
    refused_or(find_prefix, "folder")


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


METRICS = b"epoch,child_lr,child_loss\n1,0.05,2.25\n2,0.04,2.125\n3,0.03,2.0\n"
REPORTS = b'{"epoch": 1, "arc": "0  3 1"}\n{"epoch": 2, "arc": "1  2 0"}\n'


@hostile(
    "metrics files",
    metrics=st.one_of(mutated(METRICS), st.binary(max_size=60)),
    arcs=st.one_of(
        st.just(REPORTS),
        mutated(REPORTS),
        st.binary(max_size=60),
        st.just(b"[" * 100_000 + b"\n"),
    ),
)
def test_metrics(metrics, arcs):
    """Any bytes as the tables of a run that goes on."""
    os.makedirs("run", exist_ok=True)
    pathlib.Path("run/metrics.csv").write_bytes(metrics)
    pathlib.Path("run/arcs.jsonl").write_bytes(arcs)
    tables = RunRows("run")
    tables.repair()
    before = listing()
    if refused_or(tables.keep, 2) is None:
        rows = refused_or(tables.rows)
        assert (
            rows is None
            or all(row["epoch"] <= 2 for row in rows)
            or (listing() == before)
        )


@hostile(
    "run directories",
    name=st.sampled_from(
        [
            "flags.txt",
            ".lock",
            ".enas_run",
            "versions.json",
            "versions.jsonl",
            "data.jsonl",
        ]
    ),
    data=st.one_of(
        st.binary(max_size=80),
        mutated(b"--seed=69\n--num_epochs=300\n"),
        mutated(b'{"pid": 12, "host": "vm"}'),
    ),
)
def test_run_directories(name, data):
    """Any bytes as the small files of a run that goes on."""
    shutil.rmtree("run", ignore_errors=True)
    os.makedirs("run")
    pathlib.Path("run/.enas_run").touch()
    pathlib.Path("run", name).write_bytes(data)
    before = listing()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["search", "--dataset=shapes", "--output_dir=run"])
    assert code in (0, 2)
    assert code == 0 or listing() == before
    lock = RunLock("run/.lock")
    lock.take(lambda line: None)
    lock.release()


@functools.cache
def event_file():
    events = RunEvents("good_events", 3)
    for epoch in (1, 2, 3):
        events.add({"epoch": epoch, "child_loss": 1.0 / epoch})
    events.close()
    (path,) = pathlib.Path("good_events").iterdir()
    return path.read_bytes()


@hostile("event files", draw=st.data())
def test_event_files(draw):
    """Any bytes as an event file of a run that goes on."""
    data = event_file()
    shutil.rmtree("events", ignore_errors=True)
    os.makedirs("events")
    drawn = draw.draw(st.one_of(mutated(data), st.binary(max_size=99)))
    pathlib.Path("events/events.out.tfevents.1.v2").write_bytes(drawn)
    RunEvents("events", 2).close()
