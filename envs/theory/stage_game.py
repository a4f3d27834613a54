"""Stage games: what one round pays to every player, and where selfish and less selfish players end up in it.

With payoffs pi_i(a) of n players and weights w on them (the reward layers that are linear),

(1) u_i(a) = sum_j w_ij pi_j(a)                              what player i is told
(2) gain(a) = max over i, b of u_i(b, a_-i) - u_i(a)          what the best lone deviation is worth
(3) W(a) = sum_i pi_i(a)                                      welfare, always in payoffs
(4) W(s) = W at an equilibrium of (1), w those of ``self_interest:s``; s = 1 is private, s = 1/n the mean of all

A profile is an equilibrium if its gain is 0. Which equilibria are looked for depends on the game:

- finitely many actions and profiles: all pure equilibria, by enumeration;
- players who are alike, continuous actions: the symmetric ones. Where the marginal reward du_i/da_i on the diagonal
  changes its sign from plus to minus between two levels, bisection finds the place; ends and levels are tried too;
- anything else, and where none of these is one: what rounds of best responses come to, from low, middle and high
  actions.

Every profile that is reported carries its gain, computed by a search of its own over all actions of every player. What
was not looked for may exist: asymmetric equilibria of players who are alike, mixed ones anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.envs.core.state import Array
from payoff.envs.rewards.linear import SelfInterest

__all__ = ["Curve", "Dilemma", "Profile", "StageGame", "by_count", "self_interest", "two_players"]

_MOST_PROFILES = 20_000  # that are enumerated
_ZOOMS = 12  # of a search for the best action: each narrows the range by (levels - 1) / 2, at least 5
_SWEEPS = 200  # rounds of best responses
_SHARE = 0.95  # of the way from Nash to the optimum, at s_95


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One action for each player, and what it is worth.

    Attributes:
        actions: ``(N,)``.
        payoffs: ``(N,)``.
        gain: the most that one player is told more by a deviation alone, equation (2); the residual of an equilibrium.
    """

    actions: Array
    payoffs: Array
    gain: float

    @property
    def welfare(self) -> float:
        """Sum of the payoffs, equation (3)."""
        return float(self.payoffs.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Welfare at equilibrium against the level of self-interest, equation (4).

    Attributes:
        s: ``(L,)`` levels of self-interest, from 1 down to 1/n.
        worst: ``(L,)`` welfare at the worst equilibrium that was found; NaN where none was.
        best: ``(L,)`` welfare at the best.
        gain: ``(L,)`` largest residual of the two; NaN likewise.
        s_95: largest s at which the worst equilibrium is 95 % of the way from W(1) to the optimum; None where Nash is
            the optimum, or no s reaches it.
        slope: dW/ds of the worst branch at s = 1; None where a branch ends or jumps within 0.02 of it.
    """

    s: Array
    worst: Array
    best: Array
    gain: Array
    s_95: float | None
    slope: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Dilemma:
    """What lies between two actions of each player, to cooperate and to defect; means over players.

    Attributes:
        temptation: T, paid for defecting alone.
        reward: R, paid where all cooperate.
        punishment: P, paid where all defect.
        sucker: S, paid for cooperating alone.
        together: what all are paid where all cooperate exceeds that where one defects; of two players, 2 R > T + S.
        cooperate: ``(N,)`` what a cooperator is paid by the number of others who cooperate (Schelling's diagram).
        defect: ``(N,)`` likewise a defector.
    """

    temptation: float
    reward: float
    punishment: float
    sucker: float
    together: bool
    cooperate: Array
    defect: Array

    @property
    def social(self) -> bool:
        """Whether cooperating together is worth having at all: R > P, R > S, and ``together``."""
        return self.reward > max(self.punishment, self.sucker) and self.together

    @property
    def kind(self) -> str:
        """The class of the dilemma by greed and fear, or why there is none."""
        if not self.social:
            return "no dilemma: cooperating together does not pay"
        if self.greed > 0.0:
            return "prisoner's dilemma" if self.fear > 0.0 else "chicken"
        return "stag hunt" if self.fear > 0.0 else "harmony"

    @property
    def greed(self) -> float:
        """T - R: what is won by defecting on cooperators."""
        return self.temptation - self.reward

    @property
    def fear(self) -> float:
        """P - S: what is saved by defecting among defectors."""
        return self.punishment - self.sucker


def self_interest(n: int, s: float) -> Array:
    """Weights ``(N, N)`` of the reward layer ``self_interest:s``.

    Raises:
        ValueError: s outside [0, 1].
    """
    weights: Array = SelfInterest(s).weights(np.zeros((1, n, n)))[0]
    return weights


@dataclass(frozen=True, eq=False)
class StageGame:
    """One round of a game of several players, each of whom chooses one number.

    Attributes:
        payoffs: profiles ``(B, N)`` -> payoffs ``(B, N)``; only ever called with actions that are allowed.
        levels: for each player, ascending actions. Searches begin there; no others exist where ``continuous`` is False.
        continuous: every action between the first level and the last is allowed.
        symmetric: the players are alike: exchanging two exchanges their payoffs.
    """

    payoffs: Callable[[Array], Array]
    levels: tuple[Array, ...]
    continuous: bool = False
    symmetric: bool = False

    def __post_init__(self) -> None:
        """Check the levels (ValueError)."""
        if len(self.levels) < 2:
            raise ValueError(f"levels must be of at least 2 players, got {len(self.levels)}")
        for i, levels in enumerate(self.levels):
            if levels.ndim != 1 or len(levels) < 2 or not (np.isfinite(levels).all() and (np.diff(levels) > 0).all()):
                raise ValueError(f"levels of player {i} must be 2 or more finite numbers, ascending, got {levels}")
        if self.continuous and min(map(len, self.levels)) < 11:  # coarser searches would miss much, and narrow slowly
            raise ValueError(f"levels must be at least 11 for continuous actions, got {min(map(len, self.levels))}")

    @property
    def n_players(self) -> int:
        """N."""
        return len(self.levels)

    # -- profiles ----------------------------------------------------------------------------------------------

    def at(self, actions: Any, weights: Array | None = None) -> Profile:
        """A profile with its payoffs and gain; ``weights`` ``(N, N)`` of what is told, None: the payoff itself."""
        actions = np.asarray(actions, dtype=np.float64)
        weights = np.eye(self.n_players) if weights is None else weights
        payoffs = self.payoffs(actions[None])[0]
        players = range(1 if self._alike(weights) and np.ptp(actions) == 0.0 else self.n_players)
        gain = max(self._best_action(i, actions, weights)[1] for i in players)
        return Profile(actions, payoffs, gain)

    def _alike(self, weights: Array) -> bool:
        """Whether exchanging two players changes nothing, of what they are told either."""
        off = weights[~np.eye(self.n_players, dtype=bool)]
        return self.symmetric and bool(np.ptp(np.diag(weights)) < 1e-12 and np.ptp(off) < 1e-12)

    @cached_property
    def tolerance(self) -> float:
        """Gains up to this are none, 1e-8 of the largest payoff of the corners: some games round actions to float32."""
        ends = np.array([[levels[k] for levels in self.levels] for k in (0, -1)])
        return 1e-8 * max(1e-3, float(np.abs(self.payoffs(ends)).max()))

    @cached_property
    def _rounding(self) -> float:
        """Differences of this size say nothing: an end of the range is not left for them."""
        return 1e-6 * self.tolerance

    def _told(self, player: int, actions: Array, choices: Array, weights: Array) -> Array:
        """What a player is told for each of its choices, the others as in ``actions``: ``(len(choices),)``."""
        profiles = np.repeat(actions[None], len(choices), axis=0)
        profiles[:, player] = choices
        told: Array = self.payoffs(profiles) @ weights[player]
        return told

    def _best_action(self, player: int, actions: Array, weights: Array) -> tuple[float, float]:
        """Best response of a player, and what it gains by it, at least 0."""
        choices = self.levels[player]
        now = float(self._told(player, actions, actions[player : player + 1], weights)[0])
        best, most = float(actions[player]), now
        for _ in range(_ZOOMS if self.continuous else 1):
            told = self._told(player, actions, choices, weights)
            k = int(told.argmax())
            if told[k] > most + self._rounding:
                best, most = float(choices[k]), float(told[k])
            choices = np.linspace(choices[max(k - 1, 0)], choices[min(k + 1, len(choices) - 1)], len(choices))
        return best, most - now

    @property
    def _starts(self) -> list[Array]:
        """Where rounds of best responses begin: low, middle and high actions."""
        return [np.array([levels[int(at * (len(levels) - 1))] for levels in self.levels]) for at in (0.0, 0.5, 1.0)]

    def _profiles(self) -> Array | None:
        """Every profile ``(B, N)``; None where they are too many, or actions are continuous."""
        if self.continuous or np.prod([float(len(levels)) for levels in self.levels]) > _MOST_PROFILES:
            return None
        grid = np.meshgrid(*self.levels, indexing="ij")
        return np.stack([g.ravel() for g in grid], axis=1)

    # -- equilibria --------------------------------------------------------------------------------------------

    def equilibria(self, weights: Array | None = None) -> list[Profile]:
        """Equilibria that were found (see the module), from the one of least welfare on; each within ``tolerance``.

        Args:
            weights: ``(N, N)``, equation (1); None: each is told its own payoff, and these are Nash equilibria.
        """
        weights = np.eye(self.n_players) if weights is None else weights
        if (profiles := self._profiles()) is not None:
            return sorted(self._enumerated(profiles, weights), key=lambda profile: profile.welfare)
        found: list[Profile] = []
        if self._alike(weights) and self.continuous:
            found = self._checked([np.full(self.n_players, x) for x in self._candidates(weights)], weights)
        if not found:
            found = self._checked([self._respond(start, weights) for start in self._starts], weights)
        return _distinct(sorted(found, key=lambda profile: profile.welfare), self.levels)

    def _checked(self, candidates: Sequence[Array], weights: Array) -> list[Profile]:
        """Those that are equilibria."""
        profiles = [self.at(actions, weights) for actions in candidates]
        return [profile for profile in profiles if profile.gain <= self.tolerance]

    def _enumerated(self, profiles: Array, weights: Array) -> list[Profile]:
        payoffs = self.payoffs(profiles)
        shape = tuple(len(levels) for levels in self.levels)
        told = (payoffs @ weights.T).reshape(*shape, self.n_players)
        gains = np.max([told[..., i].max(axis=i, keepdims=True) - told[..., i] for i in range(self.n_players)], axis=0)
        gains = gains.ravel()
        return [Profile(profiles[k], payoffs[k], float(gains[k])) for k in np.flatnonzero(gains <= self.tolerance)]

    def _candidates(self, weights: Array) -> Array:
        """Continuous actions ``(C,)`` of which all playing the same may be an equilibrium."""
        levels = self.levels[0]
        on_grid = levels[self._gains(weights) <= self.tolerance]
        width = 1e-4 * (levels[-1] - levels[0])

        def marginal(x: Array) -> Array:
            """Change of what player 0 is told around each x, where all play x, per unit."""
            low, high = np.maximum(x - width, levels[0]), np.minimum(x + width, levels[-1])
            sides = []
            for own in (low, high):
                profiles = np.repeat(x[:, None], self.n_players, axis=1)
                profiles[:, 0] = own
                sides.append(self.payoffs(profiles) @ weights[0])
            change: Array = (sides[1] - sides[0]) / (high - low)
            return change

        slope = marginal(levels)
        turns = np.flatnonzero((slope[:-1] > 0.0) & (slope[1:] <= 0.0))
        low, high = levels[turns], levels[turns + 1]
        for _ in range(60 if len(turns) else 0):  # all at once
            middle = 0.5 * (low + high)
            up = marginal(middle) > 0.0
            low, high = np.where(up, middle, low), np.where(up, high, middle)
        return np.array([*on_grid, *(0.5 * (low + high))])

    @cached_property
    def _lone(self) -> tuple[Array, Array]:
        """Where all play level b but one plays level a: payoff of that one, and sum of the others', ``(a, b)`` each."""
        levels = self.levels[0]
        a, b = (g.ravel() for g in np.meshgrid(levels, levels, indexing="ij"))
        profiles = np.repeat(b[:, None], self.n_players, axis=1)
        profiles[:, 0] = a
        payoffs = self.payoffs(profiles)
        shape = (len(levels), len(levels))
        return payoffs[:, 0].reshape(shape), payoffs[:, 1:].sum(axis=1).reshape(shape)

    def _gains(self, weights: Array) -> Array:
        """Gain ``(K,)`` by another level where all play the same level; players are alike."""
        own, others = self._lone
        told = weights[0, 0] * own + weights[0, 1] * others
        gains: Array = told.max(axis=0) - np.diag(told)
        return gains

    def _respond(self, start: Array, weights: Array) -> Array:
        """Rounds of best responses, one player after the other, until nobody moves."""
        actions = start.copy()
        span = np.array([levels[-1] - levels[0] for levels in self.levels])
        for _ in range(_SWEEPS):
            before = actions.copy()
            for i in range(self.n_players):
                best, gain = self._best_action(i, actions, weights)
                if gain > 0.0:
                    actions[i] = best
            if (np.abs(actions - before) <= 1e-8 * span).all():
                break
        return actions

    # -- welfare -----------------------------------------------------------------------------------------------

    @cached_property
    def optimum(self) -> Profile:
        """The profile of most welfare: exact where profiles are enumerated; else the best that ascent finds.

        Its ``gain`` is what a player told its own payoff gains by leaving it; above 0: it is no Nash equilibrium.
        """
        if (profiles := self._profiles()) is not None:
            return self.at(profiles[int(self.payoffs(profiles).sum(axis=1).argmax())])
        everybody = np.ones((self.n_players, self.n_players))
        starts = [np.full(self.n_players, self._best_common())] if self.symmetric else self._starts
        found = np.stack([*starts, *(self._respond(start, everybody) for start in starts)])
        welfare = self.payoffs(found).sum(axis=1)
        first = int((welfare >= welfare.max() - self.n_players * self._rounding).argmax())
        return self.at(found[first])

    def _best_common(self) -> float:
        """The action that is best if all play it."""
        choices = self.levels[0]
        best, most = float(choices[0]), -np.inf
        for _ in range(_ZOOMS if self.continuous else 1):
            welfare = self.payoffs(np.repeat(choices[:, None], self.n_players, axis=1)).sum(axis=1)
            k = int(welfare.argmax())
            if welfare[k] > most + self.n_players * self._rounding:
                best, most = float(choices[k]), float(welfare[k])
            choices = np.linspace(choices[max(k - 1, 0)], choices[min(k + 1, len(choices) - 1)], len(choices))
        return best

    @cached_property
    def safe(self) -> Array:
        """What each player can make sure of ``(N,)``: its best level, if the others together play the worst for it.

        The others all play the same share of their levels, so for three and more players it is an upper bound of what
        is safe against any profile.
        """
        found = np.empty(self.n_players)
        for i in range(self.n_players):
            shares = np.linspace(0.0, 1.0, len(self.levels[i]))
            common = np.stack([levels[np.rint(shares * (len(levels) - 1)).astype(int)] for levels in self.levels])
            profiles = np.repeat(common.T[None], len(self.levels[i]), axis=0)  # (own level, level of the others, N)
            profiles[:, :, i] = self.levels[i][:, None]
            own = self.payoffs(profiles.reshape(-1, self.n_players))[:, i].reshape(profiles.shape[:2])
            found[i] = own.min(axis=1).max()
        return found

    @cached_property
    def s_eq(self) -> float:
        """Largest s in [1/n, 1] at which the optimum is an equilibrium of ``self_interest:s``.

        What a deviation is told is linear in s, and at 1/n the optimum is an equilibrium, so bisection finds the end.
        Of a smooth game whose optimum lies inside the range of actions it is 1/n, up to gains below ``tolerance``.
        """
        n = self.n_players

        def stable(s: float) -> bool:
            return self.at(self.optimum.actions, self_interest(n, s)).gain <= self.tolerance

        if stable(1.0):
            return 1.0
        low, high = 1.0 / n, 1.0
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if stable(middle) else (low, middle)
        return low

    def curve(self, points: int = 21) -> Curve:
        """W(s) at ``points`` levels of self-interest, equally spaced from 1 to 1/n.

        Raises:
            ValueError: fewer than 2 points.
        """
        check_integer("points", points, 2)
        n = self.n_players
        levels = np.linspace(1.0, 1.0 / n, points)
        found = [self.equilibria(self_interest(n, s)) for s in levels]
        none = float("nan")
        worst = np.array([f[0].welfare if f else none for f in found])
        best = np.array([f[-1].welfare if f else none for f in found])
        gain = np.array([max(f[0].gain, f[-1].gain) if f else none for f in found])
        return Curve(levels, worst, best, gain, self._s_95(levels, worst), self._slope(worst[0]))

    def _worst(self, s: float) -> float:
        found = self.equilibria(self_interest(self.n_players, s))
        return found[0].welfare if found else float("nan")

    def _s_95(self, levels: Array, worst: Array) -> float | None:
        optimum = self.optimum.welfare
        if not optimum - worst[0] > 10.0 * self.tolerance:  # NaN, where there is no Nash equilibrium, too
            return None
        wanted = worst[0] + _SHARE * (optimum - worst[0])
        there = np.flatnonzero(worst >= wanted)
        if not len(there):
            return None
        low, high = levels[there[0]], levels[there[0] - 1]  # W reaches it at low, and does not at high
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._worst(middle) >= wanted else (low, middle)
        return float(low)

    def _slope(self, nash: float) -> float | None:
        """One-sided, of second order, and compared with half the step: a branch that jumps has none."""
        slopes = []
        for h in (0.01, 0.005):
            near, far = self._worst(1.0 - h), self._worst(1.0 - 2.0 * h)
            slopes.append((3.0 * nash - 4.0 * near + far) / (2.0 * h))
        if max(map(abs, slopes)) <= 1e2 * self.tolerance:  # of welfares that are good to about the tolerance
            return 0.0
        return float(slopes[1]) if abs(slopes[0] - slopes[1]) <= 0.1 * abs(slopes[1]) else None

    # -- two actions of each -----------------------------------------------------------------------------------

    def dilemma(self, defect: Any, cooperate: Any) -> Dilemma:
        """Temptation, reward, punishment, sucker's payoff and Schelling's diagram between two actions of each player.

        Args:
            defect: ``(N,)``.
            cooperate: ``(N,)``.
        """
        n = self.n_players
        low, high = np.asarray(defect, dtype=np.float64), np.asarray(cooperate, dtype=np.float64)
        alike = self.symmetric and np.ptp(low) == np.ptp(high) == 0.0
        own, together = [], True
        for i in range(1 if alike else n):
            # number k of others who cooperate, in the order of their seats; whether the player does
            profiles = np.empty((n, 2, n))
            for k in range(n):
                with_it = (i + 1 + np.arange(k)) % n
                profiles[k] = low
                profiles[k][:, with_it] = high[with_it]
            profiles[:, 1, i] = high[i]
            payoffs = self.payoffs(profiles.reshape(-1, n)).reshape(profiles.shape)
            own.append(payoffs[:, :, i])
            welfare = payoffs[-1].sum(axis=1)
            together &= bool(welfare[1] > welfare[0])
        mean = np.mean(own, axis=0)
        return Dilemma(
            temptation=float(mean[-1, 0]),
            reward=float(mean[-1, 1]),
            punishment=float(mean[0, 0]),
            sucker=float(mean[0, 1]),
            together=together,
            cooperate=mean[:, 1],
            defect=mean[:, 0],
        )


def _distinct(profiles: Sequence[Profile], levels: Sequence[Array]) -> list[Profile]:
    """Without those that are another one but for rounding."""
    span = np.array([x[-1] - x[0] for x in levels])
    kept: list[Profile] = []
    for profile in profiles:
        if all((np.abs(profile.actions - other.actions) > 1e-6 * span).any() for other in kept):
            kept.append(profile)
    return kept


def two_players(first: Any, second: Any) -> StageGame:
    """A game of two players from their payoff matrices; actions are rows 0, 1, ... and columns 0, 1, ...

    Args:
        first: ``(K, L)`` payoffs of the player who chooses the row.
        second: ``(K, L)`` those of the player who chooses the column.

    Raises:
        ValueError: matrices that are not of one shape, smaller than 2 x 2, or not finite.
    """
    tables = np.array([first, second], dtype=np.float64)
    if tables.ndim != 3 or min(tables.shape[1:]) < 2 or not np.isfinite(tables).all():
        raise ValueError(f"first and second must be finite matrices, 2 x 2 or larger, got shape {tables.shape[1:]}")

    def payoffs(profiles: Array) -> Array:
        rows, columns = profiles.astype(np.int64).T
        found: Array = tables[:, rows, columns].T
        return found

    alike = tables.shape[1] == tables.shape[2] and bool((tables[0] == tables[1].T).all())
    return StageGame(payoffs, tuple(np.arange(float(k)) for k in tables.shape[1:]), symmetric=alike)


def by_count(defect: Any, cooperate: Any) -> StageGame:
    """A game of players who are alike and cooperate (action 1) or defect (0), from payoffs by number: no table of 2^n.

    Args:
        defect: ``(N,)`` payoff of a defector where 0, 1, ... N - 1 of the others cooperate.
        cooperate: ``(N,)`` payoff of a cooperator.

    Raises:
        ValueError: fewer than 2 players, different lengths, or not finite.
    """
    table = np.array([defect, cooperate], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"defect and cooperate must be finite numbers, one per player, got shape {table.shape[1:]}")

    def payoffs(profiles: Array) -> Array:
        own = profiles.astype(np.int64)
        found: Array = table[own, own.sum(axis=1, keepdims=True) - own]
        return found

    return StageGame(payoffs, (np.arange(2.0),) * table.shape[1], symmetric=True)
