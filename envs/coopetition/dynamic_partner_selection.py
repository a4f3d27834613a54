"""DynamicPartnerSelection: equal firms with a public score; nobody selects a partner, whatever the name says.

## Model
N seats with endowment e = 100 choose contributions a_i in [0, e]. Payoffs, trust and the order of a step are those of
the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 18 ln(1 + a_i) + 0.55 g(a) / N, g the
geometric mean. Trust of i in j rises while a_j is above the baseline 35 and falls, faster, while it is below. Each seat
has a public score, q_i <- 0.9 q_i + 0.1 r_i, where r_i is the action as it was sent, before clipping, over the
endowment. Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv
2510.24909; full texts unverified, numbers from the published code).

## Players and actions
`n_agents` symmetric seats (6). `native` actions are contributions in [0, 100]; values outside are clipped, as
published, except in the score.

## Observations
Shares, matrices, scores (clipped to [0, 1]) and clock in [0, 1], own seat first; see `Observe`. The game hides nothing.
`observe="published"` is the published flat vector of 2 N + 3 N N + 1 numbers (121 for N = 6) in native units, the same
for all seats: actions, T, R, D, steps taken, and the scores before the step, unclipped. `info["reputation_scores"]` are
the scores after it; `info="published"` adds `reputation_rank`, the place of each seat, 0 the best.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.4 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` is the mean of all integrated utilities. The score enters no reward.

## Starting state
Last actions at the baseline 35, trust 0.5, damage 0, scores 0, clock 0. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of six seats: private Nash contribution 17.2793, integrated equilibrium (D ungated) 17.8646, welfare optimum
18.8165. Welfare is 819.6509 at Nash, 819.9937 at the optimum, 796.2700 at the baseline and 553.4330 at full
contribution.

## Parameters
`n_agents` 6 (2 to 1000); `reputation_weight` 0.5 (at least 0; changes nothing, as published); `max_steps` 50.

## Known defects of v0
There is no selection or matching: the score is seen and changes nothing else, and `reputation_weight` is never read.
Values sent outside the bounds move the score although they are clipped in the game, so it can leave [0, 1]. There is
hardly a dilemma: Nash welfare is 0.04 % below the optimum, and the baseline is nearly twice the efficient contribution.
The signal tanh(1.2 (a_j - 35)) sees little but the sign. Trust acts on the payoff of the truster only, in the very step
of the action. The `cooperative` reward is not welfare. The published documentation starts scores at 0.5, clamps them
and lets them act on compatibility and trust; its tables say four or five agents and 100 steps. Its code has none of it.

## Version history
v0: the published dynamics in float64, from a clean reset (the published scores survive a reset, unless an option asks
for their end; a reset without options fails).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts, rank
from payoff.envs.coopetition.rules import MOST_SEATS, PublishedParams, ReputationParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import HUGE, check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "DynamicPartnerSelectionParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicPartnerSelectionParams(PublishedParams):
    """Keywords of DynamicPartnerSelection-v0."""

    n_agents: int = 6
    reputation_weight: float = 0.5  # changes nothing, as published
    max_steps: int = 50

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, MOST_SEATS)
        check_number("reputation_weight", self.reputation_weight, 0.0)
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        n = self.n_agents
        return Terms(
            endowment=(100.0,) * n,
            baseline=(35.0,) * n,
            share=(1.0 / n,) * n,
            depend=symmetric(n, 0.40),
            max_steps=self.max_steps,
            value=ValueParams(scale=18.0, complementarity=0.55),
            trust=TrustParams(
                trust_gain=0.12,
                trust_loss=0.35,
                damage_gain=0.60,
                damage_decay=0.015,
                amplification=0.45,
                trust_slope=1.2,
            ),
            public=ReputationParams(keep=0.9, gain=0.1, neutral=0.0, low=-HUGE, high=HUGE, initial=0.0),
        )


def _info(rows: Sequence[DynamicPartnerSelectionParams], facts: Facts) -> dict[str, Array]:
    return {"reputation_rank": rank(facts.view("score"))}


V0 = published_game(
    "payoff/DynamicPartnerSelection-v0",
    "Six equal firms with a public score that everybody sees and nothing reads.",
    DynamicPartnerSelectionParams,
    tags=("coopetition", "published", "interdependence"),
    info=_info,
)
