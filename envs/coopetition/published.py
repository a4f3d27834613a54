"""The shared kernels of the published games (``-v0``).

One step, in the order of the published code:

(1) actions are clipped to [0, e_i], rounded to float32 as published, and written to the history;
(2) trust and reputation damage are updated (:mod:`payoff.envs.core.trust`);
(3) base payoffs pi are worked out (:mod:`payoff.envs.core.value`); the reward layer acts on these, with the new trust;
(4) loyalty is updated, then multipliers are applied to payoffs and rewards alike
    (:mod:`payoff.envs.core.loyalty`, :mod:`payoff.envs.core.reciprocity`);
(5) the episode is terminated when mean trust fell below ``collapse``, truncated at the horizon.

Where the published system contradicts itself, this follows its Gymnasium object from a clean reset, in float64.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.coopetition.rules import WINDOW
from payoff.envs.core import history, loop, loyalty, reciprocity, trust, value
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, HEADER, Layout

__all__ = ["KERNELS", "layout"]

_TIE = 1e-9  # a mean of equal rates may fall a rounding error short of the rate itself


@jit
def _columns(n):
    """First columns of (action, trust, damage, loyalty, window mean, memory average, history)."""
    trusts = HEADER + n
    damages = trusts + n * n
    loyalties = damages + n * n
    return HEADER, trusts, damages, loyalties, loyalties + n, loyalties + 2 * n, loyalties + 3 * n


def layout(n: int, slots: int) -> Layout:
    """Columns of a state row for ``n`` seats and ``slots`` rounds of history; the order of ``_columns``."""
    return Layout(
        action=(n,),
        trust=(n, n),
        damage=(n, n),
        loyalty=(n,),
        window=(n,),
        memory=(n,),
        history=(slots, n),
    )


@jit
def reset_row(params, b, row):
    """Start an episode: actions at the baseline, initial trust, damage and loyalty."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    seats = params[1][loop.pick(b, params[1].shape[0])]
    n = seats.shape[0]
    actions, trusts, damages, loyalties, _, _, _ = _columns(n)
    row[loyalties:] = 0.0
    for i in range(n):
        row[actions + i] = seats[i].baseline
        row[loyalties + i] = p.initial_loyalty if p.has_loyalty > 0.0 else 0.0
        for j in range(n):
            row[trusts + i * n + j] = 1.0 if i == j else p.initial_trust
            row[damages + i * n + j] = 0.0 if i == j else p.initial_damage


@jit
def _loyalty_factors(p, seats, action, window, factor):
    """Multipliers of TR-3 as published, equation (2) of :mod:`payoff.envs.core.loyalty`."""
    n = action.shape[0]
    everyone = True
    for i in range(n):
        everyone = everyone and action[i, 0] / seats[i].endowment >= 0.5
    for i in range(n):
        if action[i, 0] / seats[i].endowment < p.free_rider_rate:
            factor[i] *= p.free_rider_factor
        if window[i] >= p.bonus_threshold - _TIE:
            factor[i] *= 1.0 + p.bonus_rate * window[i]
        if everyone:
            factor[i] *= p.coordination_factor


@jit
def step_row(params, b, row, action, work):
    """One step of one copy, equations (1) to (5) of the module.

    Args:
        params: numbers, seats, dependence.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(N, 1)`` native actions, already clipped.
        work: ``(5, N)``; rows BASE, FACTOR and EXTRA are written.

    Returns:
        Whether the episode is terminated.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    seats = params[1][loop.pick(b, params[1].shape[0])]
    depend = params[2][loop.pick(b, params[2].shape[0])]
    n = action.shape[0]
    actions, trusts, damages, loyalties, windows, memories, histories = _columns(n)
    slots = int(p.slots)
    rounds = int(row[CLOCK]) + 1
    past = row[histories:]
    for i in range(n):
        action[i, 0] = np.float32(action[i, 0])  # the published code holds actions in float32
        row[actions + i] = action[i, 0]
    if slots > 0:
        history.write(past, slots, rounds, action)  # (1)
    trust_now = row[trusts:damages]
    trust.update(p, seats, depend, action, trust_now, row[damages:loyalties])  # (2)
    value.private_payoffs(seats, action, p.scale, p.complementarity, work[loop.BASE])  # (3)
    if p.has_loyalty > 0.0:
        loyalty.update(p, seats, action, row[loyalties:windows])  # (4)
        for i in range(n):
            row[windows + i] = history.mean(past, slots, rounds, min(WINDOW, rounds), n, i) / seats[i].endowment
        _loyalty_factors(p, seats, action, row[windows:memories], work[loop.FACTOR])
    if p.has_reciprocity > 0.0:
        for i in range(n):
            row[memories + i] = history.mean(past, slots, rounds, min(int(p.memory), rounds - 1), n, i)
        reciprocity.multipliers(p, seats, depend, action, row[memories:histories], trust_now, work[loop.FACTOR])
    return p.collapse > 0.0 and trust.mean_off_diagonal(trust_now, n) < p.collapse  # (5)


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
        loop.gather(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        row = state[b]
        if mask[b]:
            loop.restart(row)
            reset_row(params, b, row)
        loop.gather(wiring[8], b, row, obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        loop.gather(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 1 + N)``: total value, then each seat's theory payoff (TR-3)."""
    for b in range(state.shape[0]):
        row = state[b]
        p = params[0][loop.pick(b, params[0].shape[0])]
        actions, trusts, _, loyalties, windows, _, _ = _columns(params[1].shape[1])
        action = row[actions:trusts].reshape((trusts - actions, 1))
        out[b, 0] = value.total(action, p.scale, p.complementarity)
        if out.shape[1] > 1:
            loyalty.theory_payoffs(p, action, row[loyalties:windows], out[b, 1:])


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
