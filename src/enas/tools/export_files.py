"""Exported models as files, each with the names of the classes in order.

A .keras file says only what Keras 3.0 knew, so that every later one loads it.
"""

import functools
import importlib.util
import inspect
import io
import json
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from enas.errors import UserError, naming
from enas.paths import CLASSES, MARK, check_free, check_loadable
from enas.run.files import write_whole


def check_target(target: str, overwrite: bool = False) -> None:
    """Refuses a place that no model can be written to, with a UserError."""
    ending = _ending(target)
    if ending not in _WRITE:
        raise UserError(
            "--to names a file that ends in .keras, .tflite or .onnx, or a "
            "folder without an ending, for a SavedModel; received "
            f"{target}, which ends in {ending}."
        )
    if ending == ".onnx" and not importlib.util.find_spec("tf2onnx"):
        raise UserError(
            f"--to={target} needs the package tf2onnx, which is not installed."
            " Run `pip install tf2onnx` in this project's environment, or "
            "export to .keras, .tflite or a folder."
        )
    if not ending:
        check_loadable(target, "--to")
    check_free(target, "--to", overwrite, folder=not ending)


def save(model: Any, target: str, classes: Sequence[str]) -> list[str]:
    """Writes a model to a target that was checked, or raises WriteError."""
    text = json.dumps({"program": MARK, "classes": list(classes)})
    target = os.path.normpath(target)
    unknown = _WRITE[_ending(target)](model, target, text)
    lines = [f"Saved {target}"]
    if unknown:
        lines.append(
            f"warning: {target} may not load in a Keras before this one, since "
            f"Keras 3.0 does not know {', '.join(unknown)}."
        )
    return lines


def _ending(target: str) -> str:
    _, dot, last = os.path.basename(target.rstrip(os.sep)).rpartition(".")
    return dot + last if dot else ""


def _save_keras(model: Any, target: str, text: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    unknown: set[str] = set()
    config = _without_news(json.loads(parts["config.json"]), unknown)
    parts["config.json"] = json.dumps(config).encode()
    write_whole(target, _zipped(b"", parts | {CLASSES: text}))
    return sorted(unknown)


def _save_tflite(model: Any, target: str, text: str) -> None:
    import tensorflow as tf

    function = _frozen(model).get_concrete_function()
    convert = tf.lite.TFLiteConverter.from_concrete_functions
    content = convert([function], model).convert()
    # As TFLite's own metadata: an archive after the model.
    write_whole(target, _zipped(content, {CLASSES: text}))


def _save_onnx(model: Any, target: str, text: str) -> None:
    import onnx
    import tf2onnx

    function = _frozen(model)
    proto, _ = tf2onnx.convert.from_function(
        function, input_signature=function.input_signature
    )
    onnx.helper.set_model_props(proto, {CLASSES: text})
    write_whole(target, proto.SerializeToString())


def _save_folder(model: Any, target: str, text: str) -> None:
    with naming(target):
        model.export(target, verbose=False)
    write_whole(os.path.join(target, CLASSES), text)


_WRITE: dict[str, Callable[[Any, str, str], list[str] | None]] = {
    ".keras": _save_keras,
    ".tflite": _save_tflite,
    ".onnx": _save_onnx,
    "": _save_folder,
}


def _zipped(before: bytes, parts: dict[str, str | bytes]) -> bytes:
    """Returns bytes and after them an archive, nothing compressed."""
    content = io.BytesIO(before)
    with zipfile.ZipFile(content, "a") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def _frozen(model: Any) -> Any:
    """Returns pixels -> logits as a tf.function whose weights are constants."""
    import tensorflow as tf

    kinds = model.trainable_variables, model.non_trainable_variables
    weights = [[variable.numpy() for variable in kind] for kind in kinds]
    shape = tf.TensorSpec(model.input_shape, tf.float32, "pixels")

    @tf.function(input_signature=[shape], autograph=False)
    def logits(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        y, _ = model.stateless_call(*weights, pixels, training=False)
        return {"logits": y}

    return logits


@functools.cache
def known_fields() -> dict[str, list[str]]:
    """Returns what the constructors of Keras 3.0 take, by class."""
    path = pathlib.Path(__file__).with_name("keras_3_0.json")
    return json.loads(path.read_text("utf-8"))


def _without_news(part: Any, unknown: set[str]) -> Any:
    """Returns a saved object as of Keras 3.0; fills `unknown` with losses."""
    if isinstance(part, list):
        return [_without_news(each, unknown) for each in part]
    if not isinstance(part, dict):
        return part
    name, config = part.get("class_name", ""), part.get("config", {})
    if name == "DTypePolicy":
        return config["name"]
    if name == "Functional":
        # Keras 3.0 knows lists of tensors alone.
        for end in ("input_layers", "output_layers"):
            config[end] = [config[end]]
    elif name and not name.startswith("__") and isinstance(config, dict):
        part["config"] = _known(name, config, unknown)
    news = ("build_config", "compile_config", "shared_object_id")
    old = {key: value for key, value in part.items() if key not in news}
    return {key: _without_news(value, unknown) for key, value in old.items()}


def _known(name: str, config: dict, unknown: set[str]) -> dict[str, Any]:
    import keras

    known = known_fields().get(name)
    if known is None:
        unknown.add(name)
        return config
    cls = getattr(keras.layers, name, None) or getattr(keras.initializers, name)
    defaults = inspect.signature(cls.__init__).parameters
    for key in config.keys() - set(known):
        default = getattr(defaults.get(key), "default", None)
        if config[key] not in (None, False, default):
            unknown.add(f"{name}.{key}")
    return {key: value for key, value in config.items() if key in known}
