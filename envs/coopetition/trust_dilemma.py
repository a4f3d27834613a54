"""TrustDilemma: two equal firms contribute, and trust follows what they do.

## Model
Two firms with endowment e = 100 choose contributions a_i in [0, e]. What a firm keeps, what its contribution creates,
and its share of the synergy are its payoff, where 0.35 is the share 0.5 of a complementarity of 0.70:

(1) pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.35 sqrt(a_0 a_1)

Trust T_ij of i in j rises while a_j is above the baseline 40 and falls, faster, while it is below; a low a_j also
damages j's reputation with i, by R_ij, which then limits trust and fades slowly. With kappa, lambda_plus and
lambda_minus from the parameters, s_j = tanh(kappa (a_j - 40)), and T_ij and R_ij on the right as before the step:

(2) s_j > 0: T_ij <- T_ij + lambda_plus s_j max(0, 1 - R_ij - T_ij)

(3) s_j < 0: T_ij <- T_ij + lambda_minus s_j T_ij (1 + 0.6 D), with the dependence D = 0.6

(4) R_ij <- R_ij + 0.5 |s_j| (1 - R_ij) where s_j < 0, else R_ij <- 0.98 R_ij

Then T_ij is clipped to [0, 1 - R_ij], still with the old R_ij. The order of a step is that of all published games
(`payoff.envs.coopetition.published`).

Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv
2510.24909; full texts unverified, numbers from the published code).

## Players and actions
Two symmetric seats. `native` actions are contributions in [0, 100]; values outside are clipped, as published.

## Observations
Last contributions as shares of the endowment, the matrices of trust, damage and dependence without their diagonals, and
the clock, all in [0, 1], own seat first; `payoff.envs.coopetition.observation.Observe` chooses what of each is shown.
`observe="published"`: 15 numbers in native units, the same for every seat.

## Rewards
The values of `reward` that the published system has: `private` is pi_i; `integrated` (the default) is
pi_i + D min(T_ij, 1 - R_ij) pi_j, with D = 0.6 and trust and damage after the step; `cooperative` is the mean of the
two integrated rewards. Every other reward layer (`payoff.envs.rewards`) can be chosen as well.

## Starting state
Last actions at the baseline 40, trust 0.5, damage 0, clock 0. Nothing is random.

## Episode end
Terminated when the mean of T_01 and T_10 falls below 0.05 (three steps in which both contribute little are enough),
truncated after `max_steps`.

## Theory
Contributions of each seat in a single round: 23.2424 in the Nash equilibrium of the private rewards; 26.7778 in that
of the integrated rewards with full trust, min(T_ij, 1 - R_ij) = 1; 29.7692 where welfare, pi_0 + pi_1, is largest.
Welfare is 297.3090 in the private equilibrium, 298.3606 at its maximum, 254.6048 at full contribution.

## Parameters
`max_steps` 100; `trust_sensitivity` 1.5 (kappa, per unit); `trust_building_rate` 0.15 (lambda_plus);
`trust_erosion_rate` 0.45 (lambda_minus).

## Known defects of v0
There is hardly a dilemma: welfare in the private equilibrium is 0.4 % below its maximum, and at full contribution it is
lower still. The signal s_j is close to -1 or 1 already two units away from the baseline, so trust reacts to little but
the sign of a_j - 40. The baseline 40 lies above the efficient contribution. Trust never acts on the trusted player's
own payoff. The `cooperative` reward counts the payoff of an agent on whom others depend more than once: as its own, and
in the integrated reward of each who depends on it. The published documentation prints another payoff function and other
equilibria (35 and 100), which its code does not have.

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
            value=ValueParams(complementarity=0.70),  # theta 20 and the logarithmic form are its defaults
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
