"""Gradient norms of the child in row 5a, with dropout as first layer or not.

    python docs/table1/row_5a.py --data_path=... --seed=69

Runs the first epoch of the child at scale `small`, as `table1.sh --only=5a`
does, up to the first norm that is not finite. It trains on and writes nothing.
"""

import argparse

import numpy as np

from enas.cifar10 import build
from enas.cifar10.search import seed_pair
from enas.experiments.jobs import read_config
from enas.experiments.table1_rows import all_rows
from enas.utils import quiet

# Op id of the first poison, dropout with rate 1.
DROPOUT = 6
# Norms are clipped here.
CLIP = 5


def main():
    """Trains, and prints a line for each kind of first layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_path", required=True)
    parser.add_argument("--seed", type=int, default=69)
    given = parser.parse_args()
    preset = preset_flags("scripts/presets/small.flags")
    more = [f"--data_path={given.data_path}", f"--seed={given.seed}"]
    config = read_config(
        (*preset, "--profile=paper", *all_rows()["5a"].flags, *more)
    )
    space = build.space_of(config)
    data = build.read_data(config, quiet)
    search = build.build_search(config, space, data, quiet)
    norms = {"dropout": [], "any other op": []}
    arcs = search.arcs.draw(search.steps_per_epoch, "child", search.epoch)
    for step in range(search.steps_per_epoch):
        arc = arcs.op_ids[step], arcs.skips[step]
        draw = seed_pair(given.seed, "dropout", step)
        batch, rate = search.train_batch(step), search._child_lr(step)
        _, norm, _ = search.compiled.child_step(*batch, *arc, rate, draw)
        first = "dropout" if int(arc[0][0]) == DROPOUT else "any other op"
        norms[first].append(float(norm))
        if not np.isfinite(norm):
            print(f"step {step}: the norm is {float(norm)}, arc {arc[0]}")
            break
    for first, found in norms.items():
        high = sum(norm > CLIP for norm in found)
        print(
            f"first layer {first}: {len(found)} steps, median norm "
            f"{np.median(found):.3g}, above {CLIP} in {high}"
        )


def preset_flags(path):
    """Returns the flags of a preset."""
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.startswith("--")]


main()
