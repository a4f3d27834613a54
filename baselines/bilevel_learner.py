"""A policy and the reward that it is told, and what an update does to both; see :mod:`payoff.baselines.bilevel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import grad

from payoff.baselines.bilevel_objectives import Objectives
from payoff.baselines.bilevel_settings import Args
from payoff.baselines.checkpoint import ArrayError, fitting
from payoff.baselines.episodes import Episodes
from payoff.baselines.rmsprop import root_mean_square
from payoff.baselines.training import Generator
from payoff.baselines.trajectories import Batch, take
from payoff.wrappers.learned.basis import Basis
from payoff.wrappers.learned.blend import head, head_start
from payoff.wrappers.learned.hypergradient import (
    ConjugateGradient,
    Neumann,
    answer,
    forward_response,
    unrolled_hypergradient,
)

__all__ = ["Ascent", "Learner", "SoftmaxPolicy", "drawn", "policy_of"]


class Ascent:
    """RMSprop, a vector of parameters and its mean of squared gradients; a part of a checkpoint.

    Args:
        value: the parameters at first.
        rate: learning rate, or one for each parameter.
    """

    def __init__(self, value: np.ndarray, rate: float | Tensor) -> None:
        self.value, self.rate = torch.from_numpy(value.copy()), rate
        self.square = torch.zeros_like(self.value)

    def scale(self, gradient: Tensor) -> Tensor:
        """What a step along this gradient would multiply it by; remembers the gradient."""
        self.square, root = root_mean_square(self.square, gradient)
        return self.rate / root

    def arrays(self) -> dict[str, np.ndarray]:
        """See :class:`payoff.baselines.training.Kept`."""
        return {"value": self.value.numpy().copy(), "square": self.square.numpy().copy()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See :class:`payoff.baselines.training.Kept`."""
        shape = tuple(self.value.shape)
        value, square = (fitting(arrays, name, shape, np.float64) for name in ("value", "square"))
        if (square < 0.0).any():
            raise ArrayError(f"square must not be negative, got {square.min()}")
        self.value, self.square = torch.from_numpy(value.copy()), torch.from_numpy(square.copy())


class Carried:
    """Dtheta / dphi of the forward estimator; a part of a checkpoint."""

    def __init__(self, theta_size: int, phi_size: int) -> None:
        self.value = torch.zeros((theta_size, phi_size), dtype=torch.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        """See :class:`payoff.baselines.training.Kept`."""
        return {"value": self.value.numpy().copy()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See :class:`payoff.baselines.training.Kept`."""
        self.value = torch.from_numpy(fitting(arrays, "value", tuple(self.value.shape), np.float64).copy())


class Learner:
    """Policy, reward, and what an update does to both.

    Args:
        args: resolved settings.
        objectives: what it climbs.
        basis: features of an observation.
        episodes: those so far.
        seed: of weights and draws.
    """

    def __init__(
        self, args: Args, objectives: Objectives, basis: Basis, episodes: Episodes, seed: np.random.SeedSequence
    ) -> None:
        self.args, self.objectives, self.basis, self.episodes = args, objectives, basis, episodes
        of_theta, of_phi, of_draws = seed.spawn(3)
        theta = np.concatenate(
            [head_start(objectives.sizes, np.random.default_rng(of_theta)), np.zeros(int(objectives.fed))]
        )
        form = objectives.form
        start = form.start(np.random.default_rng(of_phi), gamma=args.gamma if form.learn_gamma else 0.5)
        rates = torch.full((form.size,), args.reward_learning_rate, dtype=torch.float64)
        if form.learn_gamma:
            rates[-1] = args.gamma_learning_rate
        self.theta, self.phi = Ascent(theta, args.learning_rate), Ascent(start, rates)
        self.draws = Generator(of_draws)
        self.carried = Carried(objectives.theta_size, form.size) if args.estimator == "forward" else None

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "theta": self.theta,
            "phi": self.phi,
            "draws": self.draws,
            "carried": self.carried,
            "trajectories": self.episodes,
        }

    def probabilities(self, obs: np.ndarray) -> np.ndarray:
        """Pi ``(..., A)`` for observations ``(..., O)``."""
        return policy_of(self.objectives, self.theta.value.numpy(), self.phi.value.numpy(), self.basis(obs))

    def improve(self) -> dict[str, float]:
        """One update on the episodes so far; numbers for the log."""
        args, count = self.args, self.episodes.count
        assert args.warm_up is not None and args.inner_steps is not None and args.first_steps is not None
        if count < args.warm_up:
            self._inner_step()
            return self._told()
        warmed = count - args.episodes_per_update < args.warm_up and args.warm_up > 0
        if warmed:  # the learner should stand where it would end up under the reward as it is
            for _ in range(args.first_steps):
                self._inner_step()
        if args.estimator in ("neumann", "conjugate"):
            self._outer_step_before()
            for _ in range(args.inner_steps):
                self._inner_step()
        else:
            for _ in range(args.inner_steps - 1):
                self._inner_step()
            self._step_and_outer_step()
        return self._told()

    def _batch(self) -> Batch:
        """Episodes of an inner step."""
        args, kept = self.args, self.episodes
        latest = args.source == "latest"
        places = kept.latest(args.episodes_per_update) if latest else kept.draw(args.batch_episodes, self.draws.numpy)
        return take(kept, places, self.basis)

    def _inner_step(self) -> None:
        theta, phi = self.theta.value, self.phi.value
        inner = self.objectives.inner(self._batch())
        gradient = grad(inner)(theta, phi)
        rate = self.theta.scale(gradient)
        if self.carried is not None:
            self.carried.value = forward_response(inner, theta, phi, self.carried.value, rate)
        self.theta.value = theta + rate * gradient

    def _outer_step_before(self) -> None:
        """The implicit gradient at the present policy; the newest episodes say what is wanted."""
        args, kept = self.args, self.episodes
        theta, phi = self.theta.value, self.phi.value
        response: Neumann | ConjugateGradient = Neumann(args.neumann_steps, args.neumann_rate)
        if args.estimator == "conjugate":
            response = ConjugateGradient(args.neumann_steps, args.damping)
        outer = self.objectives.outer(take(kept, kept.latest(args.episodes_per_update), self.basis), weighted=False)
        inner = self.objectives.inner(take(kept, kept.draw(args.curvature_episodes, self.draws.numpy), self.basis))
        v = grad(outer)(theta, phi)
        self._climb(answer(inner, theta, phi, response(inner, theta, phi, v)))

    def _step_and_outer_step(self) -> None:
        """An inner step, and the gradient of what it leads to on the same episodes."""
        batch, theta, phi = self._batch(), self.theta.value, self.phi.value
        inner, outer = self.objectives.inner(batch), self.objectives.outer(batch, weighted=True)
        gradient = grad(inner)(theta, phi)
        rate = self.theta.scale(gradient)
        if self.args.estimator == "first_order":
            found, self.theta.value = unrolled_hypergradient([inner], outer, theta, phi, rate)
            self._climb(found)
            return
        self.theta.value = theta + rate * gradient
        if self.carried is not None:
            self.carried.value = forward_response(inner, theta, phi, self.carried.value, rate)
            self._climb(grad(outer)(self.theta.value, phi) @ self.carried.value)
        elif self.args.estimator == "input":
            self._climb(grad(outer, argnums=1)(self.theta.value, phi))

    def _climb(self, gradient: Tensor) -> None:
        """Move phi."""
        gradient = gradient - self.objectives.penalty(self.phi.value)
        self.phi.value = self.phi.value + self.phi.scale(gradient) * gradient

    def _told(self) -> dict[str, float]:
        return {
            "reward/discount": float(self.objectives.discount(self.phi.value)),
            "reward/size": float(self.phi.value.norm()),
            "policy/size": float(self.theta.value.norm()),
        }


def policy_of(objectives: Objectives, theta: np.ndarray, phi: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Pi ``(..., A)`` of features ``(..., F)``, in numpy: acting is a step at a time."""
    scores = head(theta, objectives.sizes, features)
    if objectives.fed:
        scores = scores + theta[-1] * head(phi, objectives.form.sizes, features)[..., objectives.form.widths[0] :]
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found: np.ndarray = odds / odds.sum(axis=-1, keepdims=True)
    return found


class SoftmaxPolicy:
    """The trained policy.

    Args:
        pi: probabilities ``(..., A)`` for observations ``(..., O)``.
        seed: of the draws.
    """

    def __init__(self, pi: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> None:
        self.pi, self._rng = pi, np.random.default_rng(seed)

    def act(self, obs: np.ndarray, *, deterministic: bool) -> np.ndarray:
        """Actions ``(B, 1)`` for observations ``(B, 1, O)``; see :class:`payoff.baselines.policies.Policy`."""
        pi = self.pi(obs)
        return pi.argmax(axis=-1) if deterministic else drawn(pi, self._rng)


def drawn(pi: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An action for each row of probabilities ``(..., A)``."""
    up_to = np.cumsum(pi, axis=-1)[..., :-1]  # the last sum is 1 but for rounding
    found: np.ndarray = (rng.random((*pi.shape[:-1], 1)) >= up_to).sum(axis=-1)
    return found
