"""What was asked of a sweep, and the file that records it."""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from enas.cifar10.config import Config
from enas.cifar10.flags import spelled_out
from enas.errors import UNREADABLE, UserError
from enas.experiments.jobs import Job, read_config
from enas.paths import full_path, read_text
from enas.run import data_record, lock
from enas.run.checkpoint_names import positions
from enas.run.files import write_whole
from enas.run.flag_file import in_force
from enas.tf_settings import start_tensorflow
from enas.utils import quiet

SCALES = ("full", "small", "smoke")
# Preset of trainings from scratch.
RETRAIN = "retrain"
SWEEP_FILE = "sweep.json"
LOCK_FILE = "sweep.lock"
PRESETS = pathlib.Path(__file__).resolve().parents[3] / "scripts" / "presets"
# Search flags that the sweep sets itself -> how to say it to the sweep.
OWNED = {
    "seed": "--seeds",
    "output_dir": "--output_dir before --",
    "reset_output_dir": "a new --output_dir",
    "profile": "--profile before --",
    "override": "--override before --",
    "poison": "--only",
    "q": "--only",
    "child_fixed_arc": "--controls=poison_only or --retrain",
    "child_from_scratch": "--retrain",
    "controller_training": "--controls=uniform",
    "defence": "--defences before --",
    "export_tf1_checkpoint": "a single search",
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """One call of the sweep.

    Attributes:
      scale: one of `SCALES`, or `RETRAIN`.
      override: choice=value, in all runs.
      flags: further search flags as `spelled_out` spells them, in all runs.
      only: rows; empty for all 17.
      controls: of `jobs.CONTROLS`.
      defences: as --defence takes them, joined by + not commas.
      ablate: as --ablate takes them, or ("all",).
    """

    scale: str
    profile: str = "paper"
    override: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (69,)
    controls: tuple[str, ...] = ()
    defences: tuple[str, ...] = ()
    ablate: tuple[str, ...] = ()

    def search_flags(self) -> tuple[str, ...]:
        """Returns the flags of all runs; refuses `OWNED` by a UserError."""
        for flag in self.flags:
            name = flag.removeprefix("--").partition("=")[0]
            if name in OWNED:
                raise UserError(
                    f"{flag} after -- is set by the sweep itself. Use "
                    f"{OWNED[name]}."
                )
        return (
            *_preset(self.scale),
            f"--profile={self.profile}",
            *(f"--override={each}" for each in self.override),
            *self.flags,
        )

    def same_in_all_runs(self) -> dict[str, Any]:
        """Returns what may not change within one sweep, as JSON has it."""
        return {
            "scale": self.scale,
            "profile": self.profile,
            "override": list(self.override),
            "flags": list(self.flags),
        }


def _preset(scale: str) -> list[str]:
    """Returns the flags of a preset, so that a sweep outlives its checkout."""
    path = PRESETS / f"{scale}.flags"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(
            f"--scale={scale} is read from {path}, which cannot be read "
            f"({error.strerror}). Run scripts/table1.sh of a checkout."
        ) from error
    return [line for line in lines if line.startswith("--")]


def remember(directory: str, plan: Plan, jobs: Sequence[Job]) -> None:
    """Adds jobs to the sweep file, which the report reads, after `check`."""
    os.makedirs(directory, exist_ok=True)
    # Several calls may add theirs at once, the first of them other settings.
    with lock.waited(os.path.join(directory, LOCK_FILE)):
        check(directory, plan)
        old = load_jobs(directory)[1] if _is_sweep(directory) else []
        known = {job.name: job for job in (*old, *jobs)}
        # A sweep may be moved.
        placed = [job.placed("")._asdict() for job in known.values()]
        value = plan.same_in_all_runs() | {"jobs": placed}
        text = json.dumps(value, indent=1) + "\n"
        write_whole(os.path.join(directory, SWEEP_FILE), text, shared=True)


def _is_sweep(directory: str) -> bool:
    return os.path.isfile(os.path.join(directory, SWEEP_FILE))


def check(directory: str, plan: Plan) -> None:
    """Refuses a directory that holds something else, with a UserError."""
    if not _is_sweep(directory):
        if not os.path.lexists(directory):
            return
        held = os.listdir(directory) if os.path.isdir(directory) else ["file"]
        # Another call may be about to write the file.
        if all(name.startswith((LOCK_FILE, SWEEP_FILE)) for name in held):
            return
        raise UserError(
            f"--output_dir={directory} holds something that is not a sweep. "
            "Name a new or empty directory."
        )
    wanted = plan.same_in_all_runs()
    for name, old in load_jobs(directory)[0].items():
        if _compared(name, old) != _compared(name, wanted[name]):
            raise UserError(
                f"--output_dir={directory} holds a sweep with {name} "
                f"{old}; received {wanted[name]}. Give the same to resume, or "
                "another --output_dir."
            )


def _compared(name: str, value: Any) -> Any:
    """Leaves out where images are: each run knows what its images are."""
    if name == "override":
        return in_force(f"--override={each}" for each in value)
    if name != "flags":
        return value
    places = ("--data_path=", "--data_changed=")
    lines = in_force(spelled_out(value))
    return {line for line in lines if not line.startswith(places)}


def load_jobs(directory: str) -> tuple[dict[str, Any], list[Job]]:
    """Returns what all runs of a sweep share, and its jobs.

    Raises:
      UserError: there is no sweep.
    """
    if not _is_sweep(directory):
        raise UserError(
            f"--output_dir={directory} holds no sweep: {SWEEP_FILE} is "
            "missing. Start one, or name the directory of one."
        )
    path, place = os.path.join(directory, SWEEP_FILE), full_path(directory)
    try:
        value = json.loads(read_text(path, "A sweep writes its plan in it"))
        jobs = [Job(**job).placed(place) for job in value.pop("jobs")]
    except UNREADABLE as error:
        raise UserError(
            f"{path} is not as a sweep writes it: {error!r}. Put an unchanged "
            "copy there, or name another --output_dir."
        ) from error
    return value, jobs


def check_images(jobs: Sequence[Job], directory: str) -> None:
    """Refuses images that the runs of a sweep so far have not seen.

    A run that continues compares its images itself; a new one, of the `jobs`
    to run now, has nothing to compare with but the other runs.

    Raises:
      UserError: the images are others, and --data_changed is not allow.
    """
    if not _is_sweep(directory):
        return
    new = [job for job in jobs if not _has_begun(job)]
    begun = list(filter(_has_begun, load_jobs(directory)[1]))
    if not (new and begun):
        return
    config = read_config(new[0].arguments)
    config = dataclasses.replace(config, output_dir=begun[0].directory)
    # In a separate process: TensorFlow decodes images, and the searches are
    # started from this one.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        pool.submit(_compare_images, config).result()


def _has_begun(job: Job) -> bool:
    # A start that ended before its first checkpoint has learned from no image.
    return bool(positions(job.directory))


def _compare_images(config: Config) -> None:
    start_tensorflow()
    from enas.cifar10 import build

    data_record.check(config, build.read_data(config, quiet), print)
