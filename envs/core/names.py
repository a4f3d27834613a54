"""``package.module:Name``: how a name in a setting or a command says where something of another package is."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import re
import sys
from typing import Any

__all__ = ["import_from_here", "is_module", "is_path", "load"]

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_path(text: str) -> bool:
    """Whether ``text`` has the form ``package.module:Name``."""
    return _PATH.fullmatch(text) is not None


def is_module(name: str) -> bool:
    """Whether ``name`` may be a module: it has a dot, or there is one."""
    return "." in name or importlib.util.find_spec(name) is not None


def load(argument: str, path: str) -> Any:
    """What ``path`` names; its module is imported.

    Args:
        argument: what the user gave it for, for messages.
        path: ``package.module:Name``.

    Raises:
        ValueError: another form, no such module, or no such name in it, with the nearest one that there is. What the
            module itself raises while it is imported passes through.
    """
    if not is_path(path):
        raise ValueError(f"{argument} must be package.module:Name, got {path!r}")
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that the module imports
        hint = _near(error.name.rpartition(".")[2], _siblings(error.name))
        raise ValueError(f"{argument} {path!r}: there is no module {error.name}{hint}") from None
    if not hasattr(found, name):
        hint = _near(name, [n for n in vars(found) if not n.startswith("_")])
        raise ValueError(f"{argument} {path!r}: module {module} has no {name}{hint}")
    return getattr(found, name)


def import_from_here() -> None:
    """Make modules of the current folder importable, as ``python -m`` does; for a program's ``main``."""
    here = os.getcwd()
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)


def _siblings(module: str) -> list[str]:
    """Names of the modules beside one that is not there."""
    import pkgutil  # only for a message

    parent = module.rpartition(".")[0]
    where = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    return [m.name for m in pkgutil.iter_modules(where)] if not parent or where else []


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
