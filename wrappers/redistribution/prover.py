"""Progress under a prover: a step is paid what it adds to the chances of another policy that would play on from there.

(1) A^mu_t = r_t + gamma V^mu(s_{t+1}) - V^mu(s_t),  V^mu = 0 where the episode is over
(2) r'_t = r_t + alpha A^mu_t
(3) best of K: V^mu = 1 - (1 - V^pi)^K, for chances V^pi of success

mu is the prover, V^mu(s) what it is expected to be paid from s on. Since mu does not change with the learner,
(2) = (1 + alpha) r + alpha (gamma V^mu(s') - V^mu(s)): a rescaled reward and a potential, which keeps the best policies
where gamma is the learner's own discount and ends of episodes are ends for it too. V^mu itself as a reward does not
keep them, and is hacked by staying where the prover does well. A prover that is much too weak or too strong says the
same of all actions; the learner itself as the prover adds nothing to its gradient but a baseline.

Source: Setlur et al., "Rewarding progress: scaling automated process verifiers for LLM reasoning" (arXiv 2410.08146):
gamma = 1, alpha robust in 0.2 to 0.6, K = 4 best. For states that are reached with certainty; in a random game (1) has
the transition's luck in it, whose mean is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from payoff.envs import registry
from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import CLOCK, KEY, OVER
from payoff.envs.mdp import MDP, canonical
from payoff.envs.views.multi_agent import MultiAgentVec
from payoff.wrappers.arguments import as_array, check_mapping, reals
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array

__all__ = ["ProverProgress", "RolloutValues", "StateValues", "table_values"]

StateValues: TypeAlias = Callable[[Array], Array]


class ProverProgress(RewardTransform):
    """Pays equation (2), from the state rows that a trainer records.

    Games of one seat. A truncated episode counts as over, like a terminated one.

    Args:
        values: V^mu: a function from state rows ``(R, S)`` of running episodes to ``(R,)`` expected payoffs; see
            :class:`RolloutValues` and :func:`table_values`.
        gamma: discount of (1), in (0, 1]: the learner's own. The paper has 1.
        alpha: weight of the progress, at least 0.
        best_of: K of (3); 1 leaves the values as they are, others need values in [0, 1].

    Raises:
        TypeError: ``values`` cannot be called.
        ValueError: another argument is out of its range.
    """

    needs = ("state",)

    def __init__(self, values: StateValues, *, gamma: float, alpha: float = 0.5, best_of: int = 1) -> None:
        function: Any = values
        if not callable(function):
            raise TypeError(f"values must be a function of state rows, got {values!r}")
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_number("alpha", alpha, 0.0)
        check_integer("best_of", best_of, 1)
        self.values, self.gamma, self.alpha, self.best_of = values, gamma, alpha, best_of

    def progress(self, batch: EpisodeBatch) -> Array:
        """A^mu ``(T, B)`` of (1), 0 where not valid.

        Raises:
            ValueError: a game of several seats, or values of another shape, that are not finite, or, with
                ``best_of`` above 1, outside [0, 1].
        """
        if batch.seats != 1:
            raise ValueError(f"progress is that of the one seat of a game, got {batch.seats} seats")
        states = np.concatenate([batch.start["state"][None], batch.info["state"]])
        over = batch.terminated | batch.truncated
        running = np.concatenate([np.ones_like(over[:1]), batch.valid & ~over])
        found = reals("what values returns", self.values(states[running]))
        if found.shape != (int(running.sum()),) or not np.isfinite(found).all():
            raise ValueError(f"values must return {int(running.sum())} finite numbers, got shape {found.shape}")
        if self.best_of > 1:
            if ((found < -1e-9) | (found > 1.0 + 1e-9)).any():
                raise ValueError("best_of needs values that are chances, in [0, 1]")
            found = 1.0 - (1.0 - np.clip(found, 0.0, 1.0)) ** self.best_of
        value = np.zeros(running.shape)
        value[running] = found
        return np.where(batch.valid, batch.rewards + self.gamma * value[1:] - value[:-1], 0.0)

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Equation (2)."""
        return batch.paid + self.alpha * self.progress(batch)

    def state_dict(self) -> dict[str, Array]:
        """State of the values, where they have one, such as the random numbers of rollouts."""
        found: Any = getattr(self.values, "state_dict", dict)()
        return dict(found)

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError where it does not fit."""
        load = getattr(self.values, "load_state_dict", super().load_state_dict)
        load(state)


class RolloutValues:
    """V^mu by playing: the game is put back to each state, and the prover plays it to its end a few times.

    Every rollout has random numbers of its own, not those of the episode that the state is from.

    Args:
        env_id: a game of one seat.
        prover: observations ``(R, 1, O)`` -> actions ``(R, 1, A)``.
        rollouts: plays from each state, 1 or more; the standard error falls with its root.
        gamma: discount, in (0, 1].
        seed: of the random numbers.
        chunk: plays that run at once.
        **keywords: the game's keywords and view settings, those of the training.

    Raises:
        TypeError: ``prover`` cannot be called, or an unknown keyword.
        ValueError: another argument is out of its range, or the game has several seats.
    """

    def __init__(
        self,
        env_id: str,
        prover: Callable[[Array], Array],
        *,
        rollouts: int = 8,
        gamma: float = 1.0,
        seed: int = 0,
        chunk: int = 4096,
        **keywords: Any,
    ) -> None:
        if not isinstance(env_id, str):
            raise TypeError(f"env_id must be an environment's id, got {env_id!r}")
        function: Any = prover
        if not callable(function):
            raise TypeError(f"prover must be a function of observations, got {prover!r}")
        check_integer("rollouts", rollouts, 1)
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_integer("seed", seed, 0)
        check_integer("chunk", chunk, 1)
        self.prover, self.rollouts, self.gamma, self.seed, self.chunk = prover, rollouts, gamma, seed, chunk
        self._settings = (env_id, {**keywords, "info": "minimal", "autoreset_mode": "next_step"})
        self._env = self._make(chunk)
        self.calls = 0

    def _make(self, size: int) -> Any:
        env_id, keywords = self._settings
        env = MultiAgentVec(env_id, num_envs=size, **keywords)
        if env.num_agents != 1:
            raise ValueError(f"progress is that of the one seat of a game, {env_id} has {env.num_agents}")
        return env

    def __call__(self, states: Array) -> Array:
        """Mean payoff from each of the states ``(R, S)`` on, ``(R,)``."""
        rng = np.random.default_rng([self.seed, self.calls])
        self.calls += 1
        rows = np.repeat(np.asarray(states, dtype=np.float64), self.rollouts, axis=0)
        rows[:, KEY] = rng.integers(2**53, size=len(rows))  # luck of their own, not the episode's
        paid = np.concatenate([self._play(rows[i : i + self.chunk]) for i in range(0, len(rows), self.chunk)])
        values: Array = paid.reshape(len(states), self.rollouts).mean(axis=1)
        return values

    def _play(self, rows: Array) -> Array:
        if self._env.num_envs != len(rows):
            self._env.close()
            self._env = self._make(len(rows))
        env = self._env
        env.reset(seed=0)
        blank = env.snapshot()
        obs, _ = env.restore(replace(blank, state=rows))
        running, paid, discount = rows[:, OVER] == 0.0, np.zeros(len(rows)), 1.0
        while running.any():
            obs, _, terminated, truncated, info = env.step(self.prover(obs))
            paid += np.where(running, discount * info["payoff"][:, 0], 0.0)
            running &= ~(terminated | truncated)
            discount *= self.gamma
        return paid

    def state_dict(self) -> dict[str, Array]:
        """``calls``: what the random numbers of the next call depend on."""
        return {"calls": np.array(self.calls)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: anything but one whole number ``calls``; nothing has changed.
        """
        check_mapping("state", state, "arrays")
        calls = as_array(state.get("calls", -1.0))
        if set(state) != {"calls"} or calls.shape != () or calls.dtype.kind not in "iu" or calls < 0:
            raise ValueError(f"RolloutValues takes the whole number calls, got {dict(state)}")
        self.calls = int(calls)


def table_values(env_id: str, mdp: MDP, values: Array, **parameters: Any) -> StateValues:
    """V^mu from the exact model of a game.

    Args:
        env_id: the game.
        mdp: its model; see :func:`payoff.as_mdp`.
        values: ``(S,)`` values of the prover in the states of the model, or ``(H + 1, S)`` where row h holds those with
            h steps left; the steps left are then H minus the state's clock.
        **parameters: the game's keywords.

    Raises:
        ValueError: values of another shape; on a call: a state that the model does not have, or one with more than H
            steps on its clock.
    """
    table = np.array(values, dtype=np.float64)
    if table.ndim not in (1, 2) or table.shape[-1] != mdp.n_states:
        raise ValueError(f"values must have shape ({mdp.n_states},) or (H + 1, {mdp.n_states}), got {table.shape}")
    game = registry.load(env_id)
    layout = game.shape(game.params.from_keywords(env_id, parameters)).layout
    number = {row.tobytes(): s for s, row in enumerate(np.ascontiguousarray(mdp.states))}

    def look_up(rows: Array) -> Array:
        keys = [row.tobytes() for row in canonical(rows, layout)]
        missing = next((key for key in keys if key not in number), None)
        if missing is not None:
            raise ValueError(f"the model of {env_id} has no state {np.frombuffer(missing)}")
        at = np.array([number[key] for key in keys], dtype=np.int64)
        if table.ndim == 1:
            return np.asarray(table[at])
        left = len(table) - 1 - rows[:, CLOCK].astype(np.int64)
        if (left < 0).any():  # as an index it would count from the end
            raise ValueError(
                f"values have rows for {len(table) - 1} steps, got a state at step {rows[:, CLOCK].max():g}"
            )
        return np.asarray(table[left, at])

    return look_up
