"""The program behind `python -m enas.cifar10.arc`: table and picture of an arc.

TensorFlow is imported only to run files of ops, matplotlib only to draw.
"""

import dataclasses
import os
import sys
from collections.abc import Generator, Iterator, Sequence

from enas import tf_settings
from enas.cifar10.arc import Arc, layers_of
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags, read_flags
from enas.cifar10.search_space import file_ops, make_search_space
from enas.drawing.plan import Drawing
from enas.drawing.text import describe
from enas.errors import UserError
from enas.paths import check_picture, read_text
from enas.run import data_record
from enas.tools.command import run_tool
from enas.tools.open_run import given

USAGE = """Usage: python -m enas.cifar10.arc --draw=ARC_FILE [--picture=FILE]
           [--final] [--poison=.. --q=.. and other flags of the search]

  --draw=ARC_FILE   text of an architecture, such as a run's best_arc.txt;
                    a flags.txt next to it says which search space it is of
  --picture=FILE    where the picture goes, .png, .svg or .pdf; by default
                    next to ARC_FILE, ending in .png
  --overwrite       replace a file that this project has not drawn
  --final           as the network trained from scratch by
                    scripts/cifar10_macro_final.sh, not as a search's child

Without a flags.txt give --poison, --q, --child_out_filters, --profile ..
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; see `run_tool`."""
    return run_tool(_run, argv, USAGE)


def _run(argv: list[str]) -> Iterator[str]:
    values = make_flags(draw=None, picture=None, final=False, overwrite=False)
    arc_file = given(argv, "draw")
    run = os.path.dirname(os.path.abspath(arc_file or ""))
    beside = os.path.join(run, "flags.txt")
    known = [f"--flagfile={beside}", f"--output_dir={run}"]
    known = known if os.path.isfile(beside) else []
    config, _ = read_flags(values, [argv[0], *known, *argv[1:]])
    what = "--draw names a text file with an arc, such as a run's best_arc.txt"
    if not arc_file:
        raise UserError(f"{what}; received none. See --help.")
    text = read_text(arc_file, what)
    target = values.picture or os.path.splitext(arc_file)[0] + ".png"
    check_picture(target, values.overwrite)
    final = values.final or config.child_from_scratch
    if file_ops(config):
        config = yield from _load_ops(config, bool(known))
    names = config.poison, config.q, config.poison_sharing, config.candidate_ops
    space = make_search_space(*names, [name for *_, name in file_ops(config)])
    # The number of layers follows from the text.
    arc = Arc.parse(text, layers_of(text), space.num_ops)
    classes = yield from _classes(config, run if known else None)
    drawing = Drawing.of(arc, space, config.child_options(classes), final)
    yield from describe(drawing)
    from enas.drawing.picture import draw

    draw(target, drawing)
    yield f"Picture: {target}"


def _classes(config: Config, run: str | None) -> Generator[str, None, int]:
    """Returns how many classes there are; yields a line if it is assumed."""
    if seen := data_record.summary(run) if run else {}:
        return len(seen["classes"])
    if config.dataset.startswith("folder:"):
        yield "How many classes the folder has is not known; 10 are counted."
    return 100 if config.dataset == "cifar100" else 10


def _load_ops(config: Config, of_run: bool) -> Generator[str, None, Config]:
    """Runs the files of ops; yields a line for each that is not there.

    Such a file may declare settings of ops: the config returned has none then.

    Raises:
      UserError: a file is not as the run, the arc's, has seen it.
    """
    with tf_settings.quiet_import():
        from enas.cifar10 import user_ops
        from enas.run import user_files
    files = user_files.copies(config)
    missing = [p for p in files if not any(map(os.path.isfile, (p, files[p])))]
    for path in sorted(missing):
        yield f"There is no file {path}: its ops are named, not counted."
    if missing:
        return dataclasses.replace(config, op_setting=())
    user_ops.load_files(config, files)
    if of_run:
        user_files.check(config)
    return config


if __name__ == "__main__":
    sys.exit(main())
