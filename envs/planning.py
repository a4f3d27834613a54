"""Exact play of tabular games of one player: the best expected return with so many steps left, and an action for it.

A game without a closed form takes its ``optimum`` and ``policy`` from here. The model is enumerated once from each
start that is asked about, by the game's own kernel, and solved by dynamic programming backwards from the horizon
(equation (3) of :mod:`payoff.envs.theory.tabular`, with the maximum over actions): exact up to rounding.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from payoff.envs import mdp as models
from payoff.envs.core.game import Game
from payoff.envs.core.params import Params
from payoff.envs.core.state import CLOCK, OVER, Array

__all__ = ["Planner", "action", "optimum"]

_KEPT = 32  # models held at a time


class Planner:
    """Solution of one model for every number of steps left.

    Args:
        game: tabular game of one player.
        params: its parameters.
        rows: ``(K, S)`` states from which the model is enumerated.
        max_states: give up beyond this many states (ValueError).

    Attributes:
        model: the model.
        values: ``(H + 1, S)``, best expected return with h steps left.
        horizon: H.
    """

    def __init__(self, game: Game[Any], params: Params, rows: Array, *, max_states: int = 1_000_000) -> None:
        self.game = game
        self.layout = game.shape(params).layout
        self.horizon = game.shape(params).max_steps
        self.model = models.from_rows(game, params, rows, max_states=max_states)
        self._numbers = {row.tobytes(): s for s, row in enumerate(self.model.states)}
        self.values = np.zeros((self.horizon + 1, self.model.n_states))
        for h in range(1, self.horizon + 1):
            self.values[h] = self._q(h).max(axis=1)

    def _q(self, h: int) -> Array:
        m = self.model
        q: Array = (m.probability * (m.reward + self.values[h - 1][m.next_state])).sum(axis=2)
        return q

    def number(self, row: Array) -> int:
        """Number of a state row in the model.

        Raises:
            KeyError: the model, enumerated from its starts, does not reach it.
        """
        return self._numbers[models.canonical(row[None], self.layout)[0].tobytes()]

    def value(self, row: Array) -> float:
        """Best expected return from a state row within what its clock leaves of the horizon; 0 when it is over."""
        left = self.horizon - int(row[CLOCK])
        return 0.0 if row[OVER] != 0.0 or left <= 0 else float(self.values[left, self.number(row)])

    def action(self, row: Array) -> int:
        """Best action there, of equally good ones the first."""
        m, s = self.model, self.number(row)
        left = self.horizon - int(row[CLOCK])
        q = (m.probability[s] * (m.reward[s] + self.values[left - 1][m.next_state[s]])).sum(axis=1)
        return int(np.argmax(q >= q.max() - 1e-12))

    def steps_to_reward(self, row: Array) -> int:
        """Least number of steps to a payment above 0, by any play and luck; horizon + 1 where there is none."""
        seen = {self.number(row)}
        frontier = seen
        for step in range(1, self.horizon + 1):
            states = np.fromiter(frontier, dtype=np.int64)
            possible = self.model.probability[states] > 0.0
            if (possible & (self.model.reward[states] > 0.0)).any():
                return step
            frontier = set(self.model.next_state[states][possible].tolist()) - seen
            seen |= frontier
            if not frontier:
                break
        return self.horizon + 1


_planners: OrderedDict[tuple[Any, ...], Planner] = OrderedDict()


def _planner(game: Game[Any], params: Params, row: Array) -> Planner:
    """A planner whose model holds this state; the last ones are kept."""
    key = (game.id, params)
    known = [k for k in _planners if k[:2] == key]
    for k in known:
        try:
            _planners[k].number(row)
        except KeyError:
            continue
        _planners.move_to_end(k)
        return _planners[k]
    made = Planner(game, params, row[None])
    _planners[(*key, row.tobytes())] = made
    if len(_planners) > _KEPT:
        _planners.popitem(last=False)
    return made


def optimum(game: Game[Any], params: Params, row: Array) -> tuple[float, int]:
    """Best expected return and least number of steps to a payment, as ``Game.optimum`` gives them."""
    plan = _planner(game, params, row)
    return plan.value(row), plan.steps_to_reward(row)


def action(game: Game[Any], params: Params, row: Array) -> Array:
    """Best action ``(1,)``, as ``Game.policy`` gives it."""
    return np.array([_planner(game, params, row).action(row)], dtype=np.float64)
