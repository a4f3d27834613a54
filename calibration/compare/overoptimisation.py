"""What a proxy is worth as it is pressed harder: true return against divergence from the start policy.

Along inverse temperatures beta, pi_beta is the best trade of proxy return against divergence
(:mod:`payoff.calibration.compare.soft`). Proxy return and divergence can only grow with beta; where the true return
rises and then falls, the proxy is over-optimised beyond the peak (Goodhart's law).

Source: the experiment is that of Gao, Schulman and Hilton (2022), who plot against the square root of the divergence;
unverified: known to us from a summary. Here everything is exact: no samples, no learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.calibration.compare.model import TabularModel
from payoff.calibration.compare.regret import returns, span
from payoff.calibration.compare.soft import divergence, soft_optimal
from payoff.envs.core.params import check_number
from payoff.envs.core.state import Array

__all__ = ["Curve", "over_optimisation"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One point for each inverse temperature, from the start policy to nearly optimal ones.

    Attributes:
        beta: ``(N,)`` inverse temperatures, per unit of proxy reward.
        divergence: ``(N,)`` expected discounted KL from the start policy, nats.
        proxy: ``(N,)`` J under the proxy.
        true: ``(N,)`` J under the true reward.
        best: largest J under the true reward.
        limit: J under the true reward of a policy that is optimal for the proxy.
    """

    beta: Array
    divergence: Array
    proxy: Array
    true: Array
    best: float
    limit: float

    @property
    def peak(self) -> int:
        """Index of the largest true return."""
        return int(self.true.argmax())

    @property
    def lost(self) -> float:
        """True return lost beyond the peak: what pressing the proxy too hard costs."""
        return float(self.true.max() - min(self.true[-1], self.limit))


def over_optimisation(
    reward: Any, proxy: Any, model: TabularModel, *, betas: Sequence[float] | None = None, reference: Any = None
) -> Curve:
    """True and proxy return as the divergence from the start policy grows.

    Args:
        reward: the true reward, see :meth:`TabularModel.align`.
        proxy: the reward that is optimised.
        model: the setting.
        betas: inverse temperatures, not negative, growing; None: 0 and 25 more, spaced evenly in their logarithm
            around one over the width of the proxy's returns, from 0.1 to 10,000 times it.
        reference: the start policy, ``(S,)`` or ``(S, A)``; None: uniform.

    Raises:
        ValueError: betas do not grow or are out of range, or something does not fit the model.
    """
    true, aim = model.align(reward), model.align(proxy)
    followed = span(aim, model)
    unit = 1.0  # of the proxy, while policies are sought: inverse temperatures stay in range whatever it pays
    if betas is None:
        unit = followed.width or 1.0
        chosen = np.concatenate([[0.0], np.logspace(-1.0, 4.0, 25) / unit])
    else:
        chosen = np.array(list(betas), dtype=np.float64)
        for beta in chosen:
            check_number("betas", float(beta), 0.0)
        if not chosen.size or (np.diff(chosen) <= 0.0).any():
            raise ValueError(f"betas must grow, got {list(betas)}")
    policies = [soft_optimal(aim / unit, model, float(beta * unit), reference=reference) for beta in chosen]
    return Curve(
        beta=chosen,
        divergence=np.array([divergence(model, p, reference) for p in policies]),
        proxy=np.array([returns(aim, model, p) for p in policies]),
        true=np.array([returns(true, model, p) for p in policies]),
        best=span(true, model).best,
        limit=returns(true, model, followed.best_policy),
    )
