"""Weights of a linear reward from preferences, under two accounts of what the annotator compared.

With Phi the sum of the features of a segment and s_0, s_n the states before and after it,

(1) partial return:  logit P(1 > 2) = w . (Phi(1) - Phi(2))
(2) regret:          logit P(1 > 2) = reg(2) - reg(1),  reg = V(s_0) - (w . Phi + V(s_n)),  V(terminal) = 0
(3) V(s; w) = sum_k p_k w . psi_k(s),  p = softmax over k of (w . psi_k(s) / temperature)
(4) loss: mean of -y log P(1 > 2) - (1 - y) log P(2 > 1) + penalty |w|^2, y the answer

V, the optimal value of a reward, is no formula in its weights. So (3) takes the best of a library of policies whose
successor features psi_k are known: policies that are optimal for random weights. The true optimal policy is left out,
so that nothing is given away; policies that are best for the weights found so far are added, round by round, so that
what the learner believes in is worth what it says.

What (1) cannot learn: a constant added to every step, where episodes differ in length; what a lottery is worth, where
only the liked outcome is seen; and, without noise, the size of a difference. Regret tells optimal policies apart from
others in all three cases.

Source: Knox et al. (arXiv 2206.02231) and its published code, which has temperature 0.001, gradient steps of Adam and
every pair a second time with its segments swapped. Here L-BFGS goes down from several starts and keeps the best; (4) is
the same for a swapped pair, so there is none. The temperature counts in units of the largest value in the library, and
the growth of the library is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import reals
from payoff.wrappers.preference.annotators import Answers
from payoff.wrappers.preference.feature_task import FeatureTask
from payoff.wrappers.preference.segments import Segments
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import grad

__all__ = [
    "LinearFit",
    "PolicyLibrary",
    "checked_answers",
    "fit_partial_return",
    "fit_regret",
    "policy_library",
]

_LARGEST = 100.0  # of the random weights, whose sizes span two decades
_SETTLED = 1e-9  # largest gradient and change with which L-BFGS stops


@dataclass(frozen=True, slots=True)
class LinearFit:
    """How weights are looked for; the defaults are ours.

    Attributes:
        penalty: of (4), above 0: without noise the likeliest weights would be infinite.
        iterations: of L-BFGS, at most, from each start.
        starts: random weights that the search begins from; partial return, whose loss is convex, takes one.
        rounds: searches of the regret learner, at most, each with the best policy of the weights before in its library.
        temperature: of (3), above 0, in units of the largest value in the library.
        seed: of the starts.

    Raises:
        ValueError: a field is out of its range.
    """

    penalty: float = 1e-5
    iterations: int = 200
    starts: int = 5
    rounds: int = 3
    temperature: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        for name in ("penalty", "temperature"):
            check_number(name, getattr(self, name), 0.0, open_low=True)
        for name in ("iterations", "starts", "rounds"):
            check_integer(name, getattr(self, name), 1)
        check_integer("seed", self.seed, 0)


@dataclass(frozen=True, slots=True, eq=False)
class PolicyLibrary:
    """Policies of a task.

    Attributes:
        successor: ``(K, S, F)`` successor features of each.
    """

    successor: Array

    def values(self, weights: Array, *, temperature: float = 1e-3) -> Array:
        """V of equation (3), ``(S,)``, for weights ``(F,)``."""
        with torch.no_grad():
            found: Array = _values(torch.from_numpy(self.successor), torch.from_numpy(weights), temperature).numpy()
        return found


def policy_library(task: FeatureTask, *, count: int = 200, seed: int = 0, exclude: bool = True) -> PolicyLibrary:
    """Policies that are optimal for random weights, in which no two are worth the same everywhere.

    Args:
        task: the task.
        count: random weights, of either sign and of sizes that span two decades.
        seed: of the weights.
        exclude: leave out policies that are optimal for the true weights.

    Raises:
        ValueError: an argument is out of its range, or no policy is left.
    """
    check_integer("count", count, 1)
    check_integer("seed", seed, 0)
    rng = np.random.default_rng(seed)
    best = task.successor_features(task.best_policy(task.weights)) @ task.weights
    found: dict[bytes, Array] = {}
    for _ in range(count):
        psi = task.successor_features(task.best_policy(_random_weights(rng, task.weights.size)))
        if not (exclude and np.allclose(psi @ task.weights, best, rtol=1e-9, atol=1e-9)):
            found.setdefault(np.round(psi, 6).tobytes(), psi)
    if not found:
        raise ValueError(f"count {count} is too small: every policy of the library is optimal and left out")
    return PolicyLibrary(np.array(list(found.values())))


def fit_partial_return(
    task: FeatureTask, segments: Segments, first: Array, second: Array, answers: Answers, fit: LinearFit | None = None
) -> Array:
    """Weights ``(F,)`` of model (1).

    Args:
        task: whose features they weigh; its true weights are not looked at.
        segments: N segments of it.
        first: ``(P,)`` numbers of segments.
        second: ``(P,)`` likewise.
        answers: to the P questions.
        fit: see :class:`LinearFit`; None: its defaults.

    Raises:
        ValueError: no answer, only ties, or numbers that do not fit.
    """
    fit = fit or LinearFit()
    first, second, answer = checked_answers(len(segments), first, second, answers.answer)
    phi = task.segment_features(segments)
    apart, told = torch.from_numpy(phi[first] - phi[second]), torch.from_numpy(answer)
    weights, _ = _descend(lambda w: F.binary_cross_entropy_with_logits(apart @ w, told), np.zeros(phi.shape[1]), fit)
    return weights


def fit_regret(
    task: FeatureTask,
    segments: Segments,
    first: Array,
    second: Array,
    answers: Answers,
    library: PolicyLibrary,
    fit: LinearFit | None = None,
) -> Array:
    """Weights ``(F,)`` of model (2) with (3); arguments as in :func:`fit_partial_return`.

    Args:
        task: see there.
        segments: see there.
        first: see there.
        second: see there.
        answers: see there.
        library: of the task.
        fit: see there.

    Raises:
        ValueError: see there.
    """
    fit = fit or LinearFit()
    first, second, answer = checked_answers(len(segments), first, second, answers.answer)
    phi, told = torch.from_numpy(task.segment_features(segments)), torch.from_numpy(answer)
    states = segments.obs[:, [0, -1], 0].astype(np.int64)
    used, at = np.unique(states, return_inverse=True)
    start, end = torch.from_numpy(at.reshape(states.shape)).unbind(1)
    successor = torch.from_numpy(library.successor[:, used])
    over = torch.from_numpy(np.where(segments.ended, 0.0, 1.0))

    def loss(w: Tensor) -> Tensor:
        values = _values(successor, w, fit.temperature)
        judged = phi @ w + over * values[end] - values[start]
        return F.binary_cross_entropy_with_logits(judged[first] - judged[second], told)

    rng = np.random.default_rng(fit.seed)
    starts = [_random_weights(rng, phi.shape[1]) / _LARGEST for _ in range(fit.starts)]
    for left in reversed(range(fit.rounds)):
        weights, _ = min((_descend(loss, start, fit) for start in starts), key=lambda pair: pair[1])
        own = task.successor_features(task.best_policy(weights))
        if not left or np.isclose(library.successor, own, rtol=0.0, atol=1e-6).all(axis=(1, 2)).any():
            break
        library = PolicyLibrary(np.concatenate([library.successor, own[None]]))
        successor = torch.from_numpy(library.successor[:, used])  # what the loss looks at
        starts[0] = weights
    return weights


def checked_answers(segments: int, first: Array, second: Array, answer: Array) -> tuple[Array, Array, Array]:
    """The questions that were answered, with their answers.

    Args:
        segments: N.
        first: ``(P,)`` numbers in 0 .. N - 1.
        second: ``(P,)`` likewise.
        answer: ``(P,)`` in [0, 1], NaN where there is none.

    Raises:
        ValueError: shapes that do not fit, a number out of its range, a question about a segment and itself, no
            answer, or nothing but ties, which tell no segment from another.
    """
    first, second, told = np.asarray(first), np.asarray(second), reals("answer", answer).astype(np.float64)
    if first.ndim != 1 or not first.shape == second.shape == told.shape:
        raise ValueError(
            f"first, second and answer must have one shape (P,), got {first.shape}, {second.shape}, {told.shape}"
        )
    for name, numbers in (("first", first), ("second", second)):
        if numbers.size and (numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= segments):
            raise ValueError(
                f"{name} must hold whole numbers in 0 .. {segments - 1}, got {numbers.min()} .. {numbers.max()}"
            )
    if (same := first == second).any():
        raise ValueError(f"second must be another segment than first, got {first[same][0]} and {second[same][0]}")
    known = ~np.isnan(told)
    if known.any() and (told[known].min() < 0.0 or told[known].max() > 1.0):
        raise ValueError(f"answer must be in [0, 1] or NaN, got {told[known].min()} .. {told[known].max()}")
    if not known.any():
        raise ValueError(f"no preferences: none of {told.size} questions was answered")
    if (told[known] == 0.5).all():
        raise ValueError(f"no preferences: all {known.sum()} answers are ties, which tell no segment from another")
    return first[known], second[known], told[known]


def _random_weights(rng: np.random.Generator, size: int) -> Array:
    """Weights ``(size,)`` of either sign, their sizes log-uniform from 1 to 100: rewards are rarely of one size."""
    found: Array = rng.choice([-1.0, 1.0], size=size) * _LARGEST ** rng.random(size)
    return found


def _values(successor: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """Equation (3) for ``(K, S, F)`` and ``(F,)``: ``(S,)``."""
    each = successor @ weights
    unit = each.detach().abs().max().clamp_min(1e-12)
    chance = torch.softmax(each / (temperature * unit), dim=0)
    return (chance * each).sum(dim=0)


def _descend(loss: Callable[[Tensor], Tensor], start: Array, fit: LinearFit) -> tuple[Array, float]:
    """Weights that lower the loss with the penalty as far as it goes, and what is left of it."""
    with grad():
        weights = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        search = torch.optim.LBFGS(
            [weights],
            max_iter=fit.iterations,
            tolerance_grad=_SETTLED,
            tolerance_change=_SETTLED,
            line_search_fn="strong_wolfe",
        )

        def whole() -> Tensor:
            search.zero_grad()
            total: Tensor = loss(weights) + fit.penalty * weights.square().sum()
            total.backward()  # type: ignore[no-untyped-call]
            return total

        search.step(whole)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            left = float(loss(weights) + fit.penalty * weights.square().sum())
    found = weights.detach().numpy().copy()
    if not (np.isfinite(found).all() and np.isfinite(left)):
        raise ValueError(f"the search for weights diverged: loss {left}, weights {found}")
    return found, left
