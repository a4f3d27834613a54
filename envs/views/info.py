"""The assembly of ``info``: for a batch as arrays, for a single copy as the numbers and arrays of one step.

Every entry is a number or an array of a fixed dtype and shape, in every view: no text (a caption is its number), no
dict, no object. An auxiliary reward ``aux`` that a game reports is never added to the reward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.envs.core.state import Array
from payoff.envs.views.engine import Engine

__all__ = ["Captioned", "CopyInfo", "info_arrays", "own", "payment_info"]


class Captioned:
    """``caption`` of every view."""

    engine: Engine

    def caption(self, code: int) -> str:
        """Text of ``info["caption"]``, as in ``env.unwrapped.caption(info["caption"])``.

        Raises:
            ValueError: no such code, or the game has no captions.
        """
        captions = self.engine.game.captions
        if not captions:
            raise ValueError(f"code must be of a caption, and {self.engine.game.id} has none, got {code!r}")
        check_integer("code", code, 0, len(captions) - 1)
        return captions[code]


def info_arrays(engine: Engine, full: bool, state: Array | None = None) -> dict[str, Array]:
    """Entries of ``info`` that every view has, batch first; fresh arrays."""
    info = {"payoff": engine.payoff.copy(), "rewards": engine.reward.copy()}
    if full:
        info.update(engine.features(state, told=True))
    return info


def own(entry: str, values: Array, seat: int | None) -> Array:
    """What a learner is told of an entry ``(B, ...)``: of its auxiliary reward and its action mask, its seat's part.

    Args:
        entry: key in ``info``.
        values: what the engine reports.
        seat: its seat; None for one controller of all: the mean of the rewards, the masks one behind the other.
    """
    if entry == "aux":
        return values.mean(axis=1) if seat is None else values[:, seat]
    if entry == "action_mask":
        return values.reshape(len(values), -1) if seat is None else values[:, seat]
    return values


def payment_info(engine: Engine) -> Callable[[], dict[str, Any]]:
    """A function that gives ``info="minimal"`` of a batch of one: ``payoff`` and ``rewards`` ``(N,)``, fresh arrays."""
    paid, rewarded = engine.payoff[0].copy, engine.reward[0].copy
    return lambda: {"payoff": paid(), "rewards": rewarded()}


class CopyInfo:
    """``info`` of a batch of one, from entries that are looked up once: a step then only copies numbers.

    The same keys and values as those of :func:`info_arrays` and :func:`own`, without the batch axis; a number is a
    numpy number (``np.float64`` is a ``float``), and no array shares memory with the engine.

    Args:
        engine: a batch of one.
        seat: who is told; None: one controller of all seats.
    """

    def __init__(self, engine: Engine, seat: int | None) -> None:
        self._published = engine.published if engine.publishes else None
        self._getters: list[tuple[str, Callable[[], Any]]] = [
            ("payoff", engine.payoff[0].copy),
            ("rewards", engine.reward[0].copy),
        ]
        for entry, view in engine.entries():
            if entry.name == "aux" and seat is None:
                getter: Callable[[], Any] = view[0].mean
            else:
                told = own(entry.name, view, seat)
                getter = _number(told, entry.dtype) if told.ndim == 1 else _array(told[0], entry.dtype)
            self._getters.append((entry.name, getter))

    def __call__(self) -> dict[str, Any]:
        """``info`` after the last step, reset or restore."""
        info = {name: get() for name, get in self._getters}
        if self._published is not None:
            info.update({k: _first(v) for k, v in self._published().items()})
        return info


def _first(values: Array) -> Any:
    """The first copy's part; a flag as an array ``()``, of which Gymnasium's vector environments make no objects."""
    return np.array(values[0]) if values.dtype == np.bool_ else values[0]


# what reads a view afresh; views are float64, which needs no conversion


def _number(view: Array, dtype: type[Any]) -> Callable[[], Any]:
    return partial(view.__getitem__, 0) if dtype is np.float64 else lambda: dtype(view[0])


def _array(view: Array, dtype: type[Any]) -> Callable[[], Array]:
    return view.copy if dtype is np.float64 else partial(view.astype, dtype)
