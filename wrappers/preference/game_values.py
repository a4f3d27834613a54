"""Best values of a tabular game, looked up by what an agent observes: for annotators who judge its play by regret."""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.preference.annotators import OptimalValues
from payoff.wrappers.rows import Array

__all__ = ["observed_values"]


def observed_values(env: Any, *, gamma: float, starts: int = 20, max_states: int = 20_000) -> OptimalValues:
    """V* and Q* of the payoffs of a game, with a function from its observations to states.

    Args:
        env: one of our games, in any Gymnasium view, whose observations tell its states apart.
        gamma: discount in (0, 1).
        starts: seeds 0 .. starts - 1, whose episodes the model is enumerated from.
        max_states: largest model.

    Raises:
        TypeError: ``env`` is none of ours.
        ValueError: the game is not tabular or has several players, there are too many states, or two of different worth
            look alike.
    """
    from payoff.envs.mdp import as_mdp  # here: they import numba
    from payoff.envs.theory.tabular import q_values, value_iteration

    check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
    mdp = as_mdp(env, range(starts), max_states=max_states)
    values = value_iteration(mdp, gamma, tolerance=1e-10).values
    action_values = q_values(mdp, values, gamma)
    engine = getattr(env, "unwrapped", env).engine
    copies = len(engine.state)
    blocks = range(0, mdp.n_states, copies)
    padded = (np.resize(np.arange(at, min(at + copies, mdp.n_states)), copies) for at in blocks)
    seen = np.concatenate([engine.look(mdp.states[rows])[:, 0] for rows in padded])[: mdp.n_states]
    numbers: dict[bytes, int] = {}
    for s, row in enumerate(_rows(seen)):
        known = numbers.setdefault(row, s)
        if known != s and not np.allclose(action_values[known], action_values[s], rtol=0.0, atol=1e-8):
            raise ValueError(f"{engine.game.id}: observations do not tell its states apart, see observe=")

    def state(obs: Array) -> Array:
        try:
            return np.array([numbers[row] for row in _rows(obs)], dtype=np.int64)
        except KeyError:
            raise ValueError(
                f"{engine.game.id}: an observation is that of no state that seeds 0 .. {starts - 1} reach"
            ) from None

    return OptimalValues(values, action_values, state)


def _rows(obs: Array) -> list[bytes]:
    """The bytes of each observation, as the float32 that a view gives; -0.0 and 0.0 are one."""
    rows = np.ascontiguousarray(obs, dtype=np.float32) + np.float32(0.0)
    data, width = rows.tobytes(), rows[:1].nbytes
    return [data[at : at + width] for at in range(0, len(data), width)]
