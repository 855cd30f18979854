"""All runs of a sweep see the same images, also those that start later.

A run that continues compares its images itself; a new one has nothing to
compare with but the other runs.
"""

import concurrent.futures
import dataclasses
import multiprocessing
import os
from typing import TYPE_CHECKING

from enas.experiments.jobs import Job, read_config
from enas.experiments.plan import SWEEP_FILE, load_jobs
from enas.tf_settings import start_tensorflow

if TYPE_CHECKING:  # It needs TensorFlow.
    from enas.cifar10.config import Config

RECORD = "data.jsonl"


def check(jobs: list[Job], directory: str) -> None:
    """Refuses images that the runs of a sweep so far have not seen.

    Args:
      jobs: those to run now; nothing is read if all of them have begun.
      directory: the sweep's, which may be a new one.

    Raises:
      UserError: the images are others, and --data_changed is not allow.
    """
    if not os.path.isfile(os.path.join(directory, SWEEP_FILE)):
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
        pool.submit(_compare, config).result()


def _has_begun(job: Job) -> bool:
    return os.path.isfile(os.path.join(job.directory, RECORD))


def _compare(config: "Config") -> None:
    start_tensorflow()
    from enas.cifar10 import build
    from enas.run import data_record
    from enas.utils import quiet

    data_record.check(config, build.read_data(config, quiet), print)
