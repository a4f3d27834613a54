"""A finished reward that one network gives, or several; what learns it is elsewhere.

With x the numbers of a step, whitened by the mean and deviation of those that it was learned from, and f the mean over
M networks of one shape,

(1) reward = (f(x) - shift) / scale

or, against values v_1, ..., v_n of f at other steps, the chance of being preferred to one of them,

(2) reward = mean over k of sigmoid(f(x) - v_k)

which lies in [0, 1], however large f has become: comparisons leave the size of f open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.whitening import whitened
from payoff.wrappers.learned.frozen import LearnedReward
from payoff.wrappers.learned.step_inputs import StepInputs, checked_inputs
from payoff.wrappers.rows import Array

__all__ = ["NetworkReward"]


class NetworkReward(LearnedReward):
    """Pays what a network says of a step, or several on average: (1) or (2).

    Between the layers of a network stands the hyperbolic tangent.

    Args:
        inputs: what it sees of a step, I numbers.
        mean: ``(I,)`` that they are whitened with.
        deviation: ``(I,)``, each above 0.
        weights: of each layer, ``(M, numbers, outputs)`` for M networks; the last layer has one output.
        biases: of each layer, ``(M, outputs)``.
        shift: value of f that pays 0.
        scale: difference in f that pays 1, above 0.
        against: values v of (2), ``(n,)``; None: (1) is paid.

    Raises:
        TypeError: ``inputs`` are no StepInputs, or ``weights`` or ``biases`` is no sequence.
        ValueError: arrays that do not fit each other, a number that is not finite, or an argument out of its range.
    """

    def __init__(
        self,
        inputs: StepInputs,
        mean: Array,
        deviation: Array,
        weights: Sequence[Array],
        biases: Sequence[Array],
        *,
        shift: float = 0.0,
        scale: float = 1.0,
        against: Array | None = None,
    ) -> None:
        check_sequence("weights", weights, "arrays")
        check_sequence("biases", biases, "arrays")
        check_number("shift", shift, -np.inf)
        check_number("scale", scale, 0.0, open_low=True)
        self.inputs, self.shift, self.scale = checked_inputs(inputs), float(shift), float(scale)
        self.mean, self.deviation = _finite("mean", mean, 1), _finite("deviation", deviation, 1)
        self.weights = [_finite(f"weights[{i}]", w, 3) for i, w in enumerate(weights)]
        self.biases = [_finite(f"biases[{i}]", b, 2) for i, b in enumerate(biases)]
        self.against = None if against is None else _finite("against", against, 1)
        count = self.mean.size
        if self.deviation.shape != self.mean.shape or not (self.deviation > 0.0).all():
            raise ValueError(f"deviation must be {count} numbers above 0, got {self.deviation}")
        if "action" in inputs.parts and inputs.num_actions is not None and inputs.num_actions > count:
            raise ValueError(f"num_actions must be at most the {count} numbers of a step, got {inputs.num_actions}")
        if not self.weights or len(self.biases) != len(self.weights):
            raise ValueError(f"weights and biases must be of one layer or more, got {len(weights)} and {len(biases)}")
        members, size, last = len(self.weights[0]), count, len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            outputs = 1 if i == last else weight.shape[2]
            if not members or weight.shape != (members, size, outputs):
                wanted = f"({members or 'M'}, {size}, {1 if i == last else 'outputs'})"
                raise ValueError(f"weights[{i}] must have shape {wanted}, got {weight.shape}")
            if bias.shape != (members, outputs):
                raise ValueError(f"biases[{i}] must have shape ({members}, {outputs}), got {bias.shape}")
            size = outputs
        if self.against is not None and not self.against.size:
            raise ValueError("against must hold at least one number, got none")
        if self.against is not None and (shift, scale) != (0.0, 1.0):
            raise ValueError(f"shift and scale have no part in (2), got {shift} and {scale}")

    def members(self, numbers: Array) -> Array:
        """Value of each network, ``(M, R)``, for steps ``(R, I)``.

        Raises:
            ValueError: another number of numbers.
        """
        if numbers.ndim != 2 or numbers.shape[1] != self.mean.size:
            raise ValueError(f"a step must have {self.mean.size} numbers, got {numbers.shape[1:]}")
        x = whitened(numbers, self.mean, self.deviation)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (np.tanh(x) if i else x) @ weight + bias[:, None]
        found: Array = x[..., 0]
        return found

    def value(self, numbers: Array) -> Array:
        """Value of f ``(R,)`` for steps ``(R, I)``; see :meth:`members`."""
        found: Array = self.members(numbers).mean(axis=0)
        return found

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``.

        Raises:
            KeyError: ``info`` lacks an entry.
            ValueError: other steps than it was made for, or a number that is not finite.
        """
        value = self.value(self.inputs(t))
        if self.against is None:
            return (value - self.shift) / self.scale
        chances: Array = 0.5 + 0.5 * np.tanh(0.5 * (value[:, None] - self.against))  # sigmoid, without overflow
        rate: Array = chances.mean(axis=1)
        return rate

    def settings(self) -> dict[str, Any]:
        """``parts`` and ``num_actions`` of the inputs, ``shift`` and ``scale``."""
        parts = {"parts": list(self.inputs.parts), "num_actions": self.inputs.num_actions}
        return {**parts, "shift": self.shift, "scale": self.scale}

    def arrays(self) -> dict[str, Array]:
        """``mean``, ``deviation``, ``weights.i`` and ``biases.i`` of each layer, and ``against`` where there is one."""
        found = {"mean": self.mean.copy(), "deviation": self.deviation.copy()}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found |= {f"weights.{i}": weight.copy(), f"biases.{i}": bias.copy()}
        return found if self.against is None else {**found, "against": self.against.copy()}

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :meth:`payoff.wrappers.LearnedReward.build`."""
        layers = range(sum(name.startswith("weights.") for name in arrays))
        return cls(
            StepInputs(settings["parts"], settings["num_actions"]),
            arrays["mean"],
            arrays["deviation"],
            [arrays[f"weights.{i}"] for i in layers],
            [arrays[f"biases.{i}"] for i in layers],
            shift=settings["shift"],
            scale=settings["scale"],
            against=arrays.get("against"),
        )


def _finite(name: str, value: Any, axes: int) -> Array:
    """``value`` as float64 with so many axes, in memory of its own."""
    found = reals(name, value).astype(np.float64)
    if found.ndim != axes or not np.isfinite(found).all():
        raise ValueError(f"{name} must hold finite numbers with {axes} axes, got shape {found.shape}")
    return found
