"""Any bytes in a run's files: read, or refused in one sentence."""

import contextlib
import functools
import io
import os
import pathlib
import shutil

import numpy as np
from hostile import hostile, listing, mutated, refused_or
from hypothesis import strategies as st

from enas.cifar10.main import main
from enas.run import checkpoint, lock
from enas.run.events import RunEvents
from enas.run.rows import RunRows
from enas.tf1.files import find_prefix


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
    with lock.held("run/.lock", lambda line: None):
        pass


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
