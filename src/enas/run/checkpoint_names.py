"""Where the checkpoints of a run are, by their names. No TensorFlow here."""

import os
import re

# Whole epochs; and within an epoch the child steps and controller updates.
_NAME = re.compile(r"epoch-(\d{1,9})(?:-step-(\d{1,9})-(\d{1,9}))?")


def positions(folder: str) -> list[str]:
    """Returns the directories of all checkpoints in it, oldest first."""
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = _NAME.fullmatch(name)
        if match:
            # None of the first has counters: an epoch's end is its beginning.
            place = tuple(int(part or 0) for part in match.groups())
            found.append((place, os.path.join(folder, name)))
    return [path for _, path in sorted(found)]


def directories(folder: str) -> list[str]:
    """Returns the directories of whole epochs in it, oldest first."""
    found = positions(folder)
    return [path for path in found if "-step-" not in os.path.basename(path)]


def epochs_of(directory: str) -> int:
    """Returns the whole epochs that a checkpoint's name says."""
    name = os.path.basename(os.path.normpath(directory))
    return int(name.split("-")[1])


def last_whole_epoch(folder: str) -> int:
    """Returns the whole epochs that are safe in a folder of checkpoints."""
    return max(map(epochs_of, directories(folder)), default=0)
