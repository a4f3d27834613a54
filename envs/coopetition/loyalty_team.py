"""LoyaltyTeam: a team whose effort pays off when everybody keeps it up.

## Model
n seats with endowment e = 50 choose efforts a_i in [0, e]. The published engine (`payoff.envs.coopetition.published`)
pays pi_i = (50 - a_i) + 20 ln(1 + a_i) + 0.65 g(a) / n, g the geometric mean, times a multiplier: 0.5 for a rate a_i
/ e below 0.3, 1 + 0.15 q_i when the mean rate q_i of the last ten rounds is at least 0.6, 1.2 when every rate is at
least one half. Loyalty theta_i rises by 0.02 a_i / e while the rate is at least one half and falls otherwise. Source:
the published Coopetition-Gym v1 (arXiv 2605.02063; TR-3 arXiv 2601.16237; full texts unverified, numbers from the
published code).

## Players and actions
`n_agents` symmetric seats (4). `native` actions are efforts in [0, 50]; values outside are clipped, as published.

## Observations
Shares, matrices, loyalty, ten-round window and clock in [0, 1], own seat first
(`payoff.envs.coopetition.observation.Observe` sets each block). `observe="published"`: n + 3 n^2 + 1 numbers in native
units, the same for every seat; loyalty and window are hidden in it, so the process it shows is not Markov.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 sum_j min(T_ij, 1 - R_ij) pi_j, `cooperative`
the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 20, trust 0.5, damage 0, loyalty 0.5. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
`info["theory_payoff"]` is the payoff of TR-3, Q / n - c a_i + theta_i (phi_B mean of the others' team payoff +
phi_C c a_i) with Q = omega (sum a)^beta, which the published rewards never pay. Stage game of pi: private Nash 19.85,
welfare optimum 22.88. Free-riding effort of the theory: (omega beta / (c n^(2 - beta)))^(1 / (1 - beta)) = 34.240.

## Parameters
`n_agents` 4; `omega` 25 (productivity); `beta` 0.7 (returns to scale); `c` 1 (unit cost); `phi_B` 0.8 (loyalty
benefit); `phi_C` 0.3 (cost tolerance); `max_steps` 100.

## Known defects of v0
omega, beta, c, phi_B and phi_C change nothing that is paid. Loyalty influences nothing that is paid: the bonus reads
the ten-round window. The signal of trust saturates three units from the baseline. Multipliers make the `cooperative`
reward differ between seats.

## Version history
v0: the published dynamics in float64, from a clean reset (the published PettingZoo form leaks loyalty between
episodes).
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

__all__ = ["V0", "LoyaltyTeamParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyTeamParams(PublishedParams):
    """Keywords of LoyaltyTeam-v0."""

    n_agents: int = 4  # seats
    omega: float = 25.0  # productivity
    beta: float = 0.7  # returns to scale
    c: float = 1.0  # cost per unit of effort
    phi_B: float = 0.8  # loyalty benefit
    phi_C: float = 0.3  # cost tolerance
    max_steps: int = 100  # horizon, steps

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
                benefit=self.phi_B,
                tolerance=self.phi_C,
            ),
        )


V0 = published_game(
    "payoff/LoyaltyTeam-v0",
    "A team of four whose effort pays off when everybody keeps it up.",
    LoyaltyTeamParams,
    tags=("coopetition", "published", "collective_action"),
)
