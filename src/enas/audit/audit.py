"""The audit of a search space: classes of op ids, findings, shares."""

import dataclasses
import json
import math
from typing import Any

from enas.cifar10.config import Config
from enas.cifar10.search_space import SearchSpace
from enas.errors import UserError
from enas.paths import MARK
from enas.probing.classes import RELATIONS, OpClass
from enas.probing.findings import Finding, Measures, findings, measured
from enas.probing.judged import chain_nonlinearity
from enas.probing.probes import feature_maps
from enas.utils import Say, quiet


@dataclasses.dataclass(frozen=True)
class ClassAudit:
    """One function that the controller may choose.

    Attributes:
      relation: how its op ids are one, see `OpClass`.
      label: names for people; no verdict rests on them.
      share: probability at the uniform controller.
      least, most: probabilities that the bounded logits can reach.
      findings: reasons for suspicion, which rest on the `measures`.
    """

    op_ids: tuple[int, ...]
    relation: str
    label: str
    share: float
    least: float
    most: float
    findings: tuple[Finding, ...]
    measures: Measures

    @property
    def multiplicity(self) -> int:
        """How many op ids stand for it."""
        return len(self.op_ids)

    @property
    def suspicious(self) -> bool:
        """Whether it is of little use, or has several op ids."""
        return bool(self.findings) or self.multiplicity > 1

    @property
    def reasons(self) -> list[str]:
        reasons = [finding.text for finding in self.findings]
        if self.multiplicity > 1:
            how = RELATIONS[self.relation]
            reasons.append(f"{self.multiplicity} op ids are one choice: {how}")
        return reasons


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
      classes: most suspicious first.
      tanh_constant: bound of the op logits, or None.
      linear_chain: how far all linear functions, one after the other, are from
        an affine one; None without any.
      defence: that of the search, whose shares and bounds are without it.
    """

    classes: tuple[ClassAudit, ...]
    num_ops: int
    num_layers: int
    tanh_constant: float | None
    linear_chain: float | None
    defence: str = "none"

    @property
    def clean(self) -> bool:
        return not any(each.suspicious for each in self.classes)

    @property
    def useless_share(self) -> float:
        """Probability of a function with findings at the uniform controller."""
        return sum(each.share for each in self.classes if each.findings)

    @property
    def least_useless_share(self) -> float:
        """The least of it that the bounded logits can reach."""
        bad = sum(each.multiplicity for each in self.classes if each.findings)
        return bounded_share(bad, self.num_ops, self.tanh_constant)[0]

    def to_json(self) -> str:
        content = dataclasses.asdict(self) | {"program": MARK}
        for name in ("clean", "useless_share", "least_useless_share"):
            content[name] = getattr(self, name)
        return json.dumps(content, indent=2)

    def __str__(self) -> str:
        from enas.audit.report import lines_of

        return "\n".join(lines_of(self))


def audit_space(config: Config, log: Say = quiet) -> Audit:
    """Audits the search space of a `Config` with a fresh child.

    `log` takes the line that says what images went through its stem.

    Raises:
      UserError: a setting or the data is not legal.
    """
    from enas.cifar10 import build
    from enas.cifar10.readers.fingerprint import told

    space = build.space_of(config)
    data = build.read_data(config, quiet)
    log(f"Data: {told(data.facts)}")
    return audit_child(None, space, config, data)


def audit_child(
    child: Any, space: SearchSpace, config: Config, data: Any
) -> Audit:
    """Audits the ops of a child by its first layer.

    Args:
      child: a built `MacroChild`, or None for a fresh one.
      data: `DataSet`, whose first images go through its stem.

    Raises:
      UserError: one architecture is trained from scratch.
    """
    from enas.cifar10 import build
    from enas.cifar10.batches import standardize

    if config.child_from_scratch:
        raise UserError(
            "An audit probes the ops of a search space; received "
            "--child_from_scratch, which trains one architecture. Audit the "
            "search that found it, by --run or by its flags."
        )
    images = standardize(data.train.images[:4], data.mean, data.std)
    twin = build.build_twin(config, space, child)
    maps = feature_maps(twin, images)
    audited, linear = [], []
    for found, measures in measured(twin, space, maps):
        audited.append(_class_audit(found, measures, space, config))
        kinds = {each.kind for each in audited[-1].findings}
        if "linear" in kinds and measures.linear:
            linear.append(found.probed)
    # What is of no use first, then what stands there several times.
    audited.sort(
        key=lambda e: (bool(e.findings), e.multiplicity > 1, e.share),
        reverse=True,
    )
    return Audit(
        classes=tuple(audited),
        num_ops=space.num_ops,
        num_layers=config.child_num_layers,
        tanh_constant=config.tanh_constant,
        linear_chain=chain_nonlinearity(linear, maps) if linear else None,
        defence=config.defence,
    )


def _class_audit(
    found: OpClass, measures: Measures, space: SearchSpace, config: Config
) -> ClassAudit:
    count = len(found.op_ids)
    least, most = bounded_share(count, space.num_ops, config.tanh_constant)
    return ClassAudit(
        op_ids=found.op_ids,
        relation=found.relation,
        label=", ".join(dict.fromkeys(map(space.op_name, found.op_ids))),
        share=count / space.num_ops,
        least=least,
        most=most,
        findings=tuple(findings(measures)),
        measures=measures,
    )


def bounded_share(
    count: int, num_ops: int, tanh_constant: float | None
) -> tuple[float, float]:
    """Returns the least and the most probability of `count` op ids together.

    `tanh_constant` is the bound c of the logits, which reach from -c to c.
    """
    rest = num_ops - count
    if not count or not rest:
        share = float(count > 0)
        return share, share
    if tanh_constant is None:
        return 0.0, 1.0
    # What the lowest logit counts where the highest counts 1; may be 0.
    low = math.exp(-2 * tanh_constant)
    return count * low / (count * low + rest), count / (count + rest * low)
