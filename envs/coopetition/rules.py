"""The numbers of a published game, in one record that every ``-v0`` game fills and the shared kernels read.

The symbols in the trailing comments are those of the reports (TR-1 to TR-4) and of the games' documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["LoyaltyParams", "ReciprocityParams", "Rules", "TrustParams", "ValueParams", "pack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueParams:
    """Value creation (TR-1), logarithmic form."""

    scale: float = 20.0  # theta, payoff units
    complementarity: float = 0.65  # gamma

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("scale", self.scale, 0.0, open_low=True)
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
    initial_trust: float = 0.50
    initial_damage: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("trust_gain", self.trust_gain, 0.0, 1.0, open_low=True)
        check_number("trust_loss", self.trust_loss, 0.0, 1.0, open_low=True)
        for name in ("damage_gain", "damage_decay", "initial_trust", "initial_damage"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_number("amplification", self.amplification, 0.0)
        check_number("trust_slope", self.trust_slope, 0.0, open_low=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyParams:
    """Team production and loyalty (TR-3); the last seven are the multipliers that the published code pays."""

    productivity: float = 25.0  # omega
    returns: float = 0.7  # beta
    effort_cost: float = 1.0  # c
    benefit: float = 0.8  # phi_B
    tolerance: float = 0.3  # phi_C
    initial_loyalty: float = 0.5  # theta at the start
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


WINDOW = 10  # rounds over which q_i, the mean rate of TR-3's loyalty bonus, is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
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
        collapse: the episode ends when mean trust falls below this; 0 never ends it.
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
    collapse: float = 0.0

    @property
    def slots(self) -> int:
        """Rounds of history that the state holds: the loyalty window or the memory, 0 without either."""
        return max(WINDOW if self.loyalty else 0, self.reciprocity.memory if self.reciprocity else 0)


SEAT = np.dtype([("endowment", np.float64), ("baseline", np.float64), ("share", np.float64)])


def symmetric(n: int, dependence: float) -> Array:
    """Dependence matrix ``(n, n)``: ``dependence`` off the diagonal."""
    return np.where(np.eye(n, dtype=bool), 0.0, dependence)


def _numbers(rules: Rules) -> dict[str, float]:
    loyalty = rules.loyalty or LoyaltyParams()
    reciprocity = rules.reciprocity or ReciprocityParams()
    return {
        "has_loyalty": float(rules.loyalty is not None),
        "has_reciprocity": float(rules.reciprocity is not None),
        "collapse": rules.collapse,
        "slots": float(rules.slots),
        **asdict(rules.value),
        **asdict(rules.trust),
        **asdict(loyalty),
        **asdict(reciprocity),
    }


# One object for all games: numba looks a dtype up by identity first, and comparing thirty fields costs a microsecond.
NUMBERS = np.dtype(
    [
        (name, np.float64)
        for name in _numbers(
            Rules(endowment=(1.0,), baseline=(0.0,), share=(1.0,), depend=np.zeros((1, 1)), max_steps=1)
        )
    ]
)


def pack(rows: Sequence[Rules]) -> tuple[Array, Array, Array]:
    """Arrays for the kernels, P = ``len(rows)``.

    Returns:
        Numbers ``(P,)`` (one structured record a row), seats ``(P, N)`` of dtype SEAT, dependence ``(P, N, N)``.

    Raises:
        ValueError: the rows differ in the number of seats or in the rounds of history they need.
    """
    if len({(len(r.endowment), r.slots) for r in rows}) > 1:
        raise ValueError("copies of one batch must have the same number of agents and the same memory length")
    numbers = np.array([tuple(_numbers(r).values()) for r in rows], dtype=NUMBERS)
    seats = np.array([list(zip(r.endowment, r.baseline, r.share, strict=True)) for r in rows], dtype=SEAT)
    return numbers, seats, np.stack([np.asarray(r.depend, dtype=np.float64) for r in rows])
