"""Canonical rewards: one representative of all rewards that order policies alike by one of two kinds of change.

(1) shaping: R'(s, a, s') = R(s, a, s') + gamma Phi(s') - Phi(s), Phi = 0 in terminal states
(2) redistribution over s': any R' with E[R'(s, a, S')] = E[R(s, a, S')] for S' ~ T(s, a)

Every kind but DARD subtracts some (1) and (2), and a constant, from the reward, so that the returns of all policies
change by the same number. With V the value of uniformly random play, A uniform, S and S' uniform over states:

=================  ========================================================================  ===  ===
kind               c(s, a, s')                                                               (1)  (2)
=================  ========================================================================  ===  ===
val                E[R(s, a, S') + gamma V(S')] - V(s), S' ~ T(s, a)                         yes  yes
val_potential      R(s, a, s') + gamma V(s') - V(s)                                          yes  no
epic               R(s, a, s') + E[gamma R(s', A, S') - R(s, A, S') - gamma R(S, A, S')]     yes  no
dard               R(s, a, s') + E[gamma R(s', A, S'') - R(s, A, S') - gamma R(S', A, S'')]  yes  no
minimal_potential  R + gamma Phi(s') - Phi(s), Phi of the least L2 norm of it                yes  no
minimal            the same over (1) and (2)                                                 yes  yes
none               R                                                                         no   no
=================  ========================================================================  ===  ===

The columns say which change leaves c as it is. In ``dard`` S' ~ T(s, A), S'' ~ T(s', A), with one A in the last term.

``epic`` and ``dard`` ask for rewards of transitions that cannot happen. Where the model does not list them (a game pays
only for what happens), they are taken as E[c_val] - gamma V(s') + V(s): what no shaping can tell from an indifferent
transition, so that (1) still holds. That completion is ours; with full matrices nothing is completed.

Sources: Skalse et al., "STARC" (arXiv 2309.15257) and its published code for all but the completion; EPIC is Gleave et
al. (2020), DARD Wulfe et al. (2022). Published code minimises by gradient steps, and over (1) only; here L2 is solved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.calibration.compare.model import MOST_DENSE, TabularModel, uniform
from payoff.envs.core.params import check_word
from payoff.envs.core.state import Array

__all__ = ["KINDS", "canonicalise", "settled"]

KINDS = ("val", "val_potential", "epic", "dard", "minimal_potential", "minimal", "none")
_ROUNDING = 1e-13  # of the largest sum of rewards
_HELD = 4_000_000  # numbers that the double sum of DARD holds at once


def canonicalise(reward: Any, model: TabularModel, kind: str = "val", *, weighted: bool = False) -> Array:
    """The canonical form of a reward.

    Args:
        reward: see :meth:`TabularModel.align`.
        model: the setting.
        kind: one of ``KINDS``.
        weighted: for the minimal kinds, whether the norm to be least weighs transitions by their probability.

    Returns:
        ``(S, A, K)``; of ``val`` the same number for all outcomes of an action, listed or not.

    Raises:
        ValueError: an unknown kind, a reward that does not fit, or a minimal kind beyond MOST_DENSE states.
    """
    check_word("kind", kind, KINDS)
    r = model.align(reward)
    if kind == "none":
        return r
    if kind in ("minimal", "minimal_potential"):
        if model.n_states > MOST_DENSE:
            raise ValueError(f"kind must not be {kind!r} beyond {MOST_DENSE} states, got {model.n_states}; take 'val'")
        return _minimal(r, model, weighted) if kind == "minimal" else _minimal_potential(r, model, weighted)
    play = uniform(model)
    values = model.solve(play, (play * model.mean(r)).sum(axis=1))
    advantage = model.mean(r) + model.gamma * model.ahead(values) - values[:, None]
    if kind == "val":
        return np.broadcast_to(advantage[:, :, None], r.shape).copy()
    shaped = r + model.shaping(values)
    if kind == "val_potential":
        return shaped
    rest = np.where(model.listed, shaped - advantage[:, :, None], 0.0)  # what no completion would say
    if kind == "epic":
        return _epic(r, model, values, rest)
    return _dard(r, model, values, advantage, rest)


def settled(form: Array, reward: Any, model: TabularModel) -> Array:
    """A canonical form, exactly 0 where nothing but rounding is left of the reward: all policies are equally good."""
    most = np.abs(model.align(reward)).max() / (1.0 - model.gamma)
    return np.zeros(form.shape) if np.abs(form).max() <= _ROUNDING * most else form


def _always(a: int, model: TabularModel) -> Array:
    """The policy ``(S, A)`` that takes action a everywhere."""
    return np.broadcast_to((np.arange(model.n_actions) == a).astype(np.float64), (model.n_states, model.n_actions))


def _epic(r: Array, model: TabularModel, values: Array, rest: Array) -> Array:
    """With R completed, E[R(s, A, S')] = V(s) - gamma mean V + mean over A of sum of rest / S; E[c_val(s, A)] is 0."""
    n = model.n_states
    mean = values - model.gamma * values.mean() + rest.sum(axis=2).mean(axis=1) / n
    following = mean[model.next_state]
    return model.padded(r + model.gamma * following - mean[:, None, None] - model.gamma * mean.mean())


def _dard(r: Array, model: TabularModel, values: Array, advantage: Array, rest: Array) -> Array:
    """With R completed, the last term is that of c_val + V(S') - gamma V(S''), which splits, plus that of the rest."""
    mean = model.mean(r).mean(axis=1)
    onward = model.ahead(values).mean(axis=1)  # E V(S'') from s'
    # E[c_val(S', A)] with the A that led to S'
    led = (model.probability * advantage[model.next_state, np.arange(model.n_actions)[:, None]]).sum(axis=2)
    here = (led + model.ahead(values)).mean(axis=1)
    following = model.next_state
    last = here[:, None, None] - model.gamma * onward[following] + _double_sum(model, rest)
    return model.padded(r + model.gamma * mean[following] - mean[:, None, None] - model.gamma * last)


def _double_sum(model: TabularModel, rest: Array) -> Array:
    """Mean over A of the sum over S', S'' of T(s, A, S') rest(S', A, S'') T(s', A, S''), for each outcome s'."""
    n, _, width = model.next_state.shape
    if not rest.any():
        return np.zeros(model.next_state.shape)
    return _by_matrices(model, rest) if 4 * width > n else _by_outcomes(model, rest)


def _by_matrices(model: TabularModel, rest: Array) -> Array:
    """The double sum where matrices are as good as full."""
    n, n_actions, _ = model.next_state.shape
    total = np.zeros(model.next_state.shape)
    s = np.arange(n)[:, None]
    for a in range(n_actions):
        onward = model.chain(_always(a, model))
        middle = np.zeros((n, n))
        np.add.at(middle, (s, model.next_state[:, a]), rest[:, a])
        between = onward @ middle @ onward.T
        total += between[s[:, :, None], model.next_state]
    total /= n_actions
    return total


def _by_outcomes(model: TabularModel, rest: Array) -> Array:
    """The double sum where an action leads to few of many states."""
    n, n_actions, width = model.next_state.shape
    total = np.zeros(model.next_state.shape)
    chunk = max(1, _HELD // (n_actions * width * width + n))
    for low in range(0, n, chunk):
        rows = slice(low, min(low + chunk, n))
        size = rows.stop - rows.start
        target = model.next_state[rows]  # (B, A, K): the s' that are asked for
        for a in range(n_actions):
            middle, chance = model.next_state[rows, a], model.probability[rows, a]  # (B, K): S' and its probability
            column = model.next_state[middle, a]  # (B, K, K): S''
            weight = chance[:, :, None] * rest[middle, a]
            at = np.arange(size)[:, None, None] * n + column
            reached = np.bincount(at.ravel(), weight.ravel(), size * n).reshape(size, n)
            for b in range(n_actions):
                for k in range(width):
                    onward = model.next_state[target[:, b, k], a]  # (B, K): what s' leads to
                    seen = np.take_along_axis(reached, onward, axis=1)
                    total[rows, b, k] += (seen * model.probability[target[:, b, k], a]).sum(axis=1)
    total /= n_actions
    return total


def _minimal_potential(r: Array, model: TabularModel, weighted: bool) -> Array:
    """Least sum of w (R + gamma Phi(s') - Phi(s))^2, by the normal equations of Phi."""
    n, gamma = model.n_states, model.gamma
    w = model.probability if weighted else model.listed.astype(np.float64)
    w = np.where(model.terminal[:, None, None], 0.0, w)
    here = np.broadcast_to(np.arange(n)[:, None, None], w.shape)
    cross = np.bincount((here * n + model.next_state).ravel(), w.ravel(), n * n).reshape(n, n)
    into = np.bincount(model.next_state.ravel(), w.ravel(), n)
    gram = np.diag(gamma * gamma * into + w.sum(axis=(1, 2))) - gamma * (cross + cross.T)

    def gradient(c: Array) -> Array:
        found: Array = gamma * np.bincount(model.next_state.ravel(), (w * c).ravel(), n) - (w * c).sum(axis=(1, 2))
        return found

    return r + model.shaping(_least(gram, model, lambda phi: gradient(r + model.shaping(phi))))


def _minimal(r: Array, model: TabularModel, weighted: bool) -> Array:
    """Given the mean m of an action, the least norm is m for all outcomes (weighted), else m p / sum p^2."""
    p, n = model.probability, model.n_states
    spread = np.ones((n, model.n_actions)) if weighted else 1.0 / np.square(p).sum(axis=2)
    spread = np.where(model.terminal[:, None], 0.0, spread)
    gram = np.zeros((n, n))
    moves = []
    for a in range(model.n_actions):
        move = model.gamma * model.chain(_always(a, model)) - np.eye(n)
        gram += move.T @ (spread[:, a, None] * move)
        moves.append(move)

    def mean(phi: Array) -> Array:
        return model.mean(r) + np.stack([move @ phi for move in moves], axis=1)

    def gradient(phi: Array) -> Array:
        m = spread * mean(phi)
        found: Array = np.sum([move.T @ m[:, a] for a, move in enumerate(moves)], axis=0)
        return found

    m = np.where(model.terminal[:, None], 0.0, mean(_least(gram, model, gradient)))[:, :, None]
    return model.padded(m if weighted else m * p * spread[:, :, None])


def _least(gram: Array, model: TabularModel, gradient: Any) -> Array:
    """Phi with gradient 0, and 0 in terminal states; repeated on the remaining gradient, which costs little."""
    phi = np.zeros(model.n_states)
    free = np.flatnonzero(~model.terminal)
    inner = gram[np.ix_(free, free)]
    for _ in range(3):
        phi[free] -= np.linalg.solve(inner, gradient(phi)[free])
    return phi
