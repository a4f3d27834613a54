"""IndirectReciprocity: four equal firms answer each other's changes of course.

## Model
Four seats with endowment e = 100 choose contributions a_i in [0, e]. The published engine
(`payoff.envs.coopetition.published`) pays pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.1625 g(a), g the geometric mean,
times a multiplier 1 + u_i / 100, where u_i = sum_j 1.5 T_ij (1 + 0.5 D_ij) rho_ij tanh(a_j - abar_j), D_ij = 0.4,
rho_ij = 0.8 D_ij = 0.32, and abar_j is the mean of j's last min(7, t - 1) actions, the running one included. Source:
the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-4 arXiv 2604.01240; full texts unverified, numbers
from the published code).

## Players and actions
Four symmetric seats. `native` actions are contributions in [0, 100], one number toward all the others; values outside
are clipped, as published.

## Observations
Shares, matrices, memory averages and clock in [0, 1], own seat first; see `Observe`. `observe="published"` is the flat
vector of the published system in native units, the same for every seat: 53 numbers, without the memory.
`info="published"` adds `cooperation_signals` (a_j - abar_j), `reciprocity_effects` (the terms of u_i),
`memory_averages` and `tr4_memory_window`, which every game of TR-4 has, and nothing else.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.4 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 30, trust 0.5, damage 0, empty memory. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of pi: private Nash contribution 20 / (1 - 0.65 / 16) - 1 = 19.8469, integrated equilibrium (D ungated)
20.9629, welfare optimum 20 / (1 - 0.65 / 4) - 1 = 22.8806; welfare 576.4893 at Nash, 577.1953 at the optimum (ratio
1.0012), 434.2096 at full contribution. Under `integrated` the best constant rate of a grid of 0.05 is 0.35: it returns
184,846 to the four, full contribution 140,951.

## Parameters
`max_steps` 150 (steps); `value_params` and `trust_params`: `ValueParams` and `TrustParams` of
`payoff.envs.coopetition.rules`, in full; their defaults are the published ones.

## Known defects of v0
There is no indirect reciprocity: no image score, and one action toward all, so nobody can help one and be judged by
another; the published documentation says that helping k raises i's opinion. The memory contains the running round, so
the signal is attenuated, and it is 0 for everybody in round 2. The multiplier moves rewards by at most 1.73 %, and it
contains no own action: the victims of a defection lose, not the defector, though the documentation says the reverse. It
multiplies where the theory adds. tanh of raw units, in trust as in reciprocity, sees little but the sign. Reciprocity
is gated by T, the reward by min(T, 1 - R). There is hardly a dilemma: the welfare optimum lies below the baseline 30,
and contributing everything is worse than Nash.

## Version history
v0: the published dynamics in float64, from a clean reset. Memory averages are taken in float32, as published.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import ReciprocityKeywords, ReciprocityParams, Terms

__all__ = ["V0", "IndirectReciprocityParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndirectReciprocityParams(ReciprocityKeywords):
    """Keywords of IndirectReciprocity-v0."""

    max_steps: int = 150  # horizon, steps

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0,) * 4,
            baseline=(30.0,) * 4,
            share=(0.25,) * 4,
            depend=symmetric(4, 0.4),
            max_steps=self.max_steps,
            value=self.value_params,
            trust=self.trust_params,
            reciprocity=ReciprocityParams(
                reciprocity=0.8, elasticity=1.0, response=1.0, memory=7, weight=1.5, dependency_weight=0.5
            ),
        )


V0 = published_game(
    "payoff/IndirectReciprocity-v0",
    "Four equal firms that answer each other's changes of course.",
    IndirectReciprocityParams,
    tags=("coopetition", "published", "reciprocity"),
)
