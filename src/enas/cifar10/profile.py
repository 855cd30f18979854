"""The behaviour table as choices. No TensorFlow here.

A profile is one consistent choice over the rows in which reference programs
differ; docs/PORT.md has the table. A choice is looked up where a layer is
built, never inside a step.
"""

import dataclasses

from enas.errors import UserError

__all__ = ["ENAS", "Profile", "make_profile"]


def _choice(*legal, row, text):
    metadata = {"legal": legal, "row": row, "text": text}
    return dataclasses.field(default=legal[0], metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Profile:
    """One choice per row; the defaults are those of ENAS.

    Attributes:
      bn_evaluation: statistics that batch norm uses in evaluation and reward,
        "moving" as in ENAS, "batch" as in the paper's code.
    """

    bn_evaluation: str = _choice(
        "moving",
        "batch",
        row=10,
        text="batch norm statistics in evaluation and reward",
    )


ENAS = Profile()


def make_profile(overrides, base=ENAS):
    """Returns a profile with some choices changed.

    Args:
      overrides: sequence of str, each "choice=value".
      base: `Profile` to start from.

    Returns:
      A `Profile`.

    Raises:
      UserError: a choice or value does not exist.
    """
    fields = {field.name: field for field in dataclasses.fields(Profile)}
    for override in overrides:
        name, _, value = override.partition("=")
        if name not in fields or value not in fields[name].metadata["legal"]:
            legal = "; ".join(
                f"{name}={'|'.join(field.metadata['legal'])}"
                for name, field in fields.items()
            )
            raise UserError(
                f"--override takes one of {legal}; received {override!r}."
                " Give it once per choice."
            )
        base = dataclasses.replace(base, **{name: value})
    return base
