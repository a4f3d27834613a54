"""Compiled functions of WatchRepair; the model is in :mod:`payoff.envs.sparse.watch_repair`.

``params`` is the tuple (numbers ``(P,)`` of dtype NUMBERS, outcome probabilities ``(P, 4)``, and of each brand what the
first and the last step pay for a repaired watch, the way left out, ``(P, 4, 2)``).
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import chance, loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import Layout

__all__ = [
    "BRAND",
    "CAPTIONS",
    "DECISION",
    "FLATS",
    "JAMS",
    "KERNELS",
    "LAYOUT",
    "NUMBERS",
    "N_BRANDS",
    "REPAIR",
    "REPAIRED",
    "SCOPES",
    "SEEN",
    "SEND_AWAY",
    "SENT_AWAY",
    "TIME",
    "UNDECIDED",
]

N_BRANDS = 4

LAYOUT = Layout(brand=(), decision=(), jams=(), flats=(), time=(), forced=(), event=(), aux=())
BRAND, DECISION = LAYOUT.at("brand"), LAYOUT.at("decision")
JAMS, FLATS, TIME = LAYOUT.at("jams"), LAYOUT.at("flats"), LAYOUT.at("time")
FORCED, EVENT, AUX = LAYOUT.at("forced"), LAYOUT.at("event"), LAYOUT.at("aux")

UNDECIDED, REPAIRED, SENT_AWAY = range(3)  # of `decision`
REPAIR, SEND_AWAY = range(2)  # actions

CAPTIONS = (
    "a watch came in",
    "drove on",
    "stood in a traffic jam",
    "had a flat tyre",
    "stood in a traffic jam with a flat tyre",
    "waited",
    "sold the watch",
    "nothing to settle",
)
CAME_IN, DROVE = range(2)  # DROVE + outcome
WAITED, SOLD, NOTHING = range(5, 8)

NUMBERS = np.dtype(
    [("steps", np.int64), ("jam", np.float64), ("flat", np.float64), ("p_jam", np.float64), ("p_flat", np.float64)]
)
SEEN = np.dtype([("everything", np.bool_), ("per_step", np.float64)])
SCOPES = ("all", "watch")


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: see the module.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether everything is settled.
    """
    which = loop.pick(b, params[0].shape[0])
    p, pays = params[0][which], params[2][which, int(row[BRAND])]
    outcome = chance.outcome(row, FORCED, params[1][which])
    jam, flat = outcome % 2, outcome // 2
    row[AUX] = 0.0
    work[loop.BASE, 0] = 0.0
    if row[DECISION] == UNDECIDED:  # (1)
        row[DECISION] = REPAIRED if action[0, 0] == REPAIR else SENT_AWAY
        if row[DECISION] == REPAIRED:
            work[loop.BASE, 0] = pays[0]
            row[AUX] = pays[0] + pays[1] - p.steps * (p.p_jam * p.jam + p.p_flat * p.flat)
    row[JAMS] += jam  # (2)
    row[FLATS] += flat
    row[TIME] += 1.0
    done = row[TIME] >= p.steps
    if row[DECISION] == REPAIRED:
        row[AUX] -= (jam - p.p_jam) * p.jam + (flat - p.p_flat) * p.flat
        row[EVENT] = SOLD if done else DROVE + outcome
        if done:  # (3)
            work[loop.BASE, 0] += pays[1] - row[JAMS] * p.jam - row[FLATS] * p.flat
    else:
        row[EVENT] = NOTHING if done else WAITED
    return done


@jit
def reset_row(params, b, row):
    """A watch comes in."""
    row[DECISION], row[JAMS], row[FLATS], row[TIME] = UNDECIDED, 0.0, 0.0, 0.0
    row[FORCED], row[EVENT], row[AUX] = 0.0, CAME_IN, 0.0
    row[BRAND] = rng.below(row, N_BRANDS)


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    for k in range(N_BRANDS):
        seen[k] = 1.0 if row[BRAND] == k else 0.0
    at = N_BRANDS
    if entry.everything:
        seen[at] = 1.0 if row[DECISION] == REPAIRED else 0.0
        seen[at + 1] = 1.0 if row[DECISION] == SENT_AWAY else 0.0
        seen[at + 2] = row[JAMS] * entry.per_step
        seen[at + 3] = row[FLATS] * entry.per_step
        at += 4
    seen[at] = row[TIME] * entry.per_step


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: progress, caption and auxiliary reward."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = state[b, TIME] / p.steps
        out[b, 1] = state[b, EVENT]
        out[b, 2] = state[b, AUX]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
