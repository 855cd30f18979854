"""Starts workers and whole searches, and reads what they measure.

Also how fast the machine is right now, so that a reader can scale.
"""

import concurrent.futures
import contextlib
import importlib.metadata
import multiprocessing.managers
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from enas import tf_settings
from enas.cifar10.arc import Arc
from enas.cifar10.flags import make_flags, read_flags
from enas.errors import UserError

# A search that does all that a search does, once.
SEARCH = ["--num_epochs=1", "--controller_train_steps=1", "--log_every=1"]
SEARCH += ["--readings=printed"]
# The flags of a search, and the arcs on which it is timed.
Search = tuple[list[str], list[Arc]]
SPAWN = multiprocessing.get_context("spawn")


class _Worker(multiprocessing.managers.BaseManager):
    """A process with a `TimedSearch` in it, which answers by plain numbers."""


def _begin(flags: Sequence[str], arcs: Sequence[Arc]) -> Any:
    tf_settings.start_tensorflow()
    from enas.bench.timed_search import TimedSearch

    config, _ = read_flags(make_flags(), ["bench", *flags])
    return TimedSearch(config, arcs)


_Worker.register("begin", _begin)


@contextlib.contextmanager
def start_workers(
    searches: Sequence[Search],
) -> Iterator[tuple[list[Any], list[float]]]:
    """Starts a process for each search, and ends them at last.

    Yields:
      A `TimedSearch` each; the seconds from its start to its first child step.
    """
    workers, seconds = [], []
    with contextlib.ExitStack() as stack:
        for search in searches:
            start = time.perf_counter()
            process: Any = stack.enter_context(_Worker(ctx=SPAWN))
            workers.append(process.begin(*search))
            workers[-1].child(0)
            seconds.append(time.perf_counter() - start)
        yield workers, seconds


def run_search(search: Sequence[str]) -> tuple[float, float]:
    """Runs a search of one short epoch from its command line.

    Returns:
      (seconds to the end of the first child step, largest memory in GB).

    Raises:
      UserError: the search failed.
    """
    command = [sys.executable, "-m", "enas.cifar10.main", *search, *SEARCH]
    with tempfile.TemporaryDirectory() as folder:
        command.append(f"--output_dir={folder}/run")
        start, times = time.perf_counter(), []
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, text=True) as process:
            for line in process.stdout or ():
                if "ch_step=1 " in line:
                    times.append(time.perf_counter() - start)
            _, status, usage = os.wait4(process.pid, 0)
            code = process.returncode = os.waitstatus_to_exitcode(status)
    if code or not times:
        raise UserError(f"The search ended with {code}, see above.")
    return times[0], usage.ru_maxrss / 1e6


def machine() -> dict[str, Any]:
    """Asks a new process, because NumPy counts its threads when imported."""
    with concurrent.futures.ProcessPoolExecutor(1, SPAWN) as pool:
        return pool.submit(_describe).result()


def _describe() -> dict[str, Any]:
    """Returns what it is, and the speed of float32 products and of copies."""

    def seconds(function: Callable[[], Any]) -> float:
        return float(np.median(timeit.repeat(function, repeat=6, number=1)[1:]))

    info = pathlib.Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    names = re.findall(r"(?m)^model name\s*: (.*)$", text) or ["unknown"]
    a, source = np.ones((2048, 2048), "f"), np.ones(1 << 26, "f")
    target = np.empty_like(source)
    copy = seconds(lambda: np.copyto(target, source))
    return {
        "processor": f"{len(names)} x {names[0]}",
        "tensorflow": importlib.metadata.version("tensorflow"),
        "speed": {
            "gemm_gflops": 2 * len(a) ** 3 / seconds(lambda: a @ a) / 1e9,
            "memory_gb_s": 2 * source.nbytes / copy / 1e9,
        },
    }
