"""The compiled loop of a game: a template with the game's rules in the place of its names.

Numba finds a compiled function in its disk cache only if all that it calls stands at the top level of a module. So a
template is not a closure: its code object is made into a new function whose globals hold the game's rules and whose
file is the game's. That file also decides when the compiled code is stale (:mod:`payoff.envs.core.jit`).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any, Literal

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Entry, Game
from payoff.envs.core.jit import jit

__all__ = ["kernel"]


# -- templates: these names are the game's in the copies that `_bound` makes ------------------------------------------

rule: Any = None
rest: Any = None
at: Any = (0, 0)
size: int = 0


# -- tables that rules read: their row of each (a function cannot return the record of the parameters as well)


def _no_tables(params: Any, k: int) -> Any:
    return ()


def _one_table(params: Any, k: int) -> Any:
    return (params[1][k],)


def _two_tables(params: Any, k: int) -> Any:
    return (params[1][k], params[2][k])


def _three_tables(params: Any, k: int) -> Any:
    return (params[1][k], params[2][k], params[3][k])


def _four_tables(params: Any, k: int) -> Any:
    return (params[1][k], params[2][k], params[3][k], params[4][k])


tables: Any = _no_tables

# -- how a rule is called


def _start(params: Any, k: int, s: Any, parts: Any) -> None:
    rule(params[0][k], *tables(params, k), s, *parts)


def _start_at_zero(params: Any, k: int, s: Any, parts: Any) -> None:
    pass


def _step_of_one(params: Any, k: int, s: Any, parts: Any, desk: Any) -> bool:
    return rule(params[0][k], *tables(params, k), s, *parts, desk.action[0], desk.base)


def _step_of_numbers(params: Any, k: int, s: Any, parts: Any, desk: Any) -> bool:
    return rule(params[0][k], *tables(params, k), s, *parts, desk.action[:, 0], desk.base)


def _step_of_vectors(params: Any, k: int, s: Any, parts: Any, desk: Any) -> bool:
    return rule(params[0][k], *tables(params, k), s, *parts, desk.action, desk.base)


def _step_published(params: Any, k: int, s: Any, parts: Any, desk: Any) -> bool:
    action, base, sent, factor, extra = desk.action[:, 0], desk.base, desk.sent, desk.factor, desk.extra
    return rule(params[0][k], *tables(params, k), s, *parts, action, base, sent, factor, extra)


def _look_at_one(params: Any, view: Any, k: int, row: Any, s: Any, parts: Any, obs: Any) -> None:
    rule(params[0][k], *tables(params, k), s, *parts, view[k], obs[0])


def _look_at_many(params: Any, view: Any, k: int, row: Any, s: Any, parts: Any, obs: Any) -> None:
    rule(params[0][k], *tables(params, k), s, *parts, view[k], obs)


def _look_by_column(params: Any, view: Any, k: int, row: Any, s: Any, parts: Any, obs: Any) -> None:
    rule(row, view[k], obs)


def _read_nothing(params: Any, k: int, frame: Any, s: Any, parts: Any, out: Any) -> None:
    pass


def _read_number(params: Any, k: int, frame: Any, s: Any, parts: Any, out: Any) -> None:
    seats, fixed = at
    out[2 + fixed + (2 + seats) * frame.n_agents] = rule(params[0][k], *tables(params, k), s, *parts)
    rest(params, k, frame, s, parts, out)


def _read_list(params: Any, k: int, frame: Any, s: Any, parts: Any, out: Any) -> None:
    seats, fixed = at
    for i in range(size):
        out[2 + fixed + (2 + seats) * frame.n_agents + i] = rule(params[0][k], *tables(params, k), s, *parts, i)
    rest(params, k, frame, s, parts, out)


def _read_each(params: Any, k: int, frame: Any, s: Any, parts: Any, out: Any) -> None:
    seats, fixed = at
    for i in range(frame.n_agents):
        out[2 + fixed + (2 + seats) * frame.n_agents + i] = rule(params[0][k], *tables(params, k), s, *parts, i)
    rest(params, k, frame, s, parts, out)


def _read_mask_of_one(params: Any, k: int, frame: Any, s: Any, parts: Any, out: Any) -> None:
    seats, fixed = at
    first = 2 + fixed + (2 + seats) * frame.n_agents
    for j in range(frame.levels):
        out[first + j] = rule(params[0][k], *tables(params, k), s, *parts, j)
    _all_of_none(out, first, frame.levels)
    rest(params, k, frame, s, parts, out)


def _read_mask_of_many(params: Any, k: int, frame: Any, s: Any, parts: Any, out: Any) -> None:
    seats, fixed = at
    first = 2 + fixed + (2 + seats) * frame.n_agents
    for i in range(frame.n_agents):
        for j in range(frame.levels):
            out[first + i * frame.levels + j] = rule(params[0][k], *tables(params, k), s, *parts, i, j)
        _all_of_none(out, first + i * frame.levels, frame.levels)
    rest(params, k, frame, s, parts, out)


@jit
def _all_of_none(out: Any, first: int, count: int) -> None:
    """A mask that leaves nothing, as where an episode is over, allows everything: a policy must draw something."""
    for j in range(count):
        if out[first + j] != 0.0:
            return
    for j in range(count):
        out[first + j] = 1.0


@dataclass(frozen=True, slots=True)
class _Source:
    """All that a kernel is made of: games that agree in it, as those of one family do, share one.

    Attributes:
        start: the rule that begins an episode; None: every field stays 0.
        step: the rule of a step; its module is the kernel's.
        look: what writes observations.
        reads: computed entries of ``info``.
        copy: record of the copy.
        parts: record and rank of each part of the state.
        calls: templates above: how tables are picked, how ``step`` and ``look`` are called.
    """

    start: Any
    step: Any
    look: Any
    reads: tuple[Entry, ...]
    copy: Any
    parts: tuple[tuple[Any, int], ...]
    calls: tuple[Callable[..., Any], ...]

    @property
    def module(self) -> str:
        """Where the rules are."""
        return str(self.step.py_func.__module__)

    @property
    def name(self) -> str:
        """Name of the kernel in the disk cache: the names of all that is in here, hashed."""
        rules = [self.start, self.step, self.look, *(e.of for e in self.reads)]
        names = [(r.py_func.__module__, r.py_func.__qualname__) for r in rules if r]
        reads = [(e.name, e.per_agent, e.per_action, e.size) for e in self.reads]
        text = repr((names, reads, self.copy, self.parts, [call.__name__ for call in self.calls]))
        return f"{self.step.py_func.__qualname__}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _source(game: Game[Any]) -> _Source:
    rules, sight, params = game.rules, game.sight, game.params()
    shape, several = game.shape(params), rules.several
    picks = (_no_tables, _one_table, _two_tables, _three_tables, _four_tables)
    pick = picks[len(game.pack([params])) - 1]
    step = (
        _step_published
        if rules.published
        else _step_of_one
        if not several
        else _step_of_numbers
        if shape.action_size == 1
        else _step_of_vectors
    )
    look = _look_by_column if sight.by_column else _look_at_many if several else _look_at_one
    reads = tuple(e for e in game.entries if not e.field)
    parts = tuple((part.dtype, part.ndim) for part in shape.layout.like)
    return _Source(rules.start, rules.step, sight.look, reads, game.state.copy.dtype, parts, (pick, step, look))


def _bound(
    source: _Source, template: Callable[..., Any], name: str, how: Literal["spliced", "inlined", "kept"], **names: Any
) -> Any:
    """A compiled copy of a template in which some global names are the game's.

    The loop is ``kept`` in the disk cache; what it is put together from becomes a part of it: ``spliced`` where it only
    hands arguments on, else ``inlined``.
    """
    file = str(sys.modules[source.module].__file__)
    assert isinstance(template, FunctionType)
    # Its lines are not in that file. numba asks inspect for them, which reads on from the first; Python 3.13 refuses
    # where that is in the middle of a text, and the first line of the file never is.
    code = template.__code__.replace(co_filename=file, co_firstlineno=1)
    made = FunctionType(code, {**template.__globals__, **names}, name)
    made.__module__ = source.module
    made.__qualname__ = f"{source.name}.{name}"
    made.__doc__ = template.__doc__
    return jit(made, inlined=how == "inlined", spliced=how == "spliced", kept=how == "kept", also=__name__)


def _reads(source: _Source, tables: Any) -> Any:
    """What writes the computed entries of ``info``, one behind the other."""
    made = _bound(source, _read_nothing, "read.nothing", "spliced")
    places = []
    seats = fixed = 0
    for entry in source.reads:
        places.append((seats, fixed))
        seats, fixed = (seats + 1, fixed) if entry.per_agent else (seats, fixed + entry.width(0))
    several = source.calls[1] is not _step_of_one
    for entry, place in reversed(list(zip(source.reads, places, strict=True))):
        if entry.per_action:  # the last one: its width is known only when the game is played
            template = _read_mask_of_many if several else _read_mask_of_one
        else:
            template = _read_each if entry.per_agent else _read_number if entry.size is None else _read_list
        names = {"rule": entry.of, "rest": made, "at": place, "size": entry.size or 0, "tables": tables}
        made = _bound(source, template, f"read.{entry.name}", "spliced", **names)
    return made


@cache
def kernel(game: Game[Any]) -> Any:
    """The game's compiled loop (:func:`payoff.envs.core.loop.run`); compiled when it is first bound to an engine."""
    return _kernel(_source(game))


@cache
def _kernel(source: _Source) -> Any:
    pick, step, look = source.calls
    tables = jit(pick, spliced=True)

    def made(template: Callable[..., Any], name: str, what: Any) -> Any:
        return _bound(source, template, name, "spliced", rule=what, tables=tables)

    names = {
        "COPY": source.copy,
        "PARTS": tuple(np.empty((0,) * rank, record) for record, rank in source.parts),
        "game_start": made(_start if source.start else _start_at_zero, "start_rule", source.start),
        "game_step": made(step, "step_rule", _inlined(source, source.step, "step")),
        "game_look": made(look, "look_rule", _inlined(source, source.look, "look")),
        "game_read": _reads(source, tables),
    }
    names["begin"] = _bound(source, loop.begin, "begin", "spliced", **names)
    return _bound(source, loop.run, "run", "kept", **names)


def _inlined(source: _Source, function: Any, name: str) -> Any:
    """The same function, copied into the loop: a call that hands over many arrays costs more than many a rule."""
    return _bound(source, function.py_func, name, "inlined")
