"""SynergySearch: two equal firms that do not know how much their joint work is worth.

## Model
Two seats with endowment e = 100 choose contributions a_i in [0, e]. Payoffs, trust and the order of a step are those of
the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.5 gamma sqrt(a_0
a_1), where gamma is drawn anew for every episode. Trust of i in j rises while a_j is above the baseline 40 and falls,
faster, while it is below. Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1 arXiv
2510.18802, TR-2 arXiv 2510.24909; full texts unverified, numbers from the published code).

## Players and actions
Two symmetric seats. `native` actions are contributions in [0, 100]; values outside are clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first; see `Observe`. gamma is hidden in every setting; with
`reveal_gamma_in_obs` it is a further entry of all settings but `minimal`. `observe="published"` is the published flat
vector of 15 numbers in native units (16 with gamma, the last), the same for both seats: actions, T, R, D, steps taken.
`info` is not an observation and gives gamma away, as published: `total_value` holds it exactly, (V - sum of the
logarithmic parts) / sqrt(a_0 a_1). `info="published"` adds `true_gamma` (nan unless revealed) and `gamma_type` (1 for
"high", gamma above 0.6, else 0); the published running sums of rewards are left out.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.5 min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` is the mean of the two integrated utilities. Every other layer works as well.

## Starting state
Last actions at the baseline 40, trust 0.55, damage 0, clock 0; gamma uniform in `gamma_range`, from the copy's own
seed. Nothing else is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game for gamma = 0.2, 0.55 and 0.9: private Nash contribution 20.0526, 22.1884, 24.8065; integrated equilibrium
(D ungated) 20.6216, 24.1969, 29.1887; welfare optimum 21.2222, 26.5862, 35.3636. Welfare at Nash 285.7863, 293.5729,
302.7379; at the optimum 285.8437, 294.1426, 304.8428; at full contribution 204.6048, 239.6048, 274.6048. One's own
payoff and the two actions of a single step determine gamma.

## Parameters
`gamma_range` (0.20, 0.90), lowest and highest gamma, both in [0, 1]; a range of one value fixes it;
`reveal_gamma_in_obs` False; `max_steps` 100.

## Known defects of v0
Without noise the search is over after one step. There is hardly a dilemma: Nash welfare is 0.02 to 0.7 % below the
optimum, and the baseline 40 lies above the efficient contribution for every gamma of the default range. The signal
tanh(a_j - 40) sees little but the sign. Trust acts on the payoff of the truster only, in the very step of the action.
The `cooperative` reward is not welfare. The published documentation gives a baseline of 35, an observation of 17 or 18
numbers and an end by collapse; its code has none of it.

## Version history
v0: the published dynamics in float64, from a clean reset. The published code draws gamma before it reads the seed, and
its PettingZoo form never draws it (gamma stays 0.5); here the seed decides, in every view, by this platform's own
generator: the gamma of a seed is not the one that numpy would draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import PublishedParams, Terms, TrustParams
from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "SynergySearchParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SynergySearchParams(PublishedParams):
    """Keywords of SynergySearch-v0."""

    gamma_range: tuple[float, float] = (0.20, 0.90)  # lowest and highest gamma
    reveal_gamma_in_obs: bool = False
    max_steps: int = 100

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        pair = self.gamma_range
        if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
            raise ValueError(f"gamma_range must be two numbers, 0 <= low <= high <= 1, got {pair!r}")
        for value in pair:
            check_number("gamma_range", value, 0.0, 1.0)
        if pair[0] > pair[1]:
            raise ValueError(f"gamma_range must be two numbers, 0 <= low <= high <= 1, got {pair!r}")
        object.__setattr__(self, "gamma_range", (float(pair[0]), float(pair[1])))
        check_flag("reveal_gamma_in_obs", self.reveal_gamma_in_obs)
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0, 100.0),
            baseline=(40.0, 40.0),
            share=(0.5, 0.5),
            depend=symmetric(2, 0.50),
            max_steps=self.max_steps,
            trust=TrustParams(initial_trust=0.55),
            hidden_synergy=self.gamma_range,
            synergy_seen=self.reveal_gamma_in_obs,
        )


def _info(rows: Sequence[SynergySearchParams], facts: Facts) -> dict[str, Array]:
    gamma = facts.view("synergy")
    return {
        "true_gamma": np.where([p.reveal_gamma_in_obs for p in rows], gamma, np.nan),
        "gamma_type": np.where(gamma > 0.6, 1, 0),
    }


V0 = published_game(
    "payoff/SynergySearch-v0",
    "Two equal firms that do not know how much their joint work is worth.",
    SynergySearchParams,
    tags=("coopetition", "published", "interdependence"),
    info=_info,
)
