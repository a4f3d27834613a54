"""Canonical forms and distances from samples of uniformly random play, where no exact model is at hand.

With features phi(s) (0 in terminal states), psi(a), and linear fits over the sample:

val_potential  c = r + gamma V(s') - V(s),  V the value of random play: w in phi'(phi - gamma phi') w = phi' r (LSTD)
epic           c = r + gamma m(s') - m(s) - gamma mean m,  m(x) = E[R(x, A, S')] of a fitted additive reward
dard           c = r + gamma f(s') - f(s) - gamma E[R(S', A, S'')],  f(s) = E[r | s]

where R(s, a, s') is fitted as u(s) + v(a) + w(s'), and the mean of phi(s') given s is fitted as well. Shaping with a
potential that the features span changes none of the three, up to the ridge. Any other potential leaves a rest, and so
does every fit, which only makes distances of unit vectors larger. So a distance means something only next to the noise
floor: the distance of a reward from a copy shaped by potentials that the features do not span. What lies below it is no
difference.

Dynamics need not be deterministic; where they are, ``val_potential`` is what VAL says about transitions that occur.

Sources: Skalse et al., "STARC" (arXiv 2309.15257) for the forms; Bradtke and Barto (1996) for LSTD. Fitting EPIC and
DARD in this way is ours: published code asks the reward for transitions that never occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.calibration.compare.distance import NORMS
from payoff.calibration.compare.sampled import Samples
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.state import Array

__all__ = ["SAMPLED_KINDS", "FittedModel"]

SAMPLED_KINDS = ("val_potential", "epic", "dard", "none")
_LEAST = 5  # transitions for each feature
_RIDGE = 1e-8  # of the mean diagonal; what keeps collinear features apart
_TRIVIAL = 1e-9  # lengths below this share of the rewards' largest are rounding


@dataclass(frozen=True, slots=True)
class _Fourier:
    """1, the standardised state, and random cosines of it: smooth functions on the scale of the whole sample."""

    mean: Array
    scale: Array
    weight: Array
    phase: Array

    @classmethod
    def of(cls, state: Array, n_features: int, rng: np.random.Generator) -> _Fourier:
        spread = state.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        d = max(1, int((spread > 1e-9).sum()))
        weight = rng.normal(size=(state.shape[1], n_features)) / np.sqrt(d)
        return cls(state.mean(axis=0), scale, weight, rng.uniform(0.0, 2.0 * np.pi, n_features))

    def standard(self, state: Array) -> Array:
        """The state, shifted and scaled."""
        return (state - self.mean) / self.scale

    def __call__(self, state: Array) -> Array:
        z = self.standard(state)
        return np.concatenate([np.ones((len(z), 1)), z, np.cos(z @ self.weight + self.phase)], axis=1)


class FittedModel:
    """Features of a sample, and the fits that do not depend on the reward.

    Args:
        samples: see :func:`payoff.calibration.compare.sampled.collect`.
        gamma: discount, in (0, 1).
        n_features: random cosines beside 1 and the state.
        seed: of the features and of the potentials of the noise floor.

    Raises:
        ValueError: an argument is out of its range, or the sample has fewer than five transitions for each feature.
    """

    def __init__(self, samples: Samples, gamma: float, *, n_features: int = 100, seed: int = 0) -> None:
        check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_integer("n_features", n_features, 0)
        check_integer("seed", seed, 0)
        self.samples, self.gamma, self.seed = samples, gamma, seed
        features = _Fourier.of(samples.state, n_features, np.random.default_rng([seed, 0]))
        self._features = features
        self._alive = ~samples.terms.ended
        self._here = features(samples.state)
        columns = self._here.shape[1]
        if len(samples) < _LEAST * columns:  # else the fits follow the sample, and the noise floor with them
            least = f"{_LEAST * columns} for {columns} features"
            raise ValueError(f"samples must hold at least {least} of {samples.terms.owner}, got {len(samples)}")
        self._there = np.where(self._alive[:, None], features(samples.next_state), 0.0)

    def canonicalise(self, reward: Array, kind: str = "val_potential") -> Array:
        """Canonical form ``(n,)`` of rewards ``(n,)`` of the sample's transitions.

        Raises:
            ValueError: an unknown kind, or rewards that do not fit the sample.
        """
        check_word("kind", kind, SAMPLED_KINDS)
        r = np.asarray(reward, dtype=np.float64)
        if r.shape != (len(self.samples),) or not np.isfinite(r).all():
            raise ValueError(f"reward must be finite numbers of shape ({len(self.samples)},), got shape {r.shape}")
        if kind == "none":
            return r.copy()
        here, there, gamma = self._here, self._there, self.gamma
        c: Array
        if kind == "val_potential":
            w = _solve(here.T @ (here - gamma * there), here.T @ r)
            c = r + gamma * there @ w - here @ w
            return c
        size = here.shape[1]
        taken = self.samples.action - self.samples.action.mean(axis=0)  # mean 0: the constant is in phi
        parts = _fit(np.concatenate([here, taken, there], axis=1), r)
        u, w = parts[:size], parts[-size:]
        if kind == "epic":
            later = float(here.mean(axis=0) @ w)  # S' is drawn from the states of the sample
            c = r + gamma * (there @ u + later) - (here @ u + later) - gamma * (here.mean(axis=0) @ u + later)
            return c
        f = _fit(here, r)
        onward = _fit(here, there)  # column by column: E[phi(S') | s]
        c = r + gamma * there @ f - here @ f - gamma * (here @ (onward @ u) + there @ (onward @ w))
        return c

    def distances(self, rewards: Sequence[Array], kind: str = "val_potential", norm: str = "l2") -> Array:
        """Distance of each of k rewards from each other one, ``(k, k)``; norms are means over the sample."""
        check_word("norm", norm, NORMS)
        unit = [self._unit(r, kind, norm) for r in rewards]
        table = np.zeros((len(unit), len(unit)))
        for i, one in enumerate(unit):
            for j in range(i):
                table[i, j] = table[j, i] = _length(one - unit[j], norm)
        return table

    def _unit(self, reward: Array, kind: str, norm: str) -> Array:
        c = self.canonicalise(reward, kind)
        size = _length(c, norm)
        most = np.abs(reward).max(initial=0.0)
        return np.zeros(c.shape) if self.flat(reward) or size <= _TRIVIAL * most else c / size

    def flat(self, reward: Array) -> bool:
        """Whether the sample says nothing about a reward: always the same number, with no end of pay to tell it from 0.

        The fits would leave a rest of such a number, which at length 1 is noise.
        """
        constant = float(np.ptp(reward)) == 0.0
        return constant and (float(reward[0]) == 0.0 or bool(self._alive.all()))

    def noise_floor(self, reward: Array, kind: str = "val_potential", norm: str = "l2", *, copies: int = 3) -> float:
        """Mean distance of a reward from copies shaped by random potentials.

        Potentials are small random networks of the state, which the features do not span; each is scaled so that its
        shaping varies as much as the reward does.
        """
        check_integer("copies", copies, 1)
        r = np.asarray(reward, dtype=np.float64)
        rng = np.random.default_rng([self.seed, 1])
        found = []
        for _ in range(copies):
            shaping = self.random_shaping(rng)
            spread = shaping.std()
            varies = r.std() if np.ptp(r) > 0.0 else 1.0  # the deviation of equal numbers is rounding, not 0
            factor = varies / spread if spread > 0.0 else 0.0
            found.append(self.distances([r, r + factor * shaping], kind, norm)[0, 1])
        return float(np.mean(found))

    def random_shaping(self, rng: np.random.Generator) -> Array:
        """Gamma Phi(s') - Phi(s) ``(n,)`` of a random network Phi of 16 hidden units, 0 in terminal states."""
        d = self.samples.state.shape[1]
        into, shift = rng.normal(size=(d, 16)) * np.sqrt(2.0 / d), rng.normal(size=16)
        out = rng.normal(size=16)

        def phi(state: Array) -> Array:
            value: Array = np.tanh(self._features.standard(state) @ into + shift) @ out
            return value

        after = np.where(self._alive, phi(self.samples.next_state), 0.0)
        return self.gamma * after - phi(self.samples.state)


def _fit(x: Array, y: Array) -> Array:
    """Least squares with a ridge that only matters where columns of ``x`` are collinear."""
    return _solve(x.T @ x, x.T @ y)


def _solve(matrix: Array, right: Array) -> Array:
    ridge = _RIDGE * np.abs(np.diag(matrix)).mean()
    answer: Array = np.linalg.solve(matrix + ridge * np.eye(len(matrix)), right)
    return answer


def _length(x: Array, norm: str) -> float:
    if norm == "l1":
        return float(np.abs(x).mean())
    if norm == "l2":
        return float(np.sqrt(np.square(x).mean()))
    return float(np.abs(x).max())
