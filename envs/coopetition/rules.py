"""The numbers of a published game: every ``-v0`` game turns its keywords into one :class:`Terms`.

The symbols in the trailing comments are those of the reports (TR-1 to TR-4) and of the games' documentation.
:func:`pack` makes of them the records that the shared rules read (:mod:`payoff.envs.coopetition.published`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from payoff.envs.core.params import Params, check_flag, check_integer, check_number
from payoff.envs.core.state import Array

__all__ = [
    "COLLECTIVE_DEPENDENCE",
    "COLLECTIVE_TRUST",
    "MOST_SEATS",
    "CoalitionParams",
    "LoyaltyParams",
    "NegotiationParams",
    "PublishedParams",
    "ReciprocityKeywords",
    "ReciprocityParams",
    "ReputationParams",
    "Terms",
    "TrustParams",
    "ValueParams",
    "pack",
]

MOST_SEATS = 1000  # a state holds several numbers for each pair of seats


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueParams:
    """Value creation (TR-1)."""

    scale: float = 20.0  # theta, payoff units
    exponent: float = 0.0  # beta of the power form a^beta; 0: the logarithmic form theta ln(1 + a)
    complementarity: float = 0.65  # gamma

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("scale", self.scale, 0.0, open_low=True)
        check_number("exponent", self.exponent, 0.0, 1.0)
        check_number("complementarity", self.complementarity, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustParams:
    """Trust and reputation (TR-2)."""

    trust_gain: float = 0.10  # lambda_plus, per step
    trust_loss: float = 0.30  # lambda_minus, per step
    damage_gain: float = 0.60  # mu_R, per step
    damage_decay: float = 0.03  # delta_R, per step
    amplification: float = 0.50  # xi
    trust_slope: float = 1.0  # kappa, per action unit
    initial_trust: float = 0.50  # T_ij at the start, i != j
    initial_damage: float = 0.0  # R_ij at the start
    enabled: bool = True  # False: T = 1 and R = 0 for ever

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("trust_gain", self.trust_gain, 0.0, 1.0, open_low=True)
        check_number("trust_loss", self.trust_loss, 0.0, 1.0, open_low=True)
        for name in ("damage_gain", "damage_decay", "initial_trust", "initial_damage"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_number("amplification", self.amplification, 0.0)
        check_number("trust_slope", self.trust_slope, 0.0, open_low=True)
        check_flag("enabled", self.enabled)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyParams:
    """Team production and loyalty (TR-3); the last seven are the multipliers that the published code pays."""

    productivity: float = 25.0  # omega
    returns: float = 0.7  # beta
    effort_cost: float = 1.0  # c
    benefit: float = 0.8  # phi_B
    tolerance: float = 0.3  # phi_C
    keeps_endowment: bool = False  # the theory payoff contains e_i (public goods)
    initial_loyalty: float = 0.5  # theta at the start
    loyalty_cap: float = 1.0  # largest theta
    loyalty_gain: float = 0.02
    loyalty_loss: float = 0.05
    free_rider_rate: float = 0.3  # r below it ...
    free_rider_factor: float = 0.5  # ... multiplies by this
    bonus_threshold: float = 0.6  # q from it on ...
    bonus_rate: float = 0.15  # ... multiplies by 1 + this x q
    coordination_factor: float = 1.2  # when every r >= 1/2

    def __post_init__(self) -> None:
        """Check ranges (ValueError); the theory wants omega > 0, 0 < beta <= 1, c > 0, phi >= 0, theta phi_C < 1."""
        check_number("omega", self.productivity, 0.0, open_low=True)
        check_number("beta", self.returns, 0.0, 1.0, open_low=True)
        check_number("c", self.effort_cost, 0.0, open_low=True)
        check_number("phi_B", self.benefit, 0.0)
        check_number("phi_C", self.tolerance, 0.0, 1.0, open_high=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReciprocityParams:
    """Reciprocity (TR-4)."""

    reciprocity: float = 1.0  # rho_0
    elasticity: float = 1.0  # eta
    response: float = 1.0  # kappa, per action unit
    memory: int = 5  # k, rounds
    weight: float = 1.0  # lambda_R
    dependency_weight: float = 0.6  # omega_R

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        for name in ("reciprocity", "elasticity", "response", "weight", "dependency_weight"):
            check_number(name, getattr(self, name), 0.0)
        check_integer("memory", self.memory, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoalitionParams:
    """Membership by loyalty, as published (:mod:`payoff.envs.core.coalition`)."""

    minimum: int = 3  # the coalition is never smaller
    exit_threshold: float = 0.15  # theta below it: out
    cooldown: int = 5  # steps, the one of the exit included

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("min_coalition_size", self.minimum, 1)
        check_number("exit_threshold", self.exit_threshold, 0.0, 1.0)
        check_integer("reentry_cooldown", self.cooldown, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiationParams:
    """Agreements between two seats, as published (:mod:`payoff.envs.core.negotiation`)."""

    threshold: float = 10.0  # action units: how near two actions must be to agree, and how far one must go to breach
    penalty: float = 3.0  # payoff units per action unit of deviation

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("agreement_threshold", self.threshold, 0.0)
        check_number("breach_penalty_multiplier", self.penalty, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationParams:
    """Public scores q, as published (:mod:`payoff.envs.core.reputation`)."""

    keep: float = 1.0  # q <- keep q + gain (r - neutral)
    gain: float = 0.1
    neutral: float = 0.5  # rate that changes nothing when keep is 1
    low: float = 0.0  # q is clipped to [low, high]
    high: float = 1.0
    initial: float = 0.5
    tiers: bool = False  # whether tiers multiply payoffs
    noise: float = 0.0  # standard deviation of what is seen of q

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("noise", self.noise, 0.0)
        check_flag("tiers", self.tiers)


WINDOW = 10  # rounds over which q_i, the mean rate of TR-3's loyalty bonus, is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A published game in numbers.

    Attributes:
        endowment: e_i, native upper bound of each seat's action.
        baseline: b_i, trust-neutral action.
        share: alpha_i, share of the surplus; sums to one.
        depend: D_ij, ``(N, N)`` with zero diagonal.
        max_steps: horizon.
        value: TR-1 numbers.
        trust: TR-2 numbers.
        loyalty: TR-3 numbers, None where the game has no loyalty.
        reciprocity: TR-4 numbers, None where the game has no reciprocity.
        coalition: membership rule, None where everybody is in.
        negotiation: agreements, None where there are none.
        public: public scores, None where there are none.
        hidden_synergy: gamma is drawn from this range at every reset instead of taken from ``value``.
        synergy_seen: the drawn gamma is observed.
        collapse: the episode ends when the watched trust falls below this; 0 never ends it.
        recovery: the episode ends when the watched trust reaches this; infinity never ends it.
        watched: pairs (i, j) whose mean T_ij decides that; None: all pairs.
        counts_defections: count the steps in which a seat's action, unclipped, is below its baseline.
    """

    endowment: tuple[float, ...]
    baseline: tuple[float, ...]
    share: tuple[float, ...]
    depend: Array
    max_steps: int
    value: ValueParams = field(default_factory=ValueParams)
    trust: TrustParams = field(default_factory=TrustParams)
    loyalty: LoyaltyParams | None = None
    reciprocity: ReciprocityParams | None = None
    coalition: CoalitionParams | None = None
    negotiation: NegotiationParams | None = None
    public: ReputationParams | None = None
    hidden_synergy: tuple[float, float] | None = None
    synergy_seen: bool = False
    collapse: float = 0.0
    recovery: float = math.inf
    watched: tuple[tuple[int, int], ...] | None = None
    counts_defections: bool = False

    @property
    def n_agents(self) -> int:
        """Number of seats N."""
        return len(self.endowment)

    @property
    def slots(self) -> int:
        """Rounds of history that the state holds: the loyalty window or the memory, 0 without either."""
        return max(WINDOW if self.loyalty else 0, self.reciprocity.memory if self.reciprocity else 0)

    @property
    def mechanisms(self) -> dict[str, bool]:
        """What the game has and others have not."""
        return {
            "has_loyalty": self.loyalty is not None,
            "has_memory": self.reciprocity is not None,
            "has_coalition": self.coalition is not None,
            "has_agreements": self.negotiation is not None,
            "has_scores": self.public is not None,
            "hides_synergy": self.hidden_synergy is not None,
            "has_peak": math.isfinite(self.recovery),
            "counts_defections": self.counts_defections,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedParams(Params):
    """Base of the keywords of a published game."""

    def terms(self) -> Terms:
        """Numbers of the game."""
        raise NotImplementedError(f"{type(self).__name__} must define terms()")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReciprocityKeywords(PublishedParams):
    """What the games of reciprocity take: a horizon, and two records that pass through to the rules."""

    max_steps: int = 100  # horizon, steps
    value_params: ValueParams = field(default_factory=ValueParams)
    trust_params: TrustParams = field(default_factory=TrustParams)

    def __post_init__(self) -> None:
        """Check types and ranges (TypeError, ValueError)."""
        check_integer("max_steps", self.max_steps, 1)
        for name, kind in (("value_params", ValueParams), ("trust_params", TrustParams)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {type(getattr(self, name)).__name__}")


# what the games of collective action share
COLLECTIVE_TRUST = TrustParams(trust_loss=0.25, damage_gain=0.40, damage_decay=0.02)
COLLECTIVE_DEPENDENCE = 0.55  # D_ij, i != j


# -- as compiled rules read them -----------------------------------------------------------------------------------


def _numbers(terms: Terms) -> dict[str, float]:
    """All numbers of a game that are not of single seats; where it lacks a mechanism, some that nothing reads."""
    low, high = terms.hidden_synergy or (0.0, 0.0)
    return {
        **terms.mechanisms,
        "collapse": terms.collapse,
        "recovery": terms.recovery,
        "synergy_low": low,
        "synergy_high": high,
        **asdict(terms.value),
        **asdict(terms.trust),
        **asdict(terms.loyalty or LoyaltyParams()),
        **asdict(terms.reciprocity or ReciprocityParams()),
        **asdict(terms.coalition or CoalitionParams()),
        **asdict(terms.negotiation or NegotiationParams()),
        **asdict(terms.public or ReputationParams()),
    }


def _record(**columns: Any) -> np.dtype[Any]:
    return np.dtype((np.record, np.dtype(list(columns.items()), align=True)))


_NOBODY = Terms(endowment=(1.0,), baseline=(0.0,), share=(1.0,), depend=np.zeros((1, 1)), max_steps=1)
NUMBERS = _record(**{name: np.int64 if isinstance(v, int) else np.float64 for name, v in _numbers(_NOBODY).items()})
ROLE = _record(endowment=np.float64, baseline=np.float64, share=np.float64)
LINK = _record(depend=np.float64, watched=np.float64)


def pack(rows: Sequence[Terms]) -> tuple[Array, Array, Array]:
    """Records for the shared rules, P = ``len(rows)``.

    Returns:
        Numbers ``(P,)``; what each seat has by nature ``(P, N)``: endowment, baseline, share; and each pair of seats
        ``(P, N, N)``: dependence, and whether its mean trust may end the episode.

    Raises:
        ValueError: the rows differ in number of seats, rounds of history, or mechanisms.
    """
    first = rows[0]
    if any((t.n_agents, t.slots, t.mechanisms) != (first.n_agents, first.slots, first.mechanisms) for t in rows):
        raise ValueError(
            "copies of one batch must have the same number of agents, the same memory length and the same mechanisms"
        )
    n = first.n_agents
    numbers = np.array([tuple(_numbers(t).values()) for t in rows], dtype=NUMBERS)
    roles, links = np.zeros((len(rows), n), dtype=ROLE), np.zeros((len(rows), n, n), dtype=LINK)
    for name in ROLE.names or ():
        roles[name] = [getattr(t, name) for t in rows]
    links["depend"] = [t.depend for t in rows]
    for k, t in enumerate(rows):
        for i, j in ((i, j) for i in range(n) for j in range(n) if i != j) if t.watched is None else t.watched:
            links[k, i, j]["watched"] = 1.0
    return numbers, roles, links
