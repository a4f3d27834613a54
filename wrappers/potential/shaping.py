"""Potential-based reward shaping: guidance that does not change which policies are optimal.

(1) r' = r + F    (2) F = gamma Phi(s') - Phi(s)    (3) Phi(terminal) = 0    (4) Phi(s) is the number Phi(s') was before

Summed over an episode of N steps, gamma^t F_t gives gamma^N Phi(s_N) - Phi(s_0): with (3) every policy loses the same
Phi(s_0). Without it the leftover gamma^N Phi(s_N) ranks policies by where they end. A truncated state is not terminal
to a learner that bootstraps from its value, and is terminal to one that does not, so the choice is the caller's. By
(4) a potential that changes over time is evaluated once, on arrival, and that number is taken back on departure.

To a policy gradient with Monte-Carlo returns, shaping is a baseline: the return from t on falls by Phi(s_t), whatever
is done there. It takes variance away and says nothing about where to look.

Sources: Ng, Harada and Russell (1999); Grzes (2017) for the end of episodes; Devlin and Kudenko (2012) for (4).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.arguments import check_callable, reals
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = [
    "InfoPotential",
    "JittedPotential",
    "Potential",
    "PotentialShaping",
    "TablePotential",
    "ValuePotential",
    "from_info",
    "from_table",
    "from_value",
    "jitted",
]

Potential: TypeAlias = Callable[[Batch, BatchInfo], Array]
"""R observations and their info -> ``(R,)`` finite numbers. One that also has ``masked(obs, info, mask)`` is asked that
way, which spares copies and checks: the answer is a float64 array ``(R,)``, finite, with anything in the rows that
``mask`` leaves out."""


class PotentialShaping(RowMethod):
    """r' = r + gamma Phi(s') - Phi(s), with Phi = scale * potential + shift, and 0 in terminal states.

    The potential is not called for states where it counts as 0. Both flags set: the terminal rule holds.

    Args:
        potential: function from R observations ``(R, ...)`` and their info to ``(R,)`` finite numbers.
        gamma: the learner's own discount, in (0, 1]; another one can change which policies are optimal, though it
            need not.
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
    reads_obs: ClassVar[bool] = False

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
        check_word("on_truncation", on_truncation, ("bootstrap", "terminal"))
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
        known = self.memory.get("phi")
        others = known if known is not None and known.shape == mask.shape else 0.0
        self.memory = {"phi": self._arrive(obs, info, mask, others)}

    def __call__(self, t: Transition) -> Array:
        """Rewards plus F; caches Phi of the states that were reached.

        Raises:
            ValueError: the potential gave another shape, or a number that is not finite.
        """
        self.check_rows(t)
        zero = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
        there = t.active & ~zero if np.count_nonzero(zero) else t.active
        arrived = self._arrive(t.next_obs, t.info, there, 0.0)  # (3)
        shaped = self.gamma * arrived
        shaped -= self.memory["phi"]  # (2); in place, since at a batch of a thousand new arrays are half the cost
        shaped += t.reward  # (1)
        if np.count_nonzero(t.active) < t.active.size:
            np.copyto(arrived, self.memory["phi"], where=~t.active)
        self.memory["phi"] = arrived  # (4)
        return shaped

    def _arrive(self, obs: Batch, info: BatchInfo, mask: Array, others: Array | float) -> Array:
        """Phi ``(R,)`` of the rows in ``mask``, and ``others`` in the others."""
        rows = int(np.count_nonzero(mask))
        if not rows:
            return np.array(np.broadcast_to(others, mask.shape))
        masked = getattr(self.potential, "masked", None)
        if masked is not None:
            value = masked(obs, info, mask)
        elif rows == mask.size:
            value = _checked(self.potential, self.potential(obs, info), rows)
        else:
            value = _spread(_checked(self.potential, self.potential(take(obs, mask), info.select(mask)), rows), mask)
        phi: Array = self.scale * value
        if self.shift:
            phi += self.shift
        if rows < mask.size:
            np.copyto(phi, others, where=~mask)
        return phi


def _checked(potential: Any, value: Any, rows: int) -> Array:
    """What a potential gave: ``(rows,)`` finite numbers."""
    name = getattr(potential, "__qualname__", None) or repr(potential)
    phi = value if type(value) is np.ndarray and value.dtype == np.float64 else reals(f"potential {name}", value)
    if phi.shape == (rows,) and np.count_nonzero(np.isfinite(phi)) == rows:
        return phi
    one = "; it is given R rows at once, obs (R, ...): see jitted for a function of a single observation"
    got = f"shape {phi.shape}{one}" if phi.shape != (rows,) else f"{phi[~np.isfinite(phi)][0]}"
    raise ValueError(f"potential {name} must return finite numbers of shape {(rows,)}, got {got}")


def _spread(value: Array, mask: Array) -> Array:
    """``value`` in the rows of ``mask``, 0 in the others."""
    phi = np.zeros(mask.shape)
    phi[mask] = value
    return phi


@dataclass(frozen=True, slots=True)
class InfoPotential:
    """Potential that is an entry of ``info``; see :func:`from_info`."""

    key: str

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Entry ``(R,)``; KeyError where it is missing."""
        return np.asarray(info[self.key])

    def masked(self, obs: Batch, info: BatchInfo, mask: Array) -> Array:
        """Entries ``(R,)``, 0 in the rows that ``mask`` leaves out."""
        rows = int(np.count_nonzero(mask))
        if rows == mask.size:
            return _checked(self, self(obs, info), rows)
        return _spread(_checked(self, self(obs, info.select(mask)), rows), mask)


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
        return self._values(obs if self.state is None else self.state(obs))

    def masked(self, obs: Batch, info: BatchInfo, mask: Array) -> Array:
        """Entries ``(R,)``; ``state`` may be shown all rows, its numbers of those left out do not matter."""
        rows = np.count_nonzero(mask)
        whole = isinstance(obs, np.ndarray) and obs.dtype.kind != "O"  # objects may be None in rows that hold nothing
        few = not whole or 2 * rows < mask.size
        seen = take(obs, mask) if few else obs
        at = seen if self.state is None else self.state(seen)
        if np.shape(at) != (rows if few else mask.size,):
            raise ValueError(f"states must be whole numbers, one a row, got shape {np.shape(at)}; see state=")
        if few:
            return _spread(self._values(at), mask)
        return self._values(at if rows == mask.size else at * mask)

    def _values(self, states: Any) -> Array:
        at = np.asarray(states)
        if at.dtype.kind not in "iu" or at.ndim != 1:
            raise ValueError(f"states must be whole numbers (R,), got {at.dtype} of shape {at.shape}; see state=")
        # as unsigned numbers negative ones are the largest: one look finds both ends
        if at.size and at.astype(np.int64, copy=False).view(np.uint64).max() >= len(self.values):
            raise ValueError(f"states must be in 0 .. {len(self.values) - 1}, got {at.min()} .. {at.max()}")
        chosen: Array = self.values.take(at)
        return chosen


@dataclass(frozen=True, slots=True, eq=False)
class ValuePotential:
    """Potential that is a value function; see :func:`from_value`."""

    value: Callable[[Any], Any]

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Values ``(R,)``."""
        torch = sys.modules.get("torch")  # without it `value` cannot be one of its modules
        if torch is not None and isinstance(self.value, torch.nn.Module):
            weight = next(self.value.parameters(), torch.zeros(()))
            with torch.no_grad():
                inputs = torch.as_tensor(np.array(obs), dtype=weight.dtype, device=weight.device)
                found = self.value(inputs).cpu().numpy()
        else:
            found = np.asarray(self.value(obs))
        values: Array = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
        return values


class JittedPotential:
    """Potential that is a compiled function of one observation; see :func:`jitted`."""

    def __init__(self, function: Callable[[Array], float]) -> None:
        self.function = function
        self._kernel: Any = None
        self._everyone = np.ones(0, dtype=np.bool_)

    def __repr__(self) -> str:
        return f"jitted({getattr(self.function, '__qualname__', self.function)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from the function alone: compiled code stays in its process."""
        return type(self), (self.function,)

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Values ``(R,)``.

        Raises:
            TypeError: the function cannot be compiled, or observations are a dict or a tuple.
            ValueError: a value is not finite.
        """
        if len(self._everyone) != len(obs):
            self._everyone = np.ones(len(obs), dtype=np.bool_)
        return self.masked(obs, info, self._everyone)

    def masked(self, obs: Batch, info: BatchInfo, mask: Array) -> Array:
        """Values ``(R,)``, 0 in the rows that ``mask`` leaves out: the function is not called for them."""
        if not isinstance(obs, np.ndarray):
            raise TypeError(f"{self} needs observations that are arrays, got a {type(obs).__name__}")
        rows = obs if obs.dtype.kind == "f" else obs.astype(np.float64)
        values = np.zeros(len(rows))
        if self._kernel is None:
            self._kernel = _over_rows(self.function)
        try:
            fine = self._kernel(rows if rows.ndim == 2 else rows.reshape(len(rows), -1), mask, values)
        except _numba().core.errors.NumbaError as error:
            raise TypeError(f"numba cannot compile {self}: {error}") from error
        return values if fine else _checked(self, values, len(values))


def _numba() -> Any:
    import numba  # half a second, and only where something is compiled

    return numba


def _over_rows(function: Any) -> Any:
    """Kernel that writes ``function`` of each masked row, and says whether all are finite; indices are checked."""
    compile_ = _numba().njit(nogil=True, error_model="numpy", boundscheck=True)
    of_one = function if hasattr(function, "py_func") else compile_(function)

    def kernel(rows: Array, mask: Array, values: Array) -> bool:
        fine = True
        for r in range(rows.shape[0]):
            if mask[r]:
                values[r] = of_one(rows[r])
                if not np.isfinite(values[r]):
                    fine = False
        return fine

    return compile_(kernel)


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
        TypeError: ``state`` cannot be called.
        ValueError: ``values`` is no vector of finite numbers.
    """
    if state is not None:
        check_callable("state", state, "obs -> (R,)")
    table = reals("values", values).copy()
    if table.ndim != 1 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"values must be finite numbers (S,), got shape {table.shape}")
    table.flags.writeable = False
    return TablePotential(table, state)


def from_value(value: Callable[[Any], Any]) -> ValuePotential:
    """Potential that is a value function, such as that of an expert, or the learner's own while it learns.

    A value function that goes on learning is a potential that changes over time: (4) keeps the sum telescoping.

    Args:
        value: function from observations ``(R, ...)`` to values ``(R,)`` or ``(R, 1)``. A ``torch.nn.Module`` is given
            a tensor of the type and on the device of its first parameter, and no gradients are kept. It is called in
            the mode that it is in: put one with dropout or batch statistics into ``eval()``.

    Raises:
        TypeError: ``value`` cannot be called.
    """
    function: Any = value
    if not callable(function):
        raise TypeError(f"value must be a function obs -> (R,) or a torch module, got {value!r}")
    return ValuePotential(value)


def jitted(function: Callable[[Array], float]) -> JittedPotential:
    """Potential from a function of one observation, compiled by numba over the rows of a batch on first use.

    It costs about as much as a table, also where rows are left out. Compiling takes part of a second in each process.

    Args:
        function: from one observation, a vector of floats (flattened; float32 stays float32, integers become float64),
            to a number, in the Python that numba compiles; it may be compiled already.

    Raises:
        TypeError: ``function`` cannot be called. On use: it cannot be compiled.

    >>> PotentialShaping(jitted(lambda x: 1.0 - abs(x[0])), gamma=0.99, on_truncation="bootstrap").potential
    jitted(<lambda>)
    """
    if not callable(function):
        raise TypeError(f"function must be a function of one observation, got {function!r}")
    return JittedPotential(function)
