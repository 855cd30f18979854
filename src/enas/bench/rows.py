"""Rows of results. No TensorFlow."""

import statistics

__all__ = ["make_row", "ratio_row"]


def make_row(part, what, case, unit, values):
    """Returns the row of some measurements.

    Args:
      part: str, of the benchmark.
      what: str, what was measured.
      case: str, name of the search space.
      unit: str, "s", "GB", "ratio" or "share".
      values: list of float.

    Returns:
      dict: the arguments without the values, and of these the `median`, `low`
      and `high` (a tenth lies below and above them) and their number `n`.
    """
    ordered = sorted(values)
    tenth = len(ordered) // 10
    return {
        "part": part,
        "what": what,
        "case": case,
        "unit": unit,
        "median": statistics.median(ordered),
        "low": ordered[tenth],
        "high": ordered[-1 - tenth],
        "n": len(ordered),
    }


def ratio_row(part, what, case, pairs):
    """Returns the row of a ratio, median and spread over its pairs.

    Args:
      part: str.
      what: str.
      case: str.
      pairs: list of (float, float), measured one right after the other.
    """
    ratios = [above / below for above, below in pairs]
    return make_row(part, what, case, "ratio", ratios)
