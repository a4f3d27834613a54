"""From a reward as the user wrote it to what the loop of a game reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from payoff.envs.core.game import Game
from payoff.envs.core.layer import KIND, LAYER
from payoff.envs.core.params import pack
from payoff.envs.core.rule import address_of_rule, is_compiled
from payoff.envs.core.state import Array
from payoff.envs.rewards.base import Layer
from payoff.envs.rewards.functions import RewardFunction
from payoff.envs.rewards.linear import Private
from payoff.envs.rewards.mixed import PerAgent
from payoff.envs.rewards.naming import resolve, working

__all__ = ["Wired", "wire"]


class Wired(NamedTuple):
    """Rewards of one engine.

    Attributes:
        table: ``(N,)`` LAYER, what the loop does for each seat.
        weight: ``(P, N, N)`` weights of the linear layers; row i is 0 where seat i has another.
        functions: (function, seats) for the seats whose reward is a Python function; the loop tells them their payoff.
        numbers: records that ``table`` holds the addresses of.
    """

    table: Array
    weight: Array
    functions: list[tuple[RewardFunction, list[int]]]
    numbers: list[Array]


def wire(reward: Any, game: Game[Any], depend: Array) -> Wired:
    """Wire a reward to the seats of a game.

    Args:
        reward: see :func:`payoff.envs.rewards.resolve`.
        game: the game.
        depend: ``(P, N, N)`` its dependence.

    Raises:
        TypeError: no reward, or a rule that is not compiled.
        ValueError: an unknown name, a seat that is not there, a layer that needs a dependence which the game has not,
            weights that are not finite or of another shape.
    """
    n = depend.shape[1]
    wired = Wired(np.zeros(n, dtype=LAYER), np.zeros(depend.shape), [], [])
    for written, seats in _by_seat(reward, range(n), game.rules.reward_names):
        chosen = resolve(written, game.rules.reward_names)
        if not isinstance(chosen, Layer):
            wired.functions.append((chosen, seats))
            chosen = Private()
        if chosen.uses_dependence and game.rules.dependence is None:
            name = written if isinstance(written, str) else repr(chosen)
            raise ValueError(
                f"reward {name} uses the dependence D of the seats on each other, and {game.id} has none; layers that "
                f"work there: {', '.join(working(game))}"
            )
        if chosen.rule is None:
            _wire_weights(wired, chosen, seats, depend)
        else:
            _wire_rule(wired, chosen, seats)
    return wired


def _by_seat(reward: Any, seats: Any, names: Mapping[str, str]) -> list[tuple[Any, list[int]]]:
    """Rewards as they were written, each with its seats."""
    written = resolve(reward, names)
    if not isinstance(written, PerAgent):
        return [(reward, list(seats))]
    for seat in written.layers:
        if seat not in seats:
            raise ValueError(f"PerAgent names seat {seat!r}, allowed are 0 .. {len(seats) - 1}")
    groups: dict[str | int, tuple[Any, list[int]]] = {}  # one name, or one object, is one reward: it is called once
    for i in seats:
        own = written.of(i)
        groups.setdefault(own if isinstance(own, str) else id(own), (own, []))[1].append(i)
    return [pair for own, group in groups.values() for pair in _within(own, group, seats, names)]


def _within(own: Any, group: list[int], seats: Any, names: Mapping[str, str]) -> list[tuple[Any, list[int]]]:
    """Those of a group's own reward, which may be a mixture again."""
    found = [(written, [i for i in told if i in group]) for written, told in _by_seat(own, seats, names)]
    return [(written, told) for written, told in found if told]


def _wire_weights(wired: Wired, layer: Layer, seats: list[int], depend: Array) -> None:
    n = depend.shape[1]
    weight = np.asarray(layer.weights(depend), dtype=np.float64)
    if weight.shape != depend.shape or not np.isfinite(weight).all():
        got = "some that are not" if weight.shape == depend.shape else f"shape {weight.shape}"
        raise ValueError(f"{layer!r}.weights(depend) must give finite weights of shape {depend.shape}, got {got}")
    units = np.eye(n)
    first: dict[bytes, int] = {}
    for i in seats:
        wired.weight[:, i] = weight[:, i]
        before = first.setdefault(weight[:, i].tobytes(), i)
        own = (weight[:, i] == units[i]).all()
        wired.table[i]["kind"] = KIND.own if own else KIND.linear if before == i else KIND.like
        wired.table[i]["first"] = before


def _wire_rule(wired: Wired, layer: Layer, seats: list[int]) -> None:
    if not is_compiled(layer.rule):
        raise TypeError(f"{type(layer).__name__}.rule must be compiled: decorate it with payoff.rewards.jit")
    numbers = pack([layer])
    wired.numbers.append(numbers)
    at = address_of_rule(layer.rule, numbers.dtype)
    for i in seats:
        kind = KIND.rule if i == seats[0] else KIND.like if layer.shared else KIND.ruled
        wired.table[i] = (kind, seats[0], at, numbers.ctypes.data)
