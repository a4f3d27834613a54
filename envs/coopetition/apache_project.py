"""ApacheProject: the Apache HTTP Server project in one of four phases, as a loyal team of 8 to 40.

## Model
n members with endowment e = 50 choose efforts a_i in [0, e]. The published engine (`payoff.envs.coopetition.published`)
pays pi_i = (50 - a_i) + 20 ln(1 + a_i) + 0.65 g(a) / n, g the geometric mean, times a multiplier: 0.5 for a rate a_i
/ e below 0.3, 1 + 0.15 q_i when the mean rate q_i of the last ten rounds is at least 0.6, 1.2 when every rate is at
least one half. Loyalty theta_i rises by 0.02 a_i / e while the rate is at least one half and falls by
0.05 (1/2 - a_i / e) otherwise, within [0, loyalty of the phase]. Source: the published Coopetition-Gym v1 (platform
paper arXiv 2605.02063; TR-3 arXiv 2601.16237; full texts unverified, numbers from the published code). The numbers of
the phases are `record("apache")["environment"]` of `payoff.envs.coopetition.cases`:

| Phase | Years | Members n | Loyalty | omega | Expected effort |
|---|---|---|---|---|---|
| emergence | 1995-1999 | 8 | 1.00 | 20 | 35 |
| growth | 2000-2005 | 15 | 0.85 | 25 | 30 |
| maturity | 2006-2015 | 40 | 0.70 | 30 | 22 |
| evolution | 2016-2023 | 35 | 0.60 | 28 | 18 |

## Players and actions
As many symmetric seats as the phase has members. `native` actions are efforts in [0, 50]; values outside are clipped,
as published.

## Observations
Shares, matrices, loyalty, ten-round window and clock in [0, 1], own seat first; see `Observe`. `observe="published"` is
the flat vector of the published system in native units, the same for every seat: 201, 691, 4841 or 3711 numbers. It
hides loyalty and window, so the process it shows is not Markov. `info="published"` adds `phase_loyalty`,
`expected_effort`, `effort_deviation` (|mean a - expected| / expected, 0 before the first step) and
`validation_accuracy` (1 minus that, at least 0) to the entries of a team game.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 sum_j min(T_ij, 1 - R_ij) pi_j with the trust
after the step, `cooperative` the mean of the integrated utilities; the multiplier is applied after the layer.

## Starting state
Last actions at the baseline 20, trust 0.5, damage 0, loyalty half of the phase's: 0.5, 0.425, 0.35 or 0.3. Nothing is
random.

## Episode end
Never terminated; truncated after `max_steps`. The phase stays the same throughout.

## Theory
Stage game of pi: private Nash effort 20 / (1 - 0.65 / n^2) - 1 (19.21, 19.06, 19.01, 19.01 in the order of the table),
welfare optimum 20 / (1 - 0.65 / n) - 1 (20.77, 19.91, 19.33, 19.38); the welfare ratio is 1.0006 in emergence and less
later. Under `integrated` everybody at full effort returns 5,484,826 in maturity, everybody at rate 0.6 returns
5,821,439. `info["theory_payoff"]` is the payoff of TR-3 with beta = 0.7, c = 1, phi_B = 0.75, phi_C = 0.25, which the
published rewards never pay; its equilibrium effort at full loyalty is 13.60, 1.88, 0.049 and 0.070, at none 0.807,
0.111, 0.0029 and 0.0041.

## Parameters
`phase` "maturity" (one of the four names above); `max_steps` 60 (steps, of unstated length).

## Known defects of v0
The phase's omega and loyalty change nothing that is paid, its expected effort not even the dynamics: of the phase only
the number of members matters, and emergence pays what LoyaltyTeam with eight agents pays. No loyalty the phase allows
makes its expected effort an equilibrium. Dependences of 0.55 are not divided by n - 1: with 40 members the integrated
reward is up to 22 times pi, a plausible cause of the failed training runs reported for this game. The loyalty bonus
reads the ten-round window, not loyalty. Multipliers make the `cooperative` reward differ between seats. The signal of
trust, tanh(a - 20), sees little but the sign. The published documentation scores the historical validation 52/60 or
45/60 (60/60 in the abstract of TR-3) and the released suite 45/60, from other numbers than this game's; its pages say
4, 5, 6 or 8 to 40 agents.

## Version history
v0: the published dynamics in float64, from a clean reset. The published PettingZoo form starts loyalty at 0.5 in every
phase and leaks it between episodes; the info of its Gymnasium reset reports 0.5 too. `phase` and `phase_years` are text
there and left out of `info`. The ten-round window is averaged and compared in float32, as published: at a constant rate
of 0.6 it falls short of 0.6 in rounds 6 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.coopetition.cases import record
from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import LoyaltyParams, PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer
from payoff.envs.core.state import Array

__all__ = ["V0", "ApacheProjectParams"]

_CASE: Mapping[str, Any] = record("apache")["environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApacheProjectParams(PublishedParams):
    """Keywords of ApacheProject-v0."""

    phase: str = "maturity"  # emergence, growth, maturity or evolution
    max_steps: int = 60  # steps

    def __post_init__(self) -> None:
        """Check values (ValueError)."""
        if not isinstance(self.phase, str) or self.phase not in _CASE["phases"]:
            raise ValueError(f"phase must be one of {', '.join(map(repr, _CASE['phases']))}, got {self.phase!r}")
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        phase = _CASE["phases"][self.phase]
        n = phase["n_agents"]
        return Terms(
            endowment=(_CASE["endowment"],) * n,
            baseline=(_CASE["baseline"],) * n,
            share=(1.0 / n,) * n,
            depend=symmetric(n, _CASE["dependence"]),
            max_steps=self.max_steps,
            value=ValueParams(scale=_CASE["scale"], complementarity=_CASE["complementarity"]),
            trust=TrustParams(**_CASE["trust"]),
            loyalty=LoyaltyParams(
                productivity=phase["omega"],
                returns=_CASE["returns"],
                effort_cost=_CASE["effort_cost"],
                benefit=_CASE["benefit"],
                tolerance=_CASE["tolerance"],
                initial_loyalty=_CASE["initial_loyalty"] * phase["loyalty"],
                loyalty_cap=phase["loyalty"],
            ),
        )


def _info(rows: Sequence[ApacheProjectParams], facts: Facts) -> dict[str, Array]:
    """What the phase expects, and how far the members' mean effort is from it."""
    copies = np.ones(len(facts.action))
    phases = [_CASE["phases"][p.phase] for p in rows]
    expected = np.array([phase["expected_effort"] for phase in phases]) * copies
    deviation = np.where(facts.clock > 0.0, np.abs(facts.action.mean(axis=1) - expected) / expected, 0.0)
    return {
        "phase_loyalty": np.array([phase["loyalty"] for phase in phases]) * copies,
        "expected_effort": expected,
        "effort_deviation": deviation,
        "validation_accuracy": np.maximum(0.0, 1.0 - deviation),
    }


V0 = published_game(
    "payoff/ApacheProject-v0",
    "The Apache HTTP Server project in one of four phases: a loyal team of 8 to 40.",
    ApacheProjectParams,
    tags=("coopetition", "published", "collective_action"),
    info=_info,
)
