"""Rows of results, and their table in Markdown. No TensorFlow."""

import operator
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What was measured, where ("case"), unit, median, a tenth from both ends, n.
ROW = ("what", "case", "unit", "median", "low", "high", "n")
Row = dict[str, Any]

# What the project asks of itself: seconds and GB at 12 layers, 36 filters,
# batch 128 on two cores of 175 to 190 GFLOP/s, ratios anywhere.
SIZE = {"layers": 12, "filters": 36, "batch": 128, "profile": "enas"}
_SIZES = (*SIZE, "threads", "flat_layers")
SPACES = ("clean", "identity q=300", "grouped q=50")
ABSOLUTE = {
    "child step": (0.75, 0.21, 0.75),
    "one arc for the controller": (0.22, 0.08, 0.22),
    "start to end of first child step": (40, 40, 40),
    "peak memory of a search": (2.5, 2.5, 2.5),
}
RATIOS = {
    "child step / network without switches": 1.10,
    "step fed by the pipeline / by a constant": 1.03,
    "controller's own part / controller step": 0.03,
    "epoch / its child steps": 1.05,
    "step": 1.05,
    "start": 1.05,
    "peak memory": 1.05,
}
FORMAT = {"s": "{:.3f} s", "GB": "{:.2f} GB", "ratio": "{:.3f}"}
COLUMNS = ("measured", "search space", "median", "10 % to 90 %", "n", "aim")
_key = operator.itemgetter("part", "what", "case")


def row(what: str, case: str, unit: str, values: Iterable[float]) -> Row:
    """Returns the row of some measurements, a key of `FORMAT` their unit."""
    ordered = sorted(values)
    n, median = len(ordered), statistics.median(ordered)
    spread = ordered[n // 10], ordered[-1 - n // 10]
    return dict(zip(ROW, (what, case, unit, median, *spread, n), strict=True))


def ratios(what: str, case: str, pairs: Iterable[Sequence[float]]) -> Row:
    """Returns the row of ratios; pairs were measured one after the other."""
    return row(what, case, "ratio", [above / below for above, below in pairs])


def lines_of(
    result: Mapping[str, Any], earlier: Mapping[str, Any] | None = None
) -> list[str]:
    """Returns the table of what the benchmark wrote as JSON."""
    options, machine = result["options"], result["machine"]
    head = (
        "{layers} layers, {filters} filters, batch {batch}, profile {profile}, "
        "threads {cores}; rows `step`, `start` and `peak memory` with "
        "{flat_layers} layers.\n{processor}, TensorFlow {tensorflow}: "
    ).format(cores=options["threads"] or "all", **options, **machine)
    lines = [head + _speeds(result["speeds"])]
    rows = result["rows"]
    cells = [[*COLUMNS], ["---"] * len(COLUMNS)]
    cells += [_cells(each, options) for each in rows]
    if earlier:
        lines.append(f"Earlier: {_speeds(earlier['speeds'])}")
        old = earlier["options"]
        other = [
            f"{n} {old.get(n)}" for n in _SIZES if old.get(n) != options[n]
        ]
        if other:
            lines.append(f"Earlier was another size: {', '.join(other)}.")
        before = {_key(each): each["median"] for each in earlier["rows"]}
        both = [(each["median"], before.get(_key(each))) for each in rows]
        ratio = [f"{now / old:.3f}" if old else "" for now, old in both]
        more = "now / earlier", "---", *ratio
        cells = [[*c, new] for c, new in zip(cells, more, strict=True)]
    return [*lines, "", *(f"| {' | '.join(line)} |" for line in cells)]


def _speeds(speeds: Sequence[Mapping[str, float]]) -> str:
    def span(name: str) -> str:
        values = [speed[name] for speed in speeds]
        return f"{min(values):.0f} to {max(values):.0f}"

    return (
        f"{span('gemm_gflops')} GFLOP/s in matrix products, "
        f"{span('memory_gb_s')} GB/s of memory."
    )


def _cells(each: Row, options: Mapping[str, Any]) -> list[str]:
    what, case, unit, median, low, high, n = (each[name] for name in ROW)
    show = FORMAT.get(unit, "{:.2%}").format
    aim, text = _aim(each, options), ""
    if aim is not None:
        text = f"{show(aim)} {'met' if median <= aim else 'missed'}"
    spread = f"{show(low)} to {show(high)}"
    return [what, case, show(median), spread, str(n), text]


def _aim(each: Row, options: Mapping[str, Any]) -> float | None:
    if each["unit"] in ("ratio", "share"):
        return RATIOS.get(each["what"])
    if any(options[name] != SIZE[name] for name in SIZE):
        return None
    aims = ABSOLUTE.get(each["what"], ())
    return dict(zip(SPACES, aims, strict=False)).get(each["case"])
