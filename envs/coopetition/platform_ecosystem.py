"""PlatformEcosystem: one platform and the developers who build on it; they leave when they stop trusting it.

## Model
Seat 0 is the platform (endowment 150), seats 1 .. n are developers (80 each). All choose investments a_i in [0, e_i].
Payoffs, trust and the order of a step are those of the published engine (`payoff.envs.coopetition.published`): pi_i =
(e_i - a_i) + 25 ln(1 + a_i) + 0.75 alpha_i g(a), g the geometric mean of all n + 1 investments, alpha_0 =
`platform_share`, the rest in equal parts to the developers. Trust of i in j rises while a_j is above the baseline (30 %
of the endowment: 45 and 24) and falls, faster, while it is below. Source: the published Coopetition-Gym v1 (platform
paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909; full texts unverified, numbers from the published
code).

## Players and actions
`n_developers` + 1 seats (5). `native` actions are investments, in [0, 150] for the platform and [0, 80] for a
developer; values outside are clipped, as published.

## Observations
Shares, matrices and clock in [0, 1], own seat first; see `Observe`. The game hides nothing. `observe="published"` is
the published flat vector of N + 3 N N + 1 numbers (81 for N = 5) in native units, the same for all seats: actions, T,
R, D, steps taken. `info="published"` adds `platform_investment`, `mean_developer_investment`,
`developer_investment_std` (of the population), `developer_trust_in_platform` (mean of T_i0) and `developer_exits` (0,
or n once that mean is below 0.15).

## Rewards
Published names: `private` is pi_i; `integrated` (default) adds 0.25 sum_j Teff_0j pi_j to the platform's and 0.75
Teff_i0 pi_0 to a developer's, where Teff = min(T, 1 - R) after the step; `cooperative` is the mean of all integrated
utilities. Trust between developers is kept and observed, but D is 0 there and it weighs nothing.

## Starting state
Last actions at the baselines, trust 0.60, damage 0, clock 0. Nothing is random.

## Episode end
Terminated when the developers' mean trust in the platform falls below 0.15; four clear shortfalls of the platform in a
row do it (0.405, 0.273375, 0.184528, 0.124556). Truncated after `max_steps`.

## Theory
Stage game with four developers (platform, each developer): private Nash (25.1591, 24.6766), integrated equilibrium with
D ungated (25.8988, 25.5997), welfare optimum 28.4118 for all. Welfare is 770.8767 at Nash, 771.9243 at the optimum,
767.0150 at the baselines and 632.9149 at full investment.

## Parameters
`n_developers` 4 (1 to 999); `platform_share` 0.30 (alpha_0, in [0, 1]); `platform_dependency` 0.25 (D_0j, in [0,
1]); `developer_dependency` 0.75 (D_i0, in [0, 1]); `max_steps` 100.

## Known defects of v0
There is hardly a dilemma: Nash welfare is 0.14 % below the optimum, and full investment is far worse than Nash. The
platform's baseline lies far above the efficient investment, so the efficient platform is read as a traitor. The signal
tanh(a_j - b_j) sees little but the sign. Trust acts on the payoff of the truster only, in the very step of the action.
No single developer ever leaves; `developer_exits` is a label of the collapse. The `cooperative` reward counts most the
seats on whom others depend. The published documentation gives baselines of 35 % (elsewhere endowments of 200 and 100,
four agents, other rates) and info keys that its code does not have.

## Version history
v0: the published dynamics in float64, from a clean reset (the published `developer_exits` survives a reset).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.coopetition.interdependence import hub_and_spoke
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.published_info import Facts
from payoff.envs.coopetition.rules import MOST_SEATS, PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["V0", "PlatformEcosystemParams"]

COLLAPSE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformEcosystemParams(PublishedParams):
    """Keywords of PlatformEcosystem-v0."""

    n_developers: int = 4  # n; there are n + 1 seats
    platform_share: float = 0.30  # alpha_0
    platform_dependency: float = 0.25  # D_0j, of the platform on each developer
    developer_dependency: float = 0.75  # D_i0, of each developer on the platform
    max_steps: int = 100

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_developers", self.n_developers, 1, MOST_SEATS - 1)
        for name in ("platform_share", "platform_dependency", "developer_dependency"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_integer("max_steps", self.max_steps, 1)

    def terms(self) -> Terms:
        """Numbers of the game."""
        n = self.n_developers
        return Terms(
            endowment=(150.0, *(80.0,) * n),
            baseline=(45.0, *(24.0,) * n),
            share=(self.platform_share, *((1.0 - self.platform_share) / n,) * n),
            depend=hub_and_spoke(n + 1, self.platform_dependency, self.developer_dependency),
            max_steps=self.max_steps,
            value=ValueParams(scale=25.0, complementarity=0.75),
            trust=TrustParams(
                trust_gain=0.08,
                trust_loss=0.25,
                damage_gain=0.45,
                damage_decay=0.02,
                amplification=0.40,
                initial_trust=0.60,
            ),
            collapse=COLLAPSE,
            watched=tuple((i, 0) for i in range(1, n + 1)),
        )


def _info(rows: Sequence[PlatformEcosystemParams], facts: Facts) -> dict[str, Array]:
    developers = facts.action[:, 1:]
    trust = facts.trust[:, 1:, 0].mean(axis=1)
    return {
        "platform_investment": facts.action[:, 0],
        "mean_developer_investment": developers.mean(axis=1),
        "developer_investment_std": developers.std(axis=1),
        "developer_trust_in_platform": trust,
        "developer_exits": np.where(trust < COLLAPSE, developers.shape[1], 0),
    }


V0 = published_game(
    "payoff/PlatformEcosystem-v0",
    "One platform and the developers who leave it together when they stop trusting it.",
    PlatformEcosystemParams,
    tags=("coopetition", "published", "interdependence"),
    info=_info,
)
