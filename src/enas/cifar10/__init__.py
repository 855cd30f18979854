"""Macro search on small images: child, controller, search space, search.

The names below are the public ones; docs/PYTHON.md shows how they are used.
Importing the package imports none of them, so that what needs no TensorFlow
does without it.
"""

import importlib
from typing import Any

_MODULE_OF = {
    "Arc": "enas.cifar10.arc",
    "Branch": "enas.cifar10.ops",
    "Config": "enas.cifar10.config",
    "Run": "enas.tools.api",
    "SearchSpace": "enas.cifar10.search_space",
    "make_search_space": "enas.cifar10.search_space",
    "register_poison": "enas.cifar10.poison_ops",
    "run_search": "enas.tools.api",
}

__all__ = list(_MODULE_OF)

# Where files with ops of users' own, written for version 0.1, look for it.
_MODULE_OF["image_ops"] = "enas.lazy_modules"


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULE_OF[name])
    return getattr(module, name)


def __dir__() -> list[str]:
    """Returns the public names as well."""
    return sorted({*globals(), *_MODULE_OF})
