"""The loop around every game's rules, once: actions in, payoffs, rewards, flags, observations and reports out.

:func:`run` is a template: an ordinary function that calls the rules of a game by fixed names, of which
:mod:`payoff.envs.core.binding` makes a copy for each game in which these names are that game's functions. So every game
checks, rewards, truncates and restarts alike, and no game writes a loop. Copies never touch each other: any split of a
batch gives the same bits.

It is one function for all that an engine asks (:data:`TASK`), because each compiled function costs seconds when it is
first compiled and ten milliseconds whenever a program starts.

A copy is one row of float64: first its state (:class:`payoff.envs.core.state.Layout`), then its desk, the numbers of
the running step (:class:`Desk`). ``out`` is what views read after a step, ``(B, 2 N + 2 + K)``: payoffs ``(N,)``,
rewards ``(N,)``, terminated, truncated, and the K computed entries of ``info``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from payoff.envs.core import layer as reward_layer
from payoff.envs.core import partner as partners
from payoff.envs.core.jit import inlined, jit, spliced
from payoff.envs.core.layer import LAYER
from payoff.envs.core.memory import parts_at, record_at, slice_at
from payoff.envs.core.partner import PARTNER
from payoff.envs.core.state import (
    CLOCK,
    COUNTER,
    EPISODE,
    HEADER,
    MARKED,
    MOST_PARTS,
    OVER,
    TERMINATED,
    TRUNCATED,
    Array,
)
from payoff.envs.core.words import words

__all__ = [
    "AUTORESET",
    "BOUND",
    "FINE",
    "FRAME",
    "LINK",
    "MODE",
    "SEAT",
    "STEPPED_PAST_END",
    "TASK",
    "Desk",
    "Wiring",
    "damage_of",
    "desk_of",
    "desk_size",
    "first_invalid",
    "run",
    "trust_of",
]

MODE = words("native", "unit", "level", "integer")  # how actions are written; level and integer: 0 .. levels - 1
AUTORESET = words("disabled", "next_step", "same_step")  # what happens to a copy whose episode is over
# what a call does with every copy before it observes and reports: a step, a new episode, a new episode where the copy
# is MARKED, nothing
TASK = words("step", "restart", "restart_marked", "show")

FINE = -1
STEPPED_PAST_END = -2

# what is asked, and the engine's settings; columns of a row unless said otherwise
FRAME = np.dtype(
    [
        ("task", np.int64),
        ("looks", np.int64),  # whether observations are wanted
        ("reads", np.int64),  # whether the computed entries of info are
        ("n_agents", np.int64),
        ("action_size", np.int64),
        ("mode", np.int64),
        ("levels", np.int64),  # number of levels or of integer actions
        ("clip", np.int64),  # 1: values outside the bounds are clipped, 0: they are invalid
        ("autoreset", np.int64),
        ("state_size", np.int64),  # S
        ("parts", np.int64, (MOST_PARTS, 4)),
        # the last actions, trust and damage that partners and layers read: number of seats that have them (0 or N),
        # first column, and columns from one seat, or one pair of seats, to the next
        ("acting", np.int64),
        ("at_action", np.int64),
        ("action_step", np.int64),
        ("trusting", np.int64),
        ("at_trust", np.int64),
        ("damaging", np.int64),
        ("at_damage", np.int64),
        ("pair_step", np.int64),
        ("desk", np.int64),  # first column of the desk
        ("desk_end", np.int64),
        ("published", np.int64),  # whether the desk has a published game's multipliers
        ("last", np.int64),  # first column of the final state (same-step autoreset); 0: not kept
    ],
    align=True,
)
# what is wired to a seat, to each number of its action, and to each pair of seats
SEAT = np.dtype([("partner", PARTNER), ("layer", LAYER), ("baseline", np.float64), ("horizon", np.float64)], align=True)
BOUND = np.dtype([("low", np.float64), ("high", np.float64)], align=True)
LINK = np.dtype([("weight", np.float64), ("depend", np.float64)], align=True)


class Wiring(NamedTuple):
    """How an engine is set up; P is 1, or the number of copies when each has its own parameters.

    Attributes:
        frame: ``(1,)`` FRAME.
        seats: ``(P, N)`` SEAT; the horizon is the same for all seats of a copy.
        bounds: ``(P, N, A)`` BOUND, native units.
        links: ``(P, N, N)`` LINK.
        table: ``(P, ...)`` table of the observation plan.
    """

    frame: Array
    seats: Array
    bounds: Array
    links: Array
    table: Array


class Desk(NamedTuple):
    """Numbers of one copy's running step, in its row behind the state.

    Attributes:
        raw: ``(N, A)`` actions as sent.
        action: ``(N, A)`` native actions.
        base: ``(N,)`` what the rules pay: the payoffs in ``out``; in a published game, payoffs before its multipliers.
        factor: ``(N,)`` those multipliers; empty elsewhere, as are the next two.
        extra: ``(N,)`` what is paid beside them.
        sent: ``(N,)`` first number of each action in native units: not clipped where it was sent in native units, and
            in single precision where it was not.
    """

    raw: Any
    action: Any
    base: Any
    factor: Any
    extra: Any
    sent: Any


def desk_size(n_agents: int, action_size: int, published: bool) -> int:
    """Columns of a desk."""
    return 2 * n_agents * action_size + (4 * n_agents if published else 0)


@spliced
def trust_of(frame: Any, row: Any) -> Any:
    """Trust ``(N, N)`` of a copy, ``(0, 0)`` where the game has none."""
    n, step = frame.trusting, frame.pair_step
    return slice_at(row, frame.at_trust, (n, n), (n * step, step))


@spliced
def damage_of(frame: Any, row: Any) -> Any:
    """Reputation damage ``(N, N)`` of a copy, ``(0, 0)`` where the game has none."""
    n, step = frame.damaging, frame.pair_step
    return slice_at(row, frame.at_damage, (n, n), (n * step, step))


@spliced
def desk_of(frame: Any, row: Any, out: Any) -> Any:
    """The desk of a copy, whose step is reported in ``out``."""
    n, size, at = frame.n_agents, frame.action_size, frame.desk
    more, behind = n * frame.published, at + 2 * n * size
    return Desk(
        raw=slice_at(row, at, (n, size), (size, 1)),
        action=slice_at(row, at + n * size, (n, size), (size, 1)),
        base=slice_at(row if more > 0 else out, behind if more > 0 else 0, (n,), (1,)),
        factor=slice_at(row, behind + more, (more,), (1,)),
        extra=slice_at(row, behind + 2 * more, (more,), (1,)),
        sent=slice_at(row, behind + 3 * more, (more,), (1,)),
    )


@spliced
def _pick(k: int, count: int) -> int:
    """Parameter row of copy k: its own, or the only one."""
    return k if count > 1 else 0


@jit
def first_invalid(wiring: Any, rows: Any) -> int:
    """Check a whole batch before any copy changes.

    Returns:
        FINE, STEPPED_PAST_END, or the flat index of the first bad number in the actions ``(B, N, A)``.
    """
    frame = wiring.frame[0]
    n, size, mode = frame.n_agents, frame.action_size, frame.mode
    for b in range(rows.shape[0]):
        if frame.autoreset == AUTORESET.disabled and rows[b, OVER] != 0.0:
            return STEPPED_PAST_END
        p = _pick(b, wiring.seats.shape[0])
        for i in range(n):
            if wiring.seats[p, i].partner.code != partners.EXTERNAL:
                continue
            for k in range(size):
                value = rows[b, frame.desk + i * size + k]
                if mode >= MODE.level:
                    good = value >= 0.0 and value < frame.levels and value == math.floor(value)
                elif frame.clip != 0:
                    good = math.isfinite(value)
                else:
                    low = wiring.bounds[p, i, k].low if mode == MODE.native else -1.0
                    high = wiring.bounds[p, i, k].high if mode == MODE.native else 1.0
                    slack = 1e-6 * (high - low)  # a float32 box may round its own bound outwards
                    good = value >= low - slack and value <= high + slack
                if not good:
                    return (b * n + i) * size + k
    return FINE


@inlined
def _take_actions(frame: Any, seats: Any, bounds: Any, s: Any, row: Any, desk: Any) -> None:
    """Fill ``action`` in native units: outside seats from ``raw``, partners from the state."""
    n = frame.n_agents
    last = slice_at(row, frame.at_action, (frame.acting,), (frame.action_step,))
    trust = trust_of(frame, row)
    for i in range(n):
        desk.base[i] = 0.0
        if seats[i].partner.code != partners.EXTERNAL:
            desk.action[i, 0] = partners.act(seats, i, s, last, trust, bounds)
            continue
        for k in range(frame.action_size):
            value = desk.raw[i, k]
            low, high = bounds[i, k].low, bounds[i, k].high
            if frame.mode == MODE.unit:
                value = low + 0.5 * (value + 1.0) * (high - low)
            elif frame.mode == MODE.level:
                value = low + value / (frame.levels - 1) * (high - low)
            if frame.mode != MODE.integer:
                value = min(high, max(low, value))
            desk.action[i, k] = value
    for i in range(desk.sent.shape[0]):  # a published game
        as_sent = frame.mode == MODE.native and seats[i].partner.code == partners.EXTERNAL
        desk.sent[i] = desk.raw[i, 0] if as_sent else np.float32(desk.action[i, 0])
        desk.factor[i], desk.extra[i] = 1.0, 0.0


@inlined
def _settle(frame: Any, seats: Any, bounds: Any, links: Any, row: Any, desk: Any, out: Any) -> None:
    """Payoffs and rewards of the step, from the state after it."""
    n = frame.n_agents
    reward_layer.apply(frame, seats, bounds, links, row, desk.base, out)
    for i in range(desk.factor.shape[0]):  # a published game
        out[i] = desk.base[i] * desk.factor[i] + desk.extra[i]
        out[n + i] = out[n + i] * desk.factor[i] + desk.extra[i]


@jit
def _clear(frame: Any, row: Any, out: Any) -> None:
    """A copy that restarts instead of stepping reports no payoff, no reward and no flag."""
    n = frame.n_agents
    for k in range(frame.desk + n * frame.action_size, frame.desk_end):
        row[k] = 0.0
    for k in range(2 * n + 2):
        out[k] = 0.0


@spliced
def _restarts(task: int, over: float) -> bool:
    """Whether this call begins a new episode; a step does under next-step autoreset, where one is over."""
    return (
        task == TASK.restart or (task == TASK.restart_marked and over == MARKED) or (task == TASK.step and over != 0.0)
    )


@spliced
def _next_episode(frame: Any, row: Any) -> None:
    """New draws, the clock at zero, and every field of the game 0."""
    row[EPISODE] += 1.0
    row[COUNTER] = 0.0
    row[CLOCK] = 0.0
    row[OVER] = 0.0
    for k in range(HEADER, frame.state_size):
        row[k] = 0.0


# -- templates: these names are the game's in the copies that binding makes ------------------------------------------

COPY: Any = np.dtype([("clock", np.float64)])
PARTS: Any = ()
game_start: Any = None
game_step: Any = None
game_look: Any = None
game_read: Any = None


def begin(params: Any, k: int, frame: Any, row: Any) -> None:
    """Begin the next episode of a copy."""
    _next_episode(frame, row)
    s = record_at(row, 0, COPY)
    game_start(params, k, s, parts_at(row, frame.parts, PARTS))


def run(params: Any, wiring: Any, rows: Any, out: Any, obs: Any) -> int:
    """Carry out the task on every copy.

    Args:
        params: records ``(P,)`` and tables of the rules.
        wiring: see :class:`Wiring`.
        rows: ``(B, R)`` copies, modified in place; to show them, their states are enough.
        out: ``(B, 2 N + 2 + K)``, see the module.
        obs: ``(B, V, O)`` float32.

    Returns:
        FINE, or what :func:`first_invalid` found; then nothing has changed.
    """
    frame = wiring.frame[0]
    n, task = frame.n_agents, frame.task
    if task == TASK.step:
        bad = first_invalid(wiring, rows)  # all copies checked before one changes
        if bad != FINE:
            return bad
    for b in range(rows.shape[0]):
        row, told = rows[b], out[b]
        k = _pick(b, wiring.seats.shape[0])
        seats, bounds = wiring.seats[k], wiring.bounds[k]
        s = record_at(row, 0, COPY)
        parts = parts_at(row, frame.parts, PARTS)
        if _restarts(task, s.over):
            _clear(frame, row, told)
            begin(params, k, frame, row)
        elif task == TASK.step:
            desk = desk_of(frame, row, told)
            _take_actions(frame, seats, bounds, s, row, desk)
            terminated = game_step(params, k, s, parts, desk)
            _settle(frame, seats, bounds, wiring.links[k], row, desk, told)
            s.clock += 1.0
            truncated = s.clock >= seats[0].horizon
            told[2 * n], told[2 * n + 1] = terminated, truncated
            s.over = TERMINATED * terminated + TRUNCATED * truncated
            if frame.last > 0 and s.over != 0.0:  # same-step autoreset: keep the final state, then restart
                for c in range(frame.state_size):
                    row[frame.last + c] = row[c]
                begin(params, k, frame, row)
        if frame.looks != 0:
            game_look(params, wiring.table, k, row, s, parts, obs[b])
        if frame.reads != 0:
            game_read(params, k, frame, s, parts, told)
    return FINE
