"""The one decorator of compiled code: compiled on first use, cached on disk, safe to run in several threads.

Numba's disk cache knows the file of the function it compiled, not the files of the functions that one calls: after an
edit in a shared block, a cached game would go on returning the old numbers. So each source file has a cache folder of
its own, named by a hash of that file and of the files that it imports, directly or not: those beside it, those of its
own package, and the shared blocks in ``payoff.envs.core``, ``payoff.envs.rewards`` and ``payoff.envs.sight``. An edit
in one game's file compiles that game anew and no other; an edit in a shared block, all that use it. A folder that the
user has set (``NUMBA_CACHE_DIR``) is left alone.

A first compilation takes seconds, so it says so, in one line on stderr and once per process; the environment variable
``PAYOFF_QUIET`` (any value but 0) silences it.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config, event

__all__ = ["address", "bind", "cache_folder", "inlined", "jit", "spliced"]

_SHARED = (
    "payoff.envs.core.",
    "payoff.envs.rewards.",
    "payoff.envs.sight.",
    "payoff.game",
    "payoff.rewards",
)  # what holds compiled code for all games
_IMPORT = re.compile(
    r"^(?:import\s+(?P<modules>[^\n#]+)|from\s+(?P<base>\S+)\s+import\s+(?P<names>\([^)]*\)|[^\n#]+))", re.M
)


def _imports(source: str, package: str) -> set[str]:
    """Modules that a file may import at its top level: what it names, and what it names in them."""
    found: set[str] = set()
    for line in _IMPORT.finditer(source):
        if line["modules"]:
            found |= {part.split()[0] for part in line["modules"].split(",")}
            continue
        base = line["base"].lstrip(".")
        dots = len(line["base"]) - len(base)
        if dots:
            parents = package.split(".")
            base = ".".join([*parents[: len(parents) - dots + 1], *([base] if base else [])])
        found |= {base, *(f"{base}.{name.split()[0]}" for name in line["names"].strip("()").split(",") if name.strip())}
    return found


@cache
def _read(name: str) -> tuple[bytes, frozenset[str]]:
    """Hash of a module's source, and the modules that it imports whose code may become part of its own."""
    file = _file_of(name)
    if file is None:
        return b"", frozenset()
    package, own = getattr(sys.modules[name], "__package__", "") or "", name.partition(".")[0]
    source = file.read_bytes()

    def matters(other: str) -> bool:
        if other.startswith(_SHARED) or (own != "payoff" and other.partition(".")[0] == own):
            return other in sys.modules
        beside = _file_of(other)
        return beside is not None and beside.parent == file.parent

    near = frozenset(filter(matters, _imports(source.decode(), package)))
    return hashlib.sha256(source).digest(), near


def _file_of(name: str) -> Path | None:
    """Source file of an imported module."""
    source = getattr(sys.modules.get(name), "__file__", None)
    return Path(source) if source is not None and source.endswith(".py") else None


def _digest(*names: str) -> str:
    """Hash of modules and of all that they import, for the name of a cache folder."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    seen, waiting = set(), [*names]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(_read(module)[1])
    for module in sorted(seen):
        digest.update(module.encode() + _read(module)[0])
    return digest.hexdigest()[:16]


def _usable(folder: Path) -> bool:
    """Make the folder and try to write in it; numba's own fallback would be a cache that misses edits of callees."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _marked(folder: Path) -> bool:
    """Mark a folder that is there as used, for :func:`_prune`; a new one must be made first."""
    try:
        os.utime(folder)
    except OSError:
        return False
    return True


def _prune(base: Path) -> None:
    """Remove compiled code that nobody has used for a month."""
    for folder in base.glob("kernels-*"):
        try:
            if folder.stat().st_mtime < time.time() - 30 * 86400:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process has removed it meanwhile
            continue


@cache
def _private_folder() -> Path:
    """A folder of this process alone, gone when it ends: better to compile again than to fail or to trust others."""
    folder = tempfile.mkdtemp(prefix="payoff-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def cache_folder() -> Path:
    """Folder whose folders hold the compiled code, one for each source file."""
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR)
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        base = (Path(chosen) if chosen else Path.home() / ".cache") / "payoff"
    except RuntimeError:  # no home folder at all
        return _private_folder()
    return base if _usable(base) else _private_folder()


@cache
def _folder_of(*modules: str) -> str:
    """Cache folder of the compiled functions of the first module, which also depend on the others."""
    if config.CACHE_DIR:
        return str(config.CACHE_DIR)
    folder = cache_folder() / f"kernels-{modules[0].rpartition('.')[2]}-{_digest(*modules)}"
    if _marked(folder):
        return str(folder)
    _prune(cache_folder())
    return str(folder if _usable(folder) else _private_folder())


def jit(
    function: Callable[..., Any],
    *,
    inlined: bool = False,
    spliced: bool = False,
    kept: bool = True,
    also: str | None = None,
) -> Any:
    """Compile ``function`` on first use, for floats, arrays and records only.

    Division follows IEEE 754 (no exception), and ``fastmath`` stays off so that results are the same bits at every
    batch size. The lock is released, so that a batch can be split over threads.

    Numba's run time for allocation is left out (``_nrt=False``): a kernel that would allocate does not compile ("NRT
    required but not enabled"; write such an assignment as a loop), and slices cost no reference count, which was half
    the time of a step.

    Args:
        function: a plain function.
        inlined: copy it into every caller; a call that hands over several arrays costs more than many a rule.
        spliced: copy its source into every caller, so that it is never compiled on its own: for a few lines that only
            hand arguments on.
        kept: cache it on disk; what is only ever a part of other functions is kept with these.
        also: a module that the function's own does not import, and whose edits make the compiled code stale.
    """
    splice = "always" if spliced else "never"
    made = numba.njit(nogil=True, error_model="numpy", _nrt=False, forceinline=inlined, inline=splice)(function)
    if kept:
        _cache_when_compiled(made, _folder_of(function.__module__, *([also] if also else [])))
    return made


def _cache_when_compiled(made: Any, folder: str) -> None:
    """Have numba look into the cache once the function is first asked for.

    It writes a file to try out the folder of each function, and most are asked for only while something is compiled.
    """
    plain = made.compile

    def compile_cached(signature: Any) -> Any:
        made.compile = plain
        before, config.CACHE_DIR = config.CACHE_DIR, folder  # read by numba now; restored: others keep theirs
        try:
            made.enable_caching()
        finally:
            config.CACHE_DIR = before
        return plain(signature)

    made.compile = compile_cached


def inlined(function: Callable[..., Any]) -> Any:
    """:func:`jit`, copied into every caller."""
    return jit(function, inlined=True)


def spliced(function: Callable[..., Any]) -> Any:
    """:func:`jit`, its source copied into every caller."""
    return jit(function, spliced=True)


class _Announcement(event.Listener):  # type: ignore[misc]
    """Says once that something is being compiled."""

    said = False

    def on_start(self, event: Any) -> None:
        if not _Announcement.said and os.environ.get("PAYOFF_QUIET", "0") in ("", "0"):
            print(
                "payoff: compiling a game for its first use here, a few seconds (PAYOFF_QUIET=1 hides this line)",
                file=sys.stderr,
                flush=True,
            )
        _Announcement.said = True

    def on_end(self, event: Any) -> None:
        pass


def bind(kernel: Any, *arguments: Any) -> Callable[..., Any]:
    """Compiled form of ``kernel`` for arguments of exactly these types, compiled or loaded now.

    Calling it skips numba's look at the type of every argument, which takes longer than a step of a small game. It must
    only be called with arrays of the same dtype, rank and layout: nothing checks them.
    """
    if not hasattr(kernel, "get_overload"):
        raise RuntimeError("the kernels read records as numba does: unset NUMBA_DISABLE_JIT")
    signature = tuple(numba.typeof(a) for a in arguments)
    with event.install_listener("numba:compile", _Announcement()):
        kernel.compile(signature)
    return kernel.get_overload(signature)


def address(function: Any, n_arguments: int) -> int:
    """Address of a compiled function of so many whole numbers, compiled or loaded now.

    It is good for as long as ``function`` is referred to; :func:`payoff.envs.core.memory.call` calls it.
    """
    signature = (numba.types.intp,) * n_arguments
    with event.install_listener("numba:compile", _Announcement()):
        function.compile(signature)
    compiled = function.overloads[signature]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
