"""What an expression reads of a step, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from payoff.envs.core.specification import near
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.state_features import flat
from payoff.wrappers.llm import reward_text
from payoff.wrappers.llm.expression import MOST_LETTERS, Read, unparse
from payoff.wrappers.llm.reward_text import Program, reads_of, replaced
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = [
    "NoEntryError",
    "bind",
    "check_state",
    "observation_names",
    "recorded_entries",
    "state_entries",
    "step_entries",
]


class NoEntryError(ValueError):
    """A step holds no such number."""


def observation_names(env: Any) -> tuple[str, ...]:
    """What an environment says that the numbers of an observation are called, as expressions write it.

    Blanks are underscores there: ``angular velocity`` is ``obs.angular_velocity``, and ``cell[3]`` is ``obs.cell[3]``.

    Args:
        env: an environment of ours in any view, or around it whatever leaves the observations as they are; or another.

    Returns:
        One name for each number; none where nobody gave any.
    """
    engine = getattr(getattr(env, "unwrapped", env), "engine", None)
    names = tuple(getattr(getattr(engine, "plan", None), "names", ()))
    space = getattr(env, "single_observation_space", getattr(env, "observation_space", None))
    if getattr(space, "shape", None) not in (None, (len(names),)):  # a wrapper shows something else
        return ()
    return tuple(name.replace(" ", "_") for name in names)


def bind(program: Program, names: Sequence[str] = ()) -> Program:
    """The expression or function with an index in place of every name of an observation's entry.

    Args:
        program: what was read.
        names: of the entries, in their order; see :func:`observation_names`.

    Raises:
        TypeError: ``names`` is no sequence.
        NoEntryError: (a ValueError) a name that no entry has.
        ValueError: the text that a file would keep is longer than one that can be read.
    """
    check_sequence("names", names, "texts")
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"names must be texts, got {list(names)!r}")
    index: dict[str, int] = {}
    for i, name in enumerate(names):
        index.setdefault(name, i)
    found = replaced(program, lambda read: _placed(read, index))
    length = len(reward_text.unparse(found))
    if length > MOST_LETTERS:
        raise ValueError(f"with indices for names, a text must have at most {MOST_LETTERS} characters, got {length}")
    return found


def _placed(read: Read, index: dict[str, int]) -> Read:
    if read.source == "info" or not read.name:
        return read
    name = unparse(read).partition(".")[2]
    if name in index:
        return Read(read.source, place=(index[name],))
    if not index:
        raise NoEntryError(
            f"{unparse(read)}: nobody said what the entries of the observation are called; use obs[0] ..."
        )
    listed = ", ".join(list(index)[:12]) + (", ..." if len(index) > 12 else "")
    raise NoEntryError(f"{unparse(read)}: the observation has no {name}{near(name, index)}; it has {listed}")


def check_state(program: Program) -> None:
    """Raise ValueError where more is read than the state that was reached: a potential is a function of that."""
    for read in reads_of(program):
        if read.source not in ("obs", "info"):
            raise ValueError(f"a potential is of a state and reads obs and info alone, got {unparse(read)}")


def step_entries(t: Transition) -> Callable[[Read], Array]:
    """What gives the numbers ``(R,)`` of a step; it raises NoEntryError."""
    return _entries({"obs": t.obs, "next_obs": t.next_obs, "action": t.action, "terminated": t.terminated}, t.info)


def state_entries(obs: Batch, info: BatchInfo) -> Callable[[Read], Array]:
    """What gives the numbers ``(R,)`` of a state; it raises NoEntryError."""
    return _entries({"obs": obs}, info)


def recorded_entries(obs: Array, actions: Array, next_obs: Array) -> Callable[[Read], Array]:
    """What gives the numbers ``(R,)`` of recorded steps, of which there is no ``info``; it raises NoEntryError."""
    return _entries({"obs": obs, "action": actions, "next_obs": next_obs}, {})


def _entries(batches: dict[str, Batch], info: Mapping[str, Any]) -> Callable[[Read], Array]:
    def read(what: Read) -> Array:
        if what.source == "info":
            try:
                return _place(what, reals(f"info.{what.name}", info[what.name]))
            except KeyError as error:
                raise NoEntryError(str(error.args[0])) from None
        batch = batches[what.source]
        if what.name:
            raise NoEntryError(f"{unparse(what)}: nobody said what the entries of the observation are called")
        return _place(what, flat(batch) if isinstance(batch, dict | tuple) else reals(what.source, batch))

    return read


def _place(what: Read, array: Array) -> Array:
    """One number a row, ``(R,)`` float64, of an array ``(R, ...)``: one index counts all numbers, several the axes."""
    place = what.place
    if len(place) > 1:
        shape = array.shape[1:]
        if len(shape) != len(place) or any(i >= n for i, n in zip(place, shape, strict=True)):
            raise NoEntryError(f"{unparse(what)} is no place in an array of shape {shape}")
        place = (int(np.ravel_multi_index(place, shape)),)
    numbers = array.reshape(len(array), -1)
    count = numbers.shape[1]
    if not place and count != 1:
        raise NoEntryError(f"{unparse(what)} must have an index, 0 .. {count - 1}: it is {count} numbers")
    at = place[0] if place else 0
    if at >= count:
        raise NoEntryError(f"{unparse(what)} is no place in {count} numbers: they are 0 .. {count - 1}")
    column: Array = numbers[:, at].astype(np.float64)
    return column
