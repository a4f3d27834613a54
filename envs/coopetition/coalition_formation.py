"""CoalitionFormation: a team that excludes the disloyal for a while.

## Model
n seats with endowment e = 50 choose efforts a_i in [0, e]. The published engine (`payoff.envs.coopetition.published`)
pays pi_i = (50 - a_i) + 20 ln(1 + a_i) + 0.65 g(a) / n, g the geometric mean over everybody, times a multiplier: 0.5
for a rate a_i / e below 0.3, 1 + 0.15 q_i when the mean rate q_i of the last ten rounds is at least 0.6, 1.2 when every
rate is at least one half; then 0.5 for the excluded and 1.1 for members. Loyalty theta_i rises by 0.02 a_i / e while
the rate is at least one half and falls by 0.05 (1/2 - a_i / e) otherwise. After that, members whose theta is below
`exit_threshold` are excluded, and the excluded return once their cooldown is over and theta is at least 0.4
(`payoff.envs.core.coalition`). Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-3 arXiv
2601.16237; full texts unverified, numbers from the published code).

## Players and actions
`n_agents` symmetric seats (6). `native` actions are efforts in [0, 50]; values outside are clipped, as published. The
excluded go on acting, and count in synergy, trust, coordination and everybody's integrated reward.

## Observations
Shares, matrices, loyalty, ten-round window, membership, cooldown, place in the list and clock in [0, 1], own seat
first; see `Observe`. `observe="published"` is the flat vector of the published system in native units, the same for
every seat: 115 numbers. It hides loyalty, window and membership, so the process it shows is not Markov.
`info="published"` adds `coalition_size`, `coalition_members` and `excluded_agents` (masks) and `coalition_stability`
(members over n) to the entries of a team game.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 20, trust 0.5, damage 0, loyalty 0.5, everybody a member. Nothing is random.

## Episode end
Truncated after `max_steps`. The published rule terminates when the coalition is smaller than its minimum; no member is
excluded at the minimum, so that never happens.

## Theory
Stage game of pi with six seats: private Nash effort 20 / (1 - 0.65 / n^2) - 1 = 19.3678, integrated equilibrium (D
ungated) 20.4525, welfare optimum 20 / (1 - 0.65 / n) - 1 = 21.4299; welfare 558.0569 at Nash, 558.5974 at the optimum
(ratio 1.0010), 504.3191 at full effort. Under `integrated` the best constant rate of a grid of 0.05 is 0.65: it returns
436,347 to the team, full effort 421,152. Zero effort costs 0.025 loyalty a step and leads to exclusion at step 14.
`info["theory_payoff"]` is the payoff of TR-3 over all seats, with c = 1, phi_B = 0.7 and phi_C = 0.3; at common loyalty
theta its equilibrium effort is (omega beta (1 + theta phi_B) / (n c (1 - theta phi_C)))^(1 / (1 - beta)) / n: 5.908,
27.618 and 113.76 at theta 0, 1/2 and 1.

## Parameters
`n_agents` 6 (n); `min_coalition_size` 3 (members that are never excluded, at most n); `exit_threshold` 0.15 (theta
below it: out); `reentry_cooldown` 5 (steps, that of the exclusion included); `omega` 25 (productivity); `beta` 0.7
(returns to scale, in (0, 1]); `max_steps` 150 (steps).

## Known defects of v0
omega and beta change nothing that is paid; c, phi_B and phi_C are no keywords. The usable cooldown is one step shorter
than `reentry_cooldown`. Seats are judged in list order, first the lower index, and later free riders are tolerated once
the coalition is at its minimum. Returning takes 0.4 whatever the threshold for leaving. Output is shared with the
excluded. The loyalty bonus reads the ten-round window, not loyalty. Multipliers make the `cooperative` reward differ
between seats. The signal of trust, tanh(a - 20), sees little but the sign. The published documentation says that the
game is random and that only members produce; its code has neither.

## Version history
v0: the published dynamics from a clean reset, in float64 but for loyalty, which is held in float32 as published: after
14 steps without effort it would tie with the threshold 0.15, and rounding puts it below. The ten-round window is
averaged and compared in float32, as published: at a constant rate of 0.6 it falls short of 0.6 in rounds 6 and 7. The
published PettingZoo form starts without members and ends after one step. More `min_coalition_size` than agents, or a
beta above 1, which the published code accepts, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import (
    COLLECTIVE_DEPENDENCE,
    COLLECTIVE_TRUST,
    MOST_SEATS,
    CoalitionParams,
    LoyaltyParams,
    PublishedParams,
    Terms,
)
from payoff.envs.core.params import check_integer

__all__ = ["V0", "CoalitionFormationParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoalitionFormationParams(PublishedParams):
    """Keywords of CoalitionFormation-v0."""

    n_agents: int = 6  # seats, n
    min_coalition_size: int = 3  # members, at most n; the coalition never gets smaller
    exit_threshold: float = 0.15  # loyalty theta below it: out
    reentry_cooldown: int = 5  # steps, that of the exclusion included
    omega: float = 25.0  # productivity
    beta: float = 0.7  # returns to scale
    max_steps: int = 150  # steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, MOST_SEATS)
        check_integer("min_coalition_size", self.min_coalition_size, 1, self.n_agents)
        check_integer("max_steps", self.max_steps, 1)
        self.terms()  # LoyaltyParams and CoalitionParams check the rest, under the same names

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
            loyalty=LoyaltyParams(productivity=self.omega, returns=self.beta, benefit=0.7, tolerance=0.3),
            coalition=CoalitionParams(
                minimum=self.min_coalition_size,
                exit_threshold=self.exit_threshold,
                cooldown=self.reentry_cooldown,
            ),
        )


V0 = published_game(
    "payoff/CoalitionFormation-v0",
    "A team of six that excludes the disloyal for a while.",
    CoalitionFormationParams,
    tags=("coopetition", "published", "collective_action"),
)
