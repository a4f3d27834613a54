"""The assembly of ``info``: for a batch as arrays, for a single copy as the numbers and arrays of one step.

Every entry is a number or an array of a fixed dtype and shape, in every view: no text (a caption is its number), no
object. ``reward_terms`` is a dict of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from payoff.envs.core.state import Array
from payoff.envs.views.engine import Engine

__all__ = ["Captioned", "CopyInfo", "info_arrays", "payment_info", "tell"]


class Captioned:
    """``caption`` of every view."""

    engine: Engine

    def caption(self, code: int) -> str:
        """Text of ``info["caption"]``, as in ``env.unwrapped.caption(info["caption"])``.

        Raises:
            ValueError: no such code, or the game has no captions.
        """
        captions = self.engine.game.captions
        if not 0 <= code < len(captions):
            known = f"0 .. {len(captions) - 1}" if captions else "none: the game has no captions"
            raise ValueError(f"caption code must be {known}, got {code!r}")
        return captions[int(code)]


def info_arrays(engine: Engine, full: bool, state: Array | None = None) -> dict[str, Array]:
    """Entries of ``info`` that every view has, batch first; fresh arrays."""
    info = {"payoff": engine.payoff.copy(), "rewards": engine.reward.copy()}
    if full:
        info.update(engine.features(state, told=True))
    return info


def tell(info: dict[str, Any], seat: int | slice | None) -> None:
    """Add what depends on who is told: ``reward_terms``, ``true_reward`` and whose actions ``action_mask`` marks.

    An auxiliary reward that the game reports moves to the terms; it is never added to the reward.

    Args:
        info: of a batch, from :func:`info_arrays` with ``full``.
        seat: a seat, or ``slice(None)`` for all, each its own; None for one controller of all: the means over seats,
            and the masks of the seats one behind the other.
    """
    own = slice(None) if seat is None else seat
    payoff, reward = info["payoff"][:, own].copy(), info["rewards"][:, own].copy()
    terms = {"payoff": payoff, "layer": reward - payoff}
    if "aux" in info:
        terms["aux"] = info.pop("aux")[:, own]
    if "action_mask" in info:
        mask = info["action_mask"][:, own]
        info["action_mask"] = mask.reshape(len(mask), -1) if seat is None else mask
    if seat is None:
        terms, reward = {name: term.mean(axis=1) for name, term in terms.items()}, reward.mean(axis=1)
    info["reward_terms"], info["true_reward"] = terms, reward


def payment_info(engine: Engine) -> Callable[[], dict[str, Any]]:
    """A function that gives ``info="minimal"`` of a batch of one: ``payoff`` and ``rewards`` ``(N,)``, fresh arrays."""
    paid, rewarded = engine.payoff[0].copy, engine.reward[0].copy
    return lambda: {"payoff": paid(), "rewards": rewarded()}


class CopyInfo:
    """``info`` of a batch of one, from entries that are looked up once: a step then only copies numbers.

    The same keys and values as those of :func:`info_arrays` and :func:`tell`, without the batch axis; a number is a
    numpy number (``np.float64`` is a ``float``), and no array shares memory with the engine.

    Args:
        engine: a batch of one.
        seat: who is told; None: one controller of all seats.
    """

    def __init__(self, engine: Engine, seat: int | None) -> None:
        self._seat = seat
        self._published = engine.published if engine.publishes else None
        self._paid, self._rewarded = engine.payoff[0], engine.reward[0]
        self._getters: list[tuple[str, Callable[[], Any]]] = [
            ("payoff", self._paid.copy),
            ("rewards", self._rewarded.copy),
        ]
        self._aux: Callable[[], Any] | None = None
        for entry, view in engine.entries():
            own = view[0]
            if entry.name == "aux":
                self._aux = partial(own.__getitem__, seat) if seat is not None else own.mean
                continue
            if entry.per_action:
                own = own.reshape(-1) if seat is None else own[seat]
            self._getters.append((entry.name, _getter(view if own.ndim == 0 else own, own.ndim == 0, entry.dtype)))

    def __call__(self) -> dict[str, Any]:
        """``info`` after the last step, reset or restore."""
        info = {name: get() for name, get in self._getters}
        if self._published is not None:
            info.update({k: v[0] for k, v in self._published().items()})
        seat = self._seat
        if seat is not None:
            paid, reward = self._paid[seat], self._rewarded[seat]
            layer = reward - paid
        else:
            paid, reward = self._paid.mean(), self._rewarded.mean()
            # the mean of the differences, as in a batch, differs from the difference of the means by a rounding
            layer = (self._rewarded - self._paid).mean()
        info["reward_terms"] = terms = {"payoff": paid, "layer": layer}
        if self._aux is not None:
            terms["aux"] = self._aux()
        info["true_reward"] = reward
        return info


def _getter(view: Array, single: bool, dtype: type[Any]) -> Callable[[], Any]:
    """What reads a view afresh: an array, or its only number, of the given type."""
    plain = dtype is np.float64  # the views' own type
    if single:
        return partial(view.__getitem__, 0) if plain else lambda: dtype(view[0])
    return view.copy if plain else partial(view.astype, dtype)
