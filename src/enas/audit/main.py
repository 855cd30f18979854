"""Says what is in a search space, before a search.

bash scripts/audit_space.sh --poison=identity --q=300
"""

import os
import sys
from collections.abc import Iterator, Sequence

from enas import tf_settings
from enas.cifar10.flags import make_flags, read_flags
from enas.paths import check_free, check_picture
from enas.tools import open_run
from enas.tools.command import run_tool

USAGE = """Usage: bash scripts/audit_space.sh [--poison=.. --q=..]
           [--candidate_ops=..] [--run=RUN] [--json=FILE] [--picture=FILE]
           [--strict] [--overwrite] [other flags of the search]

  --run=RUN       audit the space of a run, with its trained stem and ops;
                  without it a fresh child is probed
  --json=FILE     write everything as JSON, for programs
  --picture=FILE  draw the shares of the functions, .png, .svg or .pdf
  --strict        exit with 3 if something is found
  --overwrite     replace files that this project has not written

Probes every distinct op on feature maps of three sizes, in evaluation and in
training mode, and says which op ids are one function, which are of little use
and why, and how often a controller must choose them. Names of ops do not count.
"""
# Exit code with --strict if something is suspicious.
FOUND = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; arguments and exit code as of `run_tool`, or `FOUND`."""
    found: list[bool] = []
    code = run_tool(lambda words: _run(words, found), argv, USAGE)
    return FOUND if not code and any(found) else code


def _run(argv: list[str], found: list[bool]) -> Iterator[str]:
    values = make_flags(
        json=None, picture=None, run=None, strict=False, overwrite=False
    )
    run = open_run.given(argv, "run")
    if run:
        config = open_run.read_config(values, argv, run)
    else:
        config, _ = read_flags(values, argv)
    if values.picture:
        check_picture(values.picture, values.overwrite)
    if values.json:
        check_free(values.json, "--json", values.overwrite)
    tf_settings.start_tensorflow()
    from enas.audit.audit import audit_child, audit_space

    if run:
        search = open_run.load(config, print)
        child = search.compiled.child
        audit = audit_child(child, search.search_space, config, search.data)
    else:
        audit = audit_space(config, print)
    yield str(audit)
    if values.json:
        with open(values.json, "w", encoding="utf-8") as stream:
            stream.write(audit.to_json() + "\n")
        yield f"JSON: {os.path.abspath(values.json)}"
    if values.picture:
        from enas.audit.report import draw

        draw(values.picture, audit)
        yield f"Picture: {values.picture}"
    found.append(bool(values.strict) and not audit.clean)


if __name__ == "__main__":
    sys.exit(main())
