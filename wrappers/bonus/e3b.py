"""E3B: episodic elliptical bonus, which counts in continuous spaces.

(1) b = phi^T C^-1 phi,  phi = phi(s')    (2) C = lambda I + sum of phi phi^T over the episode's states so far
(3) u = C^-1 phi,  C^-1 <- C^-1 - u u^T / (1 + b)

(3) is the Sherman-Morrison formula: it enters phi into C, so no matrix is ever inverted. With one-hot features (1) is
1 / (lambda + N), N the visits of s' in the episode before this one, its start included.

Source: Henaff, Raileanu, Jiang and Rocktaeschel (NeurIPS 2022), who learn phi with an inverse model. unverified: that
their C too has the start of the episode in it; here it is a visit like any other, which itself earns nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, Self, runtime_checkable

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import as_array
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.bonus.state_features import StateFeatures, checked_features, evaluated
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["E3B", "Encoder"]


@runtime_checkable
class Encoder(Part, Protocol):
    """Features that may be learned; :class:`payoff.wrappers.bonus.dynamics.DynamicsModel` is one."""

    def look(self, obs: Batch) -> None:
        """Meet observations ``(R, ...)`` for the first time."""
        ...

    def features(self, obs: Batch) -> Array:
        """``(R, F)`` float64."""
        ...

    def portions(self, active: Array) -> Iterator[Array]:
        """Masks ``(R,)`` of active rows, in order, that are scored before the encoder learns again."""
        ...

    def learn_from(self, t: Transition, rows: Array) -> None:
        """Take in a portion that was scored."""
        ...


class FixedFeatures:
    """An :class:`Encoder` that does not learn.

    Args:
        function: features.
    """

    def __init__(self, function: StateFeatures) -> None:
        self.function = function

    def look(self, obs: Batch) -> None:
        """Nothing to prepare."""

    def features(self, obs: Batch) -> Array:
        """``(R, F)`` float64."""
        return evaluated(self.function, obs)

    def portions(self, active: Array) -> Iterator[Array]:
        """All active rows at once."""
        yield active

    def learn_from(self, t: Transition, rows: Array) -> None:
        """Nothing to learn."""

    def state_dict(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """Accept an empty state only."""
        if state:
            raise ValueError(f"given features keep no state, got {', '.join(state)}")
        return lambda: None

    def fork(self) -> Self:
        """This object: it remembers nothing."""
        return self


class E3B(Bonus):
    """b = phi(s')^T C^-1 phi(s'), C the features of the running episode; in [0, |phi|^2 / ridge].

    Each row holds F x F numbers and a step costs as many operations: features of images must be few.

    Args:
        features: function from observations ``(R, ...)`` to ``(R, F)`` numbers, or an encoder that learns them, such
            as :class:`payoff.wrappers.bonus.dynamics.DynamicsModel`; None: the numbers of the observation.
        ridge: lambda, above 0.

    Raises:
        TypeError: ``features`` is neither a function nor an encoder.
        ValueError: ``ridge`` is out of its range.

    >>> from payoff.wrappers.bonus.state_features import one_hot
    >>> E3B(one_hot(5)).ridge
    0.1
    """

    def __init__(self, features: StateFeatures | Encoder | None = None, *, ridge: float = 0.1) -> None:
        check_number("ridge", ridge, 0.0, open_low=True)
        super().__init__()
        if isinstance(features, Encoder):
            self.encoder: Encoder = features
        else:
            self.encoder = FixedFeatures(checked_features("features", features))
        self.ridge = ridge
        self._size: int | None = None

    def parts(self) -> dict[str, Part]:
        """``encoder``: phi."""
        return {"encoder": self.encoder}

    def blank(self) -> dict[str, Array]:
        """``inverse``: C^-1 ``(F, F)``, beside the memory of every bonus."""
        return super().blank() | {"inverse": np.eye(self._size or 0) / self.ridge}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget where they have been."""
        self.encoder.look(obs)
        if mask.any():
            self._size = self.encoder.features(take(obs, mask)).shape[1]
        super().reset(obs, info, mask)

    def score(self, t: Transition) -> Array:
        """Equation (1), then (3)."""
        bonus = np.zeros(t.reward.shape)
        first = self.first_steps(t)
        for rows in self.encoder.portions(t.active):
            begun = rows & first
            if begun.any():
                self._enter(t.obs, begun)
            bonus[rows] = self._enter(t.next_obs, rows)
            self.encoder.learn_from(t, rows)
        return bonus

    def _enter(self, obs: Batch, rows: Array) -> Array:
        """Bonus ``(n,)`` of the states of some rows, which are then part of C."""
        phi = self.encoder.features(take(obs, rows))
        if phi.shape[1] != self._size:
            raise ValueError(f"E3B has {self._size} features, got {phi.shape[1]}; see features=")
        inverse = self.memory["inverse"][rows]
        # sums of products rather than a product of matrices: the same bits at every batch size
        u = (inverse * phi[:, None, :]).sum(axis=2)
        bonus: Array = np.maximum((u * phi).sum(axis=1), 0.0)
        self.memory["inverse"][rows] = inverse - u[:, :, None] * u[:, None, :] / (1.0 + bonus)[:, None, None]
        return bonus

    def checked_memory(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """The memory that ``state`` describes; before the first reset, for as many features as it has."""
        known = self._size
        given = as_array(state.get("inverse", ()))
        if not self.memory and given.ndim == 3:
            self._size = given.shape[-1]
        try:
            return super().checked_memory(state)
        except ValueError:
            self._size = known
            raise
