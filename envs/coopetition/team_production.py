"""TeamProduction: a team in which those who do hardly anything lose a tenth.

## Model
n seats with endowment e = 50 choose efforts a_i in [0, e]. The published engine (`payoff.envs.coopetition.published`)
pays pi_i = (50 - a_i) + 20 ln(1 + a_i) + 0.65 g(a) / n, g the geometric mean, times 0.9 for a seat whose rate a_i / e
is below 0.2. Trust of i in j rises while a_j is above the baseline 20 and falls, faster, while it is below. Source: the
published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-3 arXiv 2601.16237; full texts unverified, numbers
from the published code).

## Players and actions
`n_agents` symmetric seats (4). `native` actions are efforts in [0, 50]; values outside are clipped, as published.

## Observations
Shares, matrices, loyalty (constant here), ten-round window (of no effect here) and clock in [0, 1], own seat first; see
`Observe`. `observe="published"` is the flat vector of the published system in native units, the same for every seat: 53
numbers. `info="published"` adds what every team game has (`team_output`, `nash_equilibrium`, `social_optimum`,
`efficiency_ratio`, `mean_loyalty`, `loyalty_scores`, `team_cohesion`, `free_rider_count`, `free_riders`), nothing else.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 20, trust 0.5, damage 0, loyalty 0.5 for good. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of pi with four seats: private Nash effort 20 / (1 - 0.65 / n^2) - 1 = 19.8469, integrated equilibrium (D
ungated) 21.4129, welfare optimum 20 / (1 - 0.65 / n) - 1 = 22.8806; welfare 376.4893 at Nash, 377.1953 at the optimum
(ratio 1.0019), 347.0461 at full effort. Under `integrated` the best constant rate of a grid of 0.05 is 0.45: it returns
97,111 to the team, full effort 89,390. `info["theory_payoff"]` is the payoff of TR-3, Q / n - c a_i with Q = omega (sum
a)^beta, which the published rewards never pay. Its free-riding effort is (omega beta / (c
n^(2 - beta)))^(1 / (1 - beta)) = 34.240, one point of many: cost is linear, so only the sum is determined. Its optimum
(omega beta / c)^(1 / (1 - beta)) / n = 3478.6 lies far beyond the endowment; with effort capped at 50, welfare there is
1.27 times that of free riding.

## Parameters
`n_agents` 4 (n); `omega` 25 (productivity); `beta` 0.7 (returns to scale, in (0, 1]); `c` 1 (cost per unit of effort);
`max_steps` 100 (steps).

## Known defects of v0
omega, beta and c change nothing that is paid. There is hardly a dilemma, and full effort is worse than Nash. The signal
of trust, tanh(a - 20), sees little but the sign. Multipliers make the `cooperative` reward differ between seats.
`social_optimum` is not capped at the endowment, so `efficiency_ratio` cannot exceed 0.014. `free_riders` counts rates
below 0.3, the multiplier punishes those below 0.2. The published documentation says that Q / n - c a_i is paid, with
equilibrium 6.8, optimum 18.4 and a welfare ratio of 2.5, none of which its code has; that its best trained agent beats
every constant effort (90,548 against 97,111, so it does not); and, on one page, that there are three agents.

## Version history
v0: the published dynamics in float64, from a clean reset. beta above 1, which the published code accepts, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import (
    COLLECTIVE_DEPENDENCE,
    COLLECTIVE_TRUST,
    MOST_SEATS,
    LoyaltyParams,
    PublishedParams,
    Terms,
)
from payoff.envs.core.params import check_integer

__all__ = ["V0", "TeamProductionParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamProductionParams(PublishedParams):
    """Keywords of TeamProduction-v0."""

    n_agents: int = 4  # seats, n
    omega: float = 25.0  # productivity
    beta: float = 0.7  # returns to scale
    c: float = 1.0  # cost per unit of effort
    max_steps: int = 100  # steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, MOST_SEATS)
        check_integer("max_steps", self.max_steps, 1)
        self.terms()  # LoyaltyParams checks the rest, under the same names

    def terms(self) -> Terms:
        """Numbers of the game."""
        n = self.n_agents
        return Terms(
            endowment=(50.0,) * n,
            baseline=(20.0,) * n,
            share=(1.0 / n,) * n,
            depend=symmetric(n, COLLECTIVE_DEPENDENCE),
            max_steps=self.max_steps,
            trust=COLLECTIVE_TRUST,
            loyalty=LoyaltyParams(
                productivity=self.omega,
                returns=self.beta,
                effort_cost=self.c,
                benefit=0.0,
                tolerance=0.0,
                loyalty_gain=0.0,
                loyalty_loss=0.0,
                free_rider_rate=0.2,
                free_rider_factor=0.9,
                bonus_rate=0.0,
                coordination_factor=1.0,
            ),
        )


V0 = published_game(
    "payoff/TeamProduction-v0",
    "A team of four in which those who do hardly anything lose a tenth.",
    TeamProductionParams,
    tags=("coopetition", "published", "collective_action"),
)
