"""Reward layers: from payoffs (what really happened) to rewards (what a learner is told).

A layer is a frozen dataclass that says, seat by seat, which compiled rule (:mod:`payoff.envs.core.layer`) with which
weights turns the payoff vector into that seat's reward. ``reward=`` takes a layer, a name (with numbers after a colon:
``"mutuality:0.3"``, ``"inequity_aversion:0.85,0.315"``; ``"package.module:Name"`` for one from anywhere), or a
function of a :class:`RewardInput`.

In a published ``-v0`` game the layer acts on the base payoff, before the game's multipliers, and the names
``integrated`` and ``cooperative`` mean what the published code does; ``Integrated()`` and ``Cooperative()`` are
always the plain ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from payoff.envs.core import layer as rule
from payoff.envs.core.params import check_number
from payoff.envs.core.specification import build, imported, parse
from payoff.envs.core.state import Array

__all__ = [
    "LAYERS",
    "SVO",
    "Cooperative",
    "InequityAversion",
    "Integrated",
    "Layer",
    "Mutuality",
    "PerAgent",
    "Private",
    "PublishedCooperative",
    "RewardFunction",
    "RewardInput",
    "TrustIntegrated",
    "TrustReciprocal",
    "resolve",
    "seat_rules",
]


class SeatRule(NamedTuple):
    """One seat's part of a layer: rule code, its two numbers, weights ``(P, N)`` on the payoffs."""

    code: int
    first: float
    second: float
    weight: Array


@dataclass(frozen=True, slots=True)
class RewardInput:
    """What a user's reward function sees, for B copies at once; arrays are copies.

    Attributes:
        payoff: ``(B, N)`` base payoffs of the step.
        action: ``(B, N, A)`` native actions.
        trust: ``(B, N, N)`` after the step, None in games without trust.
        reputation_damage: ``(B, N, N)`` after the step, None likewise.
        dependence: ``(P, N, N)``, P is 1 or B.
    """

    payoff: Array
    action: Array
    trust: Array | None
    reputation_damage: Array | None
    dependence: Array


RewardFunction: TypeAlias = Callable[[RewardInput], Array]


@dataclass(frozen=True, slots=True)
class Layer:
    """Base of the built-in layers."""

    def seat(self, i: int, depend: Array) -> SeatRule:
        """Rule of seat i, for dependence matrices ``(P, N, N)``."""
        raise NotImplementedError(f"{type(self).__name__} must define seat(i, depend)")


def _linear(weight: Array) -> SeatRule:
    return SeatRule(rule.LINEAR, 0.0, 0.0, weight)


def _own(i: int, depend: Array) -> Array:
    weight = np.zeros(depend.shape[:2])
    weight[:, i] = 1.0
    return weight


@dataclass(frozen=True, slots=True)
class Private(Layer):
    """r_i = pi_i."""

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return SeatRule(rule.OWN, 0.0, 0.0, _own(i, depend))


@dataclass(frozen=True, slots=True)
class Integrated(Layer):
    """r_i = pi_i + sum_j D_ij pi_j (TR-1 equation 13, arXiv 2510.18802)."""

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return _linear(_own(i, depend) + depend[:, i])


@dataclass(frozen=True, slots=True)
class TrustIntegrated(Layer):
    """r_i = pi_i + sum_j min(T_ij, 1 - R_ij) D_ij pi_j, trust after the step (published code, its "integrated")."""

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return SeatRule(rule.GATED, 0.0, 0.0, _own(i, depend))


@dataclass(frozen=True, slots=True)
class TrustReciprocal(Layer):
    """r_i = integrated + sum_j rho T_ij (a_j - b_j) a_i (TR-2, arXiv 2510.24909; equation-level form unverified).

    Attributes:
        rho: strength, the report sweeps 0.10 to 0.30.
        normalized: divide (a_j - b_j) by e_j; without it the term outgrows the payoffs on a scale of 100.
    """

    rho: float = 0.20
    normalized: bool = False

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("rho", self.rho, 0.0)

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return SeatRule(rule.RECIPROCAL, self.rho, float(self.normalized), _own(i, depend) + depend[:, i])


@dataclass(frozen=True, slots=True)
class Cooperative(Layer):
    """r_i = mean over k of pi_k: the same for every seat."""

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return SeatRule(rule.SHARED, 0.0, 0.0, np.full(depend.shape[:2], 1.0 / depend.shape[1]))


@dataclass(frozen=True, slots=True)
class PublishedCooperative(Layer):
    """r_i = mean over k of k's trust-gated integrated utility (published code, its "cooperative")."""

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return SeatRule(rule.GATED_MEAN, 0.0, 0.0, _own(i, depend))


@dataclass(frozen=True, slots=True)
class Mutuality(Layer):
    """One knob from private to cooperative: private, integrated and (up to scale) cooperative at m = 0, 1/2, 1.

    W = I + 2 m D for m <= 1/2, else (2 - 2 m)(I + D) + (2 m - 1) 11'/n.

    Attributes:
        m: mutuality in [0, 1].
    """

    m: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("m", self.m, 0.0, 1.0)

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        if self.m <= 0.5:
            return _linear(_own(i, depend) + 2.0 * self.m * depend[:, i])
        integrated = _own(i, depend) + depend[:, i]
        return _linear((2.0 - 2.0 * self.m) * integrated + (2.0 * self.m - 1.0) / depend.shape[1])


@dataclass(frozen=True, slots=True)
class SVO(Layer):
    """r_i = cos(theta) pi_i + sin(theta) mean of the others' payoffs (social value orientation).

    Attributes:
        theta: angle in radians, in [-pi, pi]; 0 is private, pi/4 weighs the others' mean like one's own payoff.
    """

    theta: float = math.pi / 4

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("theta", self.theta, -math.pi, math.pi)

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        n = depend.shape[1]
        weight = np.full(depend.shape[:2], math.sin(self.theta) / max(1, n - 1))
        weight[:, i] = math.cos(self.theta)
        return _linear(weight)


@dataclass(frozen=True, slots=True)
class InequityAversion(Layer):
    """Fehr and Schmidt (1999): pi_i - alpha mean_j max(pi_j - pi_i, 0) - beta mean_j max(pi_i - pi_j, 0), j != i.

    Attributes:
        alpha: dislike of being behind; default: mean of the distribution in that paper (from memory, unverified).
        beta: dislike of being ahead; likewise.
    """

    alpha: float = 0.85
    beta: float = 0.315

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("alpha", self.alpha, 0.0)
        check_number("beta", self.beta, 0.0)

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return SeatRule(rule.INEQUITY, self.alpha, self.beta, _own(i, depend))


@dataclass(frozen=True, slots=True)
class PerAgent(Layer):
    """A mixed population: each seat has its own layer.

    Attributes:
        layers: seat -> layer or name; seats left out use ``default``.
        default: layer or name of the rest.
    """

    layers: Mapping[int, Layer | str]
    default: Layer | str = field(default_factory=Private)

    def seat(self, i: int, depend: Array) -> SeatRule:
        """See :meth:`Layer.seat`."""
        return self.of(i, {}).seat(i, depend)

    def of(self, i: int, names: Mapping[str, str]) -> Layer:
        """Layer of seat i; ``names`` as in :func:`resolve`.

        Raises:
            TypeError: it is a function.
        """
        chosen = resolve(self.layers.get(i, self.default), names)
        if not isinstance(chosen, Layer):
            raise TypeError("PerAgent takes layers and names, not functions")
        return chosen


LAYERS: dict[str, type[Layer]] = {
    "private": Private,
    "integrated": Integrated,
    "trust_integrated": TrustIntegrated,
    "trust_reciprocal": TrustReciprocal,
    "cooperative": Cooperative,
    "published_cooperative": PublishedCooperative,
    "mutuality": Mutuality,
    "svo": SVO,
    "inequity_aversion": InequityAversion,
}


def seat_rules(layer: Layer, depend: Array, names: Mapping[str, str]) -> list[SeatRule]:
    """Rule of every seat, checked: a kernel trusts what it is given.

    Args:
        layer: the layer.
        depend: ``(P, N, N)`` dependence.
        names: what a name inside a PerAgent means in this game.

    Raises:
        ValueError: a PerAgent that names a seat which is not there, or a rule that no kernel can follow.
    """
    n = depend.shape[1]
    if isinstance(layer, PerAgent):
        for seat in layer.layers:
            if seat not in range(n):
                raise ValueError(f"PerAgent names seat {seat!r}, allowed are 0 .. {n - 1}")
    rules = [(layer.of(i, names) if isinstance(layer, PerAgent) else layer).seat(i, depend) for i in range(n)]
    for i, r in enumerate(rules):
        numbers = np.array([r.first, r.second, *np.ravel(r.weight)], dtype=np.float64)
        if r.code not in rule.CODES or np.shape(r.weight) != depend.shape[:2] or not np.isfinite(numbers).all():
            raise ValueError(
                f"{type(layer).__name__}.seat({i}) must give a code of payoff.envs.core.layer, two finite numbers and "
                f"finite weights of shape {depend.shape[:2]}, got {r}"
            )
    return rules


def resolve(reward: Any, names: Mapping[str, str] | None = None) -> Layer | RewardFunction:
    """Layer for what the user wrote after ``reward=``.

    Args:
        reward: layer, function of a :class:`RewardInput`, or specification (:mod:`payoff.envs.core.specification`):
            ``"svo:0.8"``, or ``"package.module:Name"`` for a layer or a function of any module.
        names: what a name means in this game, where it is not the layer of that name.

    Raises:
        ValueError: an unknown name (the message lists the known ones) or a number out of its range.
        TypeError: none of the above.
    """
    if isinstance(reward, Layer):
        return reward
    if isinstance(reward, str):
        chosen = parse(reward, "reward", LAYERS)
        if chosen.outside:
            return imported(chosen, _pays, "a reward layer or a function of payoffs")  # type: ignore[no-any-return]
        kind = LAYERS.get((names or {}).get(chosen.name, chosen.name))
        if kind is None:
            raise ValueError(
                f"reward must be one of {', '.join(LAYERS)}, package.module:Name, a layer or a function, got {reward!r}"
            )
        takes = [f.name for f in fields(kind) if f.type in ("float", float)]
        if len(chosen.values) > len(takes):
            raise ValueError(f"reward {reward!r}: {chosen.name} takes at most {len(takes)} numbers")
        return build(kind, chosen)  # type: ignore[no-any-return]
    if _pays(reward):
        return reward  # type: ignore[no-any-return]
    hint = f"; did you mean {reward.__name__}()?" if isinstance(reward, type) else ""
    raise TypeError(f"reward must be a layer, a name or a function, got {reward!r}{hint}")


def _pays(thing: Any) -> bool:
    """Whether it is a layer, or a function that may be one."""
    return isinstance(thing, Layer) or (callable(thing) and not isinstance(thing, type))
