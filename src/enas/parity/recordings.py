"""Compares the port with all recordings of a directory, as a table."""

import pathlib

import enas
from enas import tf_settings
from enas.errors import UserError

__all__ = ["add_arguments", "compare_file", "find_recordings", "run"]


def add_arguments(parser):
    """Declares the arguments of the verb.

    Args:
      parser: argparse.ArgumentParser.
    """
    parser.add_argument(
        "directory",
        nargs="?",
        help="a directory of recordings, with enas/*.npz and paper/*.npz; "
        "default: those of this project",
    )


def run(arguments):
    """Prints the table.

    Args:
      arguments: argparse.Namespace.

    Returns:
      int: 0 if every quantity of every recording is within its tolerance and
      nothing was left out, else 1.

    Raises:
      UserError: there are no recordings, or one cannot be read.
    """
    # The recordings were made without oneDNN, whose sums have another order.
    with tf_settings.quiet_import(onednn="0"):
        from enas import devices

        devices.find_devices()

    paths = find_recordings(arguments.directory)
    line = "{:<36}{:>11}{:>11}{:>11}  {:<8}{}".format
    missed = 0
    for path in paths:
        print(path)
        print(
            line(
                "  quantity",
                "difference",
                "magnitude",
                "tolerance",
                "verdict",
                "the tolerance is",
            )
        )
        for row in compare_file(path):
            missed += not row.passes
            print(
                line(
                    f"  {row.quantity}",
                    f"{row.difference:.1e}",
                    f"{row.magnitude:.1e}",
                    f"{row.tolerance:.1e}",
                    "ok" if row.passes else "MISS",
                    row.rule if row.passes else f"{row.rule}; {row.worst}",
                ),
                flush=True,
            )
    print(f"{len(paths)} recordings, {missed} quantities missed")
    return int(missed > 0)


def find_recordings(directory=None):
    """Returns the paths of all recordings in a directory, sorted.

    Args:
      directory: str, or None for the project's own, tests/golden.

    Returns:
      List of pathlib.Path.

    Raises:
      UserError: there is none.
    """
    own = pathlib.Path(enas.__file__).parents[2] / "tests" / "golden"
    root = pathlib.Path(directory or own)
    paths = sorted(root.rglob("*.npz"))
    if not paths:
        raise UserError(
            f"{root} holds no recordings. Legal is a directory with enas/*.npz "
            "or paper/*.npz, such as tests/golden of this project."
        )
    return paths


def compare_file(path):
    """Compares one recording.

    Args:
      path: pathlib.Path of an .npz file, named as the project's are.

    Returns:
      List of `Row`; the last counts arrays that nothing was compared with,
      if there are any.

    Raises:
      UserError: the file cannot be read, has an unknown name, or lacks what
        recordings of its name have.
    """
    from enas.parity.comparison import Row, compare
    from enas.parity.forms import make_case

    arrays = _load(path)
    try:
        case = make_case(arrays, path, _load)
        rows = compare(case)
    except (KeyError, IndexError) as error:
        raise UserError(
            f"{path} is not a whole recording: it lacks {error}. "
            "docs/DIFF_RECORDINGS.md says what each form holds."
        ) from error
    unknown = sorted(set(arrays) - case.used)
    if unknown:
        rule = f"arrays of an unknown meaning, such as {unknown[0]}"
        rows.append(Row("not compared", len(unknown), 0.0, 0.0, rule))
    return rows


def _load(path):
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    # What a damaged file raises has no common kind: BadZipFile, OSError, ..
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as an .npz file of plain arrays: {error}. "
            "Copy it again."
        ) from error
