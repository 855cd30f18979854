"""The audit: what is in a search space, found by probing its ops.

    from enas.audit import audit_space
    from enas.cifar10 import Config
    print(audit_space(Config(dataset="shapes", poison="dropout", q=300)))

docs/AUDIT.md shows what it finds.
"""

import importlib
from typing import Any

_MODULE_OF = {
    "Audit": "enas.audit.audit",
    "audit_child": "enas.audit.audit",
    "audit_space": "enas.audit.audit",
    "OpClass": "enas.probing.classes",
    "function_classes": "enas.probing.classes",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
