"""GiftExchange: an employer and a worker answer each other's changes of course.

## Model
Seat 0, the employer, has endowment e_0 = 100, seat 1, the worker, e_1 = 80. They choose contributions a_i in [0, e_i]
at the same time. The published engine (`payoff.envs.coopetition.published`) pays pi_i = (e_i - a_i) + 20 ln(1 + a_i) +
0.325 sqrt(a_0 a_1) times a multiplier 1 + u_i / 90, where u_i = 1.2 T_ij (1 + 0.8 D_ij) rho_ij tanh(a_j - abar_j),
rho_ij = 1.2 D_ij^1.5, and abar_j is the mean of j's last min(3, t - 1) actions, the running one included. The employer
depends on the worker with 0.4, the worker on the employer with 0.7. Source: the published Coopetition-Gym v1 (platform
paper arXiv 2605.02063; TR-4 arXiv 2604.01240; full texts unverified, numbers from the published code).

## Players and actions
Two seats, employer (0) and worker (1). `native` actions are contributions in [0, 100] and [0, 80]; values outside are
clipped, as published.

## Observations
Shares, matrices, memory averages and clock in [0, 1], own seat first; see `Observe`. `observe="published"` is the flat
vector of the published system in native units, the same for both seats: 15 numbers, without the memory.
`info="published"` adds `cooperation_signals` (a_j - abar_j), `reciprocity_effects` (the terms of u_i),
`memory_averages` and `tr4_memory_window`, which every game of TR-4 has, and nothing else.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + D_ij min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` the mean of the two integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baselines 30 and 24, trust 0.5, damage 0, empty memory. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of pi: private Nash contribution 20 / (1 - 0.65 / 4) - 1 = 22.8806 for both, integrated equilibrium (D
ungated) 25.0850 and 26.3751, welfare optimum 20 / (1 - 0.65 / 2) - 1 = 28.6296; welfare 276.0338 at Nash, 276.9010 at
the optimum (ratio 1.0031), 238.3292 at full contribution. Under `integrated` the best constant rate of a grid of 0.05
is 0.35: it returns 42,402 to the two, full contribution 36,416. Sensitivities: rho_01 = 0.3036, rho_10 = 0.7028.

## Parameters
`max_steps` 100 (steps); `value_params` and `trust_params`: `ValueParams` and `TrustParams` of
`payoff.envs.coopetition.rules`, in full; their defaults are the published ones.

## Known defects of v0
Nothing distinguishes the game but its numbers: the employer does not move first, and there is no gift. The memory
contains the running round, so the signal is attenuated, and it is 0 for both in round 2. The multiplier moves rewards
by at most 0.53 % (employer) and 1.46 % (worker), and it contains no own action: the victim of a defection loses, not
the defector, though the published documentation says the reverse. It multiplies where the theory adds. tanh of raw
units, in trust as in reciprocity, sees little but the sign. Reciprocity is gated by T, the reward by min(T, 1 - R).
There is hardly a dilemma.

## Version history
v0: the published dynamics in float64, from a clean reset. Memory averages are taken in float32, as published. The
published Gymnasium box is [0, 100] for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import ReciprocityKeywords, ReciprocityParams, Terms

__all__ = ["V0", "GiftExchangeParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GiftExchangeParams(ReciprocityKeywords):
    """Keywords of GiftExchange-v0."""

    max_steps: int = 100  # horizon, steps

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0, 80.0),
            baseline=(30.0, 24.0),
            share=(0.5, 0.5),
            depend=np.array([[0.0, 0.4], [0.7, 0.0]]),
            max_steps=self.max_steps,
            value=self.value_params,
            trust=self.trust_params,
            reciprocity=ReciprocityParams(
                reciprocity=1.2, elasticity=1.5, response=1.0, memory=3, weight=1.2, dependency_weight=0.8
            ),
        )


V0 = published_game(
    "payoff/GiftExchange-v0",
    "An employer and a worker that answer each other's changes of course.",
    GiftExchangeParams,
    tags=("coopetition", "published", "reciprocity"),
)
