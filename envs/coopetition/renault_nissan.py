"""RenaultNissan: the alliance of Nissan and Renault in one of four phases of its history, the case of TR-2.

## Model
Seat 0 is Nissan (endowment 90, share 0.48), seat 1 Renault (100, 0.52). They choose contributions a_i in [0, e_i].
Payoffs, trust and the order of a step are those of the published engine (`payoff.envs.coopetition.published`): pi_i =
(e_i - a_i) + 22 ln(1 + a_i) + 0.58 alpha_i sqrt(a_0 a_1), so 0.2784 and 0.3016 of the synergy. Trust of i in j rises
while a_j is above the baseline (27 and 30) and falls, faster, while it is below. Source: the published Coopetition-Gym
v1 (platform paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909; full texts unverified, numbers from
the published code, kept in `payoff.envs.coopetition.cases`).

## Players and actions
Two seats. `native` actions are contributions, in [0, 90] for Nissan and [0, 100] for Renault; values outside are
clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first; see `Observe`. The game hides nothing. `observe="published"` is
the published flat vector of 15 numbers in native units, the same for both seats: actions, T, R, D, steps taken. The
published texts in `info` (phase, period, names of the firms) are left out: they never change.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + D_ij min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` is the mean of the two integrated utilities. Every other layer works as well.

## Starting state
Last actions at the baselines, clock 0; D, trust T_0 and damage R_0 depend on the phase. Nothing is random.

| phase | years | D_01, D_10 | T_0 | R_0 |
|---|---|---|---|---|
| `formation` | 1999-2002 | 0.78, 0.66 | 0.45 | 0.05 |
| `mature` | 2002-2018 | 0.51, 0.66 | 0.70 | 0.02 |
| `crisis` | 2018-2020 | 0.35, 0.72 | 0.30 | 0.45 |
| `strained` | 2020-2025 | 0.28, 0.65 | 0.40 | 0.35 |

## Episode end
Never terminated; truncated after `max_steps`. The phase lasts for the whole episode.

## Theory
Stage game (Nissan, Renault): private Nash (24.5825, 24.8792), welfare optimum 29.9859 for both, in every phase.
Integrated equilibrium with D ungated: formation (28.5288, 28.1175), mature (27.1718, 27.9238), crisis (26.4279,
28.0820), strained (26.0635, 27.7192). Welfare is 297.7796 at Nash, 298.4954 at the optimum, 298.3633 at the baselines
and 255.7952 at full contribution.

## Parameters
`phase` "mature" (a name of the table, in any case); `max_steps` 100.

## Known defects of v0
Nothing moves from one phase to the next. There is hardly a dilemma: Nash welfare is 0.24 % below the optimum, and full
contribution is far worse than Nash. The signal tanh(a_j - b_j) sees little but the sign. Trust acts on the payoff of
the truster only, in the very step of the action. The `cooperative` reward counts most the seat on whom the other
depends more. The published documentation starts in the formation, names five phases, other rates, 26 or 60 steps and an
end by collapse; its code has none of it. The published validation of the case runs other matrices on another scale.

## Version history
v0: the published dynamics in float64, from a clean reset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.cases import record
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer

__all__ = ["V0", "RenaultNissanParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenaultNissanParams(PublishedParams):
    """Keywords of RenaultNissan-v0."""

    phase: str = "mature"  # formation, mature, crisis or strained; kept in lower case
    max_steps: int = 100

    def __post_init__(self) -> None:
        """Check values (ValueError)."""
        phases = record("renault_nissan")["environment"]["phases"]
        if not isinstance(self.phase, str) or self.phase.lower() not in phases:
            raise ValueError(f"phase must be one of {', '.join(phases)}, got {self.phase!r}")
        object.__setattr__(self, "phase", self.phase.lower())
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        case = record("renault_nissan")["environment"]
        phase = case["phases"][self.phase]
        return Terms(
            endowment=case["endowment"],
            baseline=case["baseline"],
            share=case["share"],
            depend=np.array(phase["depend"]),
            max_steps=self.max_steps,
            value=ValueParams(scale=case["scale"], complementarity=case["complementarity"]),
            trust=TrustParams(
                **case["trust"], initial_trust=phase["initial_trust"], initial_damage=phase["initial_damage"]
            ),
        )


V0 = published_game(
    "payoff/RenaultNissan-v0",
    "The alliance of Nissan and Renault in one of four phases of its history.",
    RenaultNissanParams,
    tags=("coopetition", "published", "trust"),
)
