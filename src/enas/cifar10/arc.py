"""The encoding of one architecture: parse, check, format. No TensorFlow.

    python -m enas.cifar10.arc --draw outputs/best_arc.txt

draws one; see `enas.tools.draw`.
"""

import dataclasses
import importlib
import math
import operator
import re
import sys
from collections.abc import Iterable, Mapping, Sequence, Set

from enas.errors import UserError


def num_decisions(num_layers: int) -> int:
    """Returns the length of a flat arc: one op id and k skip bits per layer."""
    return num_layers * (num_layers + 1) // 2


def layers_of(text: str) -> int:
    """Returns how many layers the arc in a text has.

    Raises:
      UserError: a word is not a number, or no number of layers has so many.
    """
    count = len(_numbers(text))
    layers = (math.isqrt(1 + 8 * count) - 1) // 2
    if not layers or num_decisions(layers) != count:
        raise UserError(
            "An arc of L layers has L(L+1)/2 numbers (for layer k one op id "
            f"and k skip bits); received {count}. best_arc.txt of a run holds "
            "one."
        )
    return layers


def as_text(arc: object) -> str:
    """Returns text, (nested) lists or arrays, or an `Arc` of a user as text.

    Raises:
      UserError: it is none of these, or not of whole numbers.
    """
    if isinstance(arc, (str, Arc)):
        return str(arc).replace("\ufeff", "")
    try:
        # Bytes would be numbers, and sets and dicts have another order.
        if isinstance(arc, (bytes, bytearray, Set, Mapping)):
            raise TypeError
        return " ".join(
            as_text(part) if hasattr(part, "__len__") else str(_whole(part))
            for part in arc  # type: ignore[attr-defined]
        )
    except TypeError as error:
        raise UserError(
            'An arc is text such as "0  3 0  1 0 1", a list of whole numbers, '
            f"a list of such lists, or an Arc; received {arc!r}."
        ) from error


def _whole(number: object) -> int:
    if isinstance(number, bool):
        raise TypeError
    return operator.index(number)  # type: ignore[arg-type]


def _numbers(text: str) -> list[str]:
    words = re.sub(r"[\[\],\ufeff]", " ", text).split()
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word):
            raise UserError(
                "An arc is whole numbers separated by blanks, such as"
                f' "0  3 0  1 0 1"; received {word!r} in it. best_arc.txt of a'
                " run holds one."
            )
    return words


@dataclasses.dataclass(frozen=True)
class Arc:
    """The decisions of one architecture.

    Layer k holds one op id and k skip bits, bit i for the skip candidate i of
    that layer (row 5 says which output that is).

    Attributes:
      op_ids: one per layer, in `[0, num_ops)`.
      skips: 0 or 1, the bits of layer 1, 2, .. one after the other; layer k's
        start at k(k-1)/2.

    Source: rows 1 and 5; the flat form and its text are those of ENAS
    (`sample_arc`). Same, except that ids of different width are not padded.
    """

    op_ids: tuple[int, ...]
    skips: tuple[int, ...]

    @classmethod
    def from_flat(
        cls, values: Iterable[int | str], num_layers: int, num_ops: int
    ) -> "Arc":
        """Builds an arc from ENAS's flat form and checks it.

        It has for every layer its op id, then its skip bits.

        Raises:
          UserError: the length, an op id or a skip bit is not legal.
        """
        numbers = [int(value) for value in values]
        expected = num_decisions(num_layers)
        if len(numbers) != expected:
            raise UserError(
                f"An arc of {num_layers} layers has {expected} numbers (for "
                f"layer k one op id and k skip bits); received {len(numbers)}."
                " Check --child_num_layers and the arc."
            )
        op_ids: list[int] = []
        skips: list[int] = []
        for layer in range(num_layers):
            op_id, *bits = numbers[num_decisions(layer) :][: layer + 1]
            _check_layer(layer, op_id, bits, num_ops)
            op_ids.append(op_id)
            skips += bits
        return cls(tuple(op_ids), tuple(skips))

    @classmethod
    def parse(cls, text: object, num_layers: int, num_ops: int) -> "Arc":
        """Reads the text form of an arc: what `--child_fixed_arc` takes.

        The numbers in ENAS's order, separated by blanks, commas or line ends;
        brackets are allowed, so a copied log reads as well. Lists, arrays and
        an `Arc` are taken too, see `as_text`.

        Raises:
          UserError: something is not a number, or the arc is not legal.
        """
        return cls.from_flat(_numbers(as_text(text)), num_layers, num_ops)

    @property
    def num_layers(self) -> int:
        return len(self.op_ids)

    def layer_skips(self, layer: int) -> tuple[int, ...]:
        """Returns the skip bits of one layer, `layer` of them."""
        start = layer * (layer - 1) // 2
        return self.skips[start : start + layer]

    def layers(self) -> list[list[int]]:
        """Returns per layer the list of its op id and skip bits."""
        return [
            [op_id, *self.layer_skips(layer)]
            for layer, op_id in enumerate(self.op_ids)
        ]

    def flat(self) -> list[int]:
        """Returns ENAS's flat form."""
        return [value for row in self.layers() for value in row]

    def lines(self) -> list[str]:
        """Returns ENAS's log form, a line such as `[3 0 1]` per layer."""
        return ["[" + " ".join(map(str, row)) + "]" for row in self.layers()]

    def __str__(self) -> str:
        """Returns the one-line form that `--child_fixed_arc` takes."""
        return "  ".join(" ".join(map(str, row)) for row in self.layers())


def _check_layer(
    layer: int, op_id: int, bits: Sequence[int], num_ops: int
) -> None:
    if not 0 <= op_id < num_ops:
        raise UserError(
            f"Op ids of this search space are 0 to {num_ops - 1}; received "
            f"{op_id} at layer {layer}. Give --poison and --q of the search "
            "that the arc is from, or fix the arc."
        )
    for bit in bits:
        if bit not in (0, 1):
            raise UserError(
                f"Skip bits are 0 or 1; received {bit} at layer {layer}."
                " An arc holds for layer k one op id, then k skip bits."
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Draws an arc from a command line; returns the exit code."""
    # By name: what draws an arc is built on this module.
    return importlib.import_module("enas.tools.draw").main(argv)


if __name__ == "__main__":
    sys.exit(main())
