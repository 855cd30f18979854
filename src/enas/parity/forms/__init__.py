"""The forms of recordings: what a file of a name holds and how to compute it.

A form is told from the file's name; sizes, ops and poisonings from its arrays.
"""

import re

from enas.errors import UserError
from enas.parity.forms import (
    enas_child,
    enas_controller,
    enas_steps,
    enas_tables,
    paper_child,
    paper_controller,
)

__all__ = ["make_case"]

# Pattern of a file's name without .npz -> function (arrays, path, load).
FORMS = {
    r"child_intended.*": lambda arrays, path, load: enas_child.child_case(
        arrays, arrays
    ),
    r"child_published.*": lambda arrays, path, load: enas_child.child_case(
        arrays, load(_intended(path)), published=True
    ),
    r"train_step.*": lambda arrays, path, load: enas_steps.train_step_case(
        arrays
    ),
    r"controller_L\d+_b\d+.*": lambda arrays, path, load: (
        paper_controller.controller_case(arrays)
    ),
    r"controller.*": lambda arrays, path, load: enas_controller.controller_case(
        arrays
    ),
    r"lr_schedule.*": lambda arrays, path, load: enas_tables.schedule_case(
        arrays
    ),
    r"preprocessing.*": lambda arrays, path, load: (
        enas_tables.preprocessing_case(arrays)
    ),
    r"values": lambda arrays, path, load: enas_tables.checkpoint_case(
        arrays, str(path)
    ),
    r"paper_.*": lambda arrays, path, load: paper_child.child_case(arrays),
}


def make_case(arrays, path, load):
    """Returns the `Case` of a recording.

    Args:
      arrays: dict, name -> array, of the file.
      path: pathlib.Path of the file.
      load: function of a path, returns the arrays of another recording.

    Raises:
      UserError: the name is of no known form.
    """
    for pattern, make in FORMS.items():
        if re.fullmatch(pattern, path.stem):
            return make(arrays, path, load)
    raise UserError(
        f"{path} is of no known form. Names of recordings begin with "
        "child_intended, child_published, train_step, controller, "
        "lr_schedule, preprocessing or paper_, or are values.npz beside a "
        "checkpoint; rename it or take it away."
    )


def _intended(path):
    """child_published.npz holds no weights: its twin has them."""
    name = path.name.replace("child_published", "child_intended")
    return path.with_name(name)
