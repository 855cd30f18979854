"""The settings that ops declare, as flags and as values. No TensorFlow here.

A setting of an op that ships is a field of `Config`, and so a flag; those of
users' ops are known once their files were run and come by --op_setting.
"""

import dataclasses
from typing import Any

from enas.cifar10 import adaptive_poison_ops, poison_ops  # noqa: F401 (they fill the table of ops)
from enas.cifar10.branches import Setting
from enas.cifar10.config.values import checked, setting
from enas.cifar10.ops import OPS
from enas.errors import UserError


def _declared() -> dict[str, Setting]:
    """Returns the settings of all ops by name; ops may share one."""
    return {each.name: each for op in OPS.values() for each in op.settings}


# Settings of the built-in ops, each with its own flag.
SETTINGS = list(_declared().values())


def _field(each: Setting) -> Any:
    rules = {"lower": each.lower, "upper": each.upper, "alias": each.alias}
    return setting(each.default, each.help, group="Settings of ops", **rules)


# A field for every setting of the ops that ship.
OpSettings: Any = dataclasses.make_dataclass(
    "OpSettings",
    [(each.name, type(each.default), _field(each)) for each in SETTINGS],
    frozen=True,
)


def values_of(config: Any) -> dict[str, Any]:
    """Returns the values of all settings; raises as `child_options`."""
    values = {each.name: getattr(config, each.name) for each in SETTINGS}
    return values | dict(map(_of_user, config.op_setting))


def _of_user(text: str) -> tuple[str, Any]:
    """Returns (name, value) of a word of --op_setting."""
    name, _, value = text.partition("=")
    known = _declared()
    for each in SETTINGS:
        del known[each.name]
    if name not in known:
        raise UserError(
            "--op_setting=NAME=VALUE sets what your own op declares, "
            f"here {', '.join(known) or 'nothing'}; received {text!r}. Settings"
            " of the built-in ops have their own flags."
        )
    field = _field(known[name])
    field.name, field.type = f"op_setting={name}", type(field.default)
    return name, checked(field, _read(value, field.type))


def _read(text: str, kind: type) -> Any:
    """Returns the value that a text spells; the text itself if it does not."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text
