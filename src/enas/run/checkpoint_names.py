"""Where the checkpoints of a run are, by their names. No TensorFlow here."""

import os
import re

FOLDER = "checkpoints"
# Whole epochs; and within an epoch the child steps and controller updates.
_NAME = re.compile(r"epoch-(\d{1,9})(?:-step-(\d{1,9})-(\d{1,9}))?")


def positions(run: str) -> list[str]:
    """Returns the directories of all checkpoints of a run, oldest first."""
    folder = os.path.join(run, FOLDER)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [match for match in map(_NAME.fullmatch, names) if match]
    # None of the first has counters: an epoch's end is its beginning.
    found.sort(key=lambda match: [int(part or 0) for part in match.groups()])
    return [os.path.join(folder, match[0]) for match in found]


def directories(run: str) -> list[str]:
    """Returns the directories of whole epochs of a run, oldest first."""
    return [p for p in positions(run) if "-step-" not in os.path.basename(p)]


def epochs_of(directory: str) -> int:
    """Returns the whole epochs that a checkpoint's name says."""
    return int(os.path.basename(os.path.normpath(directory)).split("-")[1])


def last_whole_epoch(run: str) -> int:
    """Returns the whole epochs of a run that are safe."""
    return max(map(epochs_of, directories(run)), default=0)
