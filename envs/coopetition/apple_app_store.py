"""AppleAppStore: a platform owner and two kinds of developers who depend on it far more than it on them.

## Model
Seats 0 (Apple), 1 (major developers) and 2 (small developers) have endowments 100, 80 and 60 and choose contributions
a_i in [0, e_i]. The published engine (`payoff.envs.coopetition.published`) pays pi_i = (e_i - a_i) + 20 ln(1 + a_i) +
0.65 g(a) / 3, g the geometric mean, times a multiplier 1 + u_i / 80, where u_i = sum_j T_ij (1 + 0.8 D_ij) rho_ij
tanh(0.8 (a_j - abar_j)), rho_ij = D_ij^1.2, and abar_j is the mean of j's last min(4, t - 1) actions, the running one
included. D has the rows (0, 0.3, 0.2), (0.8, 0, 0.15), (0.85, 0.1, 0). Source: the published Coopetition-Gym v1
(platform paper arXiv 2605.02063; TR-4 arXiv 2604.01240; full texts unverified, numbers from the published code). All
numbers are `record("app_store")["environment"]` of `payoff.envs.coopetition.cases`.

## Players and actions
Three seats, in the order above. `native` actions are contributions in [0, 100], [0, 80] and [0, 60]; values outside are
clipped, as published.

## Observations
Shares, matrices, memory averages and clock in [0, 1], own seat first; see `Observe`. `observe="published"` is the flat
vector of the published system in native units, the same for every seat: 31 numbers, without the memory.
`info="published"` adds `cooperation_signals` (a_j - abar_j), `reciprocity_effects` (the terms of u_i),
`memory_averages` and `tr4_memory_window`, which every game of TR-4 has, and nothing else.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + sum_j D_ij min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baselines 30, 24 and 18, trust 0.6, damage 0, empty memory. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`: 66 quarters.

## Theory
Stage game of pi: private Nash contribution 20 / (1 - 0.65 / 9) - 1 = 20.5569 for each, integrated equilibrium (D
ungated) 21.4925, 22.2355 and 22.2355, welfare optimum 20 / (1 - 0.65 / 3) - 1 = 24.5319; welfare 375.9330 at Nash,
376.7458 at the optimum (ratio 1.0022), 313.3022 at full contribution. Under `integrated` the best constant rate of a
grid of 0.05 is 0.35: it returns 44,874 to the three, full contribution 36,717. Sensitivities rho: rows (0, 0.2358,
0.1450), (0.7651, 0, 0.1026), (0.8228, 0.0631, 0).

## Parameters
`max_steps` 66 (quarters); `value_params`: `ValueParams` of `payoff.envs.coopetition.rules`, in full; its defaults are
the published ones.

## Known defects of v0
The historical phases and shocks are not in the game, and its matrix and constants are not those that were validated
(`record("app_store")["suite"]`). The published documentation scores that validation 48/55 on most pages and 43/51 on
others; the released suite gives 43/51. It prints sensitivities of 0.770, 0.820, 0.249 and 0.157, which its code does
not have. The memory contains the running round, so the signal is attenuated, and it is 0 for everybody in round 2. The
multiplier moves rewards by at most 0.58, 1.71 and 1.81 %, and it contains no own action: the victims of a defection
lose, not the defector. It multiplies where the theory adds. tanh of raw units, in trust as in reciprocity, sees little
but the sign. Reciprocity is gated by T, the reward by min(T, 1 - R). There is hardly a dilemma.

## Version history
v0: the published dynamics in float64, from a clean reset. Memory averages are taken in float32, as published. The
published Gymnasium box is [0, 100] for every seat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from payoff.envs.coopetition.cases import record
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import PublishedParams, ReciprocityParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer

__all__ = ["V0", "AppleAppStoreParams"]

_CASE: Mapping[str, Any] = record("app_store")["environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleAppStoreParams(PublishedParams):
    """Keywords of AppleAppStore-v0."""

    max_steps: int = 66  # quarters
    value_params: ValueParams = field(
        default_factory=lambda: ValueParams(scale=_CASE["scale"], complementarity=_CASE["complementarity"])
    )

    def __post_init__(self) -> None:
        """Check types and ranges (TypeError, ValueError)."""
        check_integer("max_steps", self.max_steps, 1)
        if not isinstance(self.value_params, ValueParams):
            raise TypeError(f"value_params must be a ValueParams, got {type(self.value_params).__name__}")

    def terms(self) -> Terms:
        """Numbers of the game."""
        n = len(_CASE["actors"])
        return Terms(
            endowment=_CASE["endowment"],
            baseline=_CASE["baseline"],
            share=(1.0 / n,) * n,
            depend=np.array(_CASE["depend"]),
            max_steps=self.max_steps,
            value=self.value_params,
            trust=TrustParams(**_CASE["trust"]),
            reciprocity=ReciprocityParams(**_CASE["reciprocity"]),
        )


V0 = published_game(
    "payoff/AppleAppStore-v0",
    "A platform owner and two kinds of developers who depend on it far more than it on them.",
    AppleAppStoreParams,
    tags=("coopetition", "published", "reciprocity"),
)
