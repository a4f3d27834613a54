"""PartnerHoldUp: a strong firm and a weak one that needs it; the weak side leaves when its trust is gone.

## Model
Seat 0 is strong (endowment 120, share 0.6), seat 1 weak (80, 0.4). They choose contributions a_i in [0, e_i]. Payoffs,
trust and the order of a step are those of the published engine (`payoff.envs.coopetition.published`):
pi_0 = 120 - a_0 + 20 ln(1 + a_0) + 0.36 g and pi_1 = 80 - a_1 + 20 ln(1 + a_1) + 0.24 g, where g = sqrt(a_0 a_1).
Trust of i in j rises while a_j is above the baseline (42 and 28) and falls, faster, while it is below; a loss grows
with dependence, by the factor 1 + 0.7 D_ij, a gain does not. Source: the published Coopetition-Gym v1 (platform paper
arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909; full texts unverified, numbers from the published code).

## Players and actions
Two seats. `native` actions are contributions, in [0, 120] for the strong and [0, 80] for the weak; values outside are
clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first; see `Observe`. The game hides nothing. `observe="published"` is
the published flat vector of 15 numbers in native units, the same for both seats: actions, T, R, D, steps taken.
`info="published"` adds `trust_asymmetry` = T_10 - T_01, `power_asymmetry` = D_10 - D_01 and `strong_agent_payoff`,
`weak_agent_payoff`, which stay 0 as published; the true ones are in `info["payoff"]`.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + D_ij min(T_ij, 1 - R_ij) pi_j with the trust after
the step, so the weak seat counts much of the strong one's payoff; `cooperative` is the mean of the two integrated
utilities. Every other layer works as well.

## Starting state
Last actions at the baselines, trust 0.55, damage 0, clock 0. Nothing is random.

## Episode end
Terminated when T_10, the weak firm's trust in the strong one, falls below 0.10; three clear shortfalls in a row do it
(0.24296, 0.10733, 0.04741). What the weak firm does never ends an episode. Truncated after `max_steps`.

## Theory
Stage game (strong, weak): private Nash (23.2273, 21.8257), integrated equilibrium with D ungated (24.9035, 26.2453),
welfare optimum 27.5714 for both. Welfare is 294.7637 at Nash, 295.4963 at the optimum, 293.1456 at the baselines and
242.5925 at full contribution.

## Parameters
`strong_dependency` 0.35 (D_01, in [0, 1]); `weak_dependency` 0.85 (D_10, in [0, 1]); `max_steps` 100. Endowments,
shares and baselines are fixed, as published.

## Known defects of v0
There is hardly a dilemma: Nash welfare is 0.25 % below the optimum, and full contribution is far worse than Nash. Both
baselines lie above the efficient contribution. The signal tanh(1.2 (a_j - b_j)) sees little but the sign. Trust acts on
the payoff of the truster only, in the very step of the action; against a partner that does not react, a seat gains
nothing by being trusted, except that the episode goes on. The `cooperative` reward counts a seat twice on whom the
other depends. The published documentation says that dependence amplifies gains too, and gives (45, 30) as the Nash
point; its code has neither. The published joint action box lets the weak seat go to 120 and clips without notice.

## Version history
v0: the published dynamics in float64, from a clean reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.interdependence import asymmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "PartnerHoldUpParams"]

STRONG, WEAK = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerHoldUpParams(PublishedParams):
    """Keywords of PartnerHoldUp-v0."""

    strong_dependency: float = 0.35  # D_01, dependence of the strong seat on the weak one
    weak_dependency: float = 0.85  # D_10, dependence of the weak seat on the strong one
    max_steps: int = 100

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("strong_dependency", self.strong_dependency, 0.0, 1.0)
        check_number("weak_dependency", self.weak_dependency, 0.0, 1.0)
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(120.0, 80.0),
            baseline=(42.0, 28.0),
            share=(0.6, 0.4),
            depend=asymmetric(self.strong_dependency, self.weak_dependency),
            max_steps=self.max_steps,
            value=ValueParams(complementarity=0.60),
            trust=TrustParams(
                trust_loss=0.35,
                damage_gain=0.55,
                damage_decay=0.025,
                amplification=0.70,
                trust_slope=1.2,
                initial_trust=0.55,
            ),
            collapse=0.10,
            watched=((WEAK, STRONG),),
        )


def _info(rows: Sequence[PartnerHoldUpParams], facts: Facts) -> dict[str, Array]:
    copies = len(facts.action)
    return {
        "trust_asymmetry": facts.trust[:, WEAK, STRONG] - facts.trust[:, STRONG, WEAK],
        "power_asymmetry": np.array([p.weak_dependency - p.strong_dependency for p in rows]) * np.ones(copies),
        "strong_agent_payoff": np.zeros(copies),
        "weak_agent_payoff": np.zeros(copies),
    }


V0 = published_game(
    "payoff/PartnerHoldUp-v0",
    "A strong firm and a weak one that needs it and leaves when its trust is gone.",
    PartnerHoldUpParams,
    tags=("coopetition", "published", "interdependence"),
    info=_info,
)
