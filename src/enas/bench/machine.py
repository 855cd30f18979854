"""How fast the machine is right now, so that a reader can scale.

Run as a program it prints both as JSON.
"""

import importlib.metadata
import json
import platform
import statistics
import time

import numpy as np

__all__ = ["describe", "speed"]

SIDE = 2048
MEGABYTES = 256


def describe():
    """Returns what the machine is, dict of str."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "python": platform.python_version(),
        "tensorflow": importlib.metadata.version("tensorflow"),
    }


def speed():
    """Measures matrix products and copies, some tenths of a second.

    Returns:
      dict: `gemm_gflops`, float32 products of 2048 x 2048; `memory_gb_s`,
      bytes read and written while a large array is copied.
    """
    a = np.ones((SIDE, SIDE), np.float32)
    product = _median(lambda: a @ a)
    source = np.ones(MEGABYTES << 18, np.float32)
    target = np.empty_like(source)
    copy = _median(lambda: np.copyto(target, source))
    return {
        "gemm_gflops": 2 * SIDE**3 / product / 1e9,
        "memory_gb_s": 2 * source.nbytes / copy / 1e9,
    }


def _median(function, times=5):
    function()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [x.split(":")[1] for x in lines if "model name" in x]
    except OSError:
        names = []
    kind = names[0].strip() if names else platform.processor() or "unknown"
    return f"{len(names) or '?'} x {kind}"


if __name__ == "__main__":
    print(json.dumps(describe() | {"speed": speed()}))
