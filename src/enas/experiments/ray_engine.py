"""Runs jobs on a Ray cluster; Ray schedules, places and retries.

Needs the extra `ray`. Run directories, data and sources are on storage that
all nodes share under the same path.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from enas.errors import UserError
from enas.experiments import local_engine
from enas.experiments.jobs import Job
from enas.experiments.local_engine import SEARCH, SearchProcess
from enas.experiments.run_state import read_state

# How often Ray starts a run elsewhere because its node or worker died.
MAX_DEATHS = 20
POLL_SECONDS = 1.0
# How often it is said what is waited for.
TELL_SECONDS = 60.0


@dataclasses.dataclass
class RayEngine:
    """Runs jobs as Ray tasks, each an ordinary search in its own process.

    Attributes:
      address: "local" for a Ray instance of this sweep, "auto" or an
        address for a cluster that is running.
      cpus_per_run: > 0.
      gpus_per_run: >= 0; .5 puts two on a GPU.
      wait_for_nodes: whether a cluster without resources may still grow.

    Raises:
      UserError: Ray is not installed, or a number is not legal.
    """

    address: str
    cpus_per_run: float
    gpus_per_run: float
    program: Sequence[str] = SEARCH
    wait_for_nodes: bool = False
    _told: float = -TELL_SECONDS

    def __post_init__(self) -> None:
        cpus, gpus = self.cpus_per_run, self.gpus_per_run
        legal = 0 < cpus < math.inf and 0 <= gpus < math.inf
        # Ray shares a CPU or a GPU, but not the last of several.
        if not legal or any(n > 1 and n % 1 for n in (cpus, gpus)):
            raise UserError(
                "--cpus_per_run must be above 0 and --gpus_per_run at least "
                "0, and both whole numbers if they are above 1; received "
                f"{cpus} and {gpus}."
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

    def __call__(self, jobs: Sequence[Job], show: Callable[[], None]) -> None:
        """Runs jobs as `run_local` does.

        Raises:
          UserError: no cluster is at the address, or no node has room.
          KeyboardInterrupt: the searches are stopped.
        """
        # A Ray that is started here listens on this machine only.
        own = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        more: dict[str, Any] = own if self.address == "local" else {}
        try:
            self._ray.init(address=self.address, log_to_driver=False, **more)
        except (ConnectionError, ValueError) as error:
            raise UserError(
                f"--ray_address={self.address}: no Ray cluster answers "
                f"({error}). Start one with `ray start --head`, or take local."
            ) from error
        try:
            self._find_room()
            self._run(jobs, show)
        finally:
            self._ray.shutdown()

    def _run(self, jobs: Sequence[Job], show: Callable[[], None]) -> None:
        task = self._ray.remote(
            num_cpus=self.cpus_per_run,
            num_gpus=self.gpus_per_run,
            max_retries=MAX_DEATHS,
        )(run_job)
        threads = max(1, int(self.cpus_per_run))
        tasks = [
            task.remote(job, threads, self.program)
            for job in jobs
            if not read_state(job).finished
        ]
        try:
            with local_engine.terminate_as_interrupt():
                self._wait(tasks, show)
        except KeyboardInterrupt:
            for each in tasks:
                self._ray.cancel(each)
            self._ray.wait(tasks, num_returns=len(tasks), timeout=60)
            raise

    def _find_room(self) -> None:
        """Refuses, or waits for nodes, if no node has what a run needs."""
        while text := self._lack_of_room():
            if not self.wait_for_nodes:
                raise UserError(
                    f"Ray has no room: {text}. Lower --cpus_per_run and "
                    "--gpus_per_run, add a node, or wait for one by "
                    "--wait_for_nodes."
                )
            self._tell(text)
            time.sleep(POLL_SECONDS)

    def _lack_of_room(self) -> str:
        """Returns what no node has, in words; "" if one has it."""
        cpus, gpus = self.cpus_per_run, self.gpus_per_run
        nodes = [
            [node["Resources"].get(kind, 0) for kind in ("CPU", "GPU")]
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        if any(has[0] >= cpus and has[1] >= gpus for has in nodes):
            return ""
        there = "; ".join("{:g} and {:g}".format(*has) for has in nodes)
        return (
            f"a run needs {cpus:g} CPUs and {gpus:g} GPUs on one node, and "
            f"the cluster's nodes have {there}"
        )

    def _tell(self, lack: str) -> None:
        """Says what is waited for, if anything, now and then."""
        if lack and time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            print(f"Waiting for a node: {lack}", flush=True)

    def _wait(self, tasks: list, show: Callable[[], None]) -> None:
        while tasks:
            done, tasks = self._ray.wait(tasks, timeout=POLL_SECONDS)
            show()
            # The only node with room may have died.
            self._tell(self._lack_of_room())
            for each in done:
                try:
                    self._ray.get(each)
                except self._ray.exceptions.RayError as error:
                    # The run is reported as unfinished; the others continue.
                    print(f"error: Ray gave up a run: {error}", flush=True)


def run_job(job: Job, threads: int, program: Sequence[str]) -> None:
    """Runs a job to its end on this node; a failure is retried once."""
    for _ in range(local_engine.MAX_ATTEMPTS):
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
        except local_engine.BusyError:
            time.sleep(POLL_SECONDS)
