"""The log says what a run computes on; a GPU is shared and not left idle."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from enas import devices

CARD = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")


@pytest.fixture
def card(monkeypatch):
    """Makes TensorFlow list one GPU; returns what was set on it."""
    grows = {}
    setting = tf.config.experimental
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [CARD])
    monkeypatch.setattr(setting, "get_memory_growth", grows.get)
    monkeypatch.setattr(setting, "set_memory_growth", grows.__setitem__)
    monkeypatch.setattr(
        setting, "get_device_details", lambda gpu: {"device_name": "A card"}
    )
    return grows


@pytest.fixture
def nvidia_smi(monkeypatch, tmp_path):
    """Returns a function that makes an nvidia-smi with a text and a status."""

    def make(text, status=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '{text}'\nexit {status}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return make


def test_memory_of_a_gpu_is_taken_as_it_is_needed(card):
    devices.find_devices()
    assert card == {CARD: True}


def test_a_gpu_is_named(card):
    assert devices.describe_devices() == ["Devices: A card"]


def test_a_machine_without_a_gpu_is_said_to_be_one(nvidia_smi):
    nvidia_smi("No devices were found", 6)
    assert devices.describe_devices() == ["Devices: CPU, no GPU"]


def test_an_idle_gpu_is_a_warning_with_the_remedy(nvidia_smi):
    nvidia_smi("GPU 0: A card\\nGPU 1: A card\\n")
    line, warning = devices.describe_devices()
    assert line == "Devices: CPU, no GPU"
    assert "lists 2 GPU(s), but TensorFlow sees none" in warning
    assert "and-cuda" in warning


def test_kernels_are_told_as_they_are_if_tensorflow_came_first():
    # On a processor with AVX-512 they are on all the same.
    code = (
        "import warnings, tensorflow\n"
        "from enas import tf_settings\n"
        "with warnings.catch_warnings(record=True) as found:\n"
        "    warnings.simplefilter('always')\n"
        "    tf_settings.before_import()\n"
        "told = any('imported before enas' in str(w.message) for w in found)\n"
        "assert told != tf_settings.has_onednn(), found\n"
    )
    environment = dict(os.environ)
    environment.pop("TF_ENABLE_ONEDNN_OPTS")
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment, check=True)
