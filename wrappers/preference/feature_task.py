"""Tabular games whose payoff is a sum of weights times features: what preferences are asked about and solved exactly.

With phi the features of a transition, T its probabilities, and gamma below 1,

(1) r(s, a, s') = w . phi(s, a, s')
(2) psi_pi(s) = E[ sum_t gamma^t phi_t | s_0 = s, pi ],  V_pi(s) = w . psi_pi(s)        successor features
(3) scaled return of pi:  (J(pi) - J(uniform)) / (J* - J(uniform)),  J = mean of V over the starts

All of them are solved as linear equations, exact up to rounding. Time is no part of a state: an episode goes on until a
terminal state, where features are 0.

Source: Knox et al. (arXiv 2206.02231), whose code takes gamma = 0.999, draws segments from any cell that does not end
the episode, and calls a scaled return above 0.9 near-optimal; Barreto et al. (NeurIPS 2017) for successor features.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import reals
from payoff.wrappers.preference.annotators import OptimalValues
from payoff.wrappers.preference.segments import Segments, joined
from payoff.wrappers.rows import Array

if TYPE_CHECKING:
    from payoff.envs.mdp import MDP

__all__ = ["FeatureTask", "feature_task"]

_CHUNK = 1024  # transitions that are played at once
_IMPROVED = 1e-9  # an action is changed for one that is better by more than this, for the size of the values
_MOST_IMPROVEMENTS = 1000


@dataclass(frozen=True, eq=False)
class FeatureTask:
    """A model with features, and the weights that its payoff has.

    Attributes:
        model: of S states, A actions and K outcomes; it pays (1), and an episode, and a segment, starts in a state with
            the probability that its ``initial`` says.
        features: ``(S, A, K, F)``, of an outcome; 0 in terminal states.
        weights: ``(F,)`` true weights w.
        gamma: discount in (0, 1).

    Raises:
        TypeError: ``model`` is no model.
        ValueError: shapes that do not fit, a discount out of its range, features in a terminal state, or a model that
            pays something else than the weighted features.
    """

    model: MDP
    features: Array
    weights: Array
    gamma: float
    _transition: Array = field(init=False, repr=False)
    _expected: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check, and add up outcomes."""
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        if not hasattr(self.model, "dense"):
            raise TypeError(f"model must be a payoff.envs.mdp.MDP, got {type(self.model).__name__}")
        shape, paid = self.model.next_state.shape, self.model.reward
        if self.weights.ndim != 1 or self.features.shape != (*shape, *self.weights.shape):
            raise ValueError(f"features must have shape {shape} and one axis of weights, got {self.features.shape}")
        if self.features[self.model.terminal].any():
            raise ValueError("features must be 0 in terminal states")
        apart = np.abs(self.features @ self.weights - paid).max()
        if not apart <= 1e-8 * (1.0 + np.abs(paid).max()):
            raise ValueError(f"model must pay features @ weights, got a payoff that differs by {apart:.3g}")
        transition, _ = self.model.dense()
        expected = (self.model.probability[..., None] * self.features).sum(axis=2)
        object.__setattr__(self, "_transition", transition)
        object.__setattr__(self, "_expected", expected)

    @property
    def uniform(self) -> Array:
        """Uniformly random play, ``(S, A)``."""
        return np.full((self.model.n_states, self.model.n_actions), 1.0 / self.model.n_actions)

    # -- solving -------------------------------------------------------------------------------------------------

    def successor_features(self, policy: Array) -> Array:
        """Equation (2) for all states, ``(S, F)``.

        Args:
            policy: ``(S,)`` action numbers, or ``(S, A)`` probabilities.
        """
        chance = np.eye(self.model.n_actions)[policy] if policy.ndim == 1 else policy
        moves = np.einsum("sa,sat->st", chance, self._transition)
        paid = np.einsum("sa,saf->sf", chance, self._expected)
        found: Array = np.linalg.solve(np.eye(self.model.n_states) - self.gamma * moves, paid)
        return found

    def action_values(self, values: Array, weights: Array) -> Array:
        """Q ``(S, A)`` of one step and then ``values`` ``(S,)``."""
        later = np.where(self.model.terminal, 0.0, values)
        found: Array = self._expected @ weights + self.gamma * (self._transition @ later)
        return found

    def best_policy(self, weights: Array) -> Array:
        """An optimal policy ``(S,)`` for weights ``(F,)``, by policy iteration."""
        policy, states = np.zeros(self.model.n_states, dtype=np.int64), np.arange(self.model.n_states)
        for _ in range(_MOST_IMPROVEMENTS):
            values = self.successor_features(policy) @ weights
            q = self.action_values(values, weights)
            better = q.max(axis=1) - q[states, policy] > _IMPROVED * (np.abs(values) + np.abs(weights).max())
            if not better.any():
                break
            policy = np.where(better, q.argmax(axis=1), policy)
        return policy

    def optimal_values(self) -> OptimalValues:
        """V* and Q* under the true weights, for segments whose observations are state numbers."""
        values = self.successor_features(self.best_policy(self.weights)) @ self.weights
        q = self.action_values(values, self.weights)
        return OptimalValues(q.max(axis=1), q, lambda obs: obs[:, 0].astype(np.int64))

    def value(self, policy: Array) -> float:
        """J of a policy under the true weights."""
        return float(self.model.initial @ self.successor_features(policy) @ self.weights)

    def scaled_return(self, weights: Array) -> float:
        """Equation (3) of the policy that is optimal for ``weights`` ``(F,)``: 1 is optimal, 0 no better than chance.

        Raises:
            ValueError: weights of another shape or not finite, or random play is optimal.
        """
        given = reals("weights", weights)
        if given.shape != self.weights.shape or not np.isfinite(given).all():
            raise ValueError(f"weights must be {self.weights.size} finite numbers, got {given}")
        best, least = self.value(self.best_policy(self.weights)), self.value(self.uniform)
        if best - least <= 1e-12 * (1.0 + abs(best)):
            raise ValueError("every policy is as good as random play, so no return can be scaled")
        return (self.value(self.best_policy(given)) - least) / (best - least)

    # -- segments ------------------------------------------------------------------------------------------------

    def random_segments(self, count: int, length: int, seed: int, *, past_the_end: bool = True) -> Segments:
        """Segments of uniformly random play, each from a start of its own; observations are state numbers.

        Args:
            count: N.
            length: L, steps of a segment.
            seed: of the draws.
            past_the_end: whether a segment may run on in a terminal state; without it, segments that would are drawn
                again, and are gone where there is no other way.

        Raises:
            ValueError: an argument is out of its range, or no segment was found that does not run on.
        """
        check_integer("count", count, 1)
        check_integer("length", length, 1)
        check_integer("seed", seed, 0)
        check_flag("past_the_end", past_the_end)
        rng, kept = np.random.default_rng([seed, 2]), 0  # a stream that no answers share
        parts = []
        for _ in range(1000):
            found = self._play(count, length, rng)
            if not past_the_end:
                found = found.take(np.flatnonzero(found.valid.all(axis=1)))
            parts.append(found.take(np.arange(len(found))[: count - kept]))
            kept += len(parts[-1])
            if kept == count:
                break
        if kept < count:
            raise ValueError(f"length {length} is too long: hardly any segment ends before its episode does")
        return joined(parts)

    def _play(self, count: int, length: int, rng: np.random.Generator) -> Segments:
        states = np.empty((count, length + 1), dtype=np.int64)
        states[:, 0] = rng.choice(self.model.n_states, size=count, p=self.model.initial)
        actions = rng.integers(self.model.n_actions, size=(count, length))
        luck = rng.random((count, length))
        rewards = np.zeros((count, length))
        for t in range(length):
            s, a = states[:, t], actions[:, t]
            below = luck[:, t, None] >= self.model.probability[s, a].cumsum(axis=1)[:, :-1]
            k = below.sum(axis=1)
            states[:, t + 1] = self.model.next_state[s, a, k]
            rewards[:, t] = self.features[s, a, k] @ self.weights
        valid = ~self.model.terminal[states[:, :-1]]
        return Segments(
            obs=states[:, :, None],
            actions=np.where(valid, actions, 0)[:, :, None],
            rewards=np.where(valid, rewards, 0.0),
            valid=valid,
            ended=self.model.terminal[states[:, -1]],
        )

    def segment_features(self, segments: Segments) -> Array:
        """Sum of the features of each segment ``(N, F)``, expected over the outcomes that lead where it went."""
        states = segments.obs[:, :, 0].astype(np.int64)
        actions = segments.actions[:, :, 0].astype(np.int64)
        before, after = states[:, :-1], states[:, 1:]
        weight = self.model.probability[before, actions] * (self.model.next_state[before, actions] == after[:, :, None])
        phi = (weight[..., None] * self.features[before, actions]).sum(axis=2) / weight.sum(axis=2)[..., None]
        found: Array = np.where(segments.valid[..., None], phi, 0.0).sum(axis=1)
        return found


def feature_task(
    env_id: str, *, gamma: float, key: str = "reward_vector", start: int = 0, max_states: int = 2000, **parameters: Any
) -> FeatureTask:
    """The task of a tabular game of one player that reports its features.

    Args:
        env_id: one of our games; the namespace ``payoff/`` may be left out.
        gamma: discount in (0, 1).
        key: entry of ``info`` that holds the features of the last step.
        start: seed of the episode whose states are enumerated; segments start in any of them that is not terminal.
        max_states: largest model.
        **parameters: the game's keywords.

    Raises:
        ValueError: the game is not tabular, has several players or too many states, reports no such vector, or pays
            something else than a weighted sum of it.
    """
    from payoff.envs import registry  # here: they import numba
    from payoff.envs.core import chance
    from payoff.envs.mdp import as_mdp
    from payoff.envs.views.engine import bare_engine

    game = registry.load(registry.full_id(env_id))
    if not any(entry.name == key for entry in game.entries):
        raise ValueError(f"{game.id} reports no info[{key!r}], which holds the features of a step")
    mdp = as_mdp(game.id, [start], max_states=max_states, **parameters)
    params = game.params.from_keywords(game.id, parameters)
    engine = bare_engine(game, params, _CHUNK)
    engine.reset()
    layout = engine.shape.layout
    running = np.flatnonzero(~mdp.terminal)
    shape = (len(running), *mdp.next_state.shape[1:])
    s, a, k = (index.ravel() for index in np.indices(shape))
    rows = mdp.states[running[s]]
    if chance.FORCED in layout:
        layout.view(rows, chance.FORCED)[...] = k + 1.0 if game.chance is not None else 0.0
    size, choices = engine.shape.action_size, engine.shape.n_actions or 1
    digits = np.indices((choices,) * size).reshape(size, -1).T
    told = []
    for at in range(0, len(rows), _CHUNK):
        part = np.arange(at, min(at + _CHUNK, len(rows)))
        padded = np.resize(part, _CHUNK)
        engine.state[...], engine.raw[:, 0] = rows[padded], digits[a[padded]]
        engine.advance()
        told.append(engine.features(engine.state.copy())[key][: len(part)].reshape(len(part), -1))
    vectors = np.concatenate(told).astype(np.float64)
    features = np.zeros((*mdp.next_state.shape, vectors.shape[1]))
    features[running] = vectors.reshape(*shape, -1)
    weights, *_ = np.linalg.lstsq(vectors, mdp.reward[running].ravel(), rcond=None)
    weights = np.where(np.abs(weights) < 1e-12, 0.0, weights)
    from_anywhere = np.where(mdp.terminal, 0.0, 1.0 / len(running))
    return FeatureTask(replace(mdp, initial=from_anywhere), features, weights, gamma)
