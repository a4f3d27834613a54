"""RecoveryRace: two equal firms after a breakdown try to win trust back before time runs out.

## Model
Two seats with endowment e = 100 choose contributions a_i in [0, e]. Payoffs, trust and the order of a step are those of
the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.30 sqrt(a_0 a_1).
Trust of i in j rises while a_j is above the baseline 35, towards the ceiling 1 - R_ij, and falls, faster, while it is
below. The damage R heals by 1 % a step without a shortfall and jumps by 70 % of the rest with one. Source: the
published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909; full texts
unverified, numbers from the published code).

## Players and actions
Two symmetric seats. `native` actions are contributions in [0, 100]; values outside are clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first; see `Observe`. The game hides nothing. `observe="published"` is
the published flat vector of 15 numbers in native units, the same for both seats: actions, T, R, D, steps taken.
`info="published"` adds `peak_trust` (highest mean trust), `recovery_step` (nan before the target is reached),
`trust_ceiling` (1 - mean R) and `recovery_progress`, (mean T - T_0) / (target - T_0) with T_0 = `initial_trust` (nan
where the target is T_0).

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` is the mean of the two integrated utilities. Reaching the target pays nothing.

## Starting state
Last actions at the baseline 35, trust `initial_trust`, damage `initial_reputation_damage`, clock 0. Nothing is random.

## Episode end
Terminated, as a success, when mean trust reaches `recovery_target`; there is no failure. Truncated after `max_steps`.

## Theory
The default target is out of reach: T after t steps is at most 1 - 0.5 (0.99)^(t - 1), below 0.90 until t = 162, and
unbroken cooperation would need 174 steps. After 150 such steps mean trust is 0.873455 under a ceiling of 0.889274; a
target of 0.85 is reached at step 134, 0.87 at step 148. Stage game: private Nash contribution 22.5294, integrated
equilibrium (D ungated) 25.0586, welfare optimum 27.5714. Welfare is 294.7889 at Nash, 295.4963 at the optimum, 294.3408
at the baseline and 244.6048 at full contribution.

## Parameters
`initial_trust` 0.25 (T at the start, in [0, 1]); `initial_reputation_damage` 0.50 (R at the start, in [0, 1]);
`recovery_target` 0.90 (mean trust that ends the episode, in (0, 1]); `max_steps` 150.

## Known defects of v0
Nobody can win at the defaults. Elsewhere a win ends a stream of positive payoffs and brings no bonus, so it pays to
stay just below the target. There is hardly a dilemma: Nash welfare is 0.24 % below the optimum, and the baseline lies
above the efficient contribution. The signal tanh(a_j - 35) sees little but the sign. Trust acts on the payoff of the
truster only, in the very step of the action. The `cooperative` reward is not welfare. The published documentation
promises recovery in 40 steps at best and typically 80 to 120, an end by collapse at 0.05, a bonus, and a progress of
T / target; its code has none of it.

## Version history
v0: the published dynamics in float64, from a clean reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "RecoveryRaceParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRaceParams(PublishedParams):
    """Keywords of RecoveryRace-v0."""

    initial_trust: float = 0.25  # T at the start
    initial_reputation_damage: float = 0.50  # R at the start
    recovery_target: float = 0.90  # mean trust that ends the episode
    max_steps: int = 150

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("initial_trust", self.initial_trust, 0.0, 1.0)
        check_number("initial_reputation_damage", self.initial_reputation_damage, 0.0, 1.0)
        check_number("recovery_target", self.recovery_target, 0.0, 1.0, open_low=True)
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0, 100.0),
            baseline=(35.0, 35.0),
            share=(0.5, 0.5),
            depend=symmetric(2, 0.55),
            max_steps=self.max_steps,
            value=ValueParams(complementarity=0.60),
            trust=TrustParams(
                trust_gain=0.08,
                trust_loss=0.35,
                damage_gain=0.70,
                damage_decay=0.01,
                amplification=0.40,
                initial_trust=self.initial_trust,
                initial_damage=self.initial_reputation_damage,
            ),
            recovery=self.recovery_target,
        )


def _info(rows: Sequence[RecoveryRaceParams], facts: Facts) -> dict[str, Array]:
    mean = (facts.trust[:, 0, 1] + facts.trust[:, 1, 0]) / 2.0  # to the last bit what ends the episode
    start, target = (np.array([getattr(p, name) for p in rows]) for name in ("initial_trust", "recovery_target"))
    way = target - start
    progress = (mean - start) / np.where(way == 0.0, np.nan, way)
    return {
        "peak_trust": facts.view("peak").copy(),
        "recovery_step": np.where((mean >= target) & (facts.clock > 0.0), facts.clock, np.nan),
        "trust_ceiling": 1.0 - facts.mean_off_diagonal(facts.view("damage")),
        "recovery_progress": progress,
    }


V0 = published_game(
    "payoff/RecoveryRace-v0",
    "Two equal firms after a breakdown try to win trust back before time runs out.",
    RecoveryRaceParams,
    tags=("coopetition", "published", "trust"),
    info=_info,
)
