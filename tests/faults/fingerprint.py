"""All that a search left behind, without what may differ: the seconds."""

import csv
import glob
import hashlib
import json
import os

__all__ = ["differences", "read", "write"]


def write(run, path):
    """Writes the fingerprint of a run directory as JSON.

    Args:
      run: str, the run directory.
      path: str.
    """
    # TensorFlow only here: who forks must not have used it.
    from enas.run import checkpoint, checkpoint_names

    names = sorted(os.listdir(os.path.join(run, "checkpoints")))
    newest = checkpoint_names.positions(run)[-1]
    tensors = {
        name: f"{tensor.dtype} {tensor.shape} {_hash(tensor.tobytes())}"
        for name, tensor in checkpoint.read(newest).items()
    }
    found = {
        "checkpoints": names,
        "tensors": tensors,
        "rows": _rows(os.path.join(run, "metrics.csv")),
        "arcs": _text(os.path.join(run, "arcs.jsonl")).splitlines(),
        "ops": _text(os.path.join(run, "ops.jsonl")).splitlines(),
        "best arc": _text(os.path.join(run, "best_arc.txt")),
        "events": sorted(_points(os.path.join(run, "events"))),
        "files": sorted(os.listdir(run)),
    }
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(found, stream)


def _hash(data):
    return hashlib.sha256(data).hexdigest()


def _text(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def _rows(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return [
            {k: cell for k, cell in row.items() if "seconds" not in k}
            for row in csv.DictReader(stream)
        ]


def _points(folder):
    """Yields [tag, step, value] of every point; a flag may have changed."""
    from enas.run.events import read_events

    for path in glob.glob(os.path.join(folder, "*")):
        for event in read_events(path):
            for value in event.summary.value:
                if value.tag != "flags" and "seconds" not in value.tag:
                    data = value.tensor.SerializeToString(deterministic=True)
                    yield [value.tag, event.step, _hash(data)]


def read(path):
    """Returns the fingerprint in a file, dict."""
    return json.loads(_text(path))


def differences(wanted, found):
    """Returns in which parts two fingerprints differ, dict part -> str."""
    return {
        part: _first_difference(wanted[part], found[part])
        for part in wanted
        if wanted[part] != found[part]
    }


def _first_difference(wanted, found):
    if isinstance(wanted, dict):
        wanted, found = sorted(wanted.items()), sorted(found.items())
    for one, two in zip(wanted, found, strict=False):
        if one != two:
            return f"{one} became {two}"
    return f"{len(wanted)} entries became {len(found)}"
