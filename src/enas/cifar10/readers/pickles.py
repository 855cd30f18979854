"""Reads pickles of arrays, and runs nothing that is in them."""

import io
import pickle
import re
from typing import Any

import numpy as np


def load(content: bytes) -> Any:
    """Returns what a pickle of plain containers and arrays of numbers holds.

    Raises:
        pickle.UnpicklingError: It is none, or asks for something else. Damaged
            ones can raise nearly anything.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except (EOFError, LookupError) as error:
        kind = type(error).__name__
        raise pickle.UnpicklingError(
            f"a pickle that is truncated, or none at all: {kind}"
        ) from error


def _pickled_dtype(code: str | bytes, *_: Any) -> np.dtype:
    code = code.decode("latin1") if isinstance(code, bytes) else code
    if not re.fullmatch(r"[<>|=]?[biuf][1248]?", code):
        raise pickle.UnpicklingError(f"an array of dtype {code!r}")
    # A copy, because the pickle sets the byte order of what it gets.
    return np.dtype(code, copy=True)


def _pickled_bytes(text: str, encoding: str | bytes = "latin1") -> bytes:
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _pickled_buffer(buffer: bytes, dtype: np.dtype, *form: Any) -> np.ndarray:
    shape, order = form
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


# The names in pickles of NumPy 1. None of NumPy's own functions is among them,
# so that a file reaches only what is listed here.
_ADMITTED = {
    ("_codecs", "encode"): _pickled_bytes,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: np.empty(0, np.int8),
    ("numpy.core.multiarray", "scalar"): lambda d, b: np.frombuffer(b, d)[0],
    ("numpy.core.numeric", "_frombuffer"): _pickled_buffer,
    ("numpy", "dtype"): _pickled_dtype,
    # Only named as the class to be made, which is always an array.
    ("numpy", "ndarray"): None,
}


class _ArrayUnpickler(pickle._Unpickler):
    """Reads plain containers and arrays of numbers, and runs nothing else.

    It is the one written in Python: that in C allots what a file says, so that
    nine bytes could fill the memory.
    """

    def find_class(self, module: str, name: str) -> Any:
        # NumPy 2 has renamed one package.
        place = module.replace("numpy._core", "numpy.core"), name
        if place not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"a pickle that asks for {module}.{name}, which was not run; "
                "only arrays and plain containers are read"
            )
        return _ADMITTED[place]
