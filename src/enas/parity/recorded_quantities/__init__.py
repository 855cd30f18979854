"""What was recorded of the originals, and how the port computes the same.

What a file holds is told from its name; sizes, ops and poisonings from its
arrays.
"""

import functools
import pathlib
import re
from collections.abc import Callable

from enas.errors import UserError
from enas.parity.comparison import Nudge, Quantity, Verdict, compare
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
    r"child_(intended|published).*": enas_child.passes,
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


def compare_file(path: pathlib.Path) -> list[Verdict]:
    """Compares one .npz file, named as the project's are.

    The last verdict counts arrays that nothing was compared with, if any.

    Raises:
      UserError: the file cannot be read, has an unknown name, or lacks what
        recordings of its name have.
    """
    arrays = Arrays(path)
    kinds = [k for name, k in _KINDS.items() if re.fullmatch(name, path.stem)]
    if not kinds:
        raise UserError(
            f"{path} has no known form. Names of recordings begin with "
            "child_intended, child_published, train_step, controller, "
            "lr_schedule, preprocessing or paper_, or are values.npz next to "
            "a checkpoint; rename or remove it."
        )
    try:
        verdicts = compare(functools.partial(kinds[0], arrays))
    except (KeyError, IndexError) as error:
        raise UserError(
            f"{path} is not a whole recording: it lacks {error}. "
            "docs/DIFF_RECORDINGS.md says what each file holds."
        ) from error
    unread = arrays.keys() - arrays.used
    unknown = [name for name in unread if not _NOT_COMPARED.fullmatch(name)]
    if unknown:
        rule = f"arrays of an unknown meaning, such as {min(unknown)}"
        verdicts.append(Verdict("not compared", len(unknown), 0.0, 0.0, rule))
    return verdicts
