"""Potential-based reward shaping: guidance that does not change which policies are optimal.

(1) r' = r + F    (2) F = gamma Phi(s') - Phi(s)    (3) Phi(terminal) = 0    (4) Phi(s) is the number Phi(s') was before

Summed over an episode of N steps, gamma^t F_t gives gamma^N Phi(s_N) - Phi(s_0): with (3) every policy loses the same
Phi(s_0). Without it the leftover gamma^N Phi(s_N) ranks policies by where they end. A truncated state is not terminal
to a learner that bootstraps from its value, and is terminal to one that does not, so the choice is the caller's. By
(4) a potential that changes over time is evaluated once, on arrival, and that number is taken back on departure.

Sources: Ng, Harada and Russell (1999); Grzes (2017) for the end of episodes; Devlin and Kudenko (2012) for (4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["InfoPotential", "Potential", "PotentialShaping", "TablePotential", "from_info", "from_table"]

Potential: TypeAlias = Callable[[Batch, BatchInfo], Array]


class PotentialShaping(RowMethod):
    """r' = r + gamma Phi(s') - Phi(s), with Phi = scale * potential + shift, and 0 in terminal states.

    The potential is not called for states where it counts as 0. Both flags set: the terminal rule holds.

    Args:
        potential: function from R observations ``(R, ...)`` and their info to ``(R,)`` finite numbers.
        gamma: the learner's own discount, in (0, 1]; any other one changes which policies are optimal.
        on_truncation: ``"bootstrap"`` keeps Phi of a truncated state, for learners that bootstrap there; ``"terminal"``
            takes it as 0, for Monte-Carlo returns and finite-horizon problems.
        scale: factor on the potential.
        shift: added in every state that is not terminal. Optimal policies stay; exploration changes, since the sign of
            F says whether what was tried looks better than what was not.

    Raises:
        TypeError: ``potential`` cannot be called.
        ValueError: another argument is out of its range.

    >>> shaping = PotentialShaping(from_info("progress"), gamma=0.99, on_truncation="bootstrap")
    >>> shaping.gamma
    0.99
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self,
        potential: Potential,
        *,
        gamma: float,
        on_truncation: Literal["bootstrap", "terminal"],
        scale: float = 1.0,
        shift: float = 0.0,
    ) -> None:
        function: Any = potential
        if not callable(function):
            hint = "from_table(values)" if isinstance(potential, np.ndarray | list) else f"from_info({potential!r})"
            raise TypeError(f"potential must be a function (obs, info) -> (R,), got {potential!r}; see {hint}")
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_number("scale", scale, -np.inf)
        check_number("shift", shift, -np.inf)
        if on_truncation not in ("bootstrap", "terminal"):
            raise ValueError(f"on_truncation must be 'bootstrap' or 'terminal', got {on_truncation!r}")
        super().__init__()
        self.potential = potential
        self.gamma = gamma
        self.on_truncation = on_truncation
        self.scale = scale
        self.shift = shift

    def blank(self) -> dict[str, Array]:
        """``phi``: Phi of the row's current state."""
        return {"phi": np.zeros(())}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Cache Phi of the states where rows begin."""
        super().reset(obs, info, mask)
        self.memory["phi"] = np.where(mask, self._evaluate(obs, info, mask), self.memory["phi"])

    def __call__(self, t: Transition) -> Array:
        """Rewards plus F; caches Phi of the states that were reached.

        Raises:
            ValueError: the potential gave another shape, or a number that is not finite.
        """
        self.check_rows(t)
        zero = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
        arrived = self._evaluate(t.next_obs, t.info, t.active & ~zero)
        shaped = t.reward + (self.gamma * arrived - self.memory["phi"])  # (1), (2)
        self.memory["phi"] = arrived  # (4)
        return shaped

    def _evaluate(self, obs: Batch, info: BatchInfo, mask: Array) -> Array:
        """Phi ``(R,)`` of the rows in ``mask``, 0 in the others (3)."""
        phi = np.zeros(mask.shape)
        if not mask.any():
            return phi
        chosen = info if mask.all() else info.select(mask)
        value = np.asarray(self.potential(take(obs, mask), chosen), dtype=np.float64)
        expected = (int(mask.sum()),)
        if value.shape != expected or not np.isfinite(value).all():
            name = getattr(self.potential, "__qualname__", repr(self.potential))
            got = f"shape {value.shape}" if value.shape != expected else f"{value[~np.isfinite(value)][0]}"
            raise ValueError(f"potential {name} must return finite numbers of shape {expected}, got {got}")
        phi[mask] = self.scale * value + self.shift
        return phi


@dataclass(frozen=True, slots=True)
class InfoPotential:
    """Potential that is an entry of ``info``; see :func:`from_info`."""

    key: str

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Entry ``(R,)``; KeyError where it is missing."""
        return np.asarray(info[self.key], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class TablePotential:
    """Potential of numbered states; see :func:`from_table`."""

    values: Array
    state: Callable[[Batch], Array] | None = None

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Entries ``(R,)`` of the table.

        Raises:
            ValueError: a state that is no whole number in 0 .. S - 1.
        """
        at = np.asarray(obs if self.state is None else self.state(obs))
        if not np.issubdtype(at.dtype, np.integer) or at.ndim != 1:
            raise ValueError(f"states must be whole numbers (R,), got {at.dtype} of shape {at.shape}; see state=")
        if at.min(initial=0) < 0 or at.max(initial=0) >= len(self.values):
            raise ValueError(f"states must be in 0 .. {len(self.values) - 1}, got {at.min()} .. {at.max()}")
        chosen: Array = self.values[at]
        return chosen


def from_info(key: str) -> InfoPotential:
    """Potential that is ``info[key]``, one number a row, such as ``"progress"``.

    Raises:
        TypeError: ``key`` is no string.
    """
    if not isinstance(key, str):
        raise TypeError(f"key must be a string, got {key!r}")
    return InfoPotential(key)


def from_table(values: Any, *, state: Callable[[Batch], Array] | None = None) -> TablePotential:
    """Potential of a game with numbered states.

    Args:
        values: ``(S,)`` finite numbers; entries of terminal states are never read.
        state: function from observations ``(R, ...)`` to state numbers ``(R,)``; None where observations are those.

    Raises:
        ValueError: ``values`` is no vector of finite numbers.
    """
    table = np.array(values, dtype=np.float64)
    if table.ndim != 1 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"values must be finite numbers (S,), got shape {table.shape}")
    table.flags.writeable = False
    return TablePotential(table, state)
