"""The one decorator of the kernels: compiled once, cached on disk, safe to run in several threads.

Numba's disk cache knows the file of the function it compiled, not the files of the functions that one calls: after
an edit in a shared block, a cached game would go on returning the old numbers. So the cache lives in a folder named by
a hash of every source file below ``payoff.envs``: any edit starts a new folder, an unchanged tree hits the old one.
A folder that the user has set (``NUMBA_CACHE_DIR``) is left alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config

__all__ = ["bind", "cache_folder", "jit"]


def _sources_digest() -> str:
    envs = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(envs.rglob("*.py")):
        digest.update(source.relative_to(envs).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _choose_folder() -> str:
    if config.CACHE_DIR:
        return str(config.CACHE_DIR)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not os.access(next(p for p in (base, *base.parents) if p.exists()), os.W_OK):
        base = Path(tempfile.gettempdir())  # a read-only home: compile again rather than fail
    return str(base / "payoff" / f"kernels-{_sources_digest()}")


_FOLDER = _choose_folder()


def cache_folder() -> Path:
    """Folder that holds the compiled kernels of this source tree."""
    return Path(_FOLDER)


def jit(function: Callable[..., Any]) -> Any:
    """Compile ``function`` on first use, for floats and arrays only.

    Division follows IEEE 754 (no exception), and ``fastmath`` stays off so that results are the same bits at every
    batch size. The lock is released, so that a batch can be split over threads.

    Numba's run time for allocation is left out (``_nrt=False``): a kernel that would allocate does not compile ("NRT
    required but not enabled"; write such an assignment as a loop), and slices cost no reference count, which was half
    the time of a step.
    """
    before, config.CACHE_DIR = config.CACHE_DIR, _FOLDER  # read at decoration; restored: other libraries keep theirs
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    finally:
        config.CACHE_DIR = before


def bind(kernel: Any, *arguments: Any) -> Callable[..., Any]:
    """Compiled form of ``kernel`` for arguments of exactly these types, compiled or loaded now.

    Calling it skips numba's look at the type of every argument, which takes longer than a step of a small game. It must
    only be called with arrays of the same dtype, rank and layout: nothing checks them.
    """
    if not hasattr(kernel, "get_overload"):  # NUMBA_DISABLE_JIT: a plain Python function
        return kernel  # type: ignore[no-any-return]
    signature = tuple(numba.typeof(a) for a in arguments)
    kernel.compile(signature)
    return kernel.get_overload(signature)  # type: ignore[no-any-return]
