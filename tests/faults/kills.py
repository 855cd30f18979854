"""Kills searches at random moments and compares what they end with.

One process is killed after the other, by SIGKILL from outside, and the search
started again with the same command until it ends. It must end with the same
bits, rows, arcs and TensorBoard points as the search that was left alone.
"""

import collections
import json
import os
import random
import shutil
import time

from enas import tf_settings
from faults import fingerprint, forked_search
from faults.configurations import CONFIGURATIONS, arguments_of
from faults.kill_times import KILL_TIMES, phase_of

__all__ = ["add_arguments", "run"]

EPOCHS = 3


def add_arguments(parser):
    """Adds the verb's arguments.

    Args:
      parser: `argparse.ArgumentParser`.
    """
    parser.add_argument(
        "--kills", type=int, default=120, help="kills (default: %(default)s)"
    )
    parser.add_argument(
        "--configurations",
        default=",".join(CONFIGURATIONS),
        help="comma list (default: %(default)s)",
    )
    parser.add_argument(
        "--nodeterministic",
        dest="flag",
        action="store_const",
        const="--nodeterministic",
        default="--deterministic",
        help="run the searches without --deterministic",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--directory",
        default=os.path.join("outputs", "faults"),
        help="emptied and used (default: %(default)s)",
    )


def run(arguments):
    """Kills, compares and prints the counts.

    Args:
      arguments: namespace as `add_arguments` makes it.

    Returns:
      int, 0 if every search ended as the one left alone, else 1.
    """
    with tf_settings.quiet_import():
        from enas.cifar10 import build  # noqa: F401 (for every fork)
    harness = Kills(arguments.directory, arguments.seed, arguments.flag)
    names = arguments.configurations.split(",")
    share = -(-arguments.kills // len(names))
    for name in names:
        harness.run(name, share)
        # After each of them, should the harness itself be ended.
        print("\n".join(harness.report()), flush=True)
    return 1 if harness.mismatches else 0


class Kills:
    """The kills of all configurations and what came of them.

    Args:
      directory: str.
      seed: int, of the moments.
      flag: str, a flag of all searches.

    Attributes:
      mismatches: list of str.
    """

    def __init__(self, directory, seed, flag):
        self._directory = directory
        self._flag = flag
        self._rng = random.Random(seed)
        self._kills = []
        self._runs = collections.Counter()
        self._next_time = 0
        self.mismatches = []

    def run(self, configuration, kills):
        """Kills searches of a configuration that often.

        Args:
          configuration: str, a key of `CONFIGURATIONS`.
          kills: int.
        """
        folder = os.path.join(self._directory, configuration)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        alone = os.path.join(folder, "alone")
        self._live(configuration, alone, lambda *unused: lambda: False)
        wanted, done = self._fingerprint(alone), 0
        while done < kills:
            killed = os.path.join(folder, f"killed_{self._runs[configuration]}")
            done += self._kill_until_it_ends(
                configuration, killed, kills - done
            )
            self._runs[configuration] += 1
            found = self._fingerprint(killed)
            for part, text in fingerprint.differences(wanted, found).items():
                self.mismatches.append(f"{killed}: {part}: {text}")
                print(f"MISMATCH {self.mismatches[-1]}", flush=True)

    def _kill_until_it_ends(self, configuration, run, most):
        """Returns how often a search was killed."""
        for kills in range(most):
            moment = KILL_TIMES[self._next_time % len(KILL_TIMES)]
            self._next_time += 1
            started = time.time()
            log = os.path.join(run, "stdout")
            size = os.path.getsize(log) if os.path.exists(log) else 0
            if self._live(configuration, run, moment) is not None:
                return kills
            phase = phase_of(run, size)
            self._note(configuration, run, moment, phase, started)
        self._live(configuration, run, lambda *unused: lambda: False)
        return most

    def _live(self, configuration, run, moment):
        """Returns the exit code, or None if the process was killed."""
        argv = arguments_of(configuration, EPOCHS, run, self._flag)
        child = forked_search.start(argv, f"{run}.log")
        code = forked_search.kill(child, moment(run, self._rng))
        if code not in (None, 0):
            self.mismatches.append(f"{run}: exit code {code}, see {run}.log")
            raise RuntimeError(self.mismatches[-1])
        return code

    def _note(self, configuration, run, moment, phase, started):
        kill = {
            "configuration": configuration,
            "run": os.path.basename(run),
            "moment": moment.__name__,
            "phase": phase,
            "seconds": round(time.time() - started, 2),
        }
        self._kills.append(kill)
        with open(os.path.join(self._directory, "kills.jsonl"), "a") as stream:
            stream.write(json.dumps(kill) + "\n")

    def _fingerprint(self, run):
        path = f"{run}.json"
        forked_search.call_in_child(fingerprint.write, run, path)
        return fingerprint.read(path)

    def report(self):
        """Returns the counts as lines of text."""
        lines = [
            f"kills: {len(self._kills)} over "
            f"{sum(self._runs.values())} searches",
            f"searches that ended otherwise: {len(self.mismatches)}",
        ]
        for key in ("configuration", "phase", "moment"):
            counts = collections.Counter(kill[key] for kill in self._kills)
            lines.append(f"by {key}:")
            lines += [f"  {n:5d}  {name}" for name, n in counts.most_common()]
        return lines
