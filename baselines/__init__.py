"""Trainers, policies, evaluation in payoffs, and what compares their runs.

``payoff.baselines.read_results(folder, ...)`` gives the runs of results folders as one table.
"""

if __name__ != "payoff.baselines":  # reached as a bare `baselines` from the repository root
    raise ImportError("import payoff.baselines, not baselines")

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payoff.baselines.results import read_results

__all__ = ["read_results"]


def __getattr__(name: str) -> Any:
    if name == "read_results":  # on first use: a trainer needs no results store
        from payoff.baselines.results import read_results

        return read_results
    raise AttributeError(f"module 'payoff.baselines' has no attribute {name!r}")
