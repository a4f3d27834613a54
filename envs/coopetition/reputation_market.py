"""ReputationMarket: equal firms whose payoffs are multiplied by the tier of a public score.

## Model
N seats with endowment e = 100 choose contributions a_i in [0, e]. Payoffs, trust and the order of a step are those of
the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 18 ln(1 + a_i) + 0.50 g(a) / N, g the
geometric mean. Trust of i in j rises while a_j is above the baseline 35 and falls, faster, while it is below. Then the
public score moves, q_i <- clip(q_i + 0.1 (r_i - 0.5), 0, 1), where r_i is the action as it was sent, before clipping,
over the endowment, and the tier of the new score multiplies what the seat gets: premium (q at least 0.80) 1.30,
standard (0.50) 1.00, probation (0.25) 0.70, excluded (below) 0.40. Source: the published Coopetition-Gym v1 (platform
paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909; full texts unverified, numbers from the published
code).

## Players and actions
`n_agents` symmetric seats (5). `native` actions are contributions in [0, 100]; values outside are clipped, as
published, except in the score.

## Observations
Shares, matrices, scores as they are seen and clock in [0, 1], own seat first; see `Observe`. A score is seen with
normal noise of standard deviation 1 - `reputation_visibility`, clipped to [0, 1], the same for all who look.
`observe="published"` is the published flat vector of 2 N + 3 N N + 1 numbers (86 for N = 5) in native units, the same
for all seats: actions, T, R, D, steps taken, and the scores as seen one step before. `info["reputation_scores"]` are
the true scores; `info="published"` adds `public_reputations` (the same), `reputation_rank` (place of each seat, 0 the
best), `agent_tiers` (0 premium, 1 standard, 2 probation, 3 excluded), `mean_reputation` and
`reputation_inequality` (standard deviation of the population).

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.35 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` is the mean of all integrated utilities. The seat's tier multiplies payoff and reward
alike, after the layer, so `cooperative` rewards differ between tiers.

## Starting state
Last actions at the baseline 35, trust 0.5, damage 0, scores 0.5, clock 0. Nothing is random but the noise on what is
seen of scores.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of five seats without tiers: private Nash contribution 17.3673, integrated equilibrium (D ungated) 17.9076,
welfare optimum 19. Welfare is 683.7986 at Nash, 684.1159 at the optimum, 665.0167 at the baseline and 465.3608 at full
contribution. A score stays where it is at a contribution of 50, nearly three times the Nash level.

## Parameters
`n_agents` 5 (2 to 1000); `reputation_visibility` 1.0 (1: scores are seen without noise, in [0, 1]); `tier_enabled`
True (False: no multipliers); `max_steps` 100.

## Known defects of v0
The start lies on the edge of a tier: a first action below 50 costs 30 % at once. A negative reward would be bettered by
a worse tier. Places in the market are not limited and scores not relative. Without tiers there is hardly a dilemma:
Nash welfare is 0.05 % below the optimum, and the baseline is nearly twice the efficient contribution. The signal
tanh(a_j - 35) sees little but the sign. Trust acts on the payoff of the truster only, in the very step of the action.
The published documentation describes relative reputation, limited slots and an observation of about 105 numbers, and
its table of experiments says two agents; its code has none of it.

## Version history
v0: the published dynamics in float64, from a clean reset. Where a score lands on the edge of a tier, the float32 sum of
the published code can give another tier. The published PettingZoo form has no scores and no tiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts, rank
from payoff.envs.coopetition.rules import MOST_SEATS, PublishedParams, ReputationParams, Terms, TrustParams, ValueParams
from payoff.envs.core import reputation
from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "ReputationMarketParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationMarketParams(PublishedParams):
    """Keywords of ReputationMarket-v0."""

    n_agents: int = 5
    reputation_visibility: float = 1.0  # 1 - standard deviation of the noise on what is seen of a score
    tier_enabled: bool = True  # False: no multipliers
    max_steps: int = 100

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, MOST_SEATS)
        check_number("reputation_visibility", self.reputation_visibility, 0.0, 1.0)
        check_flag("tier_enabled", self.tier_enabled)
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        n = self.n_agents
        return Terms(
            endowment=(100.0,) * n,
            baseline=(35.0,) * n,
            share=(1.0 / n,) * n,
            depend=symmetric(n, 0.35),
            max_steps=self.max_steps,
            value=ValueParams(scale=18.0, complementarity=0.50),
            trust=TrustParams(damage_gain=0.55, damage_decay=0.015, amplification=0.45),
            public=ReputationParams(tiers=self.tier_enabled, noise=1.0 - self.reputation_visibility),
        )


def _info(rows: Sequence[ReputationMarketParams], facts: Facts) -> dict[str, Array]:
    score = facts.view("score").copy()
    return {
        "public_reputations": score,
        "reputation_rank": rank(score),
        "agent_tiers": np.vectorize(reputation.tier, otypes=[np.int64])(score),
        "mean_reputation": score.mean(axis=1),
        "reputation_inequality": score.std(axis=1),
    }


V0 = published_game(
    "payoff/ReputationMarket-v0",
    "Five equal firms whose payoffs are multiplied by the tier of a public score.",
    ReputationMarketParams,
    tags=("coopetition", "published", "trust"),
    info=_info,
)
