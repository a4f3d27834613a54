"""What commands show while they work: lines and a progress bar, on a console of rich."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["progress", "say"]


def say(console: Console, line: str) -> None:
    """Print a line as it is: no markup, no emoji, no colours, and no break where the console is too narrow for it."""
    console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Progress]:
    """A bar with the time left; where the console is no terminal it is silent until it ends."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=console) as bar:
        yield bar
