"""Compiled reward rules: what they are given, and how a function of names becomes one that the loop can call.

A rule is ``(me, i, t) -> float``: the layer's numbers, the seat, and what happened (:class:`Happened`). The loop of a
game is compiled before it is known which rules it will call, so it hands over addresses, and :func:`_called`, of which
each rule has a compiled copy, gives what lies there its names.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba.core.errors import NumbaError

from payoff.envs.core.jit import address, jit
from payoff.envs.core.layer import KIND
from payoff.envs.core.loop import BOUND, FRAME, LINK, SEAT, damage_of, desk_of, trust_of
from payoff.envs.core.memory import array_of, record_of

__all__ = ["Happened", "address_of_rule", "is_compiled"]

_FLOAT = np.dtype(np.float64)


class Happened(NamedTuple):
    """What happened in one step of one copy, as a compiled rule reads it; a rule must not write to it.

    Attributes:
        payoff: ``(N,)`` payoffs of the step; in a published game, before its multipliers.
        action: ``(N, A)`` actions, native units.
        low: ``(N, A)`` smallest actions, native units.
        high: ``(N, A)`` largest actions, native units: the endowments, where a game has such.
        neutral: ``(N,)`` actions that leave trust as it is, native units; 0 where the game has no trust.
        trust: ``(N, N)`` after the step, in [0, 1], row i for the trust of seat i; ``(0, 0)`` where the game has none.
        reputation_damage: ``(N, N)`` after the step, likewise.
        dependence: ``(N, N)`` D_ij, how much seat i depends on seat j; 0 where the game has none.
    """

    payoff: Any
    action: Any
    low: Any
    high: Any
    neutral: Any
    trust: Any
    reputation_damage: Any
    dependence: Any


# -- template: these names are the rule's in its copy; its arguments are what payoff.envs.core.layer hands over

rule: Any = None
NUMBERS: Any = np.dtype([("none", np.int64)])


def _called(me: int, i: int, frame_at: int, seats_at: int, bounds_at: int, links_at: int, row_at: int, out_at: int):
    """Write the rewards of seat i, and of those behind it that have the same layer."""
    frame = record_of(frame_at, FRAME)
    n = frame.n_agents
    seats = array_of(seats_at, (n,), SEAT)
    bounds = array_of(bounds_at, (n, frame.action_size), BOUND)
    links = array_of(links_at, (n, n), LINK)
    row = array_of(row_at, (frame.desk_end,), _FLOAT)
    out = array_of(out_at, (2 * n,), _FLOAT)
    desk = desk_of(frame, row, out)
    happened = Happened(
        desk.base,
        desk.action,
        bounds.low,
        bounds.high,
        seats.baseline,
        trust_of(frame, row),
        damage_of(frame, row),
        links.depend,
    )
    for k in range(i, n):
        layer = seats[k].layer
        if layer.me == me and layer.kind >= KIND.rule:
            out[n + k] = rule(record_of(me, NUMBERS), k, happened)


@cache
def _bound(function: Any, numbers: np.dtype[Any]) -> Any:
    """The compiled copy of :func:`_called` for a rule, in the cache folder of the rule's module."""
    plain = function.py_func
    file = getattr(sys.modules.get(plain.__module__), "__file__", None)
    # The disk cache knows a function by its name, and the edits of its module: it keeps what stands in a module's file.
    named = "<" not in plain.__qualname__ and plain.__closure__ is None and plain.__code__.co_filename == file
    name = f"{plain.__qualname__}_{_told_apart(plain.__code__, numbers)}"

    def copy(template: Any, part: str, **names: Any) -> Any:
        # the first line: see payoff.envs.core.binding
        code = template.__code__.replace(co_filename=plain.__code__.co_filename, co_firstlineno=1)
        made = FunctionType(code, {**template.__globals__, **names}, name=part, closure=template.__closure__)
        made.__module__, made.__qualname__ = plain.__module__, f"{name}.{part}"
        return made

    inner = jit(copy(plain, "rule"), inlined=True, kept=False)
    return jit(copy(_called, "called", rule=inner, NUMBERS=numbers), kept=named, also=__name__)


def _told_apart(code: CodeType, numbers: np.dtype[Any]) -> str:
    """Hash of a rule's own code and numbers: a module that was edited and reloaded has the same names."""
    constants = [c for c in code.co_consts if not isinstance(c, CodeType)]
    text = repr((numbers, code.co_code, code.co_names, constants))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_compiled(function: Any) -> bool:
    """Whether a function is a compiled one."""
    return hasattr(function, "py_func")


def address_of_rule(function: Any, numbers: np.dtype[Any]) -> int:
    """Address of a rule that the loop can call, compiled or loaded now; good for as long as the process lives.

    Args:
        function: compiled ``(me, i, t) -> float``.
        numbers: record of the layer's numbers, ``me``.

    Raises:
        TypeError: numba cannot compile it; the message says why in one line, its cause at length.
    """
    try:
        return address(_bound(function, numbers), 8)
    except NumbaError as error:
        lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Failed in")]
        name = function.py_func.__qualname__
        raise TypeError(f"the rule {name}(me, i, t) -> float does not compile: {lines[0]}") from error
