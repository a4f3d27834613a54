"""Public names of a package, each stated once and imported on first use.

The stub ``__init__.pyi`` beside a package's ``__init__.py`` is the list. A line of it says where a name lives::

    from payoff.wrappers.bonus.count import Count as Count

Type checkers and editors read the stub as they read any other, and :func:`attach` reads it when the package is
imported, so there is no second list to keep in step. The same idea as ``lazy_loader.attach_stub`` (SPEC 1 of Scientific
Python), for absolute imports.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["attach"]


def attach(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package, from its stub; to be called in its ``__init__.py``.

    Args:
        package: its ``__name__``.

    Raises:
        FileNotFoundError: there is no stub.
        ValueError: a line of the stub is no docstring and no ``from module import name as name``, which re-exports.
    """
    module = sys.modules[package]
    stub = Path(str(module.__file__)).with_suffix(".pyi")
    homes = _homes(ast.parse(stub.read_text(encoding="utf-8")), stub)

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted([*vars(module), *homes])

    return get, names, sorted(homes)


def _homes(tree: ast.Module, stub: Path) -> dict[str, str]:
    """Name -> module, of all imports in a stub."""
    homes: dict[str, str] = {}
    for node in tree.body[ast.get_docstring(tree) is not None :]:
        if not isinstance(node, ast.ImportFrom) or node.level or any(a.asname != a.name for a in node.names):
            raise ValueError(f"{stub}:{node.lineno}: a stub holds lines 'from module import name as name' only")
        homes |= {alias.name: str(node.module) for alias in node.names}
    return homes
