"""What must be set before TensorFlow is imported. No TensorFlow here."""

import os

__all__ = ["before_import"]


def before_import():
    """Chooses Keras' backend, and oneDNN's kernels unless the user did.

    TensorFlow leaves oneDNN's kernels out on CPUs without AVX-512, AMD's among
    them, where they halve the time of a convolution (docs/PERFORMANCE.md).
    TF_ENABLE_ONEDNN_OPTS=0 does without them.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
