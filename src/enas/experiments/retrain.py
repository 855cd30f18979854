"""What the damage is worth once the weights are no longer shared.

    bash scripts/table1.sh --retrain=docs/table1/runs.csv --only=baseline,1d

The best arc of every finished search in a table of `collect`, and random arcs
of the same space, are trained from scratch by the final trainer, all with the
budget of scripts/presets/retrain.flags. No TensorFlow here.
"""

import os

import numpy as np

from enas.cifar10.arc import Arc, num_decisions
from enas.cifar10.search_space import SearchSpace
from enas.errors import UserError
from enas.experiments.files import Line, read_table
from enas.experiments.jobs import Job, read_config
from enas.experiments.plan import Plan
from enas.experiments.rows import search_space_of
from enas.paths import full_path

__all__ = ["random_arc", "retrain_jobs"]


def retrain_jobs(
    plan: Plan, runs_dir: str, table: str, random_arcs: int
) -> list[Job]:
    """Returns the trainings of a `Plan`: of each search, its arcs.

    A search that is in the table twice, from two machines, counts once.

    Args:
      plan: rows (empty: all in the table), defences (empty: searches
        without one), seeds, flags of all.
      runs_dir: the folder of run directories, absolute.
      table: runs.csv of `collect`.
      random_arcs: random arcs of each space besides its best arc, >= 0.

    Raises:
      UserError: the table has none of these searches, or a flag is not legal.
    """
    runs = {
        (run["row"], run["seed"], run["defence"]): run
        for run in read_table(full_path(table))
        if run["best_arc"]
        and not run["variant"]
        and int(run["seed"]) in plan.seeds
        and (not plan.only or run["row"] in plan.only)
        and run["defence"].replace(",", "+") in (plan.defences or ("none",))
    }
    if not runs:
        raise UserError(
            f"--retrain={table} has no finished search with an architecture "
            f"of --seeds={','.join(map(str, plan.seeds))} and the rows of "
            "--only. `python -m enas.experiments.collect` adds those of a "
            "sweep to a table."
        )
    rows = list(plan.only) or sorted({run["row"] for run in runs.values()})
    return [
        _job(plan, runs_dir, run, kind)
        for run in sorted(
            runs.values(), key=lambda r: (r["seed"], rows.index(r["row"]))
        )
        for kind in ("best_arc", *_random_kinds(run, random_arcs))
    ]


def _random_kinds(run: Line, count: int) -> list[str]:
    # A space is the same with every defence, and so are its random arcs.
    count = count if run["defence"] == "none" else 0
    return [f"random_arc_{k}" for k in range(1, count + 1)]


def _job(plan: Plan, runs_dir: str, run: Line, kind: str) -> Job:
    defence = run["defence"].replace(",", "+")
    variant = kind if defence == "none" else f"{kind}_{defence}"
    named = Job(run["row"], variant, int(run["seed"]), ())
    poison = (f"--poison={run['poison']}", f"--q={run['q']}")
    flags = (
        *plan.search_flags(),
        *(poison if run["poison"] != "none" else ()),
        f"--seed={run['seed']}",
    )
    config = read_config(flags)
    space = search_space_of(config.poison, config.q, config)
    layers = config.child_num_layers
    arc = run["best_arc"]
    if kind != "best_arc":
        arc = str(
            random_arc(space, layers, named.seed, int(kind.split("_")[2]))
        )
    Arc.parse(arc, layers, space.num_ops)
    place = f"--output_dir={os.path.join(runs_dir, named.name)}"
    return Job(
        named.row,
        variant,
        named.seed,
        (*flags, f"--child_fixed_arc={arc}", place),
    )


def random_arc(space: SearchSpace, layers: int, seed: int, number: int) -> Arc:
    """Returns an arc with uniform op ids, and every skip with odds of a half.

    That is what a controller draws before it has learned anything.

    Args:
      space: the space it is of.
      layers: of the child.
      seed: the search's.
      number: which random arc of this seed.
    """
    rng = np.random.default_rng([seed, number, space.num_ops])
    op_ids = rng.integers(space.num_ops, size=layers)
    skips = rng.integers(2, size=num_decisions(layers) - layers)
    return Arc(tuple(op_ids.tolist()), tuple(skips.tolist()))
