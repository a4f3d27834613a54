"""SLCD: Samsung and Sony in their joint venture for LCD panels, the case of TR-1.

## Model
Seat 0 is Samsung, seat 1 Sony, each with endowment e = 100. They choose investments a_i in [0, e]. Payoffs, trust and
the order of a step are those of the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 20
ln(1 + a_i) + 0.65 alpha_i sqrt(a_0 a_1) with shares alpha = (0.55, 0.45), so 0.3575 and 0.2925 of the synergy. Samsung
depends on Sony by D_01 = 0.64, Sony on Samsung by D_10 = 0.86. Trust of i in j rises while a_j is above the baseline 30
and falls, faster, while it is below. Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1
arXiv 2510.18802, TR-2 arXiv 2510.24909; full texts unverified, numbers from the published code, kept in
`payoff.envs.coopetition.cases`).

## Players and actions
Two seats. `native` actions are investments in [0, 100]; values outside are clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first; see `Observe`. The game hides nothing. `observe="published"` is
the published flat vector of 15 numbers in native units, the same for both seats: actions, T, R, D, steps taken.
`info="published"` adds `samsung_investment` and `sony_investment`; the published list of names is left out.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + D_ij min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` is the mean of the two integrated utilities. Without trust, D counts in full.

## Starting state
Last actions at the baseline 30, trust 0.65, damage 0, clock 0. With `trust_enabled=False` trust is 1 and damage 0 for
ever. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game (Samsung, Sony): private Nash (23.2649, 22.4944), integrated equilibrium with D ungated (26.6334, 27.3991),
welfare optimum 28.6296 for both. Welfare is 296.0262 at Nash, 296.9010 at the optimum, 296.8595 at the baselines and
249.6048 at full investment. TR-1's rise of 42 % compares that equilibrium with 19, the level without synergy and
without dependence; with synergy kept, dependence adds 18 %.

## Parameters
`max_steps` 100; `trust_enabled` True (False: trust stays 1, damage 0).

## Known defects of v0
The equilibrium lies below both baselines, so equilibrium play is read as lasting violation and trust collapses; so does
welfare-optimal play. There is hardly a dilemma: Nash welfare is 0.30 % below the optimum, and full investment is far
worse than Nash. The signal tanh(a_j - 30) sees little but the sign. Trust acts on the payoff of the truster only, in
the very step of the action. The `cooperative` reward counts most the seat on whom the other depends more. The published
documentation names an end by collapse at 0.05, agents called after the firms, 40 steps on one page and 8 on another,
and on its parameter page D of 0.45 and 0.40 with equal shares; its code has none of it.

## Version history
v0: the published dynamics in float64, from a clean reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.cases import record
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_flag, check_integer
from payoff.envs.core.state import Array

__all__ = ["V0", "SLCDParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SLCDParams(PublishedParams):
    """Keywords of SLCD-v0."""

    max_steps: int = 100
    trust_enabled: bool = True  # False: trust 1 and damage 0 for ever

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("max_steps", self.max_steps, 1)
        check_flag("trust_enabled", self.trust_enabled)

    def terms(self) -> Terms:
        """Numbers of the game."""
        case = record("slcd")["environment"]
        return Terms(
            endowment=case["endowment"],
            baseline=case["baseline"],
            share=case["share"],
            depend=np.array(case["depend"]),
            max_steps=self.max_steps,
            value=ValueParams(scale=case["scale"], complementarity=case["complementarity"]),
            trust=TrustParams(**case["trust"], enabled=self.trust_enabled),
        )


def _info(rows: Sequence[SLCDParams], facts: Facts) -> dict[str, Array]:
    return {"samsung_investment": facts.action[:, 0], "sony_investment": facts.action[:, 1]}


V0 = published_game(
    "payoff/SLCD-v0",
    "Samsung and Sony in their joint venture for LCD panels.",
    SLCDParams,
    tags=("coopetition", "published", "interdependence"),
    info=_info,
)
