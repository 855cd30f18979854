"""Modules that are imported when they are first used."""

import importlib
from typing import Any

__all__ = ["Lazy"]


class Lazy:
    """A module that is imported at the first look at one of its names.

    Ops are listed by flags, tables and pictures, which should not wait for
    TensorFlow; only what an op computes needs it.

    Args:
      name: the module's full name.
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Returns a name of the module."""
        return getattr(importlib.import_module(self._name), attribute)
