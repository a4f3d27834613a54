"""TrustDilemma: two equal firms contribute, and trust follows what they do.

## Model
Two seats with endowment e = 100 choose contributions a_i in [0, e]. Payoffs, trust and the order of a step are those
of the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.35 sqrt(a_0
a_1). Trust of i in j rises while a_j is above the baseline 40 and falls, faster, while it is below. Source: the
published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909; full
texts unverified, numbers from the published code).

## Players and actions
Two symmetric seats. `native` actions are contributions in [0, 100]; values outside are clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first (`payoff.envs.coopetition.observation.Observe` sets
each block). `observe="published"`: 15 numbers in native units, the same for every seat.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.6 min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` is the mean of the two integrated utilities. Every other layer works as well.

## Starting state
Last actions at the baseline 40, trust 0.5, damage 0, clock 0. Nothing is random.

## Episode end
Terminated when mean trust falls below 0.05 (three steps of mutual low contribution are enough), truncated after
`max_steps`.

## Theory
Stage game: private Nash contribution 23.2424, integrated equilibrium (D ungated) 26.7778, welfare optimum 29.7692 for
each seat; welfare 297.3090 at Nash, 298.3606 at the optimum, 254.6048 at full contribution.

## Parameters
`max_steps` 100; `trust_sensitivity` 1.5 (kappa, per unit); `trust_building_rate` 0.15 (lambda_plus);
`trust_erosion_rate` 0.45 (lambda_minus).

## Known defects of v0
There is hardly a dilemma: Nash welfare is 0.4 % below the optimum, and full contribution is worse than Nash. The signal
tanh(1.5 (a - 40)) sees little but the sign. The baseline 40 lies above the efficient contribution. Trust never acts on
the trusted player's own payoff. The `cooperative` reward counts agents on whom others depend twice. The published
documentation prints another payoff function and other equilibria (35 and 100), which its code does not have.

## Version history
v0: the published dynamics in float64, from a clean reset.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer, check_number

__all__ = ["V0", "TrustDilemmaParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDilemmaParams(PublishedParams):
    """Keywords of TrustDilemma-v0."""

    max_steps: int = 100  # horizon, steps
    trust_sensitivity: float = 1.5  # kappa, per action unit
    trust_building_rate: float = 0.15  # lambda_plus, per step
    trust_erosion_rate: float = 0.45  # lambda_minus, per step

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("max_steps", self.max_steps, 1)
        check_number("trust_sensitivity", self.trust_sensitivity, 0.0, open_low=True)
        check_number("trust_building_rate", self.trust_building_rate, 0.0, 1.0, open_low=True)
        check_number("trust_erosion_rate", self.trust_erosion_rate, 0.0, 1.0, open_low=True)

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0, 100.0),
            baseline=(40.0, 40.0),
            share=(0.5, 0.5),
            depend=symmetric(2, 0.60),
            max_steps=self.max_steps,
            value=ValueParams(complementarity=0.70),
            trust=TrustParams(
                trust_gain=self.trust_building_rate,
                trust_loss=self.trust_erosion_rate,
                damage_gain=0.50,
                damage_decay=0.02,
                amplification=0.60,
                trust_slope=self.trust_sensitivity,
            ),
            collapse=0.05,
            counts_defections=True,
        )


V0 = published_game(
    "payoff/TrustDilemma-v0",
    "Two equal firms; trust follows what they contribute, and its collapse ends the episode.",
    TrustDilemmaParams,
    tags=("coopetition", "published", "trust"),
)
