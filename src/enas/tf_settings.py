"""What must be set before TensorFlow is imported. No TensorFlow here."""

import os

__all__ = ["before_import"]


def before_import(onednn="1"):
    """Chooses Keras' backend, and oneDNN's kernels unless the user did.

    TensorFlow leaves oneDNN's kernels out on CPUs without AVX-512, AMD's among
    them, where they halve the time of a convolution (docs/PERFORMANCE.md).
    TF_ENABLE_ONEDNN_OPTS in the environment decides otherwise.

    Args:
      onednn: str, "1", or "0" for TensorFlow's own kernels, whose sums have
        the order of those that made the golden recordings.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", onednn)
