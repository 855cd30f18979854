"""How TensorFlow is imported: settings first, and quietly. No TensorFlow here.

TensorFlow's C++ code writes notes to file descriptor 2 before it reads any log
level (2.21 at TF_CPP_MIN_LOG_LEVEL=3 still does), so the descriptor is held.
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator

# Notes (I), the header of early lines, and the complaint that there is no
# driver on a machine that has no NVIDIA device at all.
_NOTES: tuple[str, ...] = (
    r"WARNING: All log messages before absl::InitializeLog\(\) is called .*",
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?I\d* .*",
    r"To enable the following instructions: .*",
)
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_NO_DRIVER = r"(\S+ \S+: )?E\d* .*failed call to cuInit: .*"


def before_import(onednn: str = "1") -> None:
    """Chooses Keras' backend, and log level and kernels unless the user did.

    TensorFlow leaves oneDNN's kernels out on CPUs without AVX-512, AMD's among
    them, where they halve the time of a convolution (docs/history/speed.md).
    TF_ENABLE_ONEDNN_OPTS and TF_CPP_MIN_LOG_LEVEL in the environment decide
    otherwise. "0" is for TensorFlow's own kernels, whose sums have the order of
    those that made the golden recordings.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    late = "tensorflow" in sys.modules and _ONEDNN not in os.environ
    os.environ.setdefault(_ONEDNN, onednn)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if late and onednn == "1" and not has_onednn():
        warnings.warn(
            "TensorFlow was imported before enas, so oneDNN's kernels are off: "
            "a convolution takes about twice the time, and a run that has "
            "begun with them goes on with others. Import enas first, or set "
            f"{_ONEDNN}=1.",
            stacklevel=2,
        )


def has_onednn() -> bool:
    """Returns whether oneDNN's kernels are on; needs an imported TensorFlow.

    TensorFlow reads the environment when it is imported, and not again.
    """
    name = "tensorflow.python.util._pywrap_util_port"
    return bool(importlib.import_module(name).IsMklEnabled())


@contextlib.contextmanager
def quiet_import(onednn: str = "1") -> Iterator[None]:
    """Sets what `before_import` sets, then keeps notes off the terminal.

    What the block writes to stderr is passed on, without them, when it ends.
    """
    before_import(onednn)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            notes = _NOTES
            if not os.path.exists("/dev/nvidiactl"):
                notes += (_NO_DRIVER,)
            text = held.read().decode(errors="replace")
            for line in text.splitlines(keepends=True):
                whole = line.rstrip("\n")
                if not any(re.fullmatch(note, whole) for note in notes):
                    sys.stderr.write(line)


def start_tensorflow(onednn: str = "1") -> None:
    """Imports TensorFlow and finds the devices, as `quiet_import` does."""
    with quiet_import(onednn):
        from enas import devices

        devices.find_devices()
