"""Kinesthetic reward combination (KRC): a signed geometric mean, which pays for doing several things at once.

For components R_1 .. R_n in [-1, 1],

(1) KRC = sign * (|R_1| ... |R_n|)^(1/n),  sign = +1 if all are at least 0, else -1

A weighted sum lets one component pay for another; here one component at 0 makes all of it 0. In the source every such
utility is a potential (:class:`KinestheticPotential` with :class:`payoff.wrappers.potential.shaping.PotentialShaping`),
so that optimal policies stay. As a reward it does not keep them.

It is continuous, also where the sign jumps, since the product is 0 there; but its slope is infinite at 0 (Hoelder
continuous with exponent 1/n), which makes it a poor thing to differentiate. Nor does it always rise with its
components: as soon as one is negative, raising another that is positive makes KRC fall, and a second negative component
counts as a positive one of the same size.

Source: Moschopoulos et al., "Lucy-SKG: Learning to Play Rocket League Efficiently Using Deep Reinforcement Learning",
arXiv 2305.15801, and its code, where one place takes the sign of the product (``sign="product"``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_flag, check_number, check_word
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.potential.shaping import Potential
from payoff.wrappers.rows import Array, Batch, BatchInfo
from payoff.wrappers.transforms.signals import Signal, as_signal, as_signals, evaluate

__all__ = ["KinestheticPotential", "KinestheticReward", "Sign", "kinesthetic"]

Sign: TypeAlias = Literal["all", "product"]


def kinesthetic(parts: Array, sign: Sign = "all") -> Array:
    """KRC of equation (1).

    Args:
        parts: ``(..., n)`` components in [-1, 1], n >= 1.
        sign: ``"all"``: negative as soon as one component is; ``"product"``: the sign of their product.

    Returns:
        ``(...)`` in [-1, 1].

    Raises:
        ValueError: no components, or one that is out of range.

    >>> float(np.round(kinesthetic(np.array([0.8, -0.5, 0.9])), 4))
    -0.7114
    """
    check_word("sign", sign, ("all", "product"))
    parts = reals("parts", parts)
    if not parts.ndim or not parts.shape[-1]:
        raise ValueError(f"parts must have shape (..., n) with n at least 1, got {parts.shape}")
    if not (np.abs(parts) <= 1.0).all():
        raise ValueError(f"parts must be in [-1, 1], got {parts[~(np.abs(parts) <= 1.0)][0]}")
    product = parts[..., 0].copy()
    for i in range(1, parts.shape[-1]):  # one after the other: the same bits in every batch size
        product *= parts[..., i]
    size = np.abs(product) ** (1.0 / parts.shape[-1])
    negative = (parts < 0.0).any(axis=-1) if sign == "all" else product < 0.0
    value: Array = np.where(negative & (size > 0.0), -size, size)
    return value


@dataclass(frozen=True, slots=True)
class KinestheticPotential:
    """KRC of several potentials, itself a potential in [-1, 1].

    Args:
        parts: functions from R observations and their info to ``(R,)`` numbers in [-1, 1].
        sign: see :func:`kinesthetic`.

    Raises:
        TypeError: a part cannot be called.
        ValueError: there is none, or an unknown ``sign``.
    """

    parts: Sequence[Potential]
    sign: Sign = "all"

    def __post_init__(self) -> None:
        """Check the arguments."""
        check_word("sign", self.sign, ("all", "product"))
        check_sequence("parts", self.parts, "potentials")
        if not len(self.parts):
            raise ValueError("parts must hold at least one potential, got none")
        for i, part in enumerate(self.parts):
            if not callable(part):
                raise TypeError(f"parts[{i}] must be a function (obs, info) -> (R,), got {part!r}")

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """``(R,)``."""
        return kinesthetic(np.stack([np.asarray(part(obs, info)) for part in self.parts], axis=-1), self.sign)


class KinestheticReward(RewardMethod):
    """Replaces the reward by coef * KRC of named components, or adds it.

    Pays within [-coef, coef] a step (``add=False``). It does not keep optimal policies, and a policy that stays where
    all components are high may beat one that ends the episode; see :class:`KinestheticPotential` for the form that
    does.

    Args:
        parts: a signal that gives ``(R, n)`` components in [-1, 1], such as ``"reward_vector"``, or several signals.
        sign: see :func:`kinesthetic`.
        coef: weight.
        add: whether the reward stays, with KRC added to it.

    Raises:
        TypeError: ``parts`` holds no signals.
        ValueError: another argument is not allowed.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self, parts: Signal | Sequence[Signal], *, sign: Sign = "all", coef: float = 1.0, add: bool = False
    ) -> None:
        check_word("sign", sign, ("all", "product"))
        check_number("coef", coef, -np.inf)
        check_flag("add", add)
        given: Any = parts
        one = isinstance(given, str) or callable(given)
        self.parts = (as_signal("parts", given),) if one else as_signals("parts", given)
        self.sign: Sign = sign
        self.coef = coef
        self.add = add

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: a component out of [-1, 1].
        """
        columns = [evaluate("parts", part, t, low=-1.0, high=1.0, wide=True) for part in self.parts]
        parts = np.column_stack(columns)
        combined = self.coef * kinesthetic(parts, self.sign)
        return t.reward + combined if self.add else combined
