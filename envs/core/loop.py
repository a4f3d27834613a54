"""The compiled frame around a game's step: actions in, payoffs, rewards and flags out.

A game's ``transition`` calls these pieces around its own ``reset_row``, ``step_row`` and ``observe_row``
(:mod:`payoff.envs.core.game` shows it). They stand here once, so that every game validates, rewards,
truncates and restarts alike. Copies never touch each other: any split of a batch gives the same bits.

``wiring`` is the tuple (control, horizon, bounds, partner, baseline, layer, weight, depend, table):

========  =====================  =====================================================================
control   ``(8,)`` int64         indexed by the constants below
horizon   ``(P,)``               steps after which an episode is truncated
bounds    ``(P, N, A, 2)``       native lower and upper action bounds
partner   ``(N,)`` PARTNER       who plays each seat
baseline  ``(P, N)``             trust-neutral actions
layer     ``(N,)`` LAYER         reward layer of each seat
weight    ``(P, N, N)``          its weights
depend    ``(P, N, N)``          dependence D
table     the game's own         what ``observe_row`` needs
========  =====================  =====================================================================

P is 1, or the number of copies when each has its own parameters. ``buffers`` is the tuple (raw, action, work, flags,
last): actions as sent ``(B, N, A)``, native actions ``(B, N, A)``, payoffs and rewards ``(B, 5, N)`` (rows below),
terminated and truncated ``(B, 2)``, and the final state row of copies that ended ``(B, S)`` (same-step autoreset only).
"""

from __future__ import annotations

import math

from payoff.envs.core import layer as reward_layer
from payoff.envs.core import partner as partners
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, OVER, TERMINATED, TRUNCATED

# columns of `control`
MODE = 0  # how actions are written: one of the four below
LEVELS = 1  # number of levels or of integer actions
CLIP = 2  # 1: values outside the bounds are clipped, 0: they are invalid
AUTORESET = 3  # one of the three below
AT_ACTION = 4  # first column of the last actions, or -1
AT_TRUST = 5
AT_DAMAGE = 6
CONTROL_SIZE = 7

NATIVE = 0  # the game's units
UNIT = 1  # [-1, 1], mapped affinely to the bounds
LEVEL = 2  # 0 .. LEVELS - 1, equal steps from the lower to the upper bound
INTEGER = 3  # 0 .. LEVELS - 1, taken as it is

MANUAL = 0  # stepping past the end is an error
NEXT_STEP = 1  # the step after the end restarts the copy
SAME_STEP = 2  # the step that ends an episode also restarts the copy

# rows of `work`
BASE = 0  # payoffs before a published game's multipliers
FACTOR = 1
EXTRA = 2
PAYOFF = 3  # BASE * FACTOR + EXTRA: what really happened to each player
REWARD = 4  # layer(BASE) * FACTOR + EXTRA
WORK_ROWS = 5

FINE = -1
STEPPED_PAST_END = -2

FRESH = -1.0  # in the column OVER, within one call: the copy restarted on it


@jit
def pick(b, count):
    """Parameter row of copy b: its own, or the only one."""
    return b if count > 1 else 0


@jit
def first_invalid(wiring, state, buffers):
    """Check a whole batch before any copy changes.

    Returns:
        FINE, STEPPED_PAST_END, or the flat index into ``raw`` of the first bad entry.
    """
    control, _, bounds, partner, _, _, _, _, _ = wiring
    raw = buffers[0]
    mode = control[MODE]
    for b in range(raw.shape[0]):
        if control[AUTORESET] == MANUAL and state[b, OVER] != 0.0:
            return STEPPED_PAST_END
        p = pick(b, bounds.shape[0])
        for i in range(raw.shape[1]):
            if partner[i].code != partners.EXTERNAL:
                continue
            for k in range(raw.shape[2]):
                value = raw[b, i, k]
                if mode >= LEVEL:
                    good = value >= 0.0 and value < control[LEVELS] and value == math.floor(value)
                elif control[CLIP] != 0:
                    good = math.isfinite(value)
                else:
                    low = bounds[p, i, k, 0] if mode == NATIVE else -1.0
                    high = bounds[p, i, k, 1] if mode == NATIVE else 1.0
                    slack = 1e-6 * (high - low)  # a float32 box may round its own bound outwards
                    good = value >= low - slack and value <= high + slack
                if not good:
                    return (b * raw.shape[1] + i) * raw.shape[2] + k
    return FINE


@jit
def begin(wiring, state, buffers):
    """Check the batch, then fill ``action`` in native units: outside seats from ``raw``, partners from the state.

    Returns:
        FINE, or what :func:`first_invalid` found; then nothing has changed.
    """
    bad = first_invalid(wiring, state, buffers)
    if bad != FINE:
        return bad
    control, _, bounds, partner, baseline, _, _, _, _ = wiring
    raw, action, work, _, _ = buffers
    mode = control[MODE]
    for b in range(raw.shape[0]):
        p = pick(b, bounds.shape[0])
        for i in range(action.shape[1]):
            work[b, FACTOR, i] = 1.0
            work[b, EXTRA, i] = 0.0
            if partner[i].code != partners.EXTERNAL:
                action[b, i, 0] = partners.act(
                    partner, i, state[b], control[AT_ACTION], control[AT_TRUST], bounds, baseline, p
                )
                continue
            for k in range(action.shape[2]):
                value = raw[b, i, k]
                low = bounds[p, i, k, 0]
                high = bounds[p, i, k, 1]
                if mode == UNIT:
                    value = low + 0.5 * (value + 1.0) * (high - low)
                elif mode == LEVEL:
                    value = low + value / (control[LEVELS] - 1) * (high - low)
                if mode != INTEGER:
                    value = min(high, max(low, value))
                action[b, i, k] = value
    return FINE


@jit
def sent(wiring, buffers, b, i):
    """First action component of seat i in native units, as it was sent: not clipped where it was sent in native units.

    Only a published game clips native actions (and some of its counts read what was sent); elsewhere this is what was
    played.
    """
    if wiring[0][MODE] == NATIVE and wiring[3][i].code == partners.EXTERNAL:
        return buffers[0][b, i, 0]
    return buffers[1][b, i, 0]


@jit
def restart(row):
    """Begin the copy's next episode: new draws, the clock at zero."""
    row[EPISODE] += 1.0
    row[COUNTER] = 0.0
    row[CLOCK] = 0.0
    row[OVER] = 0.0


@jit
def restarts(row):
    """Under next-step autoreset: restart a copy whose episode is over, and say so."""
    if row[OVER] == 0.0:
        return False
    restart(row)
    row[OVER] = FRESH
    return True


@jit
def finish(wiring, state, buffers):
    """After the game's steps: payoffs, rewards, clock and flags; ``flags[b, 0]`` holds what the game said.

    A copy that restarted on this call reports no payoff, no reward and no flag.
    """
    control, horizon, bounds, _, baseline, layer, weight, depend, _ = wiring
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        p = pick(b, horizon.shape[0])
        row = state[b]
        if row[OVER] == FRESH:
            row[OVER] = 0.0
            flags[b, 0] = False
            flags[b, 1] = False
            for i in range(action.shape[1]):
                for r in range(WORK_ROWS):
                    work[b, r, i] = 0.0
                for k in range(action.shape[2]):
                    action[b, i, k] = 0.0
            continue
        reward_layer.apply(
            layer,
            weight,
            depend,
            p,
            work[b, BASE],
            action[b],
            row,
            control[AT_TRUST],
            control[AT_DAMAGE],
            bounds,
            baseline,
            work[b, REWARD],
        )
        for i in range(action.shape[1]):
            factor = work[b, FACTOR, i]
            extra = work[b, EXTRA, i]
            work[b, PAYOFF, i] = work[b, BASE, i] * factor + extra
            work[b, REWARD, i] = work[b, REWARD, i] * factor + extra
        row[CLOCK] += 1.0
        flags[b, 1] = row[CLOCK] >= horizon[p]
        row[OVER] = TERMINATED * flags[b, 0] + TRUNCATED * flags[b, 1]


@jit
def ends(wiring, b, row, buffers):
    """Under same-step autoreset: keep the final row of an ended copy, restart it, and say so."""
    if row[OVER] == 0.0 or wiring[0][AUTORESET] != SAME_STEP:
        return False
    for k in range(row.shape[0]):  # an array assignment would allocate: numba guards against overlap
        buffers[4][b, k] = row[k]
    restart(row)
    return True


@jit
def gather(table, b, row, obs):
    """Observation as a weighted pick of state columns: ``obs[v, o] = row[column] * scale + offset``.

    Args:
        table: ``(P, V, O)`` records of dtype TABLE, V the seats that are looked at.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(V, O)`` float32, modified in place.
    """
    p = pick(b, table.shape[0])
    for v in range(obs.shape[0]):
        for o in range(obs.shape[1]):
            entry = table[p, v, o]
            obs[v, o] = row[entry.column] * entry.scale + entry.offset
