"""What the controller may choose: candidate ops and copies of poisonings.

Three numbers are kept apart everywhere: the `op_id` is what the controller
emits, the `branch` is what the child switches on, and the `copy` says which of
the q instances of a poisoning an op id is. No TensorFlow here.
"""

import dataclasses
import math

from enas.errors import UserError

__all__ = ["CANDIDATE_OPS", "POISON_SETS", "SearchSpace", "make_search_space"]

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

POISON_SETS = {
    "none": (),
    "identity": ("identity",),
    "transposed_conv": ("transposed_conv_3x3", "transposed_conv_5x5"),
    "dropout": ("dropout",),
    "grouped": (
        "identity",
        "transposed_conv_3x3",
        "transposed_conv_5x5",
        "dropout",
    ),
    "relative_gaussian": ("relative_gaussian",),
    "stretched_conv": ("stretched_conv",),
}


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """The ops a controller chooses from: S = candidates + q copies of each P.

    Candidate op ids come first; the copies of a poisoning get consecutive ids
    behind them, poisoning by poisoning.

    Attributes:
      candidate_ops: names of the ops worth choosing, op ids 0, 1, ..
      poison_ops: names of the poisonings P.
      q: int, copies of every poisoning; 0 without poison.
      sharing: "shared" if all copies of a poisoning in a layer share one set
        of weights, "unique" if every copy has its own.

    Source: section 3 of the paper; row 1. Same as the paper's code, whose
    copies share one module, under "shared"; as its text (3.1.3) under "unique".
    """

    candidate_ops: tuple[str, ...]
    poison_ops: tuple[str, ...] = ()
    q: int = 0
    sharing: str = "shared"

    @property
    def num_ops(self):
        """Number of op ids, int: what the controller's softmax is over."""
        return len(self.candidate_ops) + self.q * len(self.poison_ops)

    @property
    def branches(self):
        """Distinct computations, a tuple of names: what the child builds."""
        new = [op for op in self.poison_ops if op not in self.candidate_ops]
        return self.candidate_ops + tuple(new)

    @property
    def kinds(self):
        """Names of the ops with the copies of a poisoning as one, tuple."""
        return self.candidate_ops + self.poison_ops

    def kind(self, op_id):
        """Returns the index in `kinds` of an op id, int."""
        start = len(self.candidate_ops)
        if not self.is_poison(op_id):
            return op_id
        return start + (op_id - start) // self.q

    def op_name(self, op_id):
        """Returns the name of the computation behind an op id, str."""
        return self.kinds[self.kind(op_id)]

    def branch(self, op_id):
        """Returns the index in `branches` that an op id runs, int."""
        return self.branches.index(self.op_name(op_id))

    def copy(self, op_id):
        """Returns which instance of its poisoning an op id is, int in [0, q).

        Candidate ops have one instance: copy 0.
        """
        if not self.is_poison(op_id):
            return 0
        return (op_id - len(self.candidate_ops)) % self.q

    def is_poison(self, op_id):
        """Returns whether an op id is a copy of a poisoning, bool."""
        return op_id >= len(self.candidate_ops)

    def label(self, op_id):
        """Returns a name for people, such as `identity#17`, str."""
        name = self.op_name(op_id)
        return f"{name}#{self.copy(op_id)}" if self.is_poison(op_id) else name

    def weight_copies(self, branch):
        """Returns how many sets of weights a branch holds, int >= 1."""
        poison = self.branches[branch] in self.poison_ops
        return self.q if poison and self.sharing == "unique" else 1

    @property
    def uniform_poison_share(self):
        """Equation (1): probability of a poison op at a uniform controller."""
        return 1 - len(self.candidate_ops) / self.num_ops

    def max_good_share(self, tanh_constant):
        """Returns the largest probability of all good ops together.

        The logits are bounded by +-tanh_constant, so at best every good op has
        weight e^c and every poison op e^-c.

        Args:
          tanh_constant: float, bound c of the op logits; None for no bound.

        Returns:
          float in (0, 1].

        Source: section 3 of the reference notes on the paper; same.
        """
        if tanh_constant is None or not self.poison_ops:
            return 1.0
        good = len(self.candidate_ops)
        poison = self.num_ops - good
        return good / (good + poison * math.exp(-2 * tanh_constant))

    def describe(self, tanh_constant):
        """Returns lines for the log: op ids, copies and what bounds them."""
        lines = [
            f"Search space: {self.num_ops} op ids, "
            f"{len(self.branches)} branches per layer"
        ]
        start = len(self.candidate_ops)
        for op_id in range(start):
            lines.append(f"  op id {op_id}: {self.op_name(op_id)}")
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
    poison, q, sharing, candidate_ops, registered, max_copies=100_000
):
    """Builds a search space from what the user wrote.

    Args:
      poison: str, "none", or a comma list of keys of `POISON_SETS`, of
        registered names and of file:name, whose name is registered.
      q: int or None, copies of every poisoning; None stands for "not given".
      sharing: "shared" or "unique".
      candidate_ops: key of `CANDIDATE_OPS`.
      registered: names of the poisonings that exist.
      max_copies: int, a bound that catches slips of the keyboard.

    Returns:
      A `SearchSpace`.

    Raises:
      UserError: a name is unknown, or q and poison contradict each other.
    """
    names = ()
    if poison != "none":
        for word in poison.split(","):
            # my_ops.py:Blur is the op Blur of a user's file.
            name = word.strip().rpartition(":")[2]
            names += POISON_SETS.get(name) or (name,)
        _check_names(names, poison, registered)
    if not names and q is not None and q != 0:
        raise UserError(
            f"--q={q} was given without a poison. --q is the number of copies "
            "of every poisoning; add --poison, one of "
            f"{', '.join(POISON_SETS)}, or leave --q out."
        )
    if names and (q is None or not 1 <= q <= max_copies):
        raise UserError(
            f"--poison={poison} needs --q, the number of copies of every "
            f"poisoning, from 1 to {max_copies}; received --q={q}. Try --q=6."
        )
    return SearchSpace(CANDIDATE_OPS[candidate_ops], names, q or 0, sharing)


def _check_names(names, poison, registered):
    for name in names:
        if name not in registered:
            raise UserError(
                f"Unknown poison {name!r} in --poison={poison!r}. Legal is "
                "none, or a comma list of the sets "
                f"{', '.join(list(POISON_SETS)[1:])} and of the ops "
                f"{', '.join(sorted(registered))}. Take one of these."
            )
    if len(set(names)) != len(names):
        raise UserError(
            f"--poison={poison!r} names an op twice. Name it once and give its "
            "number of copies with --q."
        )
