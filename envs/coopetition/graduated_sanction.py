"""GraduatedSanction: six equal firms answer each other's changes of course, with a long memory.

## Model
Six seats with endowment e = 100 choose contributions a_i in [0, e]. The published engine
(`payoff.envs.coopetition.published`) pays pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.65 g(a) / 6, g the geometric mean,
times a multiplier 1 + u_i / 100, where u_i = sum_j 1.8 T_ij (1 + D_ij) rho_ij tanh(0.8 (a_j - abar_j)), D_ij = 0.35,
rho_ij = 0.6 D_ij^1.5 = 0.1242, and abar_j is the mean of j's last min(10, t - 1) actions, the running one included.
Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-4 arXiv 2604.01240; full texts unverified,
numbers from the published code).

## Players and actions
Six symmetric seats. `native` actions are contributions in [0, 100]; values outside are clipped, as published.

## Observations
Shares, matrices, memory averages and clock in [0, 1], own seat first; see `Observe`. `observe="published"` is the flat
vector of the published system in native units, the same for every seat: 115 numbers, without the memory.
`info="published"` adds `cooperation_signals` (a_j - abar_j), `reciprocity_effects` (the terms of u_i),
`memory_averages` and `tr4_memory_window`, which every game of TR-4 has, and nothing else.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.35 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 40, trust 0.5, damage 0, empty memory. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of pi: private Nash contribution 20 / (1 - 0.65 / 36) - 1 = 19.3678, integrated equilibrium (D ungated)
20.0449, welfare optimum 20 / (1 - 0.65 / 6) - 1 = 21.4299; welfare 858.0569 at Nash, 858.5974 at the optimum (ratio
1.0006), 618.8145 at full contribution. Under `integrated` the best constant rate of a grid of 0.1 is 0.5: it returns
436,054 to the six, full contribution 335,485. Under `private` it is 0.2.

## Parameters
`max_steps` 200 (steps); `value_params` and `trust_params`: `ValueParams` and `TrustParams` of
`payoff.envs.coopetition.rules`, in full; their defaults are the published ones.

## Known defects of v0
There are no graduated sanctions and no common pool. The answer habituates: while somebody defects, the memory average
falls and the signal goes to 0; the published documentation says that repetition strengthens it, and that full
contribution is optimal. tanh of raw units, in trust as in reciprocity, saturates after some three of 100 units, so no
answer is graduated. The memory contains the running round, so the signal is attenuated, and it is 0 for everybody in
round 2. The multiplier moves rewards by at most 1.51 %, and it contains no own action: the victims of a defection lose,
not the defector. It multiplies where the theory adds. Reciprocity is gated by T, the reward by min(T, 1 - R). There is
hardly a dilemma, and the baseline 40 lies above the efficient contribution.

## Version history
v0: the published dynamics in float64, from a clean reset. Memory averages are taken in float32, as published.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import ReciprocityKeywords, ReciprocityParams, Terms

__all__ = ["V0", "GraduatedSanctionParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraduatedSanctionParams(ReciprocityKeywords):
    """Keywords of GraduatedSanction-v0."""

    max_steps: int = 200  # horizon, steps

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0,) * 6,
            baseline=(40.0,) * 6,
            share=(1.0 / 6.0,) * 6,
            depend=symmetric(6, 0.35),
            max_steps=self.max_steps,
            value=self.value_params,
            trust=self.trust_params,
            reciprocity=ReciprocityParams(
                reciprocity=0.6, elasticity=1.5, response=0.8, memory=10, weight=1.8, dependency_weight=1.0
            ),
        )


V0 = published_game(
    "payoff/GraduatedSanction-v0",
    "Six equal firms that answer each other's changes of course, with a long memory.",
    GraduatedSanctionParams,
    tags=("coopetition", "published", "reciprocity"),
)
