"""What every benchmark prints first, and how it prints a spread."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

__all__ = ["describe", "spread"]


def describe() -> str:
    """Processor, cores and versions, in one line."""
    import os

    info = Path("/proc/cpuinfo")
    names = (
        [x.partition(":")[2].strip() for x in info.read_text().splitlines() if x.startswith("model name")]
        if info.exists()
        else []
    )
    cpu = names[0] if names else platform.processor() or platform.machine()
    parts = [f"{name} {version(name)}" for name in ("payoff", "numpy", "numba", "gymnasium")]
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(parts)}"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Minimum, median and maximum."""
    return " / ".join(f"{v:,.{digits}f}" for v in (min(values), median(values), max(values)))
