"""Parameters from data (sources, fits and forecasts for the case studies), and the ruler for rewards.

Names are imported on first use::

    from payoff.calibration import TabularModel, distance

    model = TabularModel.from_mdp(payoff.as_mdp("payoff/CliffWalk-v0", starts=[0]), gamma=0.99)
"""

if __name__ != "payoff.calibration":  # reached as a bare `calibration` from the repository root
    raise ImportError("import payoff.calibration, not calibration")

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payoff.calibration.compare.canonical import canonicalise
    from payoff.calibration.compare.cliff import CliffReport, action_gaps, policy_cliff
    from payoff.calibration.compare.cycles import best_cycle
    from payoff.calibration.compare.distance import distance, distances, epic_distance, standardise
    from payoff.calibration.compare.fitted import FittedModel
    from payoff.calibration.compare.model import TabularModel
    from payoff.calibration.compare.overoptimisation import Curve, over_optimisation
    from payoff.calibration.compare.proposal import exact_findings
    from payoff.calibration.compare.regret import (
        normalised_regret,
        regret_bound,
        returns,
        span,
        visits,
        worst_case_regret,
    )
    from payoff.calibration.compare.report import Comparison, Plan, compare_layers
    from payoff.calibration.compare.sampled import Samples, collect
    from payoff.calibration.compare.soft import divergence, soft_optimal
    from payoff.calibration.compare.tabulate import tabulate, tabulate_method

__all__ = [
    "CliffReport",
    "Comparison",
    "Curve",
    "FittedModel",
    "Plan",
    "Samples",
    "TabularModel",
    "action_gaps",
    "best_cycle",
    "canonicalise",
    "collect",
    "compare_layers",
    "distance",
    "distances",
    "divergence",
    "epic_distance",
    "exact_findings",
    "normalised_regret",
    "over_optimisation",
    "policy_cliff",
    "regret_bound",
    "returns",
    "soft_optimal",
    "span",
    "standardise",
    "tabulate",
    "tabulate_method",
    "visits",
    "worst_case_regret",
]

_WHERE = {
    "CliffReport": "cliff",
    "Comparison": "report",
    "Curve": "overoptimisation",
    "FittedModel": "fitted",
    "Plan": "report",
    "Samples": "sampled",
    "TabularModel": "model",
    "action_gaps": "cliff",
    "best_cycle": "cycles",
    "canonicalise": "canonical",
    "collect": "sampled",
    "compare_layers": "report",
    "distance": "distance",
    "distances": "distance",
    "divergence": "soft",
    "epic_distance": "distance",
    "exact_findings": "proposal",
    "normalised_regret": "regret",
    "over_optimisation": "overoptimisation",
    "policy_cliff": "cliff",
    "regret_bound": "regret",
    "returns": "regret",
    "soft_optimal": "soft",
    "span": "regret",
    "standardise": "distance",
    "tabulate": "tabulate",
    "tabulate_method": "tabulate",
    "visits": "regret",
    "worst_case_regret": "regret",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'payoff.calibration' has no attribute {name!r}")
    return getattr(importlib.import_module(f"payoff.calibration.compare.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
