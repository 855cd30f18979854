"""The search program: flags -> Config -> the loop over epochs.

Counterpart of ENAS's src/cifar10/main.py. Only this file reads flags.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from enas import tf_settings
from enas.cifar10.config import Config
from enas.cifar10.flags import WITHOUT_EFFECT, help_text, make_flags, read_flags
from enas.errors import NonFiniteError, Stopped, UserError
from enas.paths import full_path
from enas.run.autosave import StopSignals, autosave
from enas.run.checkpoint_names import positions
from enas.utils import DASHES, Log, flag_lines, forget_reader, open_output

if TYPE_CHECKING:
    from enas.cifar10.search import Search
    from enas.run.run_dir import RunDir


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a search from a command line, by default that of the program.

    Returns:
      The exit code: 0, 1 for a failure of the run, 2 for a mistake of
      the user, 143 or 130 when SIGTERM or SIGINT ended it.
    """
    open_output()
    values = make_flags()
    try:
        config, idle = read_flags(values, sys.argv if argv is None else argv)
        if values["help"].value:
            kind = "final" if config.child_from_scratch else "search"
            script = f"bash scripts/cifar10_macro_{kind}.sh"
            print(help_text(script, values), flush=True)
            return 0
        with StopSignals() as signals:
            return _run(config, idle, signals)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        forget_reader()
        if values["help"].value:
            return 0
        print(
            "error: What read the output has ended, and so the search does. "
            f"{_next(values, saved=False)}",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(
            f"error: {str(error).rstrip('.')}. Free space or fix the "
            f"permissions. {_next(values, saved=False)}",
            file=sys.stderr,
        )
        return 1
    except Stopped as stopped:
        name = signal.Signals(stopped.number).name
        print(
            f"Stopped by {name}. {_next(values, stopped.saved)}",
            file=sys.stderr,
        )
        return 128 + stopped.number


def _next(values: flags.FlagValues, saved: bool) -> str:
    """Returns what is saved of a run that was cut off, and how it goes on."""
    command = "the same command"
    try:
        path = full_path(str(values["output_dir"].value))
        if not positions(path):
            return f"Nothing was saved; {command} starts again."
    except OSError:  # What could not be read is what it stopped for.
        return f"When that is done, {command} goes on."
    what = "All steps that were done are saved"
    if not saved:
        what = "The last checkpoint is good"
    if values["reset_output_dir"].value:
        command += " without --reset_output_dir"
    return f"{what}; {command} resumes from {path}."


def _run(config: Config, idle: list[str], signals: StopSignals) -> int:
    # TensorFlow takes seconds to import, so flags are read before.
    with tf_settings.quiet_import():
        from enas import devices

        devices.find_devices()
    notes = [f"--{n} has no effect: {WITHOUT_EFFECT[n][1]}." for n in idle]
    return run(config, Log(), signals, notes)


def run(
    config: Config, log: Log, signals: StopSignals, notes: Sequence[str] = ()
) -> int:
    """Runs or continues the search of a `Config`, epoch by epoch.

    The log begins with its settings and the notes.

    Returns:
      Exit code: 0, or 1 if training met a number that is not finite.

    Raises:
      Stopped: a signal came; what was trained is saved.
      UserError: a setting, the data or the run directory is not legal.
      WriteError: a file cannot be written.
    """
    from enas import devices
    from enas.cifar10 import build
    from enas.tf1 import export

    log(DASHES)
    for line in flag_lines(dataclasses.asdict(config)):
        log(line)
    log(DASHES)
    for note in notes:
        log(note)
    with (
        devices.determinism(config.deterministic),
        build.opened(config, log) as (search, run_dir),
    ):
        code = train(search, run_dir, log, signals)
        if code == 0:
            export.export(search, run_dir, log)
    return code


def train(
    search: "Search", run_dir: "RunDir", log: Log, signals: StopSignals
) -> int:
    """Resumes a search where its directory left it and runs all its epochs.

    Returns the exit code, as `run` does.
    """
    config = search.config
    if run_dir.resume(search):
        log(f"Continuing after epoch {search.whole_epochs}")
        if search.progress.has_begun:
            log(
                f"and after child step {search.global_step}, controller step "
                f"{search.train_step} of the next"
            )
    search.after_step = autosave(search, run_dir, signals)
    if search.whole_epochs >= config.num_epochs:
        log(
            f"{run_dir.path} holds all {config.num_epochs} epochs. A larger "
            "--num_epochs continues."
        )
    log("Starting session")
    try:
        # A kill may have come between the first epoch and its audit.
        _note_audit(search, run_dir)
        while search.whole_epochs < config.num_epochs:
            numbers, reports = search.run_epoch()
            run_dir.record(search, numbers, reports)
            _note_audit(search, run_dir)
    except NonFiniteError as error:
        log(f"error: {error}")
        log(f"The state is in {run_dir.save_unchecked(search)}, to look at.")
        return 1
    # No result.json if no epoch was evaluated.
    names = "result.json", "metrics.csv", "stdout"
    files = [name for name in names if os.path.isfile(run_dir.file(name))]
    log(f"Results are in {run_dir.path}: {', '.join(files)}")
    return 0


def _note_audit(search: "Search", run_dir: "RunDir") -> None:
    """Writes the audit of a search, once, when an epoch has ended."""
    wanted = search.whole_epochs and search.config.pictures_every
    if wanted and "audit" not in run_dir.events.tags:
        run_dir.events.add_text("audit", _audited(search))


def _audited(search: "Search") -> list[str]:
    """Returns in a few lines what is suspicious in the search space."""
    from enas.audit.audit import audit_child
    from enas.audit.report import short_lines

    if search.arcs.fixed_arc is not None:
        return ["One architecture is trained; its search space is not audited."]
    child, space = search.compiled.child, search.search_space
    try:
        audit = audit_child(child, space, search.config, search.data)
    # A text never ends a search, whatever an op of the user's raises.
    except Exception as error:
        return [f"The search space could not be audited: {error}"]
    return short_lines(audit)


if __name__ == "__main__":
    sys.exit(main())
