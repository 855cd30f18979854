"""Makes run directories with rows and checkpoints, without a search."""

import types

from enas.cifar10.config import Config
from enas.run.run_dir import RunDir
from enas.utils import Log
from helpers import filled, small_data, small_search


def make_run(path, epochs=(), **settings):
    """Returns an opened `RunDir` with rows and checkpoints of epochs."""
    run = RunDir(Config(output_dir=str(path), **settings))
    run.check()
    run.open(Log(), small_data())
    rows = "".join(f"{epoch},0.05\n" for epoch in epochs)
    if epochs:
        (path / "metrics.csv").write_text(f"epoch,child_lr\n{rows}")
    for epoch in epochs:
        search = search_of(epoch)
        filled(search)
        run.save(search)
    return run


def search_of(epoch):
    search = small_search(step=5 * epoch)
    search.lines = []
    search.log = search.lines.append
    search.config = Config()
    search.arcs = types.SimpleNamespace(fixed_arc=None)
    return search
