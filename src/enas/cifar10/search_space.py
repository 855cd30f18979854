"""What the controller may choose: candidate ops and copies of poisonings.

Three numbers are kept apart everywhere: the `op_id` is what the controller
emits, the `branch` is what the child switches on, and the `copy` says which of
the q instances of a poisoning an op id is. No TensorFlow here.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from enas.cifar10 import adaptive_poison_ops, poison_ops  # noqa: F401 (they fill the table of ops)
from enas.cifar10.branches import Branch, ChildOptions
from enas.cifar10.ops import OPS, Op, poison_sets
from enas.errors import UserError

CANDIDATE_OPS = {
    "enas6": (
        "conv_3x3",
        "sep_conv_3x3",
        "conv_5x5",
        "sep_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    ),
    "paper5": (
        "identity",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    ),
}

SHARING = ("shared", "unique")
# Catches slips of the keyboard.
MAX_COPIES = 100_000
# Those of the ops that ship; `ops.poison_sets` knows those of users as well.
POISON_SETS = {"none": (), **poison_sets()}


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """The ops a controller chooses from: S = candidates + q copies of each P.

    Candidate op ids come first; the copies of a poisoning get consecutive ids
    after them, poisoning by poisoning.

    Attributes:
      candidate_ops: names of the ops worth choosing, op ids 0, 1, ..
      poison_ops: names of the poisonings P.
      q: copies of every poisoning; 0 without poison.
      sharing: "shared" if all copies of a poisoning in a layer share one set
        of weights, "unique" if every copy has its own.
      ops: the table of ops when the space was made; another search may read
        another file of a user's ops.

    Source: section 3 of the paper; row 1. Same as the paper's code, whose
    copies share one module, under "shared"; as its text (3.1.3) under "unique".
    """

    candidate_ops: tuple[str, ...]
    poison_ops: tuple[str, ...] = ()
    q: int = 0
    sharing: str = "shared"
    ops: Mapping[str, Op] = dataclasses.field(
        default_factory=OPS.copy, compare=False, repr=False
    )

    @property
    def num_ops(self) -> int:
        """Number of op ids: what the controller's softmax is over."""
        return len(self.candidate_ops) + self.q * len(self.poison_ops)

    @property
    def branches(self) -> tuple[str, ...]:
        """Distinct computations, by name: what the child builds."""
        new = [op for op in self.poison_ops if op not in self.candidate_ops]
        return self.candidate_ops + tuple(new)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the ops with the copies of a poisoning as one."""
        return self.candidate_ops + self.poison_ops

    def kind(self, op_id: int) -> int:
        """Returns the index in `kinds` of an op id."""
        if not self.is_poison(op_id):
            return op_id
        start = len(self.candidate_ops)
        return start + (op_id - start) // self.q

    def op_name(self, op_id: int) -> str:
        """Returns the name of what an op id computes."""
        return self.kinds[self.kind(op_id)]

    def described(self, op_name: str, options: ChildOptions) -> Branch:
        """Returns an op without weights, of which the cost may be unknown."""
        return self.ops.get(op_name, Op(op_name, Branch)).described(options)

    def branch(self, op_id: int) -> int:
        """Returns the index in `branches` that an op id runs."""
        return self.branches.index(self.op_name(op_id))

    def copy(self, op_id: int) -> int:
        """Returns which copy an op id is, in [0, q); a candidate op is 0."""
        if not self.is_poison(op_id):
            return 0
        return (op_id - len(self.candidate_ops)) % self.q

    def is_poison(self, op_id: int) -> bool:
        """Returns whether an op id is a copy of a poisoning."""
        return op_id >= len(self.candidate_ops)

    def label(self, op_id: int) -> str:
        """Returns a name for people, such as `identity#17`."""
        name = self.op_name(op_id)
        return f"{name}#{self.copy(op_id)}" if self.is_poison(op_id) else name

    def weight_copies(self, branch: int) -> int:
        """Returns how many sets of weights a branch holds, at least 1."""
        poison = self.branches[branch] in self.poison_ops
        return self.q if poison and self.sharing == "unique" else 1

    @property
    def uniform_poison_share(self) -> float:
        """Equation (1): probability of a poison op at a uniform controller."""
        return 1 - len(self.candidate_ops) / self.num_ops

    def max_good_share(self, tanh_constant: float | None) -> float:
        """Returns the largest probability of all good ops together.

        It is in (0, 1]. The logits are bounded by +-tanh_constant, or not if
        it is None, so at best every good op has weight e^c and every poison
        op e^-c.

        Source: the paper's Equation (1) with op logits at the bounds that
          general_controller.py sets; the paper has no such number.
        """
        if tanh_constant is None or not self.poison_ops:
            return 1.0
        good = len(self.candidate_ops)
        poison = self.num_ops - good
        return good / (good + poison * math.exp(-2 * tanh_constant))

    def describe(self, tanh_constant: float | None) -> list[str]:
        """Returns lines for the log: op ids, copies and what bounds them."""
        lines = [
            f"Search space: {self.num_ops} op ids, "
            f"{len(self.branches)} branches per layer"
        ]
        lines += [
            f"  op id {i}: {op}" for i, op in enumerate(self.candidate_ops)
        ]
        start = len(self.candidate_ops)
        for op in self.poison_ops:
            last = start + self.q - 1
            lines.append(
                f"  op ids {start} to {last}: {op}, poison, {self.q} copies,"
                f" {self.sharing}"
            )
            start += self.q
        return lines + [
            "Poison probability of an op at the uniform controller "
            f"(Equation 1): {self.uniform_poison_share:.4f}",
            "Largest share of good ops that the bounded logits can reach: "
            f"{self.max_good_share(tanh_constant):.4f}",
        ]


def make_search_space(
    poison: str,
    q: int | None,
    sharing: str = "shared",
    candidate_ops: str = "enas6",
    registered: Iterable[str] = (),
) -> SearchSpace:
    """Builds a search space from what the user wrote.

    Args:
      poison: "none", or a comma list of sets of poisonings, of ops and of
        file:name, an op of a user's file.
      q: copies of every poisoning; None stands for "not given".
      candidate_ops: likewise, of the sets of `CANDIDATE_OPS` and of ops.
      registered: names that are legal although the table of ops lacks them.

    Raises:
      UserError: a name is unknown, or q and poison contradict each other.
    """
    if sharing not in SHARING:
        raise UserError(
            f"--poison_sharing is one of {', '.join(SHARING)}; received "
            f"{sharing!r}."
        )
    candidates = expand(candidate_ops, CANDIDATE_OPS)
    legal = [*OPS, *registered]
    _check("candidate_ops", candidate_ops, candidates, CANDIDATE_OPS, legal)
    sets = poison_sets()
    poisons = () if poison == "none" else expand(poison, sets)
    legal = [name for name in legal if name not in OPS or OPS[name].poison]
    _check("poison", poison, poisons, sets, legal)
    if not poisons and q is not None and q != 0:
        raise UserError(
            f"--q={q} was given without a poison. --q is the number of copies "
            "of every poisoning; add --poison, one of "
            f"{', '.join(sets)}, or leave --q out."
        )
    if poisons and not (isinstance(q, int) and 1 <= q <= MAX_COPIES):
        raise UserError(
            f"--poison={poison} needs --q, the number of copies of every "
            f"poisoning, from 1 to {MAX_COPIES}; received --q={q}. Try --q=6."
        )
    return SearchSpace(candidates, poisons, q or 0, sharing)


def expand(text: str, sets: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Returns the ops that a comma list stands for: names, sets, file:name."""
    names: tuple[str, ...] = ()
    for word in map(str.strip, text.split(",")):
        names += sets[word] if word in sets else (word.rpartition(":")[2],)
    return names


def file_ops(config: Any) -> list[tuple[str, str, str]]:
    """Returns (flag, path, name) of every op that a `Config` names in a file.

    The path is a full one, the flag "poison" or "candidate_ops".
    """
    return [
        (flag, path, name)
        for flag in ("poison", "candidate_ops")
        for word in getattr(config, flag).split(",")
        for path, colon, name in [word.strip().rpartition(":")]
        if colon
    ]


def _check(
    flag: str,
    text: str,
    names: Sequence[str],
    sets: Iterable[str],
    legal: Collection[str],
) -> None:
    for name in names:
        if name not in legal:
            kind = "poison" if flag == "poison" else "candidate op"
            raise UserError(
                f"Unknown {kind} {name!r} in --{flag}={text!r}. Legal is "
                f"{'none, or ' * (flag == 'poison')}a comma list of the sets "
                f"{', '.join(sets)}, of the ops {', '.join(sorted(legal))}, "
                "and of your own ops, my_ops.py:Name (docs/POISON.md). Use "
                "one of these."
            )
    if len(set(names)) != len(names):
        raise UserError(
            f"--{flag}={text!r} names an op twice. Name it once; the number of "
            "copies of a poisoning is --q."
        )
