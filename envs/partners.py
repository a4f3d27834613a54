"""Partners: policies that play the seats which the single-agent view does not learn.

``partners=`` takes one partner for all other seats, or a mapping seat -> partner. A partner is one of the classes
here, its specification (``"constant:0.4"``, ``"tit_for_tat"``, ``"reciprocator"``, ``"random"``, or
``"package.module:Name"``) or a function ``obs (B, O) -> actions (B, A)`` in the units that the environment's
``actions`` setting names (integers ``(B,)`` where actions are discrete).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, TypeAlias

from payoff.envs.core import partner as rule
from payoff.envs.core.params import check_number
from payoff.envs.core.specification import build, imported, parse
from payoff.envs.core.state import Array

__all__ = ["PARTNERS", "Constant", "Partner", "PartnerFunction", "Random", "Reciprocator", "TitForTat", "resolve"]

PartnerFunction: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Partner:
    """Base of the built-in partners; fields are the numbers of the compiled rule."""

    @property
    def record(self) -> tuple[int, float, float, float]:
        """Entry of the compiled partner table: code and three numbers."""
        numbers = [float(x) for x in astuple(self)]
        first, second, third = numbers + [0.0] * (3 - len(numbers))
        return _CODES[type(self)], first, second, third


@dataclass(frozen=True, slots=True)
class Constant(Partner):
    """Contributes the same share of its endowment at every step.

    Attributes:
        level: share in [0, 1].
    """

    level: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("level", self.level, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class TitForTat(Partner):
    """Proportional tit-for-tat: the mean share that the others contributed last; the baseline share opens."""


@dataclass(frozen=True, slots=True)
class Reciprocator(Partner):
    """Bounded, trust-weighted reciprocity (TR-4 section 8.4, arXiv 2604.01240, with normalised signals).

    x_i <- clip(x_i + gain mean_j[T_ij tanh(slope (x_j - b_j / e_j))] - decay (x_i - b_i / e_i), 0, 1), x the share last
    contributed. It answers generosity with generosity, forgets slowly, and listens to those it trusts.

    Attributes:
        gain: largest change per step at full trust.
        slope: steepness of the response.
        decay: pull back to the baseline.
    """

    gain: float = 0.12
    slope: float = 2.0
    decay: float = 0.05

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("gain", self.gain, 0.0, 1.0)
        check_number("slope", self.slope, 0.0)
        check_number("decay", self.decay, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Random(Partner):
    """A uniform share of the endowment, from the copy's own random stream."""


PARTNERS: dict[str, type[Partner]] = {
    "constant": Constant,
    "tit_for_tat": TitForTat,
    "reciprocator": Reciprocator,
    "random": Random,
}

_CODES = {
    Constant: rule.CONSTANT,
    TitForTat: rule.TIT_FOR_TAT,
    Reciprocator: rule.RECIPROCATOR,
    Random: rule.RANDOM,
}


def _one(partner: Any) -> Partner | PartnerFunction:
    if isinstance(partner, str):
        chosen = parse(partner, "partners", PARTNERS)
        if chosen.outside:
            return imported(chosen, _plays, "a partner")  # type: ignore[no-any-return]
        if chosen.name not in PARTNERS:
            known = f"{', '.join(PARTNERS)}, package.module:Name, a Partner or a function"
            raise ValueError(f"partners must be one of {known}, got {partner!r}")
        kind = PARTNERS[chosen.name]
        if len(chosen.values) > len(fields(kind)):
            raise ValueError(f"partners {partner!r}: {chosen.name} does not take {len(chosen.values)} numbers")
        return build(kind, chosen)  # type: ignore[no-any-return]
    if _plays(partner):
        return partner  # type: ignore[no-any-return]
    hint = f"; did you mean {partner.__name__}()?" if isinstance(partner, type) else ""
    raise TypeError(f"a partner must be a name, a Partner or a function, got {partner!r}{hint}")


def _plays(thing: Any) -> bool:
    """Whether it is a partner, or a function that may be one."""
    return type(thing) in _CODES or (callable(thing) and not isinstance(thing, type))


def resolve(partners: Any, others: list[int]) -> dict[int, Partner | PartnerFunction]:
    """Partner of each seat in ``others``.

    Args:
        partners: one partner for all, or a mapping seat (number or ``agent_k``) -> partner of exactly ``others``.
        others: seats that are not learned.

    Raises:
        ValueError: an unknown name, a number out of range, a seat missing or too many.
        TypeError: something that is no partner.
    """
    if not isinstance(partners, Mapping):
        chosen = _one(partners)
        return dict.fromkeys(others, chosen)
    named = {_seat(key): partner for key, partner in partners.items()}
    if set(named) != set(others):
        raise ValueError(f"partners must name exactly the seats {others}, got {list(partners)}")
    return {seat: _one(named[seat]) for seat in others}


def _seat(key: Any) -> Any:
    """Seat of a mapping's key: a number, ``agent_k``, or the text that a number becomes in JSON."""
    text = str(key).removeprefix("agent_")
    return int(text) if text.isdecimal() else key
