"""The shared kernels of the published games (``-v0``).

One step, in the order of the published code:

(1) actions are clipped to [0, e_i], rounded to float32 as published, and written to the history;
(2) trust and reputation damage are updated (:mod:`payoff.envs.core.trust`);
(3) base payoffs pi are worked out (:mod:`payoff.envs.core.value`); the reward layer acts on these, with the new trust;
(4) multipliers and extras are applied to payoffs and rewards alike: loyalty and coalition membership
    (:mod:`payoff.envs.core.loyalty`, :mod:`payoff.envs.core.coalition`), reciprocity
    (:mod:`payoff.envs.core.reciprocity`), public scores (:mod:`payoff.envs.core.reputation`), agreements
    (:mod:`payoff.envs.core.negotiation`);
(5) the episode is terminated when the watched trust fell below ``collapse`` or reached ``recovery``, truncated at the
    horizon.

Which of these a game has is data: a field that its state row lacks has column -1 in its record
(:mod:`payoff.envs.coopetition.packing`). Where the published system contradicts itself, this follows its Gymnasium
object from a clean reset, in float64. ``params`` is (numbers, seats, dependence, watched pairs).
"""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.coopetition.rules import WINDOW
from payoff.envs.core import coalition, history, loop, loyalty, negotiation, reciprocity, reputation, rng, trust, value
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, HEADER

__all__ = ["KERNELS"]


@jit
def reset_row(params, b, row):
    """Start an episode: actions at the baseline, initial trust, damage, loyalty and scores, everybody a member."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    seats = params[1][loop.pick(b, params[1].shape[0])]
    n = seats.shape[0]
    row[HEADER:] = 0.0
    for i in range(n):
        row[p.at_action + i] = seats[i].baseline
        for j in range(n):
            known = i == j or p.enabled == 0.0
            row[p.at_trust + i * n + j] = 1.0 if known else p.initial_trust
            row[p.at_damage + i * n + j] = 0.0 if known else p.initial_damage
        if p.at_loyalty >= 0:
            row[p.at_loyalty + i] = p.initial_loyalty
        if p.at_member >= 0:
            row[p.at_member + i] = 1.0
            row[p.at_rank + i] = i
        if p.at_score >= 0:
            row[p.at_score + i] = p.initial
            row[p.at_seen + i] = reputation.look(p, row, p.initial)
            row[p.at_shown + i] = row[p.at_seen + i] if p.noise > 0.0 else p.initial
    if p.at_synergy >= 0:
        row[p.at_synergy] = p.synergy_low + (p.synergy_high - p.synergy_low) * rng.uniform(row)
    if p.at_peak >= 0:
        row[p.at_peak] = p.initial_trust


@jit
def _synergy(p, row):
    """Gamma of this episode."""
    return row[p.at_synergy] if p.at_synergy >= 0 else p.complementarity


@jit
def _rate(action, endowment):
    """Rate a / e in float32: the published code compares such rates with its thresholds."""
    return np.float32(action) / np.float32(endowment)


@jit
def _loyalty(p, seats, action, rounds, row, factor):
    """Loyalty, window and membership after this round, and the multipliers of TR-3 as published.

    Equations (1) and (2) of :mod:`payoff.envs.core.loyalty`; then 0.5 for the excluded and, as long as the coalition
    has its minimum, 1.1 for members.
    """
    n = action.shape[0]
    theta = row[p.at_loyalty : p.at_loyalty + n]
    loyalty.update(p, seats, action, theta, p.at_member >= 0)
    everyone = True
    for i in range(n):
        everyone = everyone and _rate(action[i, 0], seats[i].endowment) >= np.float32(0.5)
    length = min(WINDOW, rounds)
    for i in range(n):
        e = seats[i].endowment
        window = min(1.0, history.mean(row[p.at_history :], p.slots, rounds, length, n, i, e))
        row[p.at_window + i] = window
        # in float32, as published: means of a constant rate of 0.6 fall short of it after 6 and 7 rounds
        if _rate(action[i, 0], e) < np.float32(p.free_rider_rate):
            factor[i] *= p.free_rider_factor
        if np.float32(window) >= np.float32(p.bonus_threshold):
            factor[i] *= 1.0 + p.bonus_rate * window
        if everyone:
            factor[i] *= p.coordination_factor
    if p.at_member >= 0:
        member = row[p.at_member : p.at_member + n]
        inside = coalition.update(p, theta, member, row[p.at_timer : p.at_timer + n], row[p.at_rank : p.at_rank + n])
        for i in range(n):
            if member[i] == 0.0:
                factor[i] *= coalition.EXCLUDED_FACTOR
            elif inside >= p.minimum:
                factor[i] *= coalition.MEMBER_FACTOR


@jit
def _scores(p, seats, wiring, buffers, b, row, factor):
    """Public scores after this round, what is seen of them, and the multipliers of tiers."""
    n = seats.shape[0]
    for i in range(n):
        row[p.at_shown + i] = row[p.at_seen + i] if p.noise > 0.0 else row[p.at_score + i]
        rate = loop.sent(wiring, buffers, b, i) / seats[i].endowment
        row[p.at_score + i] = reputation.advance(p, row[p.at_score + i], rate)
        if p.tiers > 0.0:
            factor[i] *= reputation.factor(row[p.at_score + i])
    for i in range(n):
        row[p.at_seen + i] = reputation.look(p, row, row[p.at_score + i])


@jit
def _agreements(p, action, row, extra):
    """Agreements and breach penalties of this round; the published observation shows what stood before it."""
    n = action.shape[0]
    agreement = row[p.at_agreement : p.at_agreement + n]
    for i in range(n):
        row[p.at_shown_deal + i] = agreement[i]
    row[p.at_shown_deal + n] = row[p.at_standing]
    negotiation.update(
        p,
        action,
        agreement,
        row[p.at_standing : p.at_standing + 1],
        row[p.at_reached : p.at_reached + 2],
        row[p.at_breached : p.at_breached + 2],
        extra,
    )


@jit
def _mean_watched(trusts, watched):
    """Mean of T over the watched pairs."""
    n = watched.shape[0]
    total = 0.0
    count = 0.0
    for i in range(n):
        for j in range(n):
            if watched[i, j] > 0.0:
                total += trusts[i * n + j]
                count += 1.0
    return total / count


@jit
def step_row(params, wiring, buffers, b, row):
    """One step of one copy, equations (1) to (5) of the module.

    Args:
        params: see the module.
        wiring: see :mod:`payoff.envs.core.loop`.
        buffers: see :mod:`payoff.envs.core.loop`; this copy's ``action`` is rounded, rows BASE, FACTOR and EXTRA of
            its ``work`` are written.
        b: copy.
        row: ``(S,)`` state, modified in place.

    Returns:
        Whether the episode is terminated.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    seats = params[1][loop.pick(b, params[1].shape[0])]
    depend = params[2][loop.pick(b, params[2].shape[0])]
    action = buffers[1][b]
    base = buffers[2][b, loop.BASE]
    factor = buffers[2][b, loop.FACTOR]
    n = action.shape[0]
    rounds = int(row[CLOCK]) + 1
    trusts = row[p.at_trust : p.at_trust + n * n]
    for i in range(n):
        # the published code holds actions in float32, which may round the endowment itself upwards
        action[i, 0] = min(seats[i].endowment, np.float64(np.float32(action[i, 0])))
        row[p.at_action + i] = action[i, 0]
        if p.at_defections >= 0 and loop.sent(wiring, buffers, b, i) < seats[i].baseline:
            row[p.at_defections + i] += 1.0
    if p.slots > 0:
        history.write(row[p.at_history :], p.slots, rounds, action)  # (1)
    if p.enabled > 0.0:
        trust.update(p, seats, depend, action, trusts, row[p.at_damage : p.at_damage + n * n])  # (2)
    value.private_payoffs(seats, action, p.scale, p.exponent, _synergy(p, row), base)  # (3)
    if p.at_loyalty >= 0:
        _loyalty(p, seats, action, rounds, row, factor)  # (4)
    if p.at_memory >= 0:
        memory = row[p.at_memory : p.at_memory + n]
        length = min(int(p.memory), rounds - 1)
        for i in range(n):
            memory[i] = min(seats[i].endowment, history.mean(row[p.at_history :], p.slots, rounds, length, n, i, 1.0))
        reciprocity.multipliers(p, seats, depend, action, memory, trusts, factor)
    if p.at_score >= 0:
        _scores(p, seats, wiring, buffers, b, row, factor)
    if p.at_agreement >= 0:
        _agreements(p, action, row, buffers[2][b, loop.EXTRA])
    if p.at_peak >= 0:
        row[p.at_peak] = max(row[p.at_peak], trust.mean_off_diagonal(trusts, n))
    if p.collapse > 0.0 or p.recovery < math.inf:
        watched = _mean_watched(trusts, params[3][loop.pick(b, params[3].shape[0])])
        return watched < p.collapse or watched >= p.recovery  # (5)
    return False


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            buffers[3][b, 0] = step_row(params, wiring, buffers, b, state[b])
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
        seats = params[1][loop.pick(b, params[1].shape[0])]
        n = seats.shape[0]
        action = row[p.at_action : p.at_action + n].reshape((n, 1))
        out[b, 0] = value.total(action, p.scale, p.exponent, _synergy(p, row))
        if out.shape[1] > 1:
            loyalty.theory_payoffs(p, seats, action, row[p.at_loyalty : p.at_loyalty + n], out[b, 1:])


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
