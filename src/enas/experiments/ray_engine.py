"""Runs jobs on a Ray cluster; Ray schedules, places and retries.

Needs the extra `ray`. Run directories, data and sources are on storage that
all nodes share under the same path.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from enas.errors import UserError
from enas.experiments.jobs import Job
from enas.experiments.run_state import read_state
from enas.experiments.search_process import (
    MAX_ATTEMPTS,
    SEARCH,
    BusyError,
    SearchProcess,
    terminate_as_interrupt,
)

# How often Ray starts a run elsewhere because its node or worker died.
MAX_DEATHS = 20
POLL_SECONDS = 1.0
# How often it is said what is waited for.
TELL_SECONDS = 60.0


class RayEngine:
    """Runs jobs as Ray tasks, each an ordinary search in its own process.

    Args:
      address: "local" for a Ray instance of this sweep, "auto" or an
        address for a cluster that is running.
      cpus_per_run: > 0.
      gpus_per_run: >= 0; .5 puts two on a GPU.
      wait_for_nodes: whether a cluster without resources may still grow.

    Raises:
      UserError: Ray is not installed, or a number is not legal.
    """

    def __init__(
        self,
        address: str,
        cpus_per_run: float,
        gpus_per_run: float,
        program: Sequence[str] = SEARCH,
        wait_for_nodes: bool = False,
    ) -> None:
        wanted = (cpus_per_run, gpus_per_run)
        legal = 0 < cpus_per_run < math.inf and 0 <= gpus_per_run < math.inf
        # Ray shares a CPU or a GPU, but not the last of several.
        if not legal or any(n > 1 and n % 1 for n in wanted):
            raise UserError(
                "--cpus_per_run must be above 0 and --gpus_per_run at least "
                "0, and both whole numbers if they are above 1; received "
                f"{cpus_per_run} and {gpus_per_run}."
            )
        try:
            import ray
        except ImportError as error:
            raise UserError(
                "--engine=ray needs the extra ray, which is not installed. "
                "`bash scripts/table1.sh --engine=ray` installs it; elsewhere "
                "pip install -c constraints.txt -e '.[ray]'."
            ) from error
        self._ray = ray
        self._address = address
        self._wanted = wanted
        self._threads = max(1, int(cpus_per_run))
        self._program = program
        self._wait_for_nodes = wait_for_nodes
        self._told = -TELL_SECONDS

    def __call__(self, jobs: Sequence[Job], show: Callable[[], None]) -> None:
        """Runs jobs as `run_local` does.

        Raises:
          UserError: there is no cluster at the address, or no node of it has
            what a run wants.
          KeyboardInterrupt: the searches are stopped.
        """
        self._connect()
        try:
            self._find_room()
            self._run(jobs, show)
        finally:
            self._ray.shutdown()

    def _run(self, jobs: Sequence[Job], show: Callable[[], None]) -> None:
        task = self._ray.remote(
            num_cpus=self._wanted[0],
            num_gpus=self._wanted[1],
            max_retries=MAX_DEATHS,
        )(run_job)
        tasks = [
            task.remote(job, self._threads, self._program)
            for job in jobs
            if not read_state(job).finished
        ]
        try:
            with terminate_as_interrupt():
                self._wait(tasks, show)
        except KeyboardInterrupt:
            for each in tasks:
                self._ray.cancel(each)
            self._ray.wait(tasks, num_returns=len(tasks), timeout=60)
            raise

    def _connect(self) -> None:
        # A Ray that is started here listens on this machine only.
        own = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        more: dict[str, Any] = own if self._address == "local" else {}
        try:
            self._ray.init(address=self._address, log_to_driver=False, **more)
        except (ConnectionError, ValueError) as error:
            raise UserError(
                f"--ray_address={self._address}: no Ray cluster answers "
                f"({error}). Start one with `ray start --head`, or take local."
            ) from error

    def _find_room(self) -> None:
        """Refuses, or waits for nodes, if no node has what a run needs."""
        while text := self._lack_of_room():
            if not self._wait_for_nodes:
                raise UserError(
                    f"Ray has no room: {text}. Lower --cpus_per_run and "
                    "--gpus_per_run, add a node, or wait for one by "
                    "--wait_for_nodes."
                )
            self._tell(text)
            time.sleep(POLL_SECONDS)

    def _lack_of_room(self) -> str:
        """Returns what no node has, in words; "" if one has it."""
        wanted = self._wanted
        nodes = [
            [node["Resources"].get(kind, 0) for kind in ("CPU", "GPU")]
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        if any(n[0] >= wanted[0] and n[1] >= wanted[1] for n in nodes):
            return ""
        return (
            f"a run needs {wanted[0]:g} CPUs and {wanted[1]:g} GPUs on one"
            " node, and the cluster's nodes have "
            + "; ".join(f"{cpus:g} and {gpus:g}" for cpus, gpus in nodes)
        )

    def _tell(self, text: str) -> None:
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            print(f"Waiting for a node: {text}", flush=True)

    def _wait(self, tasks: list, show: Callable[[], None]) -> None:
        while tasks:
            done, tasks = self._ray.wait(tasks, timeout=POLL_SECONDS)
            show()
            # The only node with room may have died.
            if text := self._lack_of_room():
                self._tell(text)
            for each in done:
                try:
                    self._ray.get(each)
                except self._ray.exceptions.RayError as error:
                    # The run is reported as unfinished; the others continue.
                    print(f"error: Ray gave up a run: {error}", flush=True)


def run_job(job: Job, threads: int, program: Sequence[str]) -> None:
    """Runs a job to its end on this node; a failure is retried once."""
    for _ in range(MAX_ATTEMPTS):
        if read_state(job).finished:
            return
        attempt = _start(job, threads, program)
        try:
            attempt.wait()
        except BaseException:
            attempt.interrupt()
            attempt.stop()
            raise


def _start(job: Job, threads: int, program: Sequence[str]) -> SearchProcess:
    """Waits until nobody else runs the job, such as a node that is dying."""
    while True:
        try:
            return SearchProcess(job, threads, program)
        except BusyError:
            time.sleep(POLL_SECONDS)
