"""What TensorFlow computes on: found, set up and logged."""

import contextlib
import subprocess
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import config


def find_devices() -> list[str]:
    """Returns the kinds of the devices TensorFlow sees: "CPU", "GPU", ..

    The first call starts the device drivers, which write to stderr. Memory of
    a GPU is allocated as needed, so that a search and an evaluation share a
    card.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    return [device.device_type for device in tf.config.list_logical_devices()]


@contextlib.contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Restricts TensorFlow to operations that repeat bit for bit, if wanted.

    It does so in the whole process, in which a notebook may run more, so it is
    undone at the end.
    """
    if not wanted or config.is_op_determinism_enabled():
        yield
        return
    config.enable_op_determinism()
    try:
        yield
    finally:
        config.disable_op_determinism()


def describe_devices() -> list[str]:
    """Returns lines for the log: the devices, and whether a GPU is idle."""
    gpus = tf.config.list_physical_devices("GPU")
    details = map(tf.config.experimental.get_device_details, gpus)
    if gpus:
        names = [each.get("device_name", "GPU") for each in details]
        return [f"Devices: {', '.join(names)}"]
    lines = ["Devices: CPU, no GPU"]
    idle = _gpus_of_the_driver()
    if idle:
        lines.append(
            f"WARNING: nvidia-smi lists {len(idle)} GPU(s), but TensorFlow sees"
            " none, so this runs on the CPU. The CUDA libraries are missing or"
            " do not fit the driver: remove .venv and start a script again,"
            " which installs them, or run pip install -c constraints.txt -e"
            " '.[and-cuda]' in your own environment (docs/GPU.md)."
        )
    return lines


def _gpus_of_the_driver() -> list[str]:
    """Returns the lines of `nvidia-smi -L`; [] if it does not work."""
    command = ["nvidia-smi", "-L"]
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line for line in done.stdout.splitlines() if "GPU" in line]
