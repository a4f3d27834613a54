"""PublicGoods: contributions that are multiplied and shared, in name; paid like LoyaltyTeam.

## Model
n seats with endowment e choose contributions a_i in [0, e]. The published engine
(`payoff.envs.coopetition.published`) pays pi_i = (e - a_i) + 20 ln(1 + a_i) + 0.65 g(a) / n, g the geometric mean,
times a multiplier: 0.5 for a rate a_i / e below 0.3, 1 + 0.15 q_i when the mean rate q_i of the last ten rounds is at
least 0.6, 1.2 when every rate is at least one half. Loyalty theta_i rises by 0.02 a_i / e while the rate is at least
one half and falls by 0.05 (1/2 - a_i / e) otherwise. Source: the published Coopetition-Gym v1 (platform paper arXiv
2605.02063; TR-3 arXiv 2601.16237; full texts unverified, numbers from the published code).

## Players and actions
`n_agents` symmetric seats (5). `native` actions are contributions in [0, `endowment`]; values outside are clipped, as
published.

## Observations
Shares, matrices, loyalty, ten-round window and clock in [0, 1], own seat first; see `Observe`. `observe="published"` is
the flat vector of the published system in native units, the same for every seat: 81 numbers. It hides loyalty and
window, so the process it shows is not Markov. `info="published"` adds `total_contribution` (sum a), `public_good`
(m sum a), `contribution_rate` (sum a / sum e) and `social_efficiency` (sum of the theory payoffs over what it would be
at full contribution and the same loyalty) to the entries of a team game.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 0.4 e, trust 0.5, damage 0, loyalty 0.5. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of pi with five seats and e = 50: private Nash contribution 20 / (1 - 0.65 / n^2) - 1 = 19.5339, integrated
equilibrium (D ungated) 20.8150, welfare optimum 20 / (1 - 0.65 / n) - 1 = 21.9885; welfare 467.2352 at Nash, 467.8494
at the optimum (ratio 1.0013), 425.6826 at full contribution. Under `integrated` the best constant rate of a grid of
0.05 is 0.65: it returns 187,775 to the group, full contribution 182,166. `info["theory_payoff"]` is the linear game
that the name promises, and that the published rewards never pay: (e - a_i) + m sum(a) / n + theta_i (phi_B G_i + phi_C
a_i), G_i the mean over the others of m sum(a) / n - a_j. In it contributing pays as soon as theta_i >=
(1 - m / n) / (phi_B m / n + phi_C), which is 1.36 by default and so never reached.

## Parameters
`n_agents` 5 (n); `multiplier` 2 (m, above 0); `endowment` 50 (e, units of contribution, at least 1e-6); `phi_B` 0.6
(loyalty benefit); `phi_C` 0.2 (cost tolerance); `max_steps` 100 (steps).

## Known defects of v0
multiplier, phi_B and phi_C change nothing that is paid: the rewards are those of LoyaltyTeam with as many agents. There
is hardly a dilemma, and full contribution is worse than Nash. The loyalty bonus reads the ten-round window, not
loyalty. Multipliers make the `cooperative` reward differ between seats. The signal of trust, tanh(a - 0.4 e) in units
of contribution, sees little but the sign at e = 50. The published documentation says that loyalty sustains
contributions, and mentions punishment; its code has neither. Its pages give other numbers of agents.

## Version history
v0: the published dynamics in float64, from a clean reset (the published PettingZoo form leaks loyalty between
episodes). The ten-round window is averaged and compared in float32, as published: at a constant rate of 0.6 it falls
short of 0.6 in rounds 6 and 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import (
    COLLECTIVE_DEPENDENCE,
    COLLECTIVE_TRUST,
    MOST_SEATS,
    LoyaltyParams,
    PublishedParams,
    Terms,
)
from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "PublicGoodsParams"]

_LEAST_ENDOWMENT = 1e-6  # far below any use; a share a / e stays a number


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicGoodsParams(PublishedParams):
    """Keywords of PublicGoods-v0."""

    n_agents: int = 5  # seats, n
    multiplier: float = 2.0  # m, units of public good per unit contributed
    endowment: float = 50.0  # e, units of contribution
    phi_B: float = 0.6  # loyalty benefit
    phi_C: float = 0.2  # cost tolerance
    max_steps: int = 100  # steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, MOST_SEATS)
        check_number("multiplier", self.multiplier, 0.0, open_low=True)
        check_number("endowment", self.endowment, _LEAST_ENDOWMENT)
        check_integer("max_steps", self.max_steps, 1)
        self.terms()  # LoyaltyParams checks the rest, under the same names

    def terms(self) -> Terms:
        """Numbers of the game."""
        n, endowment = self.n_agents, float(self.endowment)
        return Terms(
            endowment=(endowment,) * n,
            baseline=(0.4 * endowment,) * n,
            share=(1.0 / n,) * n,
            depend=symmetric(n, COLLECTIVE_DEPENDENCE),
            max_steps=self.max_steps,
            trust=COLLECTIVE_TRUST,
            loyalty=LoyaltyParams(
                productivity=self.multiplier,
                returns=1.0,
                effort_cost=1.0,
                benefit=self.phi_B,
                tolerance=self.phi_C,
                keeps_endowment=True,
            ),
        )


def _welfare(facts: Facts, action: Array) -> Array:
    """Sum of the theory payoffs at ``action`` ``(B, N)`` and the present loyalty, ``(B,)``."""
    n = facts.n
    multiplier, benefit, tolerance = (facts.number(name) for name in ("productivity", "benefit", "tolerance"))
    team = multiplier * action.mean(axis=1, keepdims=True) - action
    others = (team.sum(axis=1, keepdims=True) - team) / (n - 1)
    each = facts.endowment + team + facts.view("loyalty") * (benefit * others + tolerance * action)
    welfare: Array = each.sum(axis=1)
    return welfare


def _info(rows: Sequence[PublicGoodsParams], facts: Facts) -> dict[str, Array]:
    """The public good, and how much of the possible welfare is reached."""
    total = facts.action.sum(axis=1)
    now, full = (_welfare(facts, a) for a in (facts.action, facts.endowment + np.zeros_like(facts.action)))
    return {
        "total_contribution": total,
        "public_good": facts.number("productivity")[:, 0] * total,
        "contribution_rate": total / facts.endowment.sum(axis=1),
        "social_efficiency": np.divide(now, full, out=np.zeros_like(now), where=full > 0.0),
    }


V0 = published_game(
    "payoff/PublicGoods-v0",
    "Five contributors to a public good, in name; paid like LoyaltyTeam.",
    PublicGoodsParams,
    tags=("coopetition", "published", "collective_action"),
    info=_info,
)
