"""Exact values of play in RepeatBandit, for one who is told when the task changes.

What is known of an arm is the number of its paid and unpaid pulls since the task was drawn (w, l); with a uniform prior
its mean has the Beta distribution of w + 1 and l + 1, whose mean is m = (w + 1) / (w + l + 2). With h pulls left:

(1) V_h(c) = max_k m_k (1 + N(c + paid_k)) + (1 - m_k) N(c + unpaid_k),  V_0 = 0
(2) N(c) = V_{h-1}(c) within an inner episode, rho V_{h-1}(c) + (1 - rho) V_{h-1}(0) at its end

Arms are exchangeable, so that counts are kept sorted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from payoff.envs.core.state import Array

__all__ = ["LARGEST", "RULES", "Bandit", "Counts", "Play", "best_of_samples", "evaluate"]

LARGEST = 500_000  # states that are solved

Counts = tuple[tuple[int, int], ...]  # (paid, unpaid) of each arm
Rule = Literal["optimal", "myopic", "thompson", "uniform"]
RULES: tuple[Rule, ...] = ("optimal", "myopic", "thompson", "uniform")


@dataclass(frozen=True, slots=True)
class Bandit:
    """Numbers that decide the value of play.

    Attributes:
        arms: K.
        pulls: pulls of an inner episode.
        horizon: pulls of an episode, H.
        structure: rho, the probability that the task stays after an inner episode.
    """

    arms: int
    pulls: int
    horizon: int
    structure: float


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """Exact expectations of one way to play, pull by pull.

    Attributes:
        payoff: ``(H,)`` expected payoff of each pull.
        exploration: ``(H,)`` probability that the pull goes to an arm that has had fewer pulls than another arm of a
            higher posterior mean.
        regret: ``(H,)`` expected mean of the best arm, K / (K + 1), less the payoff.
    """

    payoff: Array
    exploration: Array
    regret: Array

    @property
    def value(self) -> float:
        """Expected return."""
        return float(self.payoff.sum())


def posterior_mean(paid: int, unpaid: int) -> float:
    """Mean of an arm after these pulls."""
    return (paid + 1) / (paid + unpaid + 2)


def _after(counts: Counts, k: int, paid: bool) -> Counts:
    """Sorted counts after a pull of arm k."""
    w, u = counts[k]
    return tuple(sorted((*counts[:k], (w + paid, u + (not paid)), *counts[k + 1 :])))


class Solver:
    """Solution of (1) and (2), state by state as asked.

    Args:
        bandit: the problem.
    """

    def __init__(self, bandit: Bandit) -> None:
        self.bandit = bandit
        self.nothing: Counts = ((0, 0),) * bandit.arms
        self._values: dict[tuple[int, Counts], float] = {}

    def value(self, left: int, counts: Counts) -> float:
        """Best expected return of the ``left`` last pulls.

        Raises:
            ValueError: more than LARGEST states would have to be solved.
        """
        if left <= 0:
            return 0.0
        key = (left, tuple(sorted(counts)))
        if key not in self._values:
            if len(self._values) >= LARGEST:
                raise ValueError(f"the optimum of {self.bandit} takes more than {LARGEST:,} states")
            self._values[key] = max(self.pull_values(left, key[1]))
        return self._values[key]

    def pull_values(self, left: int, counts: Counts) -> list[float]:
        """Value of pulling each arm now and going on optimally, equation (1)."""
        over = (self.bandit.horizon - left + 1) % self.bandit.pulls == 0  # the inner episode, after this pull
        keep = self.bandit.structure if over else 1.0

        def later(after: Counts) -> float:
            stays = keep * self.value(left - 1, after) if keep > 0.0 else 0.0
            return stays + ((1.0 - keep) * self.value(left - 1, self.nothing) if keep < 1.0 else 0.0)

        found: dict[tuple[int, int], float] = {}
        for k, pair in enumerate(counts):
            if pair not in found:
                m = posterior_mean(*pair)
                found[pair] = m * (1.0 + later(_after(counts, k, True))) + (1.0 - m) * later(_after(counts, k, False))
        return [found[pair] for pair in counts]


@lru_cache(maxsize=16)
def solver(bandit: Bandit) -> Solver:
    """The solver of a problem; the last ones are kept."""
    return Solver(bandit)


@lru_cache(maxsize=4096)
def _beta(paid: int, unpaid: int, nodes: int) -> tuple[Array, Array]:
    """Density and distribution function of an arm's mean at the nodes of Gauss and Legendre on [0, 1]."""
    x = (np.polynomial.legendre.leggauss(nodes)[0] + 1.0) / 2.0
    n = paid + unpaid
    density = (n + 1) * math.comb(n, paid) * x**paid * (1.0 - x) ** unpaid
    below = np.zeros(nodes)
    for j in range(paid + 1, n + 2):
        below += math.comb(n + 1, j) * x**j * (1.0 - x) ** (n + 1 - j)
    return density, below


@lru_cache(maxsize=100_000)
def best_of_samples(counts: Counts) -> tuple[float, ...]:
    """Probability of each arm that its draw from the posterior is the largest: what Thompson sampling pulls.

    The integrand is a polynomial, for which the quadrature is exact up to rounding.
    """
    degree = sum(w + u + 1 for w, u in counts) - 1
    nodes = degree // 2 + 1
    weights = np.polynomial.legendre.leggauss(nodes)[1] / 2.0
    shares = []
    for k, pair in enumerate(counts):
        product = _beta(*pair, nodes)[0].copy()
        for j, other in enumerate(counts):
            if j != k:
                product *= _beta(*other, nodes)[1]
        shares.append(float(weights @ product))
    return tuple(shares)


def _spread(values: list[float]) -> list[float]:
    """Probabilities of a rule that takes the largest value, each of equally good arms as often as the other."""
    top = max(values) - 1e-12
    best = [v >= top for v in values]
    return [b / sum(best) for b in best]


def _rule(bandit: Bandit, rule: Rule) -> Callable[[int, Counts], list[float]]:
    """Probabilities of the arms, given pulls left and counts."""
    if rule == "optimal":
        return lambda left, counts: _spread(solver(bandit).pull_values(left, counts))
    if rule == "myopic":
        return lambda left, counts: _spread([posterior_mean(*pair) for pair in counts])
    if rule == "thompson":
        return lambda left, counts: list(best_of_samples(counts))
    if rule == "uniform":
        return lambda left, counts: [1.0 / bandit.arms] * bandit.arms
    raise ValueError(f"rule must be one of {', '.join(map(repr, RULES))}, got {rule!r}")


def _explores(counts: Counts, k: int) -> bool:
    pulls, mean = sum(counts[k]), posterior_mean(*counts[k])
    return any(sum(other) > pulls and posterior_mean(*other) > mean + 1e-12 for other in counts)


def _outcomes(counts: Counts, shares: list[float]) -> Iterator[tuple[Counts, float]]:
    for k, share in enumerate(shares):
        m = posterior_mean(*counts[k])
        yield _after(counts, k, True), share * m
        yield _after(counts, k, False), share * (1.0 - m)


def evaluate(bandit: Bandit, rule: Rule) -> Play:
    """Expectations of a way to play, by going through everything that it can meet.

    Args:
        bandit: the problem.
        rule: ``"optimal"``, by (1); ``"myopic"``, the highest posterior mean; ``"thompson"``, the largest of a draw
            from each posterior; ``"uniform"``. Of equally good arms the first two take each as often as the other.

    Raises:
        ValueError: an unknown rule, or more than LARGEST states.
    """
    choose = _rule(bandit, rule)
    nothing: Counts = ((0, 0),) * bandit.arms
    at: dict[Counts, float] = {nothing: 1.0}
    payoff, exploration = np.zeros(bandit.horizon), np.zeros(bandit.horizon)
    for t in range(bandit.horizon):
        following: defaultdict[Counts, float] = defaultdict(float)
        keep = bandit.structure if (t + 1) % bandit.pulls == 0 else 1.0
        following[nothing] = 1.0 - keep
        for counts, p in at.items():
            shares = choose(bandit.horizon - t, counts)
            payoff[t] += p * sum(s * posterior_mean(*pair) for s, pair in zip(shares, counts, strict=True))
            exploration[t] += p * sum(s for k, s in enumerate(shares) if _explores(counts, k))
            for after, q in _outcomes(counts, shares):
                following[after] += keep * p * q
        at = {counts: p for counts, p in following.items() if p > 0.0}
        if len(at) > LARGEST:
            raise ValueError(f"{bandit} meets more than {LARGEST:,} states")
    return Play(payoff, exploration, bandit.arms / (bandit.arms + 1) - payoff)
