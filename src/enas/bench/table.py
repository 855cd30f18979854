"""The results as a table in Markdown. No TensorFlow."""

__all__ = ["lines_of"]

# What the project asks of itself: seconds and GB at 12 layers, 36 filters,
# batch 128 on two cores of 175 to 190 GFLOP/s, ratios anywhere.
SIZE = {"layers": 12, "filters": 36, "batch": 128, "profile": "enas"}
ABSOLUTE = {
    "child step": {"clean": 0.75, "identity q=300": 0.21, "grouped q=50": 0.75},
    "one arc for the controller": {
        "clean": 0.22,
        "identity q=300": 0.08,
        "grouped q=50": 0.22,
    },
    "start to end of first child step": dict.fromkeys(
        ("clean", "identity q=300", "grouped q=50"), 40
    ),
    "peak memory of a search": dict.fromkeys(
        ("clean", "identity q=300", "grouped q=50"), 2.5
    ),
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


def lines_of(result, earlier=None):
    """Returns the table, list of str.

    Args:
      result: dict, what the benchmark wrote as JSON.
      earlier: the same of an earlier time, or None.
    """
    columns = ["measured", "search space", "median", "10 % to 90 %", "n", "aim"]
    before = {_key(row): row for row in (earlier or {"rows": ()})["rows"]}
    if earlier:
        columns.append("now / earlier")
    lines = _header(result, earlier) + [
        _line(columns),
        _line(["---"] * len(columns)),
    ]
    for row in result["rows"]:
        cells = _cells(row, result["options"])
        if earlier:
            cells.append(_change(row, before.get(_key(row))))
        lines.append(_line(cells))
    return lines


def _header(result, earlier):
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


def _speeds(speeds):
    def span(name):
        values = [speed[name] for speed in speeds]
        return f"{min(values):.0f} to {max(values):.0f}"

    return (
        f"{span('gemm_gflops')} GFLOP/s in matrix products, "
        f"{span('memory_gb_s')} GB/s of memory."
    )


def _cells(row, options):
    show = FORMAT[row["unit"]].format
    return [
        row["what"],
        row["case"],
        show(row["median"]),
        f"{show(row['low'])} to {show(row['high'])}",
        str(row["n"]),
        _aim(row, options, show),
    ]


def _aim(row, options, show):
    aim = RATIOS.get(row["what"])
    if row["unit"] not in ("ratio", "share"):
        same_size = all(options[name] == SIZE[name] for name in SIZE)
        of_case = ABSOLUTE.get(row["what"], {}) if same_size else {}
        aim = of_case.get(row["case"])
    if aim is None:
        return ""
    return f"{show(aim)} {'met' if row['median'] <= aim else 'missed'}"


def _change(row, earlier):
    return f"{row['median'] / earlier['median']:.3f}" if earlier else ""


def _key(row):
    return row["part"], row["what"], row["case"]


def _line(cells):
    return f"| {' | '.join(cells)} |"
