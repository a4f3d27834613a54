"""Exact tabular models: every state that a game can reach, numbered, with what each action leads to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from payoff.envs import registry
from payoff.envs.core import chance
from payoff.envs.core.game import Episode, Game
from payoff.envs.core.params import Params, is_whole
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, HEADER, NEVER, OVER, TERMINATED, Array, Layout
from payoff.envs.views.engine import Engine, bare_engine

__all__ = ["MDP", "TooManyStatesError", "as_mdp", "canonical", "from_rows"]

_CHUNK = 1024  # rows that are stepped at once
_EXPANDED = 100_000  # states x actions x outcomes that are held at once
_MOST_OUTCOMES = 50_000_000  # states x actions x outcomes that are tabulated: about two gigabytes
_REPORTED = ("event", "aux")  # state fields that record the last step for `info`: no rule reads them


class TooManyStatesError(ValueError):
    """A game has more states than its model may hold."""


@dataclass(frozen=True, slots=True, eq=False)
class MDP:
    """A finite Markov decision process; arrays are read-only.

    Time is no part of a state: the horizon is the solver's business. A terminal state leads to itself and pays 0.

    Attributes:
        states: ``(S, S_row)`` float64 state rows of the game, their header zero but for the mark of terminal states.
        next_state: ``(S, A, K)`` int64, number of the state that outcome k of an action leads to.
        probability: ``(S, A, K)`` float64, of that outcome; sums to 1 over K.
        reward: ``(S, A, K)`` float64, payoff of that outcome.
        initial: ``(S,)`` float64, probability that an episode starts in a state.
        terminal: ``(S,)`` bool.
        solved: ``(S, A, K)`` bool, whether that outcome makes the episode a success; None where the game judges no
            single step (:attr:`~payoff.envs.core.game.Game.success_by_step`).
    """

    states: Array
    next_state: Array
    probability: Array
    reward: Array
    initial: Array
    terminal: Array
    solved: Array | None = None

    def __post_init__(self) -> None:
        """Check shapes (ValueError) and lock the arrays."""
        s, a, k = self.next_state.shape
        expected = {"states": (s, *self.states.shape[1:]), "initial": (s,), "terminal": (s,)}
        for f in fields(self):
            array = getattr(self, f.name)
            if array is None:
                continue
            if array.shape != expected.get(f.name, (s, a, k)):
                raise ValueError(f"{f.name} must have shape {expected.get(f.name, (s, a, k))}, got {array.shape}")
            array.setflags(write=False)

    @property
    def n_states(self) -> int:
        """S."""
        return int(self.next_state.shape[0])

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self.next_state.shape[1])

    def dense(self) -> tuple[Array, Array]:
        """Full matrices: transition probabilities T ``(S, A, S)`` and expected rewards R ``(S, A)``."""
        transition = np.zeros((self.n_states, self.n_actions, self.n_states))
        s, a, _ = np.indices(self.next_state.shape)
        np.add.at(transition, (s, a, self.next_state), self.probability)
        return transition, (self.probability * self.reward).sum(axis=2)


def as_mdp(env: Any, starts: Sequence[int] | None = None, *, max_states: int = 1_000_000, **parameters: Any) -> MDP:
    """The exact model of a tabular game of one player, found by stepping its own kernel from every reachable state.

    Rewards are the game's payoffs: neither the reward layer of ``env`` nor a wrapper around it is part of the game.

    Args:
        env: an environment of ours in any view, or an id with the game's keywords.
        starts: seeds; an episode starts as the first one after ``reset(seed=s)`` for a uniformly drawn seed of these.
            None: as the episodes that ``env`` has just started, its copies being equally likely.
        max_states: give up beyond this many states.
        **parameters: the game's keywords, with an id only.

    Returns:
        States in the order in which a breadth-first search meets them, start states first.

    Raises:
        TypeError: ``env`` is neither an id nor an environment of ours, or keywords were given with an environment.
        ValueError: the game is not tabular, draws random numbers after the reset that are not its ``chance``, or has
            several players; or there is no start.
        TooManyStatesError: there are too many states (a ValueError).
    """
    game, params, state = _source(env, parameters)
    if not game.tabular:
        raise ValueError(f"{game.id} is not tabular: it has no finite list of states")
    if game.shape(params).n_agents != 1:
        raise ValueError(f"{game.id} has several players: as_mdp models the decisions of one")
    first = _running_starts(game, state) if starts is None else _seeded_starts(game, params, starts)
    return _Search(game, params, max_states).run(first)


def from_rows(game: Game[Any], params: Params, rows: Array, *, max_states: int = 1_000_000) -> MDP:
    """The exact model of a tabular game of one player, from given states on.

    Args:
        game: the game.
        params: its parameters.
        rows: ``(K, S_row)`` state rows, equally likely to begin with; their header does not matter.
        max_states: give up beyond this many states.

    Raises:
        ValueError: as :func:`as_mdp`.
    """
    return _Search(game, params, max_states).run(rows)


def _source(env: Any, parameters: dict[str, Any]) -> tuple[Game[Any], Params, Array | None]:
    """Game, parameters and, of an environment, the state rows."""
    if isinstance(env, str):
        game = registry.load(env)
        return game, game.params.from_keywords(game.id, parameters), None
    engine = getattr(getattr(env, "unwrapped", env), "engine", env)
    if not isinstance(engine, Engine):
        raise TypeError(f"env must be an environment of ours or an id, got {type(env).__name__}")
    if parameters:
        raise TypeError(f"keywords go with an id, not with an environment: {', '.join(sorted(parameters))}")
    if len(set(engine.rows)) > 1:
        raise ValueError(f"{engine.game.id}: all copies must have the same parameters")
    return engine.game, engine.rows[0], engine.state


def _running_starts(game: Game[Any], state: Array | None) -> Array:
    if state is None:
        raise ValueError(f"{game.id} was given as an id: name the seeds to start from, such as starts=[0]")
    if (state[:, OVER] == NEVER).any():
        raise ValueError(f"{game.id} has not been reset: reset it, or name the seeds to start from with starts=")
    if state[:, CLOCK].any():
        raise ValueError(f"{game.id} is in the middle of an episode: reset it, or name the seeds with starts=")
    return state.copy()


def _seeded_starts(game: Game[Any], params: Params, seeds: Sequence[int]) -> Array:
    numbers = list(seeds)
    if not numbers or not all(is_whole(s) and s >= 0 for s in numbers):
        raise ValueError(f"starts must be at least one non-negative integer, got {seeds!r}")
    engine = bare_engine(game, params, len(numbers))
    for b, seed in enumerate(numbers):
        engine.seed(b, int(seed))
    engine.reset()
    return engine.state


def canonical(state: Array, layout: Layout) -> Array:
    """State rows without what is no part of a state: header (but for the end), record of the last step, -0."""
    rows = state + 0.0
    terminated = np.floor_divide(rows[:, OVER], TERMINATED) % 2
    rows[:, :HEADER] = 0.0
    rows[:, OVER] = terminated * TERMINATED
    for name in (*_REPORTED, chance.FORCED):
        if name in layout:
            layout.view(rows, name)[...] = 0.0
    return rows


class _Search:
    """Breadth-first enumeration; a state is known by the bytes of its canonical row."""

    def __init__(self, game: Game[Any], params: Params, max_states: int) -> None:
        shape = game.shape(params)
        assert shape.n_actions is not None  # tabular
        self.game, self.params = game, params
        self.judges = game.paid_by_step or game.success_by_step
        self.layout = shape.layout
        self.max_states = max_states
        self.outcomes = np.ones(1) if game.chance is None else np.asarray(game.chance(params), dtype=np.float64)
        self.actions = np.array(list(itertools.product(range(shape.n_actions), repeat=shape.action_size)), dtype=float)
        self.engine = bare_engine(game, params, _CHUNK)
        self.engine.reset()
        self.numbers: dict[bytes, int] = {}
        self.rows: list[Array] = []

    def run(self, first: Array) -> MDP:
        started = self._number(canonical(first, self.layout))
        following: list[Array] = []
        rewards: list[Array] = []
        solved: list[Array] = []
        done = 0
        chunk = max(1, _EXPANDED // (len(self.actions) * len(self.outcomes)))
        while done < len(self.rows):
            if len(self.rows) * len(self.actions) * len(self.outcomes) > _MOST_OUTCOMES:
                most = f"{_MOST_OUTCOMES:,} states x actions x outcomes"
                raise TooManyStatesError(f"{self.game.id} has too many states to tabulate: more than {most}")
            level = np.array(self.rows[done : done + chunk])
            done += len(level)
            after, reward = self._expand(level)
            table = (len(level), len(self.actions), len(self.outcomes))
            following.append(self._number(canonical(after, self.layout)).reshape(table))
            rewards.append(reward.reshape(table))
            if self.judges:
                ended = np.repeat(level[:, OVER] != 0.0, table[1] * table[2])
                solved.append((self._solved(after, reward) & ~ended).reshape(table))
        states = np.array(self.rows)
        next_state = np.concatenate(following)
        return MDP(
            states=states,
            next_state=next_state,
            probability=np.broadcast_to(self.outcomes, next_state.shape).copy(),
            reward=np.concatenate(rewards),
            initial=np.bincount(started, minlength=len(states)) / len(started),
            terminal=states[:, OVER] != 0.0,
            solved=np.concatenate(solved) if solved else None,
        )

    def _solved(self, after: Array, reward: Array) -> Array:
        """Whether each step, as an episode of its own, is a success."""
        judge = self.game.success
        assert judge is not None
        if self.game.paid_by_step:
            positive: Array = reward > 0.0
            return positive
        ended = np.floor_divide(after[:, OVER], TERMINATED) % 2 == 1.0
        steps = zip(reward[:, None, None], after, ended.tolist(), strict=True)
        return np.array([judge(self.params, Episode(*step)) for step in steps], dtype=bool)

    def _number(self, rows: Array) -> Array:
        """Number of each row; new ones get the next numbers."""
        found = np.empty(len(rows), dtype=np.int64)
        for i, row in enumerate(rows):
            known = len(self.rows)
            found[i] = self.numbers.setdefault(row.tobytes(), known)
            if found[i] == known:
                self.rows.append(row)
        if len(self.rows) > self.max_states:
            most = f"max_states={self.max_states}"
            raise TooManyStatesError(f"{self.game.id} has more than {most} states from these starts")
        return found

    def _expand(self, level: Array) -> tuple[Array, Array]:
        """Rows after a step, and payoffs: state by state, in it action by action, in it outcome by outcome."""
        n_outcomes = len(self.outcomes)
        pairs = np.repeat(level, len(self.actions) * n_outcomes, axis=0)
        chosen = np.repeat(np.tile(self.actions, (len(level), 1)), n_outcomes, axis=0)
        if self.game.chance is not None:
            number = np.tile(np.arange(1.0, n_outcomes + 1.0), len(level) * len(self.actions))
            self.layout.view(pairs, chance.FORCED)[...] = number
        after, reward = pairs.copy(), np.zeros(len(pairs))
        running = np.flatnonzero(pairs[:, OVER] == 0.0)
        engine = self.engine
        for at in range(0, len(running), _CHUNK):
            part = running[at : at + _CHUNK]
            padded = np.resize(part, _CHUNK)  # the batch has a fixed size: repeats fill it
            engine.state[...] = pairs[padded]
            engine.raw[:, 0] = chosen[padded]
            engine.advance()
            if engine.state[:, COUNTER].any() or engine.state[:, EPISODE].any():
                raise ValueError(
                    f"{self.game.id} draws random numbers after the reset that are not its chance outcomes"
                )
            after[part] = engine.state[: len(part)]
            reward[part] = engine.payoff[: len(part), 0]
        return after, reward
