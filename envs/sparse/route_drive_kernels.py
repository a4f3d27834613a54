"""Compiled rules of RouteDrive: the car on its route, what it breaks, and what it sees."""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout

__all__ = ["KERNELS", "LAYOUT", "NUMBERS"]

KNOTS, ZONES, MOST = 17, 4, 6  # knots of the curvature, speed zones, largest number of lights and of vehicles

LAYOUT = Layout(
    s=(),
    d=(),
    psi=(),
    v=(),
    acceleration=(),
    reached=(),  # furthest s of the episode
    aside=(),  # leaky count of steps off the centre
    near=(),  # steps for which the factor of time to collision stays down
    rough=(4,),  # likewise, of each limit of comfort
    factor=(5,),
    aux=(),
    event=(),
    limit=(ZONES,),  # m/s
    offset=(MOST,),  # steps by which a light is ahead in its cycle
    curvature=(KNOTS,),  # 1/m, at equally spaced knots
    vehicle=(MOST,),  # s of each, the nearest first
    pace=(MOST,),  # m/s when nothing is in the way
    moved=(MOST,),  # m/s in the last step
)
S, D, PSI, V, ACCELERATION, REACHED, ASIDE, NEAR, ROUGH, FACTOR, AUX, EVENT = (
    LAYOUT.at(name) for name in list(LAYOUT.shapes)[:12]
)
LIMIT, OFFSET, CURVATURE, VEHICLE, PACE, MOVED = (LAYOUT.at(name) for name in list(LAYOUT.shapes)[12:])
IN_LANE, SPEED, DISTANCE, COMFORT, CENTRE = range(5)  # the factors

BEGAN, DROVE, FAULTED, FINISHED, COLLIDED, RAN_LIGHT, LEFT_ROUTE = range(7)

DT = 0.1  # s
WHEELBASE = 2.7  # m
TOP_SPEED, TOP_ACCELERATION, TOP_STEER = 20.0, 5.0, 0.5  # m/s, m/s^2, rad
CAR_LENGTH, CAR_WIDTH = 4.5, 2.0
CYCLE, RED = 160, 60  # steps of a light's cycle, and of its first part, which is red
EXCESS = 2.23  # m/s above the limit at which nothing is left of the factor
BRAKE_LIMIT, PUSH_LIMIT, SIDE_LIMIT, YAW_LIMIT, JERK_LIMIT = -4.05, 2.40, 4.89, 0.95, 4.13
MARGIN, STAY_ASIDE = 0.5, 30.0  # m off the centre, and steps of it before the factor falls

NUMBERS = np.dtype(
    [("finish_only", np.int64), ("lights", np.int64), ("vehicles", np.int64)]
    + [(name, np.float64) for name in ("length", "lane", "curvature", "penalty", "hold", "horizon")]
)


@jit
def curvature(p, row, s):
    """Equation (1): curvature of the route at s, that of its ends beyond them."""
    at = min(1.0, max(0.0, s / p.length)) * (KNOTS - 1)
    k = min(KNOTS - 2, int(at))
    return row[CURVATURE + k] + (at - k) * (row[CURVATURE + k + 1] - row[CURVATURE + k])


@jit
def limit(p, row, s):
    """Speed limit at s, m/s."""
    return row[LIMIT + min(ZONES - 1, max(0, int(s / p.length * ZONES)))]


@jit
def stop_line(p, k):
    """Where light k stands."""
    return p.length * (k + 1) / (p.lights + 1)


@jit
def phase(row, k):
    """Step of its cycle in which light k is; red below RED."""
    return (int(row[CLOCK]) + int(row[OFFSET + k])) % CYCLE


@jit
def next_light(p, row, s):
    """Index of the first light beyond s, or -1."""
    for k in range(p.lights):
        if stop_line(p, k) > s:
            return k
    return -1


@jit
def next_vehicle(p, row):
    """Index of the first vehicle ahead of the car, or -1."""
    for k in range(p.vehicles):
        if row[VEHICLE + k] > row[S]:
            return k
    return -1


@jit
def _wrapped(angle):
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))


@jit
def drive(p, row, acceleration, steer):
    """Equations (2) and (3), by the midpoint rule; returns the acceleration that the car could follow, and yaw rate."""
    before = row[V]
    row[V] = min(TOP_SPEED, max(0.0, before + DT * acceleration))
    v = 0.5 * (before + row[V])
    yaw = v * math.tan(steer) / WHEELBASE
    s, d, psi = row[S], row[D], row[PSI]
    for part in range(2):
        h = 0.5 * DT if part == 0 else DT
        bend = curvature(p, row, s)
        forward = v * math.cos(psi) / (1.0 - d * bend)
        aside, turn = v * math.sin(psi), yaw - bend * forward
        s, d, psi = row[S] + h * forward, row[D] + h * aside, row[PSI] + h * turn
    row[S], row[D], row[PSI] = s, d, _wrapped(psi)
    return (row[V] - before) / DT, yaw


@jit
def _move_vehicles(p, row):
    """Each vehicle drives at its pace and stops at once: at red lights, behind the next vehicle and behind the car."""
    beside = abs(row[D]) < CAR_WIDTH
    for j in range(p.vehicles):
        k = p.vehicles - 1 - j  # the foremost first
        at = row[VEHICLE + k]
        free = DT * row[PACE + k]
        light = next_light(p, row, at)
        if light >= 0 and phase(row, light) < RED:
            free = min(free, max(0.0, stop_line(p, light) - 1.0 - at))
        if k + 1 < p.vehicles:
            free = min(free, max(0.0, row[VEHICLE + k + 1] - 2.0 * CAR_LENGTH - at))
        if beside and row[S] > at:
            free = min(free, max(0.0, row[S] - 2.0 * CAR_LENGTH - at))
        row[VEHICLE + k] += free
        row[MOVED + k] = free / DT


@jit
def _hits(p, row):
    if abs(row[D]) >= CAR_WIDTH:
        return False
    for k in range(p.vehicles):
        if abs(row[VEHICLE + k] - row[S]) < CAR_LENGTH:
            return True
    return False


@jit
def _latched(row, at, broken, hold):
    """Whether something is broken now or was within the last ``hold`` steps."""
    if broken:
        row[at] = hold
        return True
    held = row[at] > 0.0
    if held:
        row[at] -= 1.0
    return held


@jit
def _judge(p, row, acceleration, jerk, yaw):
    """The five soft factors of this step; returns their product."""
    row[FACTOR + IN_LANE] = 1.0 if abs(row[D]) <= 0.5 * p.lane else 0.0
    excess = max(0.0, row[V] - limit(p, row, row[S]))
    row[FACTOR + SPEED] = max(0.0, 1.0 - excess / EXCESS)
    k = next_vehicle(p, row)
    soon = False
    if k >= 0 and abs(row[D]) < CAR_WIDTH:
        gap = row[VEHICLE + k] - row[S] - CAR_LENGTH
        soon = gap < row[V] - row[MOVED + k]  # within one second
    row[FACTOR + DISTANCE] = 0.5 if _latched(row, NEAR, soon, p.hold) else 1.0
    broken = 0
    broken += _latched(row, ROUGH, acceleration < BRAKE_LIMIT or acceleration > PUSH_LIMIT, p.hold)
    broken += _latched(row, ROUGH + 1, abs(row[V] * yaw) > SIDE_LIMIT, p.hold)
    broken += _latched(row, ROUGH + 2, abs(yaw) > YAW_LIMIT, p.hold)
    broken += _latched(row, ROUGH + 3, abs(jerk) > JERK_LIMIT, p.hold)
    row[FACTOR + COMFORT] = 1.0 - 0.5 * broken / 4
    row[ASIDE] = row[ASIDE] + 1.0 if abs(row[D]) > MARGIN else max(0.0, row[ASIDE] - 1.0)
    row[FACTOR + CENTRE] = 0.5 if row[ASIDE] > STAY_ASIDE else 1.0
    product = 1.0
    for i in range(5):
        product *= row[FACTOR + i]
    return product


@jit
def _outcome(p, row, passed, product):
    """Event of this step; what is from FINISHED on ends the episode."""
    if _hits(p, row):
        return COLLIDED
    if passed:
        return RAN_LIGHT
    if abs(row[D]) > p.lane:
        return LEFT_ROUTE
    if row[S] >= p.length:
        return FINISHED
    return DROVE if product == 1.0 else FAULTED


@jit
def step_row(params, b, row, action, work):
    """One step of one copy, in the order of the page.

    Args:
        params: tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 2)`` acceleration and steering angle.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the route is finished or a hard rule broken.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    light, before, last = next_light(p, row, row[S]), row[REACHED], row[ACCELERATION]
    red = light >= 0 and phase(row, light) < RED
    acceleration, yaw = drive(p, row, action[0, 0], action[0, 1])
    row[ACCELERATION] = acceleration
    _move_vehicles(p, row)
    row[REACHED] = min(p.length, max(before, row[S]))
    gained = 100.0 * (row[REACHED] - before) / p.length
    product = _judge(p, row, acceleration, (acceleration - last) / DT, yaw)
    passed = red and row[S] >= stop_line(p, light)
    row[EVENT] = _outcome(p, row, passed, product)
    if p.finish_only != 0:
        work[loop.BASE, 0] = 100.0 if row[EVENT] == FINISHED else 0.0
    else:
        hit = row[EVENT] == COLLIDED or row[EVENT] == RAN_LIGHT
        work[loop.BASE, 0] = gained * product - (p.penalty if hit else 0.0)
    present = 5.0 * (row[FACTOR + DISTANCE] == 1.0)
    present += 4.0 * (row[FACTOR + SPEED] == 1.0) + 2.0 * (row[FACTOR + COMFORT] == 1.0)
    row[AUX] = (5.0 * gained + 100.0 / p.horizon * present) / 16.0
    return row[EVENT] >= FINISHED


@jit
def reset_row(params, b, row):
    """Draw the route, its limits, lights and vehicles; the car stands at its beginning."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    for k in range(S, row.shape[0]):
        row[k] = 0.0
    for i in range(5):
        row[FACTOR + i] = 1.0
    row[EVENT] = BEGAN
    for k in range(1, KNOTS - 1):
        row[CURVATURE + k] = p.curvature * (2.0 * rng.uniform(row) - 1.0)
    for k in range(ZONES):
        row[LIMIT + k] = (30.0 + 10.0 * rng.below(row, 3)) / 3.6
    for k in range(p.lights):
        row[OFFSET + k] = rng.below(row, CYCLE)
    for k in range(p.vehicles):
        row[VEHICLE + k] = 0.5 * p.length * (k + rng.uniform(row)) / p.vehicles + 3.0 * CAR_LENGTH * (k + 1)
        row[PACE + k] = 6.0 + 3.0 * rng.uniform(row)
        row[MOVED + k] = row[PACE + k]


@jit
def _share(x):
    return min(1.0, max(0.0, x))


@jit
def observe_row(params, table, b, row, obs):
    """What the seat sees, in the order of ``NAMES``, and the clock where there is room for it.

    Args:
        params: see :func:`step_row`.
        table: ``(P,)`` one over the horizon.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    s, own, hold = row[S], obs[0], max(1.0, p.hold)
    own[0] = row[V] / TOP_SPEED
    own[1] = _share(0.5 + 0.5 * row[D] / p.lane)
    own[2] = _share(0.5 + 0.5 * row[PSI] / math.pi)
    own[3] = 0.5 + 0.5 * row[ACCELERATION] / TOP_ACCELERATION
    own[4] = row[REACHED] / p.length
    own[5] = _share(row[ASIDE] / (2.0 * STAY_ASIDE))
    own[6] = row[NEAR] / hold
    for i in range(4):
        own[7 + i] = row[ROUGH + i] / hold
    for i in range(8):
        own[11 + i] = _share(0.5 + 5.0 * curvature(p, row, s + 6.0 * i))
    for i in range(3):
        own[19 + i] = limit(p, row, s + 20.0 * i) / TOP_SPEED
    light = next_light(p, row, s)
    own[22], own[23], own[24] = 1.0, 0.0, 0.0
    if light >= 0:
        now = phase(row, light)
        own[22] = _share((stop_line(p, light) - s) / 60.0)
        own[23] = 1.0 if now < RED else 0.0
        own[24] = ((RED if now < RED else CYCLE) - now) / CYCLE
    k = next_vehicle(p, row)
    own[25], own[26] = 1.0, 1.0
    if k >= 0:
        own[25] = _share((row[VEHICLE + k] - s) / 60.0)
        own[26] = row[MOVED + k] / TOP_SPEED
    if own.shape[0] > 27:
        own[27] = row[CLOCK] * table[loop.pick(b, table.shape[0])]


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
        observe_row(params, wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 16)``: auxiliary reward, progress, the five factors, eight checks, caption."""
    for b in range(state.shape[0]):
        row = state[b]
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = row[AUX]
        out[b, 1] = row[REACHED] / p.length
        for i in range(5):
            out[b, 2 + i] = row[FACTOR + i]
            out[b, 7 + i] = row[FACTOR + i] == 1.0
        for i in range(3):
            out[b, 12 + i] = row[EVENT] != COLLIDED + i
        out[b, 15] = row[EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
