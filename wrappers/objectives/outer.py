"""Functions of returns: of each episode's return, or of the expected one. Both are more than one Markov reward.

With the return G = sum_t gamma^t v_t in R^K of rewards v_t, and its part so far G_t = sum_{i < t} gamma^i v_i:

(1) E f(G)    (2) r'_t = beta^-t (f(G_{t+1}) - f(G_t)), so that sum_t beta^t r'_t = f(G) - f(0)
(3) f(E G)    (4) r'_t = grad f(J) . v_t,  J an average of past returns, an estimate of E G

(1) asks for good episodes; the reward (2), with beta the learner's discount, is Markov once G_t and gamma^t are part of
the state. (3) asks for a good mean over episodes, which a mixture of unequal episodes may have; by the chain rule its
policy gradient is that of the reward (4). They agree where f is linear, or where nothing is random.

Names differ: (1) is inner and (3) outer non-linear in Subramani et al. (arXiv 2310.11840; unverified: read in summary);
expected scalarised return and scalarised expected return in Roijers, Vamplew, Whiteson and Dazeley (2013). (4) is the
linearisation by which Frank-Wolfe methods maximise a concave f: Hazan, Kakade, Singh and Van Soest (2019), for state
occupancies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import reals
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.objectives.memory import MemoryMethod
from payoff.wrappers.objectives.scalarise import Scalarise, applied, check_function, check_key, read_vector
from payoff.wrappers.rows import Array

__all__ = ["UtilityOfMeanReturn", "UtilityOfReturn"]


class UtilityOfReturn(MemoryMethod):
    """Equation (2): an episode's rewards sum to f(G) - f(0).

    Use it through ``augment``, which shows G_t to the learner. Both ends of an episode count alike: what was paid up to
    there is f of the return so far.

    Args:
        function: f, from ``(R, K)`` to ``(R,)``: finite wherever returns may lie.
        gamma: discount inside the return, in [0, 1].
        learner_gamma: beta, the learner's discount, in (0, 1]. Below 1 rewards grow as beta^-t: mind long episodes.
        key: entry of ``info`` with the vectors ``(R, K)``; None: the reward itself, K = 1.
        size: K.

    Raises:
        TypeError: ``function`` cannot be called, or ``key`` is no string.
        ValueError: another argument is out of its range.

    >>> capped = UtilityOfReturn(lambda g: np.minimum(g[:, 0], 3.0), gamma=1.0, learner_gamma=1.0)
    >>> capped.feature_bounds()[0].size
    1
    """

    term: ClassVar[str] = "aux"
    reads_obs: ClassVar[bool] = False
    counts: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(
        self, function: Scalarise, *, gamma: float, learner_gamma: float, key: str | None = None, size: int = 1
    ) -> None:
        check_function(function, size)
        check_key(key)
        check_number("gamma", gamma, 0.0, 1.0)
        check_number("learner_gamma", learner_gamma, 0.0, 1.0, open_low=True)
        super().__init__()
        self.function = function
        self.gamma = gamma
        self.learner_gamma = learner_gamma
        self.key = key
        self.size = size
        # a discount of 1 shows nothing, and two equal ones show one thing
        self._shown = sorted({gamma, learner_gamma} - {1.0})

    def blank(self) -> dict[str, Array]:
        """``total``: G_t, ``(K,)``; ``steps``: t."""
        return {"total": np.zeros(self.size), "steps": np.zeros((), dtype=np.int64)}

    def __call__(self, t: Transition) -> Array:
        """Rewards by equation (2)."""
        self.check_rows(t)
        before, steps = self.memory["total"], self.memory["steps"]
        vector = read_vector(t, self.key, self.size)
        after = np.where(t.active[:, None], before + self.gamma ** steps[:, None] * vector, before)
        gained = applied(self.function, after) - applied(self.function, before)
        self.remember({"total": after, "steps": steps + t.active})
        return gained / self.learner_gamma**steps

    def features(self, memory: Mapping[str, Array]) -> Array:
        """G_t, and the powers gamma^t and beta^t that are not always 1."""
        powers = [rate ** memory["steps"] for rate in self._shown]
        return np.column_stack([memory["total"], *powers]).astype(np.float32)

    def feature_bounds(self) -> tuple[Array, Array]:
        """Any return; powers in [0, 1]."""
        free, powers = [np.inf] * self.size, len(self._shown)
        low, high = [*(-x for x in free), *[0.0] * powers], [*free, *[1.0] * powers]
        return np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)

    def told(self, memory: Mapping[str, Array]) -> dict[str, Array]:
        """``return_so_far``: G_t, ``(R, K)``."""
        return {"return_so_far": memory["total"]}


class UtilityOfMeanReturn(RowMethod):
    """Equation (4): each step pays its vector, weighted by the gradient of f at the average return of past episodes.

    Until the first episode has ended, the average is ``start``. The average follows the policy, so a maximum of f is
    found only if it follows faster than the policy moves. Where f is not concave this is a local search.

    Args:
        gradient: gradient of f, from ``(R, K)`` to ``(R, K)``, such as ``LogSum(...).gradient``.
        size: K.
        gamma: discount inside the return, in [0, 1].
        start: K numbers, the first average.
        rate: weight of the newest episode, in [0, 1]; never less than 1 / n after n episodes. 0: the plain mean.
        shared: one average for all rows, over the episodes of all; by itself each row has its own, and one layer over
            a batch equals a layer in each copy.
        key: entry of ``info``.

    Raises:
        TypeError: ``gradient`` cannot be called, or ``key`` is no string.
        ValueError: another argument is out of its range.
    """

    term: ClassVar[str] = "aux"
    reads_obs: ClassVar[bool] = False
    lasting: ClassVar[tuple[str, ...]] = ("mean", "episodes")
    counts: ClassVar[tuple[str, ...]] = ("episodes", "steps")

    def __init__(
        self,
        gradient: Callable[[Array], Array],
        *,
        size: int,
        gamma: float,
        start: Any,
        rate: float = 0.0,
        shared: bool = False,
        key: str = "reward_vector",
    ) -> None:
        if not callable(gradient):
            raise TypeError(f"gradient must be a function from (R, K) to (R, K), got {gradient!r}")
        check_integer("size", size, 1)
        check_key(key)
        check_number("gamma", gamma, 0.0, 1.0)
        check_number("rate", rate, 0.0, 1.0)
        check_flag("shared", shared)
        found = reals("start", start).copy()
        if found.shape != (size,) or not np.isfinite(found).all():
            raise ValueError(f"start must be {size} finite numbers, got {start!r}")
        super().__init__()
        self.gradient = gradient
        self.size = size
        self.gamma = gamma
        self.start = found
        self.rate = rate
        self.shared = shared
        self.key = key

    def blank(self) -> dict[str, Array]:
        """``mean``: J, ``(K,)``; ``episodes``: how many it holds; ``total`` and ``steps``: the running episode's."""
        count = np.zeros((), dtype=np.int64)
        return {"mean": self.start, "episodes": count, "total": np.zeros(self.size), "steps": count}

    def __call__(self, t: Transition) -> Array:
        """Rewards by equation (4); takes in the returns of episodes that end."""
        self.check_rows(t)
        m, vector = self.memory, read_vector(t, self.key, self.size)
        slope = reals("what gradient returns", self.gradient(m["mean"]))
        if slope.shape != vector.shape:
            raise ValueError(f"gradient must return shape {vector.shape}, got {slope.shape}")
        grown = m["total"] + self.gamma ** m["steps"][:, None] * vector
        total = np.where(t.active[:, None], grown, m["total"])
        ended = t.active & (t.terminated | t.truncated)
        mean, episodes = m["mean"], m["episodes"]
        if self.shared and ended.any():
            number = episodes + ended.sum()
            share = np.maximum(self.rate, ended.sum() / number)[:, None]
            mean = mean + share * (total[ended].mean(axis=0) - mean)
            episodes = number
        elif ended.any():
            episodes = episodes + ended
            share = np.maximum(self.rate, 1.0 / np.maximum(episodes, 1))[:, None]
            mean = np.where(ended[:, None], mean + share * (total - mean), mean)
        self.memory = {"mean": mean, "episodes": episodes, "total": total, "steps": m["steps"] + t.active}
        paid: Array = (slope * vector).sum(axis=1)
        return paid
