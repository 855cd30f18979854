"""The paper's PyTorch weights under this project's names and layouts.

NumPy only: a name is looked up, an array transposed.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

# What turns our name into PyTorch's: substitutions, one after the other. The
# index of a reduction comes before them.
_FORMS = (
    (r"^child/|(?<=out_conv)_\d|/skip(?=/bn)", ""),
    (r"^layer_", "layers/"),
    (r"(inp_|/)conv_1", r"\1conv1"),
    (r"^fc/", "classify/"),
    (r"(path\d)_conv/w$", r"\1/1/weight"),
    (r"w_(depth|point)$", r"0/\1wise/weight"),
    (r"(conv\d?)/bn/", r"\1/1/"),
    (r"(conv\d?)/w$", r"\1/0/w"),
    (r"/(w|scale)$", "/weight"),
    (r"/(b|offset)$", "/bias"),
    ("/", "."),
)


def torch_child_names(names: Sequence[str]) -> dict[str, str]:
    """Returns our name -> PyTorch's, of a child's weights in its order."""
    scopes = [re.match(r"child/.*/from_\d+", name) for name in names]
    reductions = list(dict.fromkeys(scope[0] for scope in scopes if scope))
    found = {}
    for name, scope in zip(names, scopes, strict=True):
        theirs = name
        if scope:
            number = reductions.index(scope[0])
            theirs = f"pooled_layers/{number}{name[scope.end() :]}"
        for ours, form in _FORMS:
            theirs = re.sub(ours, form, theirs)
        found[name] = theirs
    return found


def child_arrays(
    arrays: Mapping[str, np.ndarray], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Returns a child's weights from PyTorch's, by our names in our layout.

    Args:
      arrays: PyTorch's, by name; those that are missing are left out.
      names: ours, in the child's order.
    """
    return {
        ours: _our_layout(ours, arrays[theirs])
        for ours, theirs in torch_child_names(names).items()
        if theirs in arrays
    }


def _our_layout(name: str, array: np.ndarray) -> np.ndarray:
    if name.endswith("/w_point"):
        return array[:, :, 0, 0]
    if name.endswith("/w_depth"):
        return array.transpose(2, 3, 0, 1)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def controller_arrays(
    arrays: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Returns a controller's weights, of one LSTM layer, likewise.

    PyTorch orders the gates i, f, g, o; here they are i, f, o, g.
    """
    scope, lstm = "controller/lstm/layer_0", "w_lstm.{}_l0".format
    parts = [arrays[lstm(f"weight_{part}")].T for part in ("ih", "hh")]
    return {
        f"{scope}/w": _gates(np.concatenate(parts)),
        f"{scope}/b_ih": _gates(arrays[lstm("bias_ih")]),
        f"{scope}/b_hh": _gates(arrays[lstm("bias_hh")]),
        "controller/g_emb": arrays["g_emb.weight"],
        "controller/emb/w": arrays["w_emb.weight"],
        "controller/softmax/w": arrays["w_soft.weight"].T,
        "controller/attention/w_1": arrays["w_attn_1.weight"].T,
        "controller/attention/w_2": arrays["w_attn_2.weight"].T,
        "controller/attention/v": arrays["v_attn.weight"].T,
    }


def _gates(array: np.ndarray) -> np.ndarray:
    i, f, g, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, o, g], axis=-1)
