"""A learned reward that an ensemble of small networks gives: what comes of preferences over segments.

(1) x = clip((input - mean) / deviation, -5, 5), the input being the observation and the action
(2) r^(s, a) = scale times the mean over the members of f_m(x)

Networks have tanh layers. The scale is one number for all steps and there is no offset: a constant on every step would
change what is best where episodes differ in length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.state_features import flat
from payoff.wrappers.learned.frozen import LearnedReward
from payoff.wrappers.rows import Array

__all__ = ["LIMIT", "NetworkReward", "step_inputs"]

LIMIT = 5.0  # deviations of an input


def step_inputs(obs: Array, actions: Array, num_actions: int | None) -> Array:
    """What a network sees of R steps: ``(R, O + A)``, or ``(R, O + A K)`` with integer actions one-hot.

    Args:
        obs: ``(R, O)`` numbers.
        actions: ``(R, A)``.
        num_actions: K, number of integer actions of each entry; None where actions are real numbers.

    Raises:
        ValueError: an action that is no integer in 0 .. K - 1.
    """
    if num_actions is not None:
        if not np.isin(actions, np.arange(num_actions)).all():
            raise ValueError(f"actions must be integers in 0 .. {num_actions - 1}, got {np.unique(actions)}")
        actions = np.eye(num_actions)[actions.astype(np.int64)].reshape(len(actions), -1)
    return np.concatenate([obs, actions], axis=1)


class NetworkReward(LearnedReward):
    """Pays (2) in place of the reward.

    Args:
        weights: of each layer, ``(M, inputs, outputs)`` for M members; the last has one output.
        biases: of each layer, ``(M, outputs)``.
        mean: ``(I,)`` of (1).
        deviation: ``(I,)`` of (1), above 0.
        scale: of (2), above 0.
        num_actions: K, number of integer actions of each entry; None where actions are real numbers.

    Raises:
        TypeError: ``weights`` or ``biases`` is no sequence.
        ValueError: arrays that do not fit each other, a number that is not finite, or an argument out of its range.
    """

    def __init__(
        self,
        weights: Sequence[Array],
        biases: Sequence[Array],
        mean: Array,
        deviation: Array,
        *,
        scale: float = 1.0,
        num_actions: int | None = None,
    ) -> None:
        check_sequence("weights", weights, "arrays")
        check_sequence("biases", biases, "arrays")
        check_number("scale", scale, 0.0, open_low=True)
        if num_actions is not None:
            check_integer("num_actions", num_actions, 1)
        self.weights = [_finite(f"weights[{i}]", w, 3) for i, w in enumerate(weights)]
        self.biases = [_finite(f"biases[{i}]", b, 2) for i, b in enumerate(biases)]
        self.mean, self.deviation = _finite("mean", mean, 1), _finite("deviation", deviation, 1)
        if num_actions is not None and num_actions > self.mean.size:
            raise ValueError(f"num_actions must be at most the {self.mean.size} inputs, got {num_actions}")
        self.scale, self.num_actions = float(scale), num_actions
        members, size = (self.weights[0].shape[0], self.mean.size) if self.weights else (0, 0)
        for i, weight in enumerate(self.weights):
            if weight.shape[:2] != (members, size) or i >= len(self.biases):
                raise ValueError(f"weights[{i}] must have shape ({members}, {size}, outputs), got {weight.shape}")
            size = weight.shape[2]
            if self.biases[i].shape != (members, size):
                raise ValueError(f"biases[{i}] must have shape ({members}, {size}), got {self.biases[i].shape}")
        if not members or size != 1 or len(self.biases) != len(self.weights):
            raise ValueError("weights must be at least one layer, and the last one must have 1 output")
        if self.deviation.shape != self.mean.shape or not (self.deviation > 0.0).all():
            raise ValueError(f"deviation must be {self.mean.size} numbers above 0, got {self.deviation}")

    def members(self, inputs: Array) -> Array:
        """What each member gives, not scaled, ``(M, R)``, for inputs ``(R, I)`` of :func:`step_inputs`.

        Raises:
            ValueError: another number of inputs.
        """
        if inputs.ndim != 2 or inputs.shape[1] != self.mean.size:
            raise ValueError(f"the reward has {self.mean.size} inputs, observation and action, got {inputs.shape[1:]}")
        x = np.clip((inputs - self.mean) / self.deviation, -LIMIT, LIMIT)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (np.tanh(x) if i else x) @ weight + bias[:, None]
        found: Array = x[..., 0]
        return found

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``."""
        obs = np.where(t.active[:, None], flat(t.obs), 0.0)
        actions = np.asarray(t.action, dtype=np.float64).reshape(len(obs), -1)
        actions = np.where(t.active[:, None], actions, 0.0)  # placeholders may be anything
        paid: Array = self.scale * self.members(step_inputs(obs, actions, self.num_actions)).mean(axis=0)
        return paid

    def settings(self) -> dict[str, Any]:
        """``scale``, ``num_actions`` and the number of ``layers``."""
        return {"scale": self.scale, "num_actions": self.num_actions, "layers": len(self.weights)}

    def arrays(self) -> dict[str, Array]:
        """``mean``, ``deviation``, and ``weights.i`` and ``biases.i`` of each layer."""
        found = {"mean": self.mean.copy(), "deviation": self.deviation.copy()}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found |= {f"weights.{i}": weight.copy(), f"biases.{i}": bias.copy()}
        return found

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :meth:`payoff.wrappers.LearnedReward.build`."""
        check_integer("layers", settings["layers"], 1, 100)
        layers = range(settings["layers"])
        return cls(
            [arrays[f"weights.{i}"] for i in layers],
            [arrays[f"biases.{i}"] for i in layers],
            arrays["mean"],
            arrays["deviation"],
            scale=settings["scale"],
            num_actions=settings["num_actions"],
        )


def _finite(name: str, value: Any, axes: int) -> Array:
    """``value`` as float64 with so many axes, in memory of its own."""
    found = reals(name, value).astype(np.float64)
    if found.ndim != axes or not np.isfinite(found).all():
        raise ValueError(f"{name} must hold finite numbers with {axes} axes, got shape {found.shape}")
    return found
