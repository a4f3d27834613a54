"""The assembly of ``info``: for a batch as arrays, for a single copy as the numbers and arrays of one step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from payoff.envs.core.state import Array
from payoff.envs.views.engine import Engine

__all__ = ["CopyInfo", "info_arrays", "joint_terms", "payment_info", "seat_terms"]


def info_arrays(engine: Engine, full: bool, state: Array | None = None) -> dict[str, Array]:
    """Entries of ``info`` that every view has, batch first; fresh arrays."""
    info = {"payoff": engine.payoff.copy(), "rewards": engine.reward.copy()}
    if full:
        info.update(engine.features(state, told=True))
    return info


def seat_terms(info: dict[str, Array], seat: Any) -> tuple[dict[str, Array], Array]:
    """``reward_terms`` and ``true_reward`` of a seat (or all, with ``slice(None)``), batch first.

    An auxiliary reward that the game reports moves from ``info`` to the terms; it is never added to the reward.
    """
    payoff, reward = info["payoff"][:, seat].copy(), info["rewards"][:, seat].copy()
    terms = {"payoff": payoff, "layer": reward - payoff}
    if "aux" in info:
        terms["aux"] = info.pop("aux")[:, seat]
    return terms, reward


def joint_terms(info: dict[str, Array]) -> tuple[dict[str, Array], Array]:
    """``reward_terms`` and ``true_reward`` of one controller for all seats: means over seats, ``(B,)``."""
    terms, reward = seat_terms(info, slice(None))
    return {name: term.mean(axis=1) for name, term in terms.items()}, reward.mean(axis=1)


def payment_info(engine: Engine) -> Callable[[], dict[str, Any]]:
    """A function that gives ``info="minimal"`` of a batch of one: ``payoff`` and ``rewards`` ``(N,)``, fresh arrays."""
    paid, rewarded = engine.payoff[0].copy, engine.reward[0].copy
    return lambda: {"payoff": paid(), "rewards": rewarded()}


class CopyInfo:
    """``info`` of a batch of one, from entries that are looked up once: a step then only copies numbers.

    The same keys and values as those of :func:`info_arrays` and :func:`seat_terms`, without the batch axis; a number is
    a Python number, a caption its text, and no array shares memory with the engine.

    Args:
        engine: a batch of one.
        seat: whose ``reward_terms`` and ``true_reward`` are told; None: the mean over seats.
    """

    def __init__(self, engine: Engine, seat: int | None) -> None:
        self._seat = seat
        self._published = engine.published if engine.publishes else None
        self._captions = engine.game.captions
        self._paid, self._rewarded = engine.payoff[0], engine.reward[0]
        self._getters: list[tuple[str, Callable[[], Any]]] = [
            ("payoff", self._paid.copy),
            ("rewards", self._rewarded.copy),
        ]
        self._aux: Callable[[], Any] | None = None
        for name, view, flag in engine.entries():
            if name == "aux":
                self._aux = partial(view[0].item, seat) if seat is not None else view[0].mean
            elif view.ndim > 1:
                self._getters.append((name, partial(view[0].astype, np.bool_) if flag else view[0].copy))
            else:
                self._getters.append((name, partial(_flag, view) if flag else partial(view.item, 0)))

    def __call__(self) -> dict[str, Any]:
        """``info`` after the last step, reset or restore."""
        info = {name: get() for name, get in self._getters}
        if self._captions:
            info["caption"] = self._captions[int(info["caption"])]
        if self._published is not None:
            info.update({k: v[0] if v.ndim > 1 else v.item(0) for k, v in self._published().items()})
        if self._seat is not None:
            paid, reward = self._paid.item(self._seat), self._rewarded.item(self._seat)
        else:
            paid, reward = float(self._paid.mean()), float(self._rewarded.mean())
        # the mean of the differences, as in a batch, differs from the difference of the means by a rounding
        layer = reward - paid if self._seat is not None else float((self._rewarded - self._paid).mean())
        info["reward_terms"] = terms = {"payoff": paid, "layer": layer}
        if self._aux is not None:
            terms["aux"] = float(self._aux())
        info["true_reward"] = reward
        return info


def _flag(view: Array) -> bool:
    return bool(view.item(0))
