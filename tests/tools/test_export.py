"""Exported networks: what they are made of, and that they need no package."""

import json
import pathlib
import shutil
import subprocess
import sys
import types
import zipfile

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from enas.cifar10 import data_utils
from enas.cifar10.arc import Arc
from enas.cifar10.batches import standardize
from enas.cifar10.behaviours import PAPER, PROFILES
from enas.cifar10.branches import Branch, ChildOptions, make_layer
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.search_space import make_search_space
from enas.errors import UserError, WriteError
from enas.final.final_child import FinalChild
from enas.tools import export, export_files, keras_layers, open_run

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3))
PIXELS = PIXELS.astype(np.float32)
POISON = (
    "grouped,stretched_conv,relative_gaussian,jittered_identity,"
    "jittered_dropout,jittered_stretched_conv,disguised_identity,mixed"
)
# Every op at least once: six candidates, eleven poisonings of two copies.
ARCS = (
    "0  1 1  2 1 1  6 0 1 1  3 1 0 1 0",
    "4  5 0  8 1 0  11 0 1 0  13 1 1 1 1",
    "14  7 1  6 1 1  12 0 0 1  16 1 0 1 1",
    "9  10 1  3 0 0  6 1 1 1  6 1 1 1 1",
    "18  20 1  23 1 1  25 0 1 1  27 1 0 1 0",
    "19  21 0  22 1 0  24 0 1 0  26 1 1 1 1",
)


def pretended_search(profile, final_arc=None, override=(), sharing="unique"):
    """Returns what an export needs of a search, with drawn weights."""
    config = Config(
        profile=profile,
        override=override,
        child_num_layers=5,
        child_out_filters=6,
        batch_size=16,
        child_fixed_arc=final_arc,
        child_from_scratch=final_arc is not None,
    )
    space = make_search_space(POISON, 2, sharing, "enas6")
    options = ChildOptions(6, profile=config.behaviour)
    child = MacroChild(space, 5, options)
    if final_arc:
        arc = Arc.parse(final_arc, 5, space.num_ops)
        child = FinalChild(arc, space, options)
    child.build()
    rng = np.random.default_rng(1)
    for variable in child.variables:
        if "/bn/" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    data = data_utils.read_data(
        "shapes", num_train=64, num_test=16, log=lambda line: None
    )
    compiled = types.SimpleNamespace(child=child)
    return types.SimpleNamespace(
        config=config,
        profile=config.behaviour,
        search_space=space,
        compiled=compiled,
        data=data,
    )


def logits_of(search, arc):
    data = search.data
    images = standardize(PIXELS, data.mean, data.std)
    bits = np.int32(arc.op_ids), np.int32(arc.skips)
    return search.compiled.child(images, bits).numpy()


def check(search, text):
    arc = Arc.parse(text, 5, search.search_space.num_ops)
    wanted = logits_of(search, arc)
    how = search.profile.bn_evaluation
    model = export.plain_model(search, arc, how)
    assert np.ptp(wanted) > 0.1
    scale = max(1.0, np.abs(wanted).max())
    np.testing.assert_allclose(model(PIXELS), wanted, rtol=0, atol=1e-5 * scale)
    return model


@pytest.fixture(scope="module", params=sorted(PROFILES))
def searched(request):
    return pretended_search(request.param)


@pytest.mark.parametrize("arc", ARCS)
def test_logits_are_those_of_the_search(searched, arc):
    check(searched, arc)


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("arc", ARCS[:3])
def test_logits_are_those_of_the_final_network(profile, arc):
    check(pretended_search(profile, arc), arc)


def test_late_binding_is_exported_as_it_runs():
    override = ("branch_binding=published",)
    search = pretended_search("enas", override=override)
    check(search, ARCS[0])


def saved(part, found):
    """Adds what a config.json says to lists: class -> sets of fields."""
    if isinstance(part, list):
        for each in part:
            saved(each, found)
    elif isinstance(part, dict):
        if isinstance(part.get("config"), dict):
            found.append((part["class_name"], set(part["config"])))
        for each in part.values():
            saved(each, found)
    return found


@pytest.mark.parametrize("arc", ARCS)
def test_a_keras_file_says_only_what_keras_3_0_knew(searched, arc, tmp_path):
    model, path = check(searched, arc), str(tmp_path / "net.keras")
    assert export_files.save(model, path, "ab") == [f"Saved {path}"]
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        assert json.loads(archive.read("classes.json"))["classes"] == ["a", "b"]
    known = export_files.known_fields()
    known |= {
        "Functional": {
            *("name", "trainable", "layers", "input_layers", "output_layers")
        },
        "__keras_tensor__": {"shape", "dtype", "keras_history"},
    }
    found = saved(config, [])
    assert len(found) > 20
    for name, fields in found:
        assert fields <= set(known[name]), name
    for end in ("input_layers", "output_layers"):
        ((layer, *at),) = config["config"][end]
        assert layer in {each["name"] for each in config["config"]["layers"]}
        assert at == [0, 0]
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded(PIXELS), model(PIXELS))


def test_what_keras_3_0_did_not_know_is_named(tmp_path):
    pixels = keras.Input((8, 8, 3))
    dense = keras.layers.Dense(2)
    dense.get_config = lambda: {"name": "dense", "units": 2, "newer": "x"}
    x = keras.layers.RMSNormalization()(keras.ops.relu(pixels))
    model = keras.Model(pixels, dense(x))
    _, warning = export_files.save(model, str(tmp_path / "net.keras"), "ab")
    assert "does not know Dense.newer, RMSNormalization, Relu." in warning


def by_tflite(path):
    lite = tf.lite.Interpreter(path)
    (entry,), (end,) = lite.get_input_details(), lite.get_output_details()
    lite.resize_tensor_input(entry["index"], PIXELS.shape)
    lite.allocate_tensors()
    lite.set_tensor(entry["index"], PIXELS)
    lite.invoke()
    return lite.get_tensor(end["index"])


def by_onnx(path):
    session = onnxruntime.InferenceSession(path)
    return session.run(["logits"], {"pixels": PIXELS})[0]


# Each arc is run by both, and each of both runs arcs of both profiles.
BY_OTHERS = [
    (profile, run, arc)
    for turn, arc in zip((1, -1, 1), ARCS[::2], strict=True)
    for profile, run in zip(
        sorted(PROFILES), (by_tflite, by_onnx)[::turn], strict=True
    )
]


@pytest.mark.parametrize(
    ("searched", "run", "arc"), BY_OTHERS, indirect=["searched"]
)
def test_other_interpreters_compute_the_same(searched, arc, run, tmp_path):
    path = str(tmp_path / f"net.{run.__name__[3:]}")
    model, names = check(searched, arc), ["one", "two"]
    assert export_files.save(model, path, names) == [f"Saved {path}"]
    wanted = model(PIXELS).numpy()
    atol = 1e-5 * max(1, np.abs(wanted).max())
    np.testing.assert_allclose(run(path), wanted, rtol=0, atol=atol)
    if run is by_tflite:
        text = zipfile.ZipFile(path).read("classes.json")
    else:
        meta = onnxruntime.InferenceSession(path).get_modelmeta()
        text = meta.custom_metadata_map["classes.json"]
    assert json.loads(text)["classes"] == names


def test_only_exports_are_overwritten_unasked(small_run, tmp_path, capsys):
    def run(*more):
        return export.main(["x", f"--output_dir={small_run}", *targets, *more])

    paths = [tmp_path / "net.keras", tmp_path / "net"]
    targets = [f"--to={path}" for path in paths]
    assert run() == 0 and run() == 0
    classes = json.loads((paths[1] / "classes.json").read_text())["classes"]
    assert (
        classes
        == json.loads((pathlib.Path(small_run) / "result.json").read_text())[
            "data"
        ]["classes"]
    )
    for path in paths:
        targets = [f"--to={path}"]
        inner = path / "classes.json" if path.is_dir() else path
        inner.write_text("mine")
        assert run() == 2
        assert "has not written it" in capsys.readouterr().err
        assert inner.read_text() == "mine"
        assert run("--overwrite") == 0
        assert inner.read_bytes() != b"mine"


def test_measured_statistics_are_those_of_the_batches():
    search = pretended_search("paper")
    arc = Arc.parse(ARCS[0], 5, search.search_space.num_ops)
    model = export.plain_model(search, arc, "measured")
    pixels = search.data.train.images.astype(np.float32)
    first = next(
        layer
        for layer in model.layers
        if type(layer).__name__ == "BatchNormalization"
    )
    before = type(model)(model.inputs, first.input)(pixels).numpy()
    means = before.reshape(4, -1, 6).mean(axis=1)
    variances = before.reshape(4, -1, 6).var(axis=1)
    moving = first.moving_mean.numpy(), first.moving_variance.numpy()
    np.testing.assert_allclose(moving[0], means.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(moving[1], variances.mean(axis=0), rtol=1e-4)
    together, alone = model(PIXELS), model(PIXELS[:1])
    np.testing.assert_allclose(together[:1], alone, atol=1e-4)


def test_an_op_of_ones_own_is_refused():
    class Half(Branch):
        def call(self, x, copy, training, seed):
            return x / 2

    half = make_layer(Half, "branch_6", ChildOptions(4, profile=PAPER))
    with pytest.raises(UserError, match="Half is your own"):
        keras_layers.Choices("moving").lay(half, None)


# Run without the package: -I leaves PYTHONPATH and the folder out, and an
# installed package is refused.
BARE = """
import importlib.abc, json, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "enas":
            raise ImportError("the package is not here")
sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf
pixels = np.load(sys.argv[1])
model = tf.keras.models.load_model(sys.argv[2])
saved = tf.saved_model.load(sys.argv[3])
np.save(sys.argv[4], [model.predict(pixels, verbose=0), saved.serve(pixels)])
assert not any(name.split(".")[0] == "enas" for name in sys.modules)
"""


@pytest.mark.parametrize("kind", ["search", "final"])
def test_files_load_and_predict_without_the_package(
    kind, small_run, small_final, tmp_path, capsys
):
    run = {"search": small_run, "final": small_final}[kind]
    paths = [str(tmp_path / name) for name in ("net.keras", "net", "out.npy")]
    targets = [f"--to={path}" for path in paths[:2]]
    assert export.main(["x", f"--output_dir={run}", *targets]) == 0
    text = capsys.readouterr().out
    assert "from the run's" in text
    assert float(text.split("at most ")[1].split()[0]) < 1e-5
    np.save(tmp_path / "pixels.npy", PIXELS)
    command = [sys.executable, "-I", "-c", BARE, str(tmp_path / "pixels.npy")]
    subprocess.run([*command, *paths], check=True, cwd=tmp_path)
    with zipfile.ZipFile(paths[0]) as archive:
        described = archive.read("config.json").decode()
    assert "enas" not in json.dumps(json.loads(described)).lower()
    by_keras, by_savedmodel = np.load(paths[2])
    search = open_run.load(config_of(run))
    data = search.data
    images = standardize(PIXELS, data.mean, data.std)
    wanted = search.evaluation.logits(images, open_run.best_arc(search))
    for found in (by_keras, by_savedmodel):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_an_arc_is_exported_of_a_run_that_has_measured_none(
    small_run, tmp_path, capsys
):
    run = shutil.copytree(small_run, tmp_path / "run")
    (run / "best_arc.txt").write_bytes(b"\xff")
    flags = [f"--output_dir={run}", f"--to={tmp_path}/net.keras"]
    assert export.main(["x", *flags]) == 2
    assert "best_arc.txt cannot be read" in capsys.readouterr().err
    (run / "best_arc.txt").unlink()
    assert export.main(["x", *flags, "--arc=0  3 1"]) == 0
    assert "arc 0  3 1: " in capsys.readouterr().out
    assert export.main(["x", *flags]) == 2
    assert "Give one by --arc" in capsys.readouterr().err


def test_a_slash_after_a_file_is_no_part_of_its_name(small_run, tmp_path):
    target = f"{tmp_path}/net.keras/"
    assert (
        export.main(["x", f"--output_dir={small_run}", f"--to={target}"]) == 0
    )
    assert (tmp_path / "net.keras").is_file()


def test_a_file_that_cannot_be_written_is_one_line(
    small_run, tmp_path, monkeypatch, capsys
):
    def full(*unused):
        raise WriteError(tmp_path / "net.keras", "no space left")

    monkeypatch.setattr(export, "save", full)
    flags = [f"--output_dir={small_run}", f"--to={tmp_path}/net.keras"]
    assert export.main(["x", *flags]) == 1
    message = capsys.readouterr().err
    assert message.endswith("net.keras cannot be written: no space left\n")
    assert message.count("\n") == 1


def config_of(run):
    return open_run.read_config(make_flags(), ["x"], run)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ([], "received none"),
        (["--to={run}"], "has not written it"),
        (["--to=no/such/net.keras"], "cannot be written"),
        (["--to=net.h5"], "ends in .keras, .tflite or .onnx, or a folder"),
        (["--to=net.pb"], "received net.pb, which ends in .pb"),
        (["--to=net.keras", "--statistics=best"], "moving, batch, measured"),
        (["--to=net.keras", "--arc=0"], "3 numbers"),
    ],
)
def test_mistakes_are_told(
    flags, wanted, small_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    flags = [flag.format(run=small_run) for flag in flags]
    assert export.main(["x", f"--output_dir={small_run}", *flags]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message
    assert not list(tmp_path.iterdir())
