"""How fast the machine is right now, so that a reader can scale."""

import importlib.metadata
import pathlib
import platform
import re
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

SIDE = 2048
MEGABYTES = 256


def describe() -> dict[str, Any]:
    """Returns what the machine is, and its speed at the moment."""
    info = pathlib.Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    names = re.findall(r"(?m)^model name\s*: (.*)$", text) or ["unknown"]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{len(names)} x {names[0]}",
        "python": platform.python_version(),
        "tensorflow": importlib.metadata.version("tensorflow"),
        "speed": _speed(),
    }


def _speed() -> dict[str, float]:
    """Returns GFLOP/s of float32 matrix products and GB/s of memory copied."""
    a = np.ones((SIDE, SIDE), np.float32)
    source = np.ones(MEGABYTES << 18, np.float32)
    target = np.empty_like(source)
    copy = _median(lambda: np.copyto(target, source))
    return {
        "gemm_gflops": 2 * SIDE**3 / _median(lambda: a @ a) / 1e9,
        "memory_gb_s": 2 * source.nbytes / copy / 1e9,
    }


def _median(function: Callable[[], Any]) -> float:
    function()
    return float(np.median(timeit.repeat(function, repeat=5, number=1)))
