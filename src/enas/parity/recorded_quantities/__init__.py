"""What was recorded of the originals, and how the port computes the same.

What a file holds is told from its name; sizes, ops and poisonings from its
arrays. Each module computes what one kind of file holds.
"""

import functools
import re
from collections.abc import Callable

from enas.errors import UserError
from enas.parity.comparison import Measure, Nudge, Quantity
from enas.parity.recorded_quantities import (
    enas_child,
    enas_controller,
    enas_tables,
    paper_child,
    paper_controller,
)
from enas.parity.recorded_quantities.arrays import Arrays

# Name of a file without .npz -> what computes the same.
_KINDS: dict[str, Callable[[Arrays, Nudge], list[Quantity]]] = {
    r"child_intended.*": enas_child.intended,
    r"child_published.*": enas_child.published,
    r"train_step.*": enas_child.steps,
    r"controller_L\d+_b\d+.*": paper_controller.updates,
    r"controller.*": enas_controller.samples_and_updates,
    r"lr_schedule.*": enas_tables.schedule,
    r"preprocessing.*": enas_tables.preprocessing,
    r"values": enas_tables.checkpoint_values,
    r"paper_.*": paper_child.logits_and_steps,
}
# Arrays that are no quantities of the search: the images in another form, and
# what the original's runtime made of the embedding's gradient (row 28).
_NOT_COMPARED = re.compile(
    r"images_u8|scale|labels_(train|valid|test)"
    r"|[AB]/(emb_sparse_acc_grad|emb_grad_|baseline_fetched|acc_count"
    r"|update_after_run).*"
)


def measure_of(arrays: Arrays) -> Measure:
    """Returns what computes the quantities of a recording.

    Raises:
      UserError: the name is of no known kind.
    """
    for pattern, make in _KINDS.items():
        if re.fullmatch(pattern, arrays.path.stem):
            return functools.partial(make, arrays)
    raise UserError(
        f"{arrays.path} has no known form. Names of recordings begin with "
        "child_intended, child_published, train_step, controller, "
        "lr_schedule, preprocessing or paper_, or are values.npz next to "
        "a checkpoint; rename or remove it."
    )


def not_compared(arrays: Arrays) -> list[str]:
    """Returns the names of arrays that nothing read and nothing explains."""
    unread = sorted(arrays.keys() - arrays.used)
    return [name for name in unread if not _NOT_COMPARED.fullmatch(name)]
