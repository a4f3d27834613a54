"""Bonuses made of bonuses: product, sum and multiple.

The product of a global and an episodic bonus is robust where either alone fails (Henaff, Jiang and Raileanu, ICML
2023): what is new both in the episode and ever is paid. Their rule for counts is :func:`global_times_episodic`; for
large spaces it is ``Product(E3B(...), NovelD(alpha=0.0, once=False))``, and alpha = 0.1 their other variant.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import reduce
from typing import Self

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.first_visit import FirstVisit
from payoff.wrappers.bonus.keys import Key
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["Combination", "Product", "Scale", "Sum", "global_times_episodic"]


class Combination(Bonus):
    """Base of bonuses that are made of others; every part sees every step, whatever the others score.

    Args:
        *bonuses: parts; their state is in ``state_dict`` under ``"0."``, ``"1."`` and so on.

    Raises:
        TypeError: a part is no Bonus, or none is given.
        ValueError: the same object is given twice, or is in two parts: it would enter each step twice.
    """

    def __init__(self, *bonuses: Bonus) -> None:
        if not bonuses or not all(isinstance(bonus, Bonus) for bonus in bonuses):
            got = ", ".join(type(bonus).__name__ for bonus in bonuses) or "none"
            raise TypeError(f"{type(self).__name__} takes one Bonus or more, got {got}")
        used = [id(bonus) for part in bonuses for bonus in _within(part)]
        if len(set(used)) < len(used):
            raise ValueError(f"{type(self).__name__} got the same bonus twice; each part must be an object of its own")
        super().__init__()
        self.bonuses = bonuses

    def parts(self) -> dict[str, Part]:
        """The bonuses, numbered."""
        return {str(k): bonus for k, bonus in enumerate(self.bonuses)}

    def fork(self) -> Self:
        """The same combination of forks of the parts."""
        other = copy.copy(self)
        other.memory = {}
        other.bonuses = tuple(bonus.fork() for bonus in self.bonuses)
        return other

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows begin an episode, in every part."""
        super().reset(obs, info, mask)
        for bonus in self.bonuses:
            bonus.reset(obs, info, mask)


def _within(bonus: Bonus) -> Iterator[Bonus]:
    """The bonus and those that it is made of."""
    yield bonus
    for part in bonus.parts().values():
        if isinstance(part, Bonus):
            yield from _within(part)


class Product(Combination):
    """b = b_1 b_2 ...

    >>> from payoff.wrappers.bonus.count import Count
    >>> from payoff.wrappers.bonus.first_visit import FirstVisit
    >>> len(Product(Count(), FirstVisit()).bonuses)
    2
    """

    def score(self, t: Transition) -> Array:
        """The product."""
        scores: list[Array] = [bonus(t) for bonus in self.bonuses]
        return reduce(np.multiply, scores)


class Sum(Combination):
    """b = b_1 + b_2 + ...; weight the parts with :class:`Scale`."""

    def score(self, t: Transition) -> Array:
        """The sum."""
        scores: list[Array] = [bonus(t) for bonus in self.bonuses]
        return reduce(np.add, scores)


class Scale(Combination):
    """b = factor b_1.

    Args:
        bonus: the part.
        factor: any number.

    Raises:
        TypeError: ``bonus`` is no Bonus.
        ValueError: ``factor`` is no finite number.
    """

    def __init__(self, bonus: Bonus, factor: float) -> None:
        if not isinstance(bonus, Bonus):
            raise TypeError(f"bonus must be a Bonus, got {type(bonus).__name__}")
        check_number("factor", factor, -np.inf)
        super().__init__(bonus)
        self.factor = factor

    def score(self, t: Transition) -> Array:
        """The multiple."""
        return self.factor * self.bonuses[0](t)


def global_times_episodic(key: Key | None = None, *, per_row: bool = False) -> Product:
    """N(s')^-1/2 1[N_e(s') = 1]: count bonus, once for each state of an episode.

    Args:
        key: what identifies a state, to both; None: the whole observation.
        per_row: see :class:`payoff.wrappers.bonus.count.Count`.

    Raises:
        TypeError: ``key`` cannot be called.
        ValueError: ``per_row`` is no flag.
    """
    return Product(Count(key, per_row=per_row), FirstVisit(key))
