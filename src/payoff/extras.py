"""Optional packages: imported where they are needed, with an error that says how to get them."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["require"]


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: name as in an import statement, such as ``"torch"`` or ``"matplotlib.pyplot"``.
        extra: the extra of this package that installs it, such as ``"train"``.

    Returns:
        The imported module.

    Raises:
        ImportError: the package is not installed. Whatever else goes wrong while an installed package is
            imported passes through unchanged, since installing it again would not help.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != module and not module.startswith(f"{missing}."):
            raise
        raise ImportError(
            f'{module} is not installed; it comes with the extra "{extra}": pip install "payoff[{extra}]"',
            name=module,
        ) from error
