"""Rows of results, and their table in Markdown. No TensorFlow."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Row", "lines_of", "ratios", "row"]

# What was measured, where ("case"), unit, median, a tenth from both ends, n.
Row = dict[str, Any]

# What the project asks of itself: seconds and GB at 12 layers, 36 filters,
# batch 128 on two cores of 175 to 190 GFLOP/s, ratios anywhere.
SIZE = {"layers": 12, "filters": 36, "batch": 128, "profile": "enas"}
SPACES = ("clean", "identity q=300", "grouped q=50")
ABSOLUTE: dict[str, dict[str, float]] = {
    "child step": dict(zip(SPACES, (0.75, 0.21, 0.75), strict=True)),
    "one arc for the controller": dict(
        zip(SPACES, (0.22, 0.08, 0.22), strict=True)
    ),
    "start to end of first child step": dict.fromkeys(SPACES, 40),
    "peak memory of a search": dict.fromkeys(SPACES, 2.5),
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
FORMAT = {
    "s": "{:.3f} s",
    "GB": "{:.2f} GB",
    "ratio": "{:.3f}",
    "share": "{:.2%}",
}


def row(what: str, case: str, unit: str, values: Iterable[float]) -> Row:
    """Returns the row of some measurements, a key of `FORMAT` their unit."""
    ordered = sorted(values)
    tenth = len(ordered) // 10
    return {
        "what": what,
        "case": case,
        "unit": unit,
        "median": statistics.median(ordered),
        "low": ordered[tenth],
        "high": ordered[-1 - tenth],
        "n": len(ordered),
    }


def ratios(what: str, case: str, pairs: Iterable[Sequence[float]]) -> Row:
    """Returns the row of ratios; pairs were measured one after the other."""
    return row(what, case, "ratio", [above / below for above, below in pairs])


def lines_of(
    result: Mapping[str, Any], earlier: Mapping[str, Any] | None = None
) -> list[str]:
    """Returns the table of what the benchmark wrote as JSON."""
    columns = ["measured", "search space", "median", "10 % to 90 %", "n", "aim"]
    before = {_key(row): row for row in earlier["rows"]} if earlier else {}
    if earlier:
        columns.append("now / earlier")
    lines = _header(result, earlier)
    lines += [_line(columns), _line(["---"] * len(columns))]
    for each in result["rows"]:
        cells = _cells(each, result["options"])
        if earlier:
            old = before.get(_key(each))
            cells.append(f"{each['median'] / old['median']:.3f}" if old else "")
        lines.append(_line(cells))
    return lines


def _header(
    result: Mapping[str, Any], earlier: Mapping[str, Any] | None
) -> list[str]:
    options, machine = result["options"], result["machine"]
    lines = [
        f"{options['layers']} layers, {options['filters']} filters, batch "
        f"{options['batch']}, profile {options['profile']}, "
        f"threads {options['threads'] or 'all'}; rows `step`, `start` and "
        f"`peak memory` with {options['flat_layers']} layers.",
        f"{machine['processor']}, TensorFlow {machine['tensorflow']}: "
        + _speeds(result["speeds"]),
    ]
    if earlier:
        lines.append(f"Earlier: {_speeds(earlier['speeds'])}")
    return [*lines, ""]


def _speeds(speeds: Sequence[Mapping[str, float]]) -> str:
    def span(name: str) -> str:
        values = [speed[name] for speed in speeds]
        return f"{min(values):.0f} to {max(values):.0f}"

    return (
        f"{span('gemm_gflops')} GFLOP/s in matrix products, "
        f"{span('memory_gb_s')} GB/s of memory."
    )


def _cells(each: Row, options: Mapping[str, Any]) -> list[str]:
    show = FORMAT[each["unit"]].format
    aim = _aim(each, options)
    met = "met" if aim is None or each["median"] <= aim else "missed"
    return [
        each["what"],
        each["case"],
        show(each["median"]),
        f"{show(each['low'])} to {show(each['high'])}",
        str(each["n"]),
        "" if aim is None else f"{show(aim)} {met}",
    ]


def _aim(each: Row, options: Mapping[str, Any]) -> float | None:
    if each["unit"] in ("ratio", "share"):
        return RATIOS.get(each["what"])
    if any(options[name] != SIZE[name] for name in SIZE):
        return None
    return ABSOLUTE.get(each["what"], {}).get(each["case"])


def _key(each: Row) -> tuple[str, str, str]:
    return each["part"], each["what"], each["case"]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
