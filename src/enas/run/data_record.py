"""Which images a run has seen: data.jsonl, a line each time they changed.

A path does not say what images are, so fingerprints are compared.
"""

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from enas.cifar10.config import Config
from enas.cifar10.data_utils import DataSet
from enas.cifar10.readers.fingerprint import told
from enas.errors import UNREADABLE, DamagedError, UserError
from enas.run.checkpoint_names import directories, last_whole_epoch, positions
from enas.run.files import json_line, read_lines, write_whole
from enas.utils import Say

FILE = "data.jsonl"


def check(config: Config, data: DataSet, log: Say) -> None:
    """Logs which images were read; refuses others than a run has seen.

    Raises:
      UserError: they are others and not allowed, or the record is damaged.
    """
    new = data.facts
    log(f"Data: {told(new)}")
    # A start that ended before its first checkpoint leaves nothing.
    if config.reset_output_dir or not positions(config.output_dir):
        return
    records = _read(config.output_dir)
    if not records:
        _check_unknown(config, log)
        return
    for line in _history(records):
        log(f"warning: {line}")
    if records[-1]["fingerprint"] != new["fingerprint"]:
        _allow_or_refuse(config, records[-1], new, log)
    elif records[-1]["place"] != new["place"]:
        log(f"The same images were in {records[-1]['place']} before")


def _allow_or_refuse(
    config: Config, old: Mapping[str, Any], new: Mapping[str, Any], log: Say
) -> None:
    splits, before = new["splits"], old["splits"]
    differ = [name for name in splits if splits[name] != before.get(name)]
    differ = differ or ["the names of the classes"]
    text = (
        f"The run in {config.output_dir} has seen {told(old)}; received "
        f"{told(new)}. Different: {', '.join(differ)}."
    )
    if len(old["classes"]) != len(new["classes"]):
        raise UserError(
            f"{text} A network for another number of classes is another one; "
            "name another --output_dir."
        )
    if config.data_changed != "allow":
        raise UserError(
            f"{text} Name the run's images by --data_path, "
            "--dataset=folder:PATH or ENAS_DATA_DIR, with its --num_train, "
            "--num_valid and --num_test; or use these on purpose by "
            "--data_changed=allow."
        )
    log(f"warning: {text} --data_changed=allow was given.")


def _check_unknown(config: Config, log: Say) -> None:
    """Says, or refuses, that nothing is known of the images of an old run."""
    text = (
        f"The run in {config.output_dir} was made by a version that kept no "
        "fingerprint of its images"
    )
    allowed = config.data_changed == "allow"
    if config.dataset.startswith("folder:") and not allowed:
        raise UserError(
            f"{text} and split a folder differently: images that it tests "
            "on now may be among those that it trained on. Start again in "
            "another --output_dir, or continue or measure it anyway by "
            "--data_changed=allow."
        )
    log(f"warning: {text}, so whether these are the same is not known")


def changed(config: Config, data: DataSet) -> bool:
    """Says whether checkpoints of a run have seen other images than these.

    Raises:
      UserError: they have, and the newest was saved within an epoch.
    """
    records = _of_checkpoints(config)
    new = data.facts["fingerprint"]
    if not records or records[-1]["fingerprint"] == new:
        return False
    newest = positions(config.output_dir)[-1]
    if newest not in directories(config.output_dir):
        raise UserError(
            f"{newest} was saved within an epoch, and an epoch is of one set "
            "of images. Continue with the old images until the epoch ends, or "
            "move that folder away to go on from the last whole epoch, before "
            "you give --data_changed=allow."
        )
    return True


def keep(config: Config, data: DataSet) -> None:
    """Writes down, or raises WriteError, which images an opened run sees."""
    records, new = _of_checkpoints(config), data.facts
    names = ("fingerprint", "place")
    if records and all(records[-1][name] == new[name] for name in names):
        return
    new = {**new, "after_epoch": last_whole_epoch(config.output_dir)}
    text = "".join(map(json_line, [*records, new]))
    write_whole(os.path.join(config.output_dir, FILE), text)


def summary(folder: str) -> dict[str, Any]:
    """Returns what result.json says of the last images, {} if unknown.

    "changes" has a sentence for each time they became other ones.
    """
    records = _read(folder)
    if not records:
        return {}
    names = ("fingerprint", "place", "classes")
    last = {name: records[-1][name] for name in names}
    return last | {"changes": _history(records)}


def _history(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a sentence for each time the images became other ones."""
    first = records[0]["after_epoch"]
    before = f"up to epoch {first} no fingerprint of the images was kept"
    return ([before] if first else []) + [
        f"after epoch {new['after_epoch']} the images changed, from "
        f"fingerprint {old['fingerprint']} to {new['fingerprint']}"
        for old, new in itertools.pairwise(records)
        if old["fingerprint"] != new["fingerprint"]
    ]


def _of_checkpoints(config: Config) -> list[dict[str, Any]]:
    """Returns the records of a run; [] before its first checkpoint."""
    return _read(config.output_dir) if positions(config.output_dir) else []


def _read(folder: str) -> list[dict[str, Any]]:
    """Returns the records of a run, oldest first, or raises DamagedError."""
    path = os.path.join(folder, FILE)
    try:
        records = [json.loads(line) for line in read_lines(path)]
        if records:
            _history([*records, records[0]])
        for record in records:
            told(record)
    except UNREADABLE as error:
        raise DamagedError(
            f"{path} says which images the run has seen, a line of JSON each "
            f"time they changed; it cannot be read: {error}. Put it back from "
            "a copy, or remove it to continue without a comparison."
        ) from error
    return records
