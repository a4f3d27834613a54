"""Factors: numbers that sum up a step, each an expression, from which a return is decomposed.

    next_obs.cell[9]
    abs(next_obs.x - obs.x)

A return that is paid at the end of an episode says little about a single step. A decomposition learns from many returns
what each step was worth, and it learns the faster, the less it has to look at. LaRe has a language model name the few
numbers that matter. Here each is an expression (:mod:`payoff.wrappers.llm.expression`) of what trainers record of a
step: ``obs``, ``action`` and ``next_obs``. Where each seat of a game has a column of its own, factors read that seat's
own observation and action.

Source: LaRe, AAAI 2025, and its published code, which runs the model's Python and leaves factors without bounds. Here
nothing is run, and values are cut to [-limit, limit], as those of all expressions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.arguments import check_sequence, check_text
from payoff.wrappers.llm.entries import NoEntryError, bind, recorded_entries
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.reward_text import Program, evaluate, parse, reads_of, unparse
from payoff.wrappers.llm.verdict import Finding, Verdict, check_expression
from payoff.wrappers.rows import Array

__all__ = ["MOST_FACTORS", "Factors", "check_factor"]

MOST_FACTORS = 32
_RECORDED = ("obs", "next_obs", "action")


class Factors:
    """Features of steps that are the values of expressions; see the module.

    An input of :class:`payoff.wrappers.LinearDecomposition` and of :class:`payoff.wrappers.NetworkDecomposition`.

    Args:
        factors: the expressions, 1 to ``MOST_FACTORS``, of ``obs``, ``next_obs`` and ``action``.
        names: what the numbers of an observation are called; see :func:`payoff.wrappers.observation_names`.
        constant: a last column of ones, what every step is worth: a linear decoder needs it, a network has its own.
        limit: size to which values are cut, above 0.

    Attributes:
        trees: of the expressions, with indices in place of names.

    Raises:
        TypeError: ``factors`` or ``names`` is no sequence, or a factor is no text.
        ValueError: there are none or too many, one is not of the language, or reads what is not there or not recorded;
            or ``limit`` is out of its range.

    >>> Factors(["next_obs.x - obs.x"], names=("x", "y"))(np.zeros((1, 2)), np.zeros(1), np.ones((1, 2)))
    array([[1.]])
    """

    def __init__(
        self, factors: Sequence[str], *, names: Sequence[str] = (), constant: bool = False, limit: float = LIMIT
    ) -> None:
        check_sequence("factors", factors, "texts")
        if not 1 <= len(factors) <= MOST_FACTORS:
            raise ValueError(f"factors must be 1 to {MOST_FACTORS} expressions, got {len(factors)}")
        check_flag("constant", constant)
        check_number("limit", limit, 0.0, open_low=True)
        trees = []
        for i, text in enumerate(factors):
            check_text(f"factors[{i}]", text)
            try:
                trees.append(_bound(parse(text), names))
            except ValueError as error:
                raise ValueError(f"factors[{i}] must be an expression of a step: {error}") from error
        self.trees, self.constant, self.limit = tuple(trees), bool(constant), float(limit)

    def __call__(self, obs: Array, actions: Array, next_obs: Array) -> Array:
        """Values ``(R, F)`` float64 of R steps, in [-limit, limit]; the constant comes last.

        Raises:
            ValueError: a step holds no such number, or an operation has no finite value.
        """
        read, everyone = recorded_entries(obs, actions, next_obs), np.ones(len(obs), dtype=np.bool_)
        values = [np.clip(evaluate(tree, read, everyone), -self.limit, self.limit) for tree in self.trees]
        return np.stack([*values, np.ones(len(obs))] if self.constant else values, axis=1)


def check_factor(env: Any, text: str, *, limit: float = LIMIT, steps: int = 2000, seed: int = 0) -> Verdict:
    """Whether an expression is fit to be a factor in an environment.

    The demands are those of :func:`payoff.wrappers.check_expression` on the reward of a step; ``parses`` also asks that
    it reads nothing but ``obs``, ``next_obs`` and ``action``.

    Args:
        env: a Gymnasium ``VectorEnv`` in next-step autoreset mode; it is reset, played and left open.
        text: the expression.
        limit: largest size that a value should have, above 0.
        steps: least number of steps that are played, all copies together.
        seed: of starts and actions.

    Raises:
        TypeError: ``text`` is no text, or ``env`` no VectorEnv.
        ValueError: another argument is out of its range.
    """
    found = check_expression(env, text, use="reward", limit=limit, steps=steps, seed=seed)
    if found.findings[0].passed:
        try:
            _check_recorded(parse(text))
        except ValueError as error:
            return Verdict(text, found.use, (Finding("parses", False, str(error)),))
    return found


def _bound(tree: Program, names: Sequence[str]) -> Program:
    _check_recorded(tree)
    bound = bind(tree, names)
    for read in reads_of(bound):  # told now, and not when the first episodes have been played
        if len(names) and read.source != "action" and len(read.place) == 1 and read.place[0] >= len(names):
            raise NoEntryError(f"{unparse(read)} is no place in {len(names)} numbers: they are 0 .. {len(names) - 1}")
    return bound


def _check_recorded(tree: Program) -> None:
    for read in reads_of(tree):
        if read.source not in _RECORDED:
            raise ValueError(f"a factor reads obs, next_obs and action alone, got {unparse(read)}")
