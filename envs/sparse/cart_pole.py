"""SparseCartPole: balance a pole to the horizon; only a pole that stands then is paid, and a controller gives advice.

## Model
A cart at x with velocity w carries a pole at angle th from the vertical with angular velocity q; the cart is pushed by
a force F of -10 or 10 newtons. With g = 9.8, masses 1 (cart) and 0.1 (pole), half length 0.5 of the pole and a time
step of 0.02 seconds:

(1) s = (F + 0.05 q^2 sin th) / 1.1

(2) q' = (g sin th - s cos th) / (0.5 (4 / 3 - 0.1 cos^2 th / 1.1)), w' = s - 0.05 q' cos th / 1.1

(3) x, w, th, q all advance by 0.02 times their rates w, w', q, q' of before (Euler's rule)

These are the equations of Barto, Sutton and Anderson ("Neuronlike adaptive elements that can solve difficult learning
control problems", 1983) without friction, as in Gymnasium's `CartPole-v1`, which the tests follow step for step. The
advice is that of BARFI (Gupta et al., "Behavior Alignment via Reward Function Optimization", 2023), read from its
published code, Dhawgupta/gupta2023behavior; the sparse payment is our own.

## Players and actions
One seat, two integer actions: 0 push left, 1 push right.

## Observations
4 numbers in [0, 1] under every setting: x over [-4.8, 4.8] and th over 24 degrees to both sides, twice what ends an
episode; and the velocities w and q, v as 0.5 + 0.5 v / (1 + |v|).

## Rewards
1 on step `max_steps` if the pole still stands then, else 0; with `every_step=True` the ordinary 1 for each step, the
one in which the pole falls included. Beside it `info["reward_terms"]["aux"]` holds an auxiliary reward that is no part
of the payoff, 0 on the last step of an episode. Before each step a controller would push right if

(4) 0.1 th + 0.5 (th - th of a step before) > 0

and left otherwise, the earlier angle being 0 at first. By `aux`:

- `"good"`: 5 if the seat did what the controller would have done, else -1;
- `"bad"`: -5 if it did, else 1.

These sizes are the ones that the published curves were drawn with, as far as is known; a copy of the code that pays
-1 and 0 for bad advice exists as well.

## Starting state
x, w, th and q uniform over [-0.05, 0.05], from the copy's own stream.

## Episode end
Terminated when |x| > 2.4 or |th| > 12 degrees, truncated after `max_steps`. An episode is a success if it is truncated
and not terminated.

## Theory
At most 1 is paid, or `max_steps` with `every_step`: a proven bound. The reference is the controller (4). `optimum`
plays it out from the given state, and where its pole stands at the horizon, as it does from all of 20,000 random
starts at the default, its return is therefore the best. The number of steps that `optimum` gives is exact while the
pole stands in it: payment comes at the horizon, or on the next step with `every_step`.

## Parameters
`every_step` False; `aux` "good" or "bad"; `max_steps` 500.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Episode, Game, Kernels, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer
from payoff.envs.core.state import CLOCK, OVER, Array, Layout
from payoff.envs.sparse.continuous import SETTINGS, Observe, plan

__all__ = ["SETTINGS", "V0", "Observe", "SparseCartPoleParams"]

Aux = Literal["good", "bad"]
GOOD, BAD = range(2)

LAYOUT = Layout(x=(), w=(), th=(), q=(), before=(), aux=(), event=())  # `before` is th a step earlier
X, W, TH, Q, BEFORE, AUX, EVENT = (LAYOUT.at(name) for name in LAYOUT.shapes)

CAPTIONS = (
    "the episode began",
    "pushed as the controller would",
    "pushed against the controller",
    "the pole fell",
    "the cart left the track",
    "the pole stood to the end",
)
BEGAN, AGREED, DISAGREED, FELL, LEFT_TRACK, STOOD = range(6)

GRAVITY, TOTAL_MASS, POLE_MASS, HALF_LENGTH = 9.8, 1.1, 0.1, 0.5
POLE_MOMENT = POLE_MASS * HALF_LENGTH
FORCE, TIME_STEP = 10.0, 0.02
X_LIMIT, TH_LIMIT = 2.4, 12 * 2 * math.pi / 360
START = 0.05
P_GAIN, D_GAIN = 0.1, 0.5

NUMBERS = np.dtype([("every_step", np.int64), ("aux", np.int64), ("horizon", np.int64)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseCartPoleParams(Params):
    """Keywords of SparseCartPole-v0."""

    every_step: bool = False  # pay 1 for each step instead of once at the horizon
    aux: Aux = "good"  # auxiliary reward that is reported
    max_steps: int = 500  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_flag("every_step", self.every_step)
        if self.aux not in get_args(Aux):
            raise ValueError(f"aux must be one of {', '.join(map(repr, get_args(Aux)))}, got {self.aux!r}")
        check_integer("max_steps", self.max_steps, 1)


@jit
def _swing(row, action):
    """Equations (1) to (3)."""
    w, th, q = row[W], row[TH], row[Q]
    cos, sin = math.cos(th), math.sin(th)
    force = FORCE if action == 1 else -FORCE
    s = (force + POLE_MOMENT * (q * q) * sin) / TOTAL_MASS  # 1
    q_rate = (GRAVITY * sin - cos * s) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS))  # 2
    w_rate = s - POLE_MOMENT * q_rate * cos / TOTAL_MASS
    row[BEFORE] = th
    row[X] += TIME_STEP * w  # 3
    row[W] += TIME_STEP * w_rate
    row[TH] += TIME_STEP * q
    row[Q] += TIME_STEP * q_rate


@jit
def _advice(row):
    """Equation (4): action of the controller."""
    return 1 if P_GAIN * row[TH] + D_GAIN * (row[TH] - row[BEFORE]) > 0.0 else 0


@jit
def _fallen(row):
    return abs(row[TH]) > TH_LIMIT


@jit
def _lost(row):
    return _fallen(row) or abs(row[X]) > X_LIMIT


@jit
def _standing(row, most):
    """Steps, of at most ``most``, after which the pole of the controller still stands; the row is used up."""
    for step in range(most):
        _swing(row, _advice(row))
        if _lost(row):
            return step
    return most


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the pole has fallen or the cart has left the track.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    chosen = int(action[0, 0])
    agrees = chosen == _advice(row)
    _swing(row, chosen)
    lost = _lost(row)
    last = row[CLOCK] + 1.0 >= p.horizon
    if lost:
        row[EVENT] = FELL if _fallen(row) else LEFT_TRACK
    elif last:
        row[EVENT] = STOOD
    else:
        row[EVENT] = AGREED if agrees else DISAGREED
    if lost or last:
        row[AUX] = 0.0
    elif p.aux == GOOD:
        row[AUX] = 5.0 if agrees else -1.0
    else:
        row[AUX] = -5.0 if agrees else 1.0
    work[loop.BASE, 0] = 1.0 if p.every_step != 0 or (last and not lost) else 0.0
    return lost


@jit
def reset_row(row):
    """Start an episode near the upright pole."""
    for k in range(4):
        row[X + k] = START * (2.0 * rng.uniform(row) - 1.0)
    row[BEFORE], row[AUX], row[EVENT] = 0.0, 0.0, BEGAN


@jit
def _squash(v):
    return 0.5 + 0.5 * v / (1.0 + abs(v))


@jit
def observe_row(table, b, row, obs):
    """What the seat sees: cart, pole and, where there is room for it, the clock.

    Args:
        table: ``(P,)`` one over the horizon.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    obs[0, 0] = 0.5 + 0.25 * max(-2.0, min(2.0, row[X] / X_LIMIT))
    obs[0, 1] = _squash(row[W])
    obs[0, 2] = 0.5 + 0.25 * max(-2.0, min(2.0, row[TH] / TH_LIMIT))
    obs[0, 3] = _squash(row[Q])
    if obs.shape[1] > 4:
        obs[0, 4] = row[CLOCK] * table[loop.pick(b, table.shape[0])]


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(state[b])
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 2)``: auxiliary reward and caption."""
    for b in range(state.shape[0]):
        out[b, 0] = state[b, AUX]
        out[b, 1] = state[b, EVENT]


def pack(rows: Sequence[SparseCartPoleParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.every_step, get_args(Aux).index(p.aux), p.max_steps) for p in rows], dtype=NUMBERS),)


def optimum(params: SparseCartPoleParams, row: Array) -> tuple[float, int]:
    """Return of the reference from a state, and the steps to its first payment; horizon + 1 where there is none."""
    left = params.max_steps - int(row[CLOCK])
    if row[OVER] != 0.0 or left <= 0:
        return 0.0, params.max_steps + 1
    stands = int(_standing(row.copy(), left))
    if params.every_step:
        return float(min(stands + 1, left)), 1
    return (1.0, left) if stands == left else (0.0, params.max_steps + 1)


def policy(params: SparseCartPoleParams, row: Array) -> Array:
    """Action ``(1,)`` of the reference."""
    return np.array([float(_advice(row))])


def stood(params: SparseCartPoleParams, episode: Episode) -> bool:
    """Whether the pole stood to the horizon."""
    return not episode.terminated


SKY, TRACK, CART, POLE = (250, 250, 247), (205, 205, 200), (0, 114, 178), (213, 94, 0)


def frame(params: SparseCartPoleParams, row: Array, shape: Shape) -> Array:
    """Track from -2.4 to 2.4, cart and pole from the side.

    Returns:
        ``(160, 360, 3)`` uint8.
    """
    height, width, floor, metre = 160, 360, 130, 70
    down, right = np.mgrid[:height, :width] + 0.5
    picture = np.full((height, width, 3), SKY, dtype=np.uint8)
    picture[(abs(down - floor - 10) < 1.5) & (abs(right - width / 2) < X_LIMIT * metre)] = TRACK
    across, up = right - (width / 2 + row[X] * metre), floor - down  # from the pivot
    picture[(abs(across) < 20) & (abs(up + 2) < 8)] = CART
    along = across * math.sin(row[TH]) + up * math.cos(row[TH])
    aside = across * math.cos(row[TH]) - up * math.sin(row[TH])
    picture[(along > 0) & (along < 2 * HALF_LENGTH * metre) & (abs(aside) < 3)] = POLE
    return picture


V0 = Game(
    id="payoff/SparseCartPole-v0",
    params=SparseCartPoleParams,
    doc=__doc__,
    kernels=Kernels(start=start, transition=transition, look=look, read=read),
    shape=lambda p: Shape(1, 1, 2, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=lambda rows, seats, setting: plan(rows, setting, ("position", "velocity", "angle", "angular velocity")),
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("aux", True), Readout("caption", False)),
    captions=CAPTIONS,
    optimum=optimum,
    optimum_kind="reference",
    bound=lambda p: float(p.max_steps) if p.every_step else 1.0,
    policy=policy,
    success=stood,
    levels={"easy": {"max_steps": 50}, "medium": {"max_steps": 100}, "hard": {"max_steps": 500}},
)
