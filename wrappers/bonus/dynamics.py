"""Features of what actions change: an encoder learned with inverse and forward models of the dynamics.

(1) a^ = g(phi(s), phi(s'))    (2) phi^(s') = h(phi(s), a)
(3) L = (1 - w) L_inverse + w 1/2 |phi^(s') - phi(s')|^2

L_inverse is the cross entropy of integer actions, or half the squared error of real ones. What an action neither
changes nor can be inferred from, such as noise on a screen, does not help (1), so phi need not keep it.

Source: Pathak, Agrawal, Efros and Darrell (ICML 2017), whose w is 0.2. With w = 0 only (1) teaches phi, as in E3B
(Henaff et al. 2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.bonus_model import BonusLearning, BonusModel, network
from payoff.wrappers.bonus.state_features import StateFeatures
from payoff.wrappers.rows import Array, Batch, take

__all__ = ["DynamicsModel", "check_model"]


class DynamicsModel(BonusModel):
    """An encoder phi with its inverse and its forward model, for ICM and RIDE; without the latter for E3B.

    Args:
        num_actions: how many integer actions there are; None where actions are vectors of real numbers.
        action_size: entries of a real action; not used for integer ones.
        features: numbers F in phi, at least 1.
        forward_share: w, in [0, 1); 0 builds no forward model, and suits E3B.
        encode: see :class:`payoff.wrappers.bonus.bonus_model.BonusModel`.
        settings: see :class:`payoff.wrappers.bonus.bonus_model.BonusLearning`.

    Raises:
        TypeError: ``encode`` cannot be called, or ``settings`` is no BonusLearning.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        *,
        num_actions: int | None,
        action_size: int = 1,
        features: int = 32,
        forward_share: float = 0.2,
        encode: StateFeatures | None = None,
        settings: BonusLearning | None = None,
    ) -> None:
        if num_actions is not None:
            check_integer("num_actions", num_actions, 2)
        check_integer("action_size", action_size, 1)
        check_integer("features", features, 1)
        check_number("forward_share", forward_share, 0.0, 1.0, open_high=True)
        super().__init__(encode, settings)
        self.num_actions = num_actions
        self.action_size = action_size
        self.width = features
        self.forward_share = forward_share

    def make(self, inputs: int, generator: torch.Generator) -> tuple[nn.ModuleDict, dict[str, int]]:
        """``encoder``, ``inverse`` and, for w above 0, ``ahead``, the forward model; whole transitions are kept."""
        hidden, actions = self.settings.hidden, self.num_actions or self.action_size
        net = {
            "encoder": network((inputs, *hidden, self.width), generator),
            "inverse": network((2 * self.width, *hidden, actions), generator),
        }
        if self.forward_share > 0.0:
            net["ahead"] = network((self.width + actions, *hidden, self.width), generator)
        return nn.ModuleDict(net), {"obs": inputs, "action": actions, "next": inputs}

    def columns(self, t: Transition, rows: Array) -> dict[str, Array]:
        """``obs``, ``action`` (one-hot where integer) and ``next``."""
        return {
            "obs": self.numbers(take(t.obs, rows)),
            "action": self.actions(take(t.action, rows)),
            "next": self.numbers(take(t.next_obs, rows)),
        }

    def actions(self, action: Batch) -> Array:
        """Actions ``(n, A)``, one-hot where they are integers.

        Raises:
            ValueError: an integer action that does not exist, or a real one of another size.
        """
        array: Any = np.asarray(action)
        array = array.reshape(len(array), -1)
        if self.num_actions is None:
            if array.shape[1] != self.action_size or not np.isfinite(array).all():
                raise ValueError(f"actions must be {self.action_size} finite numbers each, got shape {array.shape}")
            return np.asarray(array, dtype=np.float64)
        known = np.arange(self.num_actions)
        if array.shape[1] != 1 or not np.isin(array, known).all():
            raise ValueError(f"actions must be whole numbers in 0 .. {self.num_actions - 1}, got {array.tolist()}")
        return np.asarray(array == known, dtype=np.float64)

    def features(self, obs: Batch) -> Array:
        """``(n, F)`` phi."""
        with torch.no_grad():
            found: Array = self._phi(self.numbers(obs)).numpy()
        return found

    def forward_error(self, t: Transition, rows: Array) -> Array:
        """1/2 |phi^(s') - phi(s')|^2 of the rows of a transition, ``(n,)``."""
        columns = self.columns(t, rows)
        with torch.no_grad():
            phi, following = self._phi(columns["obs"]), self._phi(columns["next"])
            found: Array = self._missed(phi, torch.from_numpy(columns["action"]), following).numpy()
        return found

    def loss(self, columns: dict[str, Array]) -> Tensor:
        """Equation (3), mean over the rows."""
        phi, following = self._phi(columns["obs"]), self._phi(columns["next"])
        action = torch.from_numpy(columns["action"])
        guess: Tensor = self.net["inverse"](torch.cat([phi, following], dim=1))
        if self.num_actions is None:
            inverse = 0.5 * (guess - action).square().sum(dim=1).mean()
        else:
            inverse = functional.cross_entropy(guess, action)
        if self.forward_share == 0.0:
            return inverse
        return (1.0 - self.forward_share) * inverse + self.forward_share * self._missed(phi, action, following).mean()

    def _phi(self, numbers: Array) -> Tensor:
        found: Tensor = self.net["encoder"](self.whitened(numbers))
        return found

    def _missed(self, phi: Tensor, action: Tensor, following: Tensor) -> Tensor:
        guess: Tensor = self.net["ahead"](torch.cat([phi, action], dim=1))
        return 0.5 * (guess - following).square().sum(dim=1)


def check_model(model: Any) -> None:
    """Raise unless ``model`` is one that a bonus from forward models can use.

    Raises:
        TypeError: it is no DynamicsModel.
        ValueError: it has no forward model.
    """
    if not isinstance(model, DynamicsModel):
        raise TypeError(f"model must be a DynamicsModel, got {type(model).__name__}")
    if model.forward_share == 0.0:
        raise ValueError("model must have a forward_share above 0, got 0: it has no forward model")
