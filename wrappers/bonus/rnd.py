"""Random network distillation: states are new where a network cannot yet predict a fixed random one.

(1) b = |f(s') - g(s')|^2, summed over the features; g is random and fixed, f learns to equal it on what was seen

Inputs are whitened and clipped, see :mod:`payoff.wrappers.bonus.bonus_model`. The size of b depends on the networks, so
it is meant to be paid with ``BonusReward(RND(), normalise="return", gamma=...)``.

Source: Burda, Edwards, Storkey and Klimov (ICLR 2019). Its separate value head for bonuses is left to the trainer.
unverified: sizes and learning rates of the paper; ours are small networks for small problems.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from payoff.envs.core.params import check_integer
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.bonus.bonus_model import BonusLearning, BonusModel, network
from payoff.wrappers.bonus.state_features import StateFeatures
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["RND", "Distillation", "checked_distillation"]


class Distillation(BonusModel):
    """A network that learns to predict a random one.

    Args:
        features: outputs of both networks, at least 1.
        encode: see :class:`payoff.wrappers.bonus.bonus_model.BonusModel`.
        settings: see :class:`payoff.wrappers.bonus.bonus_model.BonusLearning`.

    Raises:
        TypeError: see there.
        ValueError: ``features`` is out of its range.
    """

    def __init__(
        self, *, features: int = 32, encode: StateFeatures | None = None, settings: BonusLearning | None = None
    ) -> None:
        check_integer("features", features, 1)
        super().__init__(encode, settings)
        self.width = features

    def make(self, inputs: int, generator: torch.Generator) -> tuple[nn.ModuleDict, dict[str, int]]:
        """``target``, which is fixed, and ``predictor``; what is kept is the next observation."""
        sizes = (inputs, *self.settings.hidden, self.width)
        net = nn.ModuleDict({"target": network(sizes, generator), "predictor": network(sizes, generator)})
        net["target"].requires_grad_(False)
        return net, {"next": inputs}

    def loss(self, columns: dict[str, Array]) -> Tensor:
        """Mean of (1)."""
        return self._squared(columns["next"]).mean()

    def columns(self, t: Transition, rows: Array) -> dict[str, Array]:
        """``next``: numbers of the states that were reached."""
        return {"next": self.numbers(take(t.next_obs, rows))}

    def error(self, obs: Batch) -> Array:
        """Equation (1) for observations ``(n, ...)``: ``(n,)``."""
        with torch.no_grad():
            found: Array = self._squared(self.numbers(obs)).numpy()
        return found

    def _squared(self, numbers: Array) -> Tensor:
        x = self.whitened(numbers)
        apart: Tensor = self.net["predictor"](x) - self.net["target"](x)
        return apart.square().sum(dim=1)


class RND(Bonus):
    """b = squared distance between prediction and random features of s', at least 0.

    Args:
        model: the two networks, which learn from this bonus alone; None: a :class:`Distillation` with its defaults.

    Raises:
        TypeError: ``model`` is no Distillation.

    >>> RND().model.width
    32
    """

    def __init__(self, model: Distillation | None = None) -> None:
        super().__init__()
        self.model = checked_distillation(model)

    def parts(self) -> dict[str, Part]:
        """``model``: both networks."""
        return {"model": self.model}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Build the networks at the first reset."""
        super().reset(obs, info, mask)
        self.model.look(obs)

    def score(self, t: Transition) -> Array:
        """Equation (1)."""
        bonus = np.zeros(t.reward.shape)
        for rows in self.model.portions(t.active):
            bonus[rows] = self.model.error(take(t.next_obs, rows))
            self.model.learn_from(t, rows)
        return bonus


def checked_distillation(model: Distillation | None) -> Distillation:
    """The model, a new one for None.

    Raises:
        TypeError: it is no Distillation.
    """
    given: Any = model
    if given is not None and not isinstance(given, Distillation):
        raise TypeError(f"model must be a Distillation, got {type(given).__name__}")
    return Distillation() if model is None else model
