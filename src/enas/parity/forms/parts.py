"""Small helpers that all forms of recordings share."""

import numpy as np

__all__ = ["named", "part"]


def part(arrays, prefix):
    """Returns the arrays below a prefix, dict rest of the name -> array."""
    return {
        name[len(prefix) :]: array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def named(model, arrays):
    """Returns dict, variable path -> array, of one array per trained variable.

    Args:
      model: a built keras layer or model.
      arrays: list of tensors or arrays, in the order of its variables.
    """
    names = [variable.path for variable in model.trainable_variables]
    return dict(zip(names, map(np.asarray, arrays), strict=True))
