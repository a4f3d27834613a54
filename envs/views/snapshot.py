"""What a view needs to go on from here: plain arrays, so that a checkpoint can hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol

import numpy as np

from payoff.envs.core.game import Game, Shape
from payoff.envs.core.params import Params
from payoff.envs.core.state import Array

__all__ = ["Snapshot", "described"]

_ARRAYS = ("state", "action", "payoff", "reward", "ended")


def _plain(value: Any) -> Any:
    """What JSON cannot hold as it is: records of parameters, and numpy's numbers and arrays."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist()


class Batch(Protocol):
    """What a snapshot is checked against.

    Attributes:
        game: the game.
        shape: its sizes.
        n_copies: B.
        described: its parameters, as a snapshot holds them.
        ranges: smallest and largest value of every column ``(P, S)``, and whether it must be whole; P is 1 or B.
    """

    game: Game[Any]
    shape: Shape
    n_copies: int

    @property
    def described(self) -> str: ...

    @property
    def ranges(self) -> tuple[Array, Array, Array]: ...


def described(rows: Sequence[Params]) -> str:
    """Parameters of a batch as text: a JSON list, one entry for all copies or one for each."""
    return json.dumps([asdict(p) for p in rows], default=_plain, sort_keys=True)


def _array(name: str, value: Any) -> Array:
    try:
        return np.array(value)
    except ValueError:  # a ragged list
        raise ValueError(f"snapshot.{name} must be an array, got {value!r}") from None


def _text(name: str, value: Any) -> str:
    array = _array(name, value)
    if array.dtype.kind not in "iu" or array.ndim != 1 or ((array < 0) | (array > 255)).any():
        raise ValueError(f"snapshot.{name} must be an array of the bytes of a text, got {value!r}")
    return bytes(array.astype(np.uint8)).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a batch needs to go on from here: copies of its arrays.

    Attributes:
        game: id of the game.
        parameters: its parameters, a JSON list with one entry for all copies or one for each.
        state: ``(B, S)`` state rows, clock and random counter included.
        action: ``(B, N, A)`` native actions of the last step.
        payoff: ``(B, N)`` payoffs of the last step.
        reward: ``(B, N)`` rewards of the last step.
        ended: ``(B, 2)`` whether the last step terminated, and truncated, the episode: 1 or 0.
    """

    game: str
    parameters: str
    state: Array
    action: Array
    payoff: Array
    reward: Array
    ended: Array

    def arrays(self) -> dict[str, Array]:
        """Name -> array, for storing; texts are arrays of their UTF-8 bytes."""
        texts = {name: np.frombuffer(getattr(self, name).encode(), np.uint8).copy() for name in ("game", "parameters")}
        return texts | {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Snapshot:
        """Inverse of :meth:`arrays`.

        Raises:
            ValueError: an array is missing, or is none.
        """
        missing = {"game", "parameters", *_ARRAYS} - set(arrays)
        if missing:
            raise ValueError(f"snapshot lacks {', '.join(sorted(missing))}")
        game, parameters = (_text(name, arrays[name]) for name in ("game", "parameters"))
        return cls(game, parameters, **{name: _array(name, arrays[name]) for name in _ARRAYS})

    def check(self, batch: Batch) -> None:
        """Raise ValueError unless this batch may go on from here."""
        game, shape, n_copies = batch.game, batch.shape, batch.n_copies
        if self.game != game.id:
            raise ValueError(f"snapshot.game must be {game.id!r}, got {self.game!r}")
        self._check_parameters(batch.described)
        n, b = shape.n_agents, n_copies
        shapes = {"state": (b, shape.layout.size), "action": (b, n, shape.action_size), "ended": (b, 2)}
        for name in _ARRAYS:
            array = getattr(self, name)
            expected = shapes.get(name, (b, n))
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub" or array.shape != expected:
                got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else repr(array)
                raise ValueError(f"snapshot.{name} must be numbers of shape {expected}, got {got}")
            if not np.isfinite(array).all():
                bad = array[~np.isfinite(array)][0]
                at = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
                where = f"{shape.layout.name_of(at[1])} of copy {at[0]}" if name == "state" else f"{name}{list(at)}"
                raise ValueError(f"snapshot: {where} must be a finite number, got {bad}")
        if not np.isin(self.ended, (0, 1)).all():
            raise ValueError(f"snapshot.ended must be 0 or 1, got {self.ended[~np.isin(self.ended, (0, 1))][0]}")
        self._check_ranges(batch)

    def _check_parameters(self, own: str) -> None:
        if self.parameters == own:
            return
        ours = json.loads(own)
        try:
            theirs = json.loads(self.parameters)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"snapshot.parameters must be {own}, got {str(self.parameters)[:200]!r}") from error
        if isinstance(theirs, list) and len(theirs) != len(ours):
            raise ValueError(f"snapshot.parameters must be of {len(ours)} copies, got {len(theirs)}")
        try:
            names = sorted({name for a, b in zip(theirs, ours, strict=True) for name in b if a.get(name) != b[name]})
            wrong = [
                f"{name}={a.get(name)!r} where this batch has {b[name]!r}"
                for a, b in zip(theirs, ours, strict=True)
                for name in names
                if a.get(name) != b[name]
            ]
        except (AttributeError, TypeError) as error:
            raise ValueError(f"snapshot.parameters must be {own}, got {self.parameters!r}") from error
        if not wrong:
            raise ValueError(f"snapshot.parameters must be {own}, got {self.parameters!r}")
        raise ValueError(f"snapshot is of other parameters: {wrong[0]}")

    def _check_ranges(self, batch: Batch) -> None:
        low, high, whole = batch.ranges
        # a real number may miss the bound that it was clipped to by a rounding
        slack = [np.where(whole, 0.0, 1e-9 * np.maximum(1.0, abs(np.nan_to_num(side)))) for side in (low, high)]
        state = self.state
        wrong = (state < low - slack[0]) | (state > high + slack[1]) | (whole & (state != np.floor(state)))
        if wrong.any():
            b, column = np.argwhere(wrong)[0].tolist()
            p = b if len(low) > 1 else 0
            kind = "whole number" if whole[p, column] else "number"
            raise ValueError(
                f"snapshot: {batch.shape.layout.name_of(column)} of copy {b} of {batch.game.id} must be a {kind} in "
                f"[{low[p, column]:g}, {high[p, column]:g}], got {state[b, column]:g}; nothing has changed"
            )
