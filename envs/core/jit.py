"""The one decorator of the kernels: compiled once, cached on disk, safe to run in several threads.

Numba's disk cache knows the file of the function it compiled, not the files of the functions that one calls: after
an edit in a shared block, a cached game would go on returning the old numbers. So the cache lives in a folder named by
a hash of every source file below ``payoff.envs``: any edit starts a new folder, an unchanged tree hits the old one.
A folder that the user has set (``NUMBA_CACHE_DIR``) is left alone.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import time
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


def _usable(folder: Path) -> bool:
    """Make the folder and try to write in it; numba's own fallback would be a cache that misses edits of callees."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            os.utime(folder)  # marks it as used, for _prune
            return True
    except OSError:
        return False


def _prune(base: Path, keep: Path) -> None:
    """Remove kernels of other source trees that nobody has used for a month."""
    for folder in base.glob("kernels-*"):
        if folder != keep and folder.stat().st_mtime < time.time() - 30 * 86400:
            shutil.rmtree(folder, ignore_errors=True)  # another process may be removing it as well


def _private_folder() -> str:
    """A folder of this process alone, gone when it ends: better to compile again than to fail or to trust others."""
    folder = tempfile.mkdtemp(prefix="payoff-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _choose_folder() -> str:
    if config.CACHE_DIR:
        return str(config.CACHE_DIR)
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        base = (Path(cache) if cache else Path.home() / ".cache") / "payoff"
    except RuntimeError:  # no home folder at all
        return _private_folder()
    folder = base / f"kernels-{_sources_digest()}"
    if not _usable(folder):
        return _private_folder()
    _prune(base, folder)
    return str(folder)


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
    if not hasattr(kernel, "get_overload"):
        raise RuntimeError("the kernels read records as numba does: unset NUMBA_DISABLE_JIT")
    signature = tuple(numba.typeof(a) for a in arguments)
    kernel.compile(signature)
    return kernel.get_overload(signature)  # type: ignore[no-any-return]
