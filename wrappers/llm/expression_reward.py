"""A reward that is an expression or a function, and a potential that is one.

As a potential it cannot change which policies are optimal, whatever it says, so that is the safe use of a text whose
author is not to be trusted: ``PotentialShaping(from_expression(text), ...)``. As a reward it can, and what follows from
it is judged by :func:`payoff.wrappers.check_expression` and ``payoff check-reward``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.state_features import count_rows
from payoff.wrappers.learned.frozen import LearnedReward
from payoff.wrappers.llm.entries import bind, check_state, state_entries, step_entries
from payoff.wrappers.llm.reward_text import Program, evaluate, parse, unparse
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["LIMIT", "ExpressionPotential", "ExpressionReward", "from_expression"]

LIMIT = 10.0  # size to which values are cut where nobody says another


class ExpressionReward(LearnedReward):
    """Pays the value of an expression, cut to [-limit, limit], in place of the reward or added to it.

    Args:
        text: the expression, see :mod:`payoff.wrappers.llm.expression`; or a function, see
            :mod:`payoff.wrappers.llm.function`.
        names: what the numbers of an observation are called; see :func:`payoff.wrappers.observation_names`.
        added: the value is added to the reward; else it takes its place.
        limit: largest size of the value, in units of reward, above 0.

    Attributes:
        tree: what was read, with indices in place of names.

    Raises:
        TypeError: ``text`` is no text, or ``names`` no sequence.
        ValueError: the text is not of the language, names an entry that there is not, or another argument is out of its
            range.

    >>> ExpressionReward("obs.x > 0.5", names=("x", "y")).settings()["text"]
    'obs[0] > 0.5'
    """

    def __init__(self, text: str, *, names: Sequence[str] = (), added: bool = False, limit: float = LIMIT) -> None:
        check_flag("added", added)
        check_number("limit", limit, 0.0, open_low=True)
        self.tree = bind(parse(text), names)
        self.added, self.limit = bool(added), float(limit)

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``.

        Raises:
            ValueError: the step holds no such number, or an operation has no finite value.
        """
        value = np.clip(evaluate(self.tree, step_entries(t), t.active), -self.limit, self.limit)
        return t.reward + value if self.added else value

    def settings(self) -> dict[str, Any]:
        """``text``, in its only form and with indices in place of names, ``added`` and ``limit``."""
        return {"text": unparse(self.tree), "added": self.added, "limit": self.limit}

    def arrays(self) -> dict[str, Array]:
        """None."""
        return {}

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :meth:`payoff.wrappers.LearnedReward.build`."""
        return cls(settings["text"], added=settings["added"], limit=settings["limit"])


@dataclass(frozen=True, slots=True)
class ExpressionPotential:
    """Potential that is the value of an expression; see :func:`from_expression`."""

    tree: Program
    limit: float

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Values ``(R,)``.

        Raises:
            ValueError: the state holds no such number, or an operation has no finite value.
        """
        everyone = np.ones(count_rows(obs), dtype=np.bool_)
        return np.clip(evaluate(self.tree, state_entries(obs, info), everyone), -self.limit, self.limit)


def from_expression(text: str, *, names: Sequence[str] = (), limit: float = LIMIT) -> ExpressionPotential:
    """Potential that is the value of an expression of a state, cut to [-limit, limit].

    Args:
        text: the expression, see :mod:`payoff.wrappers.llm.expression`, or a function, see
            :mod:`payoff.wrappers.llm.function`; it reads ``obs`` and ``info`` alone.
        names: what the numbers of an observation are called; see :func:`payoff.wrappers.observation_names`.
        limit: largest size, in units of reward, above 0.

    Raises:
        TypeError: ``text`` is no text, or ``names`` no sequence.
        ValueError: the text is not of the language, names an entry that there is not, or reads more than a state; or
            ``limit`` is out of its range.
    """
    check_number("limit", limit, 0.0, open_low=True)
    tree = bind(parse(text), names)
    check_state(tree)
    return ExpressionPotential(tree, float(limit))
