"""The paper's experiments as one sweep: Table 1, Figures 4 and 5.

bash scripts/table1.sh --scale=small --seeds=69
bash scripts/table1.sh --report
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from enas.cifar10.behaviours import PROFILES, make_profile
from enas.cifar10.config.combinations import DEFENCES
from enas.cifar10.flags import spelled_out
from enas.errors import UserError
from enas.experiments import plan as plans
from enas.experiments.jobs import CONTROLS, Job, make_jobs, retrain_jobs
from enas.experiments.local_engine import forget_the_dead, run_local
from enas.experiments.run_state import StatusTable, read_state
from enas.parser import Parser
from enas.paths import command_words, full_path
from enas.tools.command import exit_code
from enas.utils import forget_reader


def main(argv: Sequence[str] | None = None) -> int:
    """Runs, continues or reports a sweep.

    Returns:
      The exit code: 0 if every run has finished, 1 if one has not, 2 for
      a mistake of the user, 130 when interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    return exit_code(
        lambda: _run(_read_arguments(argv)),
        "Interrupted. The same command resumes every run where it stopped.",
    )


def _read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the parsed arguments, the search's flags among them."""
    parser = Parser(
        prog="bash scripts/table1.sh",
        description=(
            "Runs the 17 experiments of the paper's Table 1, or, with --report,"
            " writes their tables and figures. Flags of the search go after "
            "--, for all runs, e.g. -- --data_path=/data/cifar10."
        ),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--scale", choices=plans.SCALES, help=_SCALE_HELP)
    add("--only", default="", help="rows to run, e.g. baseline,1c; in order")
    add("--seeds", default="69", help="comma list; default %(default)s")
    add("--profile", choices=tuple(PROFILES), default="paper")
    add("--override", action="append", default=[], metavar="CHOICE=VALUE")
    add("--controls", default="none", help=_CONTROLS_HELP)
    add("--ablate", default="none", help=_ABLATE_HELP)
    add("--defences", default="none", help=_DEFENCES_HELP)
    add("--retrain", metavar="RUNS.csv", help=_RETRAIN_HELP)
    add("--random_arcs", type=int, default=1, help=_RANDOM_HELP)
    add("--jobs", type=int, default=1, help="local searches in parallel")
    add("--output_dir", default="outputs/table1", help="default %(default)s")
    add("--report", action="store_true", help="only tables and figures")
    add("--engine", choices=("local", "ray"), default="local")
    add("--ray_address", default="local", help="local, auto or an address")
    add("--cpus_per_run", type=float, default=1, help="Ray's, per search")
    add("--gpus_per_run", type=float, default=0, help="Ray's, per search")
    add("--wait_for_nodes", action="store_true", help=_WAIT_HELP)
    split = argv.index("--") if "--" in argv else len(argv)
    arguments = parser.parse_words(argv[:split])
    arguments.flags = command_words(["--", *argv[split + 1 :]])[1:]
    arguments.output_dir = full_path(arguments.output_dir)
    return arguments


_SCALE_HELP = (
    "presets of the search: full is the paper's, small is real CIFAR-10 on two"
    " cores, smoke is drawn shapes in minutes; default small"
)
_WAIT_HELP = (
    "wait for a node with what a run needs, if the Ray cluster is growing"
)
_CONTROLS_HELP = (
    f"all or a comma list of {', '.join(CONTROLS)}: the chosen rows with a"
    " controller that never learns, and an arc of nothing but poison per set;"
    " default %(default)s"
)
_DEFENCES_HELP = (
    f"all or a comma list of {', '.join(DEFENCES)}, several at once joined by"
    " +: the chosen rows once more with each; default %(default)s"
)
_RETRAIN_HELP = (
    "no searches: the best arc of each search in a table of `python -m"
    " enas.experiments.collect` (docs/table1/runs.csv), and random arcs of its"
    " space, trained from scratch"
)
_RANDOM_HELP = "random arcs of each space for --retrain; default %(default)s"
_ABLATE_HELP = (
    "all or a comma list of behaviour choices: the chosen rows once more with"
    " each flipped (docs/PORT.md has the choices); default %(default)s"
)


def _run(arguments: argparse.Namespace) -> int:
    directory = arguments.output_dir
    if arguments.report:
        _report(directory)
        return 0
    plan = _plan(arguments)
    if arguments.retrain:
        _check_retrain(arguments)
        more = arguments.retrain, arguments.random_arcs
        jobs = retrain_jobs(plan, directory, *more)
    else:
        jobs = make_jobs(plan, directory)
    plans.check(directory, plan)
    engine = _engine(arguments)
    plans.check_images(jobs, directory)
    plans.remember(directory, plan, jobs)
    forget_the_dead(jobs)
    show = StatusTable(jobs)
    try:
        engine(jobs, show)
    except BrokenPipeError:
        forget_reader()
        print(
            "error: What read the output has ended, so the searches were "
            "stopped. The same command resumes them.",
            file=sys.stderr,
        )
        return 1
    finally:
        show(now=True)
    if not arguments.retrain:
        _report(directory)
    return _tell_failures(jobs)


def _check_retrain(arguments: argparse.Namespace) -> None:
    """Refuses what has no effect on trainings from scratch."""
    given = {n: getattr(arguments, n) for n in ("scale", "controls", "ablate")}
    idle = [f"--{n}={v}" for n, v in given.items() if v not in (None, "none")]
    # The table's architectures are of the rows' own ops.
    flags = spelled_out(arguments.flags)
    idle += [flag for flag in flags if flag.startswith("--candidate_ops=")]
    if idle:
        raise UserError(
            "--retrain trains architectures of a table, so it takes no "
            "--scale, --controls, --ablate or --candidate_ops; received "
            f"{' '.join(idle)}. Leave them out."
        )
    if arguments.random_arcs < 0:
        raise UserError(
            "--random_arcs is the number of random arcs of each space, at "
            f"least 0; received {arguments.random_arcs}."
        )


def _engine(arguments: argparse.Namespace) -> Callable[..., None]:
    """Returns a function of (jobs, show), checked."""
    if arguments.jobs < 1:
        raise UserError(
            "--jobs is the number of parallel searches, at least 1; "
            f"received {arguments.jobs}."
        )
    if arguments.engine == "local":
        return lambda jobs, show: run_local(jobs, arguments.jobs, show)
    from enas.experiments.ray_engine import RayEngine

    shares = arguments.cpus_per_run, arguments.gpus_per_run
    wait = arguments.wait_for_nodes
    return RayEngine(arguments.ray_address, *shares, wait_for_nodes=wait)


def _plan(arguments: argparse.Namespace) -> plans.Plan:
    make_profile(arguments.override)
    controls = _words("controls", arguments.controls)
    defences = _words("defences", arguments.defences)
    return plans.Plan(
        scale=plans.RETRAIN
        if arguments.retrain
        else arguments.scale or "small",
        profile=arguments.profile,
        override=tuple(arguments.override),
        flags=spelled_out(arguments.flags),
        only=_words("only", arguments.only),
        seeds=_seeds(arguments.seeds),
        controls=CONTROLS if controls == ("all",) else controls,
        defences=DEFENCES if defences == ("all",) else defences,
        ablate=_words("ablate", arguments.ablate),
    )


def _words(flag: str, text: str) -> tuple[str, ...]:
    if text in ("", "none"):
        return ()
    words = tuple(word.strip() for word in text.split(","))
    if twice := [word for word in words if words.count(word) > 1]:
        raise UserError(
            f"--{flag} is a comma list of words, each once; received {text!r}. "
            f"Leave the second {twice[0]} out."
        )
    return words


def _seeds(text: str) -> tuple[int, ...]:
    words = _words("seeds", text)
    seeds = tuple(int(word) for word in words if word.isdecimal())
    # 69 and 069 are one.
    if not words or len(set(seeds)) < len(words):
        raise UserError(
            "--seeds is a comma list of whole numbers, each once; received "
            f"{text!r}. Try --seeds=69,70,71."
        )
    return seeds


def _report(directory: str) -> None:
    from enas.experiments.report import write_report

    for path in write_report(directory):
        print(path)


def _tell_failures(jobs: Sequence[Job]) -> int:
    """Prints how runs that have not finished ended; returns the exit code."""
    lacking = [s for s in map(read_state, jobs) if not s.finished]
    for state in lacking:
        print(f"error: {state.job.name}: {state.text}", file=sys.stderr)
        for line in state.notes.get("last_lines", []):
            print(f"    {line}", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
