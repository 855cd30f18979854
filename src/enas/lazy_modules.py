"""TensorFlow and what needs it, imported when it is first used.

Flags, tables and pictures list the ops and should not wait for TensorFlow;
only what an op computes needs it.
"""

import importlib
import typing
from typing import Any

if typing.TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from enas import common_ops
    from enas.cifar10.layers import image_ops

else:

    class _Lazy:
        def __init__(self, name: str):
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    common_ops = _Lazy("enas.common_ops")
    image_ops = _Lazy("enas.cifar10.layers.image_ops")
    keras = _Lazy("keras")
    tf = _Lazy("tensorflow")
