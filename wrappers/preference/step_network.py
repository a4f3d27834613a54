"""A finished network that pays for steps; what learns it is elsewhere.

With x the numbers of a step, (mean, deviation) those of the steps it was learned from, and f the network,

(1) reward = (f(clip((x - mean) / deviation, -5, 5)) - shift) / scale

or, against values v_1, ..., v_M of f at other steps, the chance of being preferred to one of them,

(2) reward = mean over m of sigmoid(f(...) - v_m)

which lies in [0, 1], however large f has become: comparisons leave the size of f open.
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

__all__ = ["LEAST", "LIMIT", "StepInputs", "StepNetwork"]

LIMIT = 5.0  # largest size of a whitened input
LEAST = 1e-6  # least deviation, of an input that never varied


class StepInputs:
    """The numbers of a step that a network sees.

    Args:
        parts: what they are, side by side: ``"obs"``, ``"next_obs"``, ``"action"``, or the name of an entry of
            ``info``, of which ``name[3]`` takes one place.
        num_actions: integer actions become one-hot, of so many; None: actions are numbers.

    Raises:
        TypeError: ``parts`` is no sequence of names.
        ValueError: there is none, or ``num_actions`` is no whole number of at least 1.
    """

    def __init__(self, parts: Sequence[str], num_actions: int | None = None) -> None:
        check_sequence("parts", parts, "names")
        if not len(parts) or not all(isinstance(part, str) for part in parts):
            raise ValueError(f"parts must be at least one name, got {list(parts)!r}")
        if num_actions is not None:
            check_integer("num_actions", num_actions, 1)
        self.parts, self.num_actions = tuple(parts), num_actions

    def __call__(self, t: Transition) -> Array:
        """``(R, I)`` float64.

        Raises:
            KeyError: ``info`` lacks an entry.
            ValueError: a number of an active row is not finite, or an integer action is out of its range.
        """
        found = np.concatenate([self._part(part, t) for part in self.parts], axis=1)
        bad = ~np.isfinite(found) & t.active[:, None]
        if bad.any():
            raise ValueError(f"the parts {', '.join(self.parts)} of a step must be finite, got {found[bad][0]}")
        return np.where(t.active[:, None], found, 0.0)

    def _part(self, part: str, t: Transition) -> Array:
        if part in ("obs", "next_obs"):
            return flat(getattr(t, part))
        if part != "action":
            name, _, place = part.removesuffix("]").partition("[")
            entry = reals(name, t.info[name]).astype(np.float64).reshape(len(t.reward), -1)
            if place and not (place.isdecimal() and int(place) < entry.shape[1]):
                raise ValueError(f"{part} must be a place in {name}, which has {entry.shape[1]}")
            return entry[:, int(place)][:, None] if place else entry
        chosen = np.asarray(t.action).reshape(len(t.reward), -1)
        if self.num_actions is None:
            return chosen.astype(np.float64)
        chosen = np.where(t.active[:, None], chosen, 0)
        if not np.isin(chosen, np.arange(self.num_actions)).all():
            raise ValueError(f"actions must be integers in 0 .. {self.num_actions - 1}, got {chosen.ravel()}")
        one_hot: Array = np.eye(self.num_actions)[chosen.astype(np.int64)].reshape(len(chosen), -1)
        return one_hot


class StepNetwork(LearnedReward):
    """Pays (1); between the layers of f stands the hyperbolic tangent.

    Args:
        inputs: what it sees of a step.
        mean: ``(I,)``.
        deviation: ``(I,)``, each above 0.
        layers: weights ``(out, in)`` and biases ``(out,)`` of each layer; the first takes I numbers, the last
            gives one.
        shift: value of f that pays 0.
        scale: difference in f that pays 1, above 0.
        against: values v of (2), ``(M,)``; None: (1) is paid.

    Raises:
        ValueError: shapes that do not fit, or a number that is not allowed.
    """

    def __init__(
        self,
        inputs: StepInputs,
        mean: Array,
        deviation: Array,
        layers: Sequence[tuple[Array, Array]],
        *,
        shift: float = 0.0,
        scale: float = 1.0,
        against: Array | None = None,
    ) -> None:
        check_number("shift", shift, -np.inf)
        check_number("scale", scale, 0.0, open_low=True)
        self.inputs, self.shift, self.scale = inputs, float(shift), float(scale)
        self.mean, self.deviation = (
            reals(name, x).astype(np.float64) for name, x in (("mean", mean), ("deviation", deviation))
        )
        self.layers = [tuple(reals("layers", x).astype(np.float64) for x in layer) for layer in layers]
        for i, layer in enumerate(self.layers):
            if len(layer) != 2 or layer[0].ndim != 2 or layer[1].ndim != 1:
                raise ValueError(f"layers[{i}] must be a matrix and a vector, got shapes {[x.shape for x in layer]}")
        sizes = [self.mean.size, *(len(bias) for _, bias in self.layers)]
        shapes = [weight.shape for weight, _ in self.layers]
        if self.mean.ndim != 1 or self.deviation.shape != self.mean.shape or not (self.deviation > 0.0).all():
            raise ValueError(f"deviation must be {self.mean.size} numbers above 0, got {self.deviation}")
        if not shapes or shapes != list(zip(sizes[1:], sizes, strict=False)) or sizes[-1] != 1:
            raise ValueError(f"layers must lead from {sizes[0]} numbers to one, got weights of the shapes {shapes}")
        if not all(
            np.isfinite(x).all() for x in (self.mean, self.deviation, *(x for layer in self.layers for x in layer))
        ):
            raise ValueError("mean, deviation and layers must hold finite numbers")
        self.against = None if against is None else reals("against", against).astype(np.float64)
        if self.against is not None:
            if self.against.ndim != 1 or not self.against.size or not np.isfinite(self.against).all():
                raise ValueError(f"against must be finite numbers (M,), got {self.against!r}")
            if (shift, scale) != (0.0, 1.0):
                raise ValueError(f"shift and scale have no part in (2), got {shift} and {scale}")

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``.

        Raises:
            ValueError: another number of inputs than it has.
        """
        value = self.value(self.inputs(t))
        if self.against is None:
            return (value - self.shift) / self.scale
        chances: Array = 0.5 + 0.5 * np.tanh(0.5 * (value[:, None] - self.against))  # sigmoid, without overflow
        rate: Array = chances.mean(axis=1)
        return rate

    def value(self, numbers: Array) -> Array:
        """Value of f for inputs ``(..., I)``."""
        if numbers.shape[-1] != self.mean.size:
            raise ValueError(f"a step must have {self.mean.size} numbers, got {numbers.shape[-1]}")
        x = np.clip((numbers - self.mean) / self.deviation, -LIMIT, LIMIT)
        for at, (weight, bias) in enumerate(self.layers):
            x = x @ weight.T + bias
            x = np.tanh(x) if at < len(self.layers) - 1 else x
        return x[..., 0]

    def settings(self) -> dict[str, Any]:
        """See :class:`payoff.wrappers.LearnedReward`."""
        return {
            "parts": list(self.inputs.parts),
            "num_actions": self.inputs.num_actions,
            "layers": len(self.layers),
            "shift": self.shift,
            "scale": self.scale,
        }

    def arrays(self) -> dict[str, Array]:
        """See :class:`payoff.wrappers.LearnedReward`."""
        found = {"mean": self.mean, "deviation": self.deviation}
        for at, (weight, bias) in enumerate(self.layers):
            found |= {f"{at}.weight": weight, f"{at}.bias": bias}
        return found if self.against is None else {**found, "against": self.against}

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :class:`payoff.wrappers.LearnedReward`."""
        check_integer("layers", settings["layers"], 1)
        layers = [(arrays[f"{at}.weight"], arrays[f"{at}.bias"]) for at in range(settings["layers"])]
        return cls(
            StepInputs(settings["parts"], settings["num_actions"]),
            arrays["mean"],
            arrays["deviation"],
            layers,
            shift=settings["shift"],
            scale=settings["scale"],
            against=arrays.get("against"),
        )
