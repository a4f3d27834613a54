"""ReciprocalDilemma: two equal firms answer each other's changes of course.

## Model
Two seats with endowment e = 100 choose contributions a_i in [0, e]. The published engine
(`payoff.envs.coopetition.published`) pays pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.325 sqrt(a_0 a_1) times a
multiplier 1 + u_i / 100, where u_i = T_ij (1 + 0.6 D_ij) rho_ij tanh(a_j - abar_j), rho_ij = 0.5, and abar_j is the
mean of j's last min(5, t - 1) actions, the running one included. Source: the published Coopetition-Gym v1 (arXiv
2605.02063; TR-4 arXiv 2604.01240; full texts unverified, numbers from the published code).

## Players and actions
Two symmetric seats. `native` actions are contributions in [0, 100]; values outside are clipped, as published.

## Observations
Shares, matrices, memory averages and clock in [0, 1], own seat first (`payoff.envs.coopetition.observation.Observe`
sets each block). `observe="published"`: 15 numbers in native units, the same for every seat.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.5 min(T_ij, 1 - R_ij) pi_j, `cooperative` the
mean of the two integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 30, trust 0.5, damage 0, empty memory. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game of pi: private Nash contribution 20 / (1 - 0.65 / 4) - 1 = 22.88, welfare optimum 20 / (1 - 0.65 / 2) - 1 =
28.63, welfare ratio 1.0029.

## Parameters
`max_steps` 100; `value_params` and `trust_params`: `ValueParams` and `TrustParams` of `payoff.envs.coopetition.rules`.

## Known defects of v0
The memory contains the running round, so the signal is attenuated, and it is 0 for everybody in round 2. The
multiplier moves rewards by at most 0.65 %, and it contains no own action: the victim of a defection loses, not the
defector. tanh of raw units sees little but the sign. There is hardly a dilemma (welfare ratio 1.0029).

## Version history
v0: the published dynamics in float64, from a clean reset.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import ReciprocityKeywords, ReciprocityParams, Terms

__all__ = ["V0", "ReciprocalDilemmaParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReciprocalDilemmaParams(ReciprocityKeywords):
    """Keywords of ReciprocalDilemma-v0."""

    max_steps: int = 100  # horizon, steps

    def terms(self) -> Terms:
        """Numbers of the game."""
        return Terms(
            endowment=(100.0, 100.0),
            baseline=(30.0, 30.0),
            share=(0.5, 0.5),
            depend=symmetric(2, 0.5),
            max_steps=self.max_steps,
            value=self.value_params,
            trust=self.trust_params,
            reciprocity=ReciprocityParams(),
        )


V0 = published_game(
    "payoff/ReciprocalDilemma-v0",
    "Two equal firms that answer each other's changes of course.",
    ReciprocalDilemmaParams,
    tags=("coopetition", "published", "reciprocity"),
)
