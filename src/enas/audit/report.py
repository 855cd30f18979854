"""An audit as lines for people."""

import textwrap
from collections.abc import Iterator

from enas.audit.audit import Audit, ClassAudit

WIDTH = 96


def lines_of(audit: Audit) -> list[str]:
    """Returns the table, most suspicious first, and what it means."""
    lines = [
        f"{audit.num_ops} op ids, {len(audit.classes)} functions; "
        f"{audit.num_layers} layers",
        "",
        f"{'function':28} {'op ids':>7} {'share':>7} {'at least':>9}  why",
    ]
    for each in audit.classes:
        lines += _rows(each)
    return [*lines, "", *short_lines(audit)]


def _rows(each: ClassAudit) -> Iterator[str]:
    head = (
        f"{textwrap.shorten(each.label, 28, placeholder=' ..'):28} "
        f"{each.multiplicity:7d} {100 * each.share:6.1f}% "
        f"{100 * each.least:8.1f}%  "
    )
    reasons = each.reasons or ["-"]
    for reason in reasons:
        for line in textwrap.wrap(reason, WIDTH - len(head)):
            yield head + line
            head = " " * len(head)


def short_lines(audit: Audit) -> list[str]:
    """Returns the verdict in a few lines: what a log and TensorBoard show."""
    if audit.clean:
        return ["Nothing suspicious: every op id is a different function."]
    lines = []
    repeated = [each for each in audit.classes if each.multiplicity > 1]
    if repeated:
        ids = sum(each.multiplicity for each in repeated)
        lines.append(
            f"{ids} of {audit.num_ops} op ids are only "
            f"{_count(len(repeated), 'function')}."
        )
    useless = [each for each in audit.classes if each.findings]
    if useless:
        share, least = audit.useless_share, audit.least_useless_share
        layers = audit.num_layers
        lines.append(
            f"Of little use: {_count(len(useless), 'function')}. The uniform "
            f"controller chooses such in {share * layers:.1f} of {layers} "
            f"layers ({100 * share:.1f} %); the bounded logits cannot get below"
            f" {least * layers:.1f} layers ({100 * least:.1f} %)."
        )
    if audit.linear_chain is not None:
        lines.append(
            "The linear ones, one after the other, are affine to "
            f"{audit.linear_chain:.0e}: a child of them alone has no ReLU."
        )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
