"""The paper's PyTorch weights under this project's names and layouts.

NumPy only: a name is looked up, an array transposed.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

# Scope inside a branch or layer -> module of the PyTorch code.
_MODULES = {
    "inp_conv_1": "inp_conv1",
    "out_conv_3": "out_conv",
    "out_conv_5": "out_conv",
    "conv_1": "conv1",
}
_BN = {"scale": "weight", "offset": "bias"}


def torch_child_names(names: Sequence[str]) -> dict[str, str]:
    """Returns our name -> PyTorch's, of a child's trainable variables.

    Args:
      names: ours, in the child's order.
    """
    reductions: list[str] = []
    for name in names:
        found = re.match(r"child/(layer_\d+/pool_at_\d+/from_\d+)/", name)
        if found and found[1] not in reductions:
            reductions.append(found[1])
    return {name: _torch_name(name, reductions) for name in names}


def _torch_name(name: str, reductions: list[str]) -> str:
    scope, leaf = name.removeprefix("child/").rsplit("/", 1)
    bn = scope.endswith("/bn")
    scope = scope.removesuffix("/bn")
    leaf = _BN.get(leaf, leaf) if bn else leaf
    if scope == "fc":
        return f"classify.{'bias' if leaf == 'b' else 'weight'}"
    if scope == "stem_conv":
        return f"stem_conv.1.{leaf}" if bn else "stem_conv.0.weight"
    for index, reduction in enumerate(reductions):
        if scope.startswith(f"{reduction}/") or scope == reduction:
            return _reduction_name(index, scope[len(reduction) :], leaf)
    layer, rest = scope.removeprefix("layer_").split("/", 1)
    if rest == "skip":
        return f"layers.{layer}.bn.{leaf}"
    branch, _, module = rest.partition("/")
    module = f".{_MODULES[module]}" if module else ""
    return f"layers.{layer}.{branch}{module}{_leaf_name(leaf, bn, module)}"


def _reduction_name(index: int, part: str, leaf: str) -> str:
    if part in ("/path1_conv", "/path2_conv"):
        return f"pooled_layers.{index}.{part[1:6]}.1.weight"
    return f"pooled_layers.{index}.bn.{leaf}"


def _leaf_name(leaf: str, bn: bool, module: str) -> str:
    if bn:
        return f".1.{leaf}"
    separable = {
        "w_depth": ".0.depthwise.weight",
        "w_point": ".0.pointwise.weight",
    }
    return separable.get(leaf, ".0.weight" if module else ".weight")


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
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T


def controller_arrays(
    arrays: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Returns a controller's weights, of one LSTM layer, likewise.

    PyTorch orders the gates i, f, g, o; here they are i, f, o, g.
    """
    scope = "controller/lstm/layer_0"
    matrix = np.concatenate(
        [arrays[f"w_lstm.weight_{part}_l0"].T for part in ("ih", "hh")]
    )
    return {
        f"{scope}/w": _gates(matrix),
        f"{scope}/b_ih": _gates(arrays["w_lstm.bias_ih_l0"]),
        f"{scope}/b_hh": _gates(arrays["w_lstm.bias_hh_l0"]),
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
