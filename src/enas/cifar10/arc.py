"""The encoding of one architecture: parse, check, format. No TensorFlow.

    python -m enas.cifar10.arc --draw outputs/best_arc.txt

draws one; see `arc_tool`.
"""

import dataclasses
import math
import re
import sys

from enas.errors import UserError

__all__ = ["Arc", "layers_of", "main", "num_decisions"]


def num_decisions(num_layers):
    """Returns the length of a flat arc: one op id and k skip bits per layer."""
    return num_layers + num_layers * (num_layers - 1) // 2


def layers_of(text):
    """Returns how many layers the arc in a text has, int.

    Args:
      text: str, as `Arc.parse` takes it.

    Raises:
      UserError: no number of layers has so many numbers.
    """
    count = len(_words(text))
    layers = (math.isqrt(1 + 8 * count) - 1) // 2
    if not layers or num_decisions(layers) != count:
        raise UserError(
            "An arc of L layers has L(L+1)/2 numbers (for layer k one op id "
            f"and k skip bits); received {count}. best_arc.txt of a run holds "
            "one."
        )
    return layers


def _words(text):
    return re.sub(r"[\[\],]", " ", text).split()


@dataclasses.dataclass(frozen=True)
class Arc:
    """The decisions of one architecture.

    Layer k holds one op id and k skip bits, bit i for the skip candidate i of
    that layer (row 5 says which output that is).

    Attributes:
      op_ids: tuple of int, one per layer, in `[0, num_ops)`.
      skips: tuple of int, 0 or 1, the bits of layer 1, 2, .. one behind the
        other; layer k's start at k(k-1)/2.

    Source: rows 1 and 5; the flat form and its text are those of ENAS
    (`sample_arc`). Same, except that ids of different width are not padded.
    """

    op_ids: tuple[int, ...]
    skips: tuple[int, ...]

    @classmethod
    def from_flat(cls, values, num_layers, num_ops):
        """Builds an arc from ENAS's flat form and checks it.

        Args:
          values: ints, length `num_layers + num_layers(num_layers-1)/2`: for
            every layer its op id, then its skip bits.
          num_layers: int, layers of the child.
          num_ops: int, op ids of the search space.

        Returns:
          An `Arc`.

        Raises:
          UserError: the length, an op id or a skip bit is not legal.
        """
        values = [int(value) for value in values]
        expected = num_decisions(num_layers)
        if len(values) != expected:
            raise UserError(
                f"An arc of {num_layers} layers has {expected} numbers (for "
                f"layer k one op id and k skip bits); received {len(values)}."
                " Check --child_num_layers and the arc."
            )
        op_ids, skips, start = [], [], 0
        for layer in range(num_layers):
            op_ids.append(_checked_op(values[start], layer, num_ops))
            bits = values[start + 1 : start + 1 + layer]
            skips.extend(_checked_bits(bits, layer))
            start += 1 + layer
        return cls(tuple(op_ids), tuple(skips))

    @classmethod
    def parse(cls, text, num_layers, num_ops):
        """Reads the text form of an arc: what `--child_fixed_arc` takes.

        Args:
          text: the numbers in ENAS's order, apart by blanks, commas or line
            ends; brackets are allowed, so a copied log reads as well.
          num_layers: int, layers of the child.
          num_ops: int, op ids of the search space.

        Returns:
          An `Arc`.

        Raises:
          UserError: something is not a number, or the arc is not legal.
        """
        words = _words(text)
        for word in words:
            if not re.fullmatch(r"[0-9]{1,9}", word):
                raise UserError(
                    "An arc is whole numbers apart by blanks, such as"
                    f' "0  3 0  1 0 1"; received {word!r} in it.'
                )
        return cls.from_flat(words, num_layers, num_ops)

    @property
    def num_layers(self):
        """Number of layers, int."""
        return len(self.op_ids)

    def layer_skips(self, layer):
        """Returns the skip bits of one layer, a tuple of `layer` ints."""
        start = layer * (layer - 1) // 2
        return self.skips[start : start + layer]

    def layers(self):
        """Returns per layer the list of its op id and skip bits."""
        return [
            [op_id, *self.layer_skips(layer)]
            for layer, op_id in enumerate(self.op_ids)
        ]

    def flat(self):
        """Returns ENAS's flat form, a list of ints."""
        return [value for row in self.layers() for value in row]

    def lines(self):
        """Returns ENAS's log form, a line such as `[3 0 1]` per layer."""
        return ["[" + " ".join(map(str, row)) + "]" for row in self.layers()]

    def __str__(self):
        """Returns the one-line form that `--child_fixed_arc` takes."""
        return "  ".join(" ".join(map(str, row)) for row in self.layers())


def _checked_op(op_id, layer, num_ops):
    if not 0 <= op_id < num_ops:
        raise UserError(
            f"Op ids of this search space are 0 to {num_ops - 1}; received "
            f"{op_id} at layer {layer}. Give --poison and --q of the search "
            "that the arc is from, or mend the arc."
        )
    return op_id


def _checked_bits(bits, layer):
    for bit in bits:
        if bit not in (0, 1):
            raise UserError(
                f"Skip bits are 0 or 1; received {bit} at layer {layer}."
                " An arc holds for layer k one op id, then k skip bits."
            )
    return bits


def main(argv=None):
    """Draws an arc from a command line; returns the exit code, int."""
    # Not above: that module is built on this one.
    from enas.tools import draw as arc_tool

    return arc_tool.main(sys.argv if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
