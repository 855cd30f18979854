"""What is in a folder of images: splits, classes, and what to skip."""

import collections
import itertools
import os

from enas.errors import UserError

# Of macOS, Windows, Linux and storage boxes; hidden ones begin with a dot.
SYSTEM = {
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
}
Counts = collections.Counter[str]
# Split -> names that its folder may have.
SPLITS = {
    "train": ("train",),
    "valid": ("val", "valid", "validation"),
    "test": ("test",),
}


def entries(folder: str, skipped: Counts) -> list[os.DirEntry[str]]:
    """Returns what a user has put into a folder, sorted; counts the rest."""
    try:
        with os.scandir(folder) as scan:
            found = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            f"--dataset=folder:PATH reads the folder {folder}, which cannot be "
            f"read ({error.strerror}). Check the path."
        ) from error
    kept = []
    for entry in found:
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
            skipped["hidden or of the system"] += 1
        else:
            kept.append(entry)
    return kept


def _sub_folders(folder: str, skipped: Counts) -> list[os.DirEntry[str]]:
    """Returns the sub-folders with something in them."""
    inside = entries(folder, skipped)
    folders = [entry for entry in inside if entry.is_dir()]
    if len(folders) < len(inside):
        skipped["files beside the folders"] += len(inside) - len(folders)
    found = [each for each in folders if entries(each.path, Counts())]
    if len(found) < len(folders):
        skipped["empty folders"] += len(folders) - len(found)
    return found


def split_folders(path: str, skipped: Counts) -> dict[str, str]:
    """Returns dict, split -> its folder; PATH itself as train without any."""
    legal = {name: split for split in SPLITS for name in SPLITS[split]}
    # Of each split, names of its folders.
    found: dict[str, list[str]] = collections.defaultdict(list)
    rest: list[str] = []
    beside = Counts()
    for entry in _sub_folders(path, beside):
        split = legal.get(entry.name.lower())
        # A class may be called train: it holds images and no folders.
        if split and _sub_folders(entry.path, Counts()):
            found[split].append(entry.name)
        else:
            rest.append(entry.name + " (without sub-folders)" * bool(split))
    if not found:
        return {"train": path}
    skipped.update(beside)
    doubled = any(len(names) > 1 for names in found.values())
    if doubled or rest or "train" not in found:
        told = itertools.chain(rest, *found.values())
        raise UserError(
            "--dataset=folder:PATH takes a folder train and, if you like, one "
            "of val, valid and validation, and test, each with a sub-folder "
            f"per class, and no other folders; {path} has "
            f"{', '.join(sorted(told))}. Rename or move the others."
        )
    return {split: os.path.join(path, found[split][0]) for split in found}


def class_names(folders: dict[str, str], skipped: Counts) -> tuple[str, ...]:
    """Returns the names of the classes, which all splits must have."""
    found = {
        split: [entry.name for entry in _sub_folders(folder, skipped)]
        for split, folder in folders.items()
    }
    names = found["train"]
    if len(names) < 2:
        raise UserError(
            "--dataset=folder:PATH needs at least 2 sub-folders of images, one"
            f" per class, in PATH itself or in PATH/train; {folders['train']} "
            f"has {', '.join(names) or 'none'}."
        )
    for split, others in found.items():
        if others != names:
            lacking = ", ".join(sorted({*names} - {*others})) or "nothing"
            more = ", ".join(sorted({*others} - {*names})) or "nothing"
            raise UserError(
                f"All splits must have the same classes; {folders[split]} "
                f"lacks {lacking} and has {more} that {folders['train']} does "
                "not have. Rename, add or remove the sub-folders."
            )
    return tuple(names)
