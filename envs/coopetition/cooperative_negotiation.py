"""CooperativeNegotiation: two equal firms whose actions are offers, agreements and breaches at once.

## Model
Two seats with endowment e = 100 choose contributions a_i in [0, e]. Payoffs, trust and the order of a step are those of
the published engine (`payoff.envs.coopetition.published`): pi_i = (100 - a_i) + 20 ln(1 + a_i) + 0.30 sqrt(a_0 a_1).
Trust of i in j rises while a_j is above the baseline 35 and falls, faster, while it is below. Then agreements, A being
the standing one (`payoff.envs.core.negotiation`):

(1) agreed when |a_0 - a_1| is at most `agreement_threshold`
(2) breached when A stands and some |a_i - A_i| exceeds `agreement_threshold`
(3) a breach costs each seat `breach_penalty_multiplier` times its own |a_i - A_i|, however small
(4) when agreed, A becomes the two actions, even in a step that breaches; otherwise A stays, breached or not

Source: the published Coopetition-Gym v1 (platform paper arXiv 2605.02063; TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909;
full texts unverified, numbers from the published code).

## Players and actions
Two symmetric seats, which act at the same time. `native` actions are contributions in [0, 100]; values outside are
clipped, as published.

## Observations
Shares, matrices, the standing agreement and whether there is one, and clock in [0, 1], own seat first; see `Observe`.
The game hides nothing. `observe="published"` is the published flat vector of 18 numbers in native units, the same for
both seats: actions, T, R, D, steps taken, then the agreement (0, 0 without one) and whether it stood, both from before
the step. `info["current_agreement"]` is the one after it; `info="published"` has nan there without an agreement and
adds `agreement_reached`, `breach_occurred`, `total_agreements`, `total_breaches` and `proposal_convergence`, 1 - |a_0 -
a_1| / 100.

## Rewards
Published names: `private` is pi_i, `integrated` (default) is pi_i + 0.55 min(T_ij, 1 - R_ij) pi_j with the trust after
the step, `cooperative` is the mean of the two integrated utilities. The penalty is taken from payoff and reward alike,
after the layer, so `cooperative` rewards can differ.

## Starting state
Last actions at the baseline 35, trust 0.5, damage 0, no agreement, clock 0. Nothing is random.

## Episode end
Never terminated; truncated after `max_steps`.

## Theory
Stage game without agreements: private Nash contribution 22.5294, integrated equilibrium (D ungated) 25.0586, welfare
optimum 27.5714. Welfare is 294.7889 at Nash, 295.4963 at the optimum, 294.3408 at the baseline and 244.6048 at full
contribution.

## Parameters
`agreement_threshold` 10 (action units, at least 0); `breach_penalty_multiplier` 3 (payoff per action unit, at least 0);
`negotiation_rounds` 5 (at least 1; changes nothing, as published); `max_steps` 100.

## Known defects of v0
There are no rounds of talk: every step pays. A breach never touches trust, the faithful seat pays for its own small
deviation too, and a breach without a new agreement is fined again in every further step. There is hardly a dilemma:
Nash welfare is 0.24 % below the optimum, and the baseline lies above the efficient contribution. The signal tanh(1.2
(a_j - 35)) sees little but the sign. Trust acts on the payoff of the truster only, in the very step of the action. The
published documentation averages the two offers, fines only who goes beyond the threshold, shows -1 without an
agreement, and lets a breach ruin trust and end the episode; its code has none of it.

## Version history
v0: the published dynamics in float64, from a clean reset. The published observation after a reset still shows the last
episode's agreement, and the published PettingZoo form has no agreements at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.published import published_game
from payoff.envs.coopetition.rules import NegotiationParams, PublishedParams, Terms, TrustParams, ValueParams
from payoff.envs.core.params import check_integer

__all__ = ["V0", "CooperativeNegotiationParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CooperativeNegotiationParams(PublishedParams):
    """Keywords of CooperativeNegotiation-v0."""

    agreement_threshold: float = 10.0  # action units
    breach_penalty_multiplier: float = 3.0  # payoff per action unit
    negotiation_rounds: int = 5  # changes nothing, as published
    max_steps: int = 100

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("negotiation_rounds", self.negotiation_rounds, 1)
        check_integer("max_steps", self.max_steps, 1)
        self.terms()  # NegotiationParams checks the rest, under the same names

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
                trust_gain=0.12,
                trust_loss=0.40,
                damage_gain=0.65,
                damage_decay=0.02,
                amplification=0.55,
                trust_slope=1.2,
            ),
            negotiation=NegotiationParams(threshold=self.agreement_threshold, penalty=self.breach_penalty_multiplier),
        )


V0 = published_game(
    "payoff/CooperativeNegotiation-v0",
    "Two equal firms whose actions are offers, agreements and breaches at once.",
    CooperativeNegotiationParams,
    tags=("coopetition", "published", "trust"),
)
