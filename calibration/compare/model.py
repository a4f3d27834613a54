"""The setting in which rewards are compared: transitions, start, discount, and a reward's place in them.

A reward is an array ``(S, A, K)`` beside the outcomes of a :class:`TabularModel`: K lists what an action can lead to,
so that a few thousand states need no S x A x S array. Given full matrices ``T[s, a, s']`` K is S and every transition
is listed, reachable or not, as in the published experiments; given a :class:`payoff.envs.mdp.MDP` only what can happen
is listed, and outcomes that lead to the same state are one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.envs.core.state import Array

if TYPE_CHECKING:
    from payoff.envs.mdp import MDP

__all__ = ["MOST_DENSE", "TabularModel", "uniform"]

MOST_DENSE = 2000  # states up to which linear systems are solved directly: two matrices of 32 MB, a second at most


@dataclass(frozen=True, slots=True, eq=False)
class TabularModel:
    """Transitions, start distribution and discount; arrays are read-only.

    A terminal state leads to itself and pays 0, whatever a given reward says.

    Attributes:
        next_state: ``(S, A, K)`` int64, state that outcome k of an action leads to.
        probability: ``(S, A, K)`` float64, of that outcome; sums to 1 over K.
        listed: ``(S, A, K)`` bool, whether the outcome counts as a transition. Not those that cannot happen, where only
            what can is listed, nor those that lead where an earlier outcome of the action does.
        initial: ``(S,)`` float64, start distribution.
        terminal: ``(S,)`` bool.
        gamma: discount, in (0, 1).
        held: ``(S, A, K)`` bool, whether an outcome is listed or leads where a listed one of its action does.
        place: ``(S, A, K)`` int64, the outcome that stands for each of the given ones: itself, or an earlier one that
            leads to the same state. None: all lead to different states.
        share: ``(S, A, K)`` float64, weight of a given outcome in the one that stands for it; None likewise.
    """

    next_state: Array
    probability: Array
    listed: Array
    initial: Array
    terminal: Array
    gamma: float
    held: Array
    place: Array | None = None
    share: Array | None = None

    @property
    def n_states(self) -> int:
        """S."""
        return int(self.next_state.shape[0])

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self.next_state.shape[1])

    @classmethod
    def from_arrays(
        cls, transition: Any, gamma: float, *, initial: Any = None, terminal: Any = None, reachable_only: bool = False
    ) -> TabularModel:
        """From a full matrix; rewards are then ``(S, A, S)``.

        Args:
            transition: ``(S, A, S)`` probabilities.
            gamma: discount, in (0, 1).
            initial: ``(S,)`` start distribution; None: uniform.
            terminal: ``(S,)`` bool; None: no state is.
            reachable_only: list only transitions of positive probability. The default lists all, as the published code
                does, so that what a reward says about impossible transitions counts in norms that are not weighted.

        Raises:
            ValueError: shapes do not fit, or what should be probabilities is not.
        """
        matrix = np.array(transition, dtype=np.float64)
        if matrix.ndim != 3 or matrix.shape[0] != matrix.shape[2] or not matrix.size:
            raise ValueError(f"transition must have shape (S, A, S), got {matrix.shape}")
        n = len(matrix)
        if not (matrix >= 0.0).all() or not np.allclose(matrix.sum(axis=2), 1.0, rtol=0.0, atol=1e-9):
            raise ValueError("transition must hold probabilities: not negative, and summing to 1 over the last axis")
        start = np.full(n, 1.0 / n) if initial is None else np.array(initial, dtype=np.float64)
        ends = np.zeros(n, dtype=np.bool_) if terminal is None else np.array(terminal, dtype=np.bool_)
        following = np.broadcast_to(np.arange(n), matrix.shape)
        listed = matrix > 0.0 if reachable_only else np.ones(matrix.shape, dtype=np.bool_)
        return _build(following, matrix, listed, start, ends, gamma)

    @classmethod
    def from_mdp(cls, mdp: MDP, gamma: float) -> TabularModel:
        """From the exact model of a game; rewards are then beside its outcomes, ``(S, A, K)``.

        Args:
            mdp: see :func:`payoff.as_mdp`. Its time is no state: here episodes end in terminal states only.
            gamma: discount, in (0, 1).
        """
        following, chance = mdp.next_state, mdp.probability
        same = following[:, :, :, None] == following[:, :, None, :]
        if same.sum() == following.size:
            return _build(following, chance, chance > 0.0, mdp.initial, mdp.terminal, gamma)
        place = same.argmax(axis=3)  # the first outcome that leads to the same state
        s, a, _ = np.indices(following.shape)
        merged = np.zeros(following.shape)
        np.add.at(merged, (s, a, place), chance)
        total = np.take_along_axis(merged, place, axis=2)
        share = np.divide(chance, total, out=np.zeros(following.shape), where=total > 0.0)
        return _build(following, merged, merged > 0.0, mdp.initial, mdp.terminal, gamma, place, share)

    def align(self, reward: Any) -> Array:
        """A reward beside the outcomes, ``(S, A, K)``, 0 in terminal states and where nothing is listed.

        Args:
            reward: ``(S, A, K)`` in the form in which the transitions were given, or ``(S, A)``. Outcomes that lead to
                the same state get their mean, by probability. What was aligned before stays as it is.

        Raises:
            ValueError: another shape, or a number that is not finite.
        """
        given = np.asarray(reward, dtype=np.float64)
        shape = self.next_state.shape
        if given.shape not in (shape, shape[:2]):
            raise ValueError(f"reward must have shape {shape} or {shape[:2]}, got {given.shape}")
        if not np.isfinite(given).all():
            raise ValueError(f"reward must hold finite numbers, got {given[~np.isfinite(given)][0]}")
        given = np.broadcast_to(given if given.ndim == 3 else given[:, :, None], shape)
        if self.place is not None and self.share is not None:
            merged = np.zeros(shape)
            s, a, _ = np.indices(shape)
            np.add.at(merged, (s, a, self.place), given * self.share)
            given = np.take_along_axis(merged, self.place, axis=2)
        return np.where(self.held & ~self.terminal[:, None, None], given, 0.0)

    def padded(self, x: Array) -> Array:
        """``x``, of shape ``(S, A, K)`` or ``(S, A, 1)``, and 0 for outcomes that are not ``held``.

        Outcomes that lead to the same state have the number of the one that stands for them.
        """
        if self.place is not None:
            x = np.take_along_axis(np.broadcast_to(x, self.place.shape), self.place, axis=2)
        return np.where(self.held, x, 0.0)

    def shaping(self, potential: Any) -> Array:
        """F = gamma Phi(s') - Phi(s), ``(S, A, K)``, with Phi = 0 in terminal states.

        Raises:
            ValueError: ``potential`` is not ``(S,)``.
        """
        phi = np.asarray(potential, dtype=np.float64)
        if phi.shape != self.terminal.shape:
            raise ValueError(f"potential must have shape {self.terminal.shape}, got {phi.shape}")
        phi = np.where(self.terminal, 0.0, phi)
        return self.padded(self.gamma * phi[self.next_state] - phi[:, None, None])

    def mean(self, reward: Array) -> Array:
        """Expected reward of an action ``(S, A)``, of an aligned reward."""
        expected: Array = (self.probability * reward).sum(axis=2)
        return expected

    def ahead(self, values: Array) -> Array:
        """Expected value of the next state ``(S, A)``."""
        expected: Array = (self.probability * values[self.next_state]).sum(axis=2)
        return expected

    def chain(self, policy: Array) -> Array:
        """Transition matrix of a policy ``(S, A)``: ``(S, S)``."""
        n = self.n_states
        weight = policy[:, :, None] * self.probability
        row = np.broadcast_to(np.arange(n)[:, None, None], weight.shape)
        flat = np.bincount((row * n + self.next_state).ravel(), weight.ravel(), n * n)
        return flat.reshape(n, n)

    def solve(self, policy: Array, right: Array, *, backward: bool = False) -> Array:
        """X in x = right + gamma P x, or with ``backward`` in x = right + gamma P' x; P is the policy's chain.

        Beyond ``MOST_DENSE`` states by repeated substitution, as often as brings the contraction to the last digits.

        Args:
            policy: ``(S, A)`` probabilities.
            right: ``(S,)``.
            backward: solve the transposed system, whose answer to the start distribution is the discounted number of
                visits.

        Returns:
            ``(S,)``.
        """
        n = self.n_states
        if n <= MOST_DENSE:
            matrix = np.eye(n) - self.gamma * self.chain(policy)
            answer: Array = np.linalg.solve(matrix.T if backward else matrix, right)
            return answer
        weight = self.gamma * policy[:, :, None] * self.probability
        x = np.array(right, dtype=np.float64)
        for _ in range(int(np.ceil(np.log(1e-17 * (1.0 - self.gamma)) / np.log(self.gamma)))):
            if backward:
                later = np.bincount(self.next_state.ravel(), (weight * x[:, None, None]).ravel(), n)
            else:
                later = (weight * x[self.next_state]).sum(axis=(1, 2))
            before, x = x, right + later
            if np.array_equal(before, x):
                break
        return x


def uniform(model: TabularModel) -> Array:
    """Uniformly random play ``(S, A)``."""
    return np.full((model.n_states, model.n_actions), 1.0 / model.n_actions)


def _build(
    following: Array,
    chance: Array,
    listed: Array,
    initial: Array,
    terminal: Array,
    gamma: float,
    place: Array | None = None,
    share: Array | None = None,
) -> TabularModel:
    """The model, with terminal states that lead to themselves by one outcome.

    Raises:
        ValueError: gamma, initial or terminal is not allowed.
    """
    check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
    n = len(following)
    if terminal.shape != (n,):
        raise ValueError(f"terminal must have shape ({n},), got {terminal.shape}")
    if initial.shape != (n,) or not (initial >= 0.0).all() or abs(initial.sum() - 1.0) > 1e-9:
        raise ValueError(f"initial must hold {n} probabilities that sum to 1, got shape {initial.shape}")
    itself = np.arange(n)[:, None, None]
    ends = terminal[:, None, None]
    stays = (following == itself).argmax(axis=2)[:, :, None]  # 0 where none does
    only = np.arange(following.shape[2]) == stays
    listed = np.where(ends, only, listed)
    model = TabularModel(
        next_state=np.where(ends, itself, following),
        probability=np.where(ends, only.astype(np.float64), chance),
        listed=listed,
        initial=np.array(initial),
        terminal=np.array(terminal),
        gamma=gamma,
        held=listed.copy() if place is None else np.take_along_axis(listed, place, axis=2),
        place=place,
        share=share,
    )
    for f in fields(model):
        value = getattr(model, f.name)
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return model
