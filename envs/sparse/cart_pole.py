"""SparseCartPole: balance a pole to the horizon; only a pole that stands then is paid, and there is advice.

## Model
A cart at x with velocity w carries a pole at angle th from the vertical with angular velocity q; the cart is pushed by
a force F of -10 or 10 newtons. With g = 9.8, masses 1 (cart) and 0.1 (pole), half length 0.5 of the pole and a time
step of 0.02 seconds:

(1) s = (F + 0.05 q^2 sin th) / 1.1

(2) q' = (g sin th - s cos th) / (0.5 (4 / 3 - 0.1 cos^2 th / 1.1)), w' = s - 0.05 q' cos th / 1.1

(3) x, w, th, q all advance by 0.02 times their rates w, w', q, q' of before (Euler's rule)

These are the equations of Barto, Sutton and Anderson ("Neuronlike adaptive elements that can solve difficult learning
control problems", 1983) without friction, as in Gymnasium's `CartPole-v1`, which the tests follow step for step. The
controller's advice is that of BARFI (Gupta et al., "Behavior Alignment via Reward Function Optimization", 2023), read
from its published code, Dhawgupta/gupta2023behavior. `fall_costs` and the aux of a leaning pole are the problem of
BiPaRS (Hu et al., "Learning to Utilize Shaping Rewards", 2020; unverified: known from notes on it and third-party
code, and which half of the states is inverted is our choice). The sparse payment of the default is our own.

## Players and actions
One seat, two integer actions: 0 push left, 1 push right.

## Observations
4 numbers in [0, 1] under every setting: x, scaled from [-4.8, 4.8], and th, scaled from 24 degrees to either side,
twice what ends an episode; and the velocities w and q, v as 0.5 + 0.5 v / (1 + |v|).

## Rewards
1 on step `max_steps` if the pole still stands then, else 0; with `every_step=True` the ordinary 1 for each step, the
one in which the pole falls included; with `fall_costs=True` -1 on the step in which the pole falls or the cart leaves
the track, and nothing else. Beside it `info["aux"]` holds an auxiliary reward that is no part of the payoff, 0 on the
last step of an episode. Before each step a controller would push right if

(4) 0.1 th + 0.5 (th - th of a step before) > 0

and left otherwise, the earlier angle being 0 at first. By `aux`:

- `"good"`: 5 if the seat did what the controller would have done, else -1;
- `"bad"`: -5 if it did, else 1;
- `"lean"`: 0.1 if the seat pushed to the side to which the pole leaned, else -0.1;
- `"lean_inverted"`: the opposite of `"lean"`;
- `"lean_half"`: that of `"lean_inverted"` where x > 0 before the step, that of `"lean"` elsewhere;
- `"lean_random"`: 0.1 or -0.1, by a coin that was tossed once for each push in each of 96 parts of the state space:
  quarters of the track, sixths of the angles, and angular velocities q below -1, to 0, to 1 and above.

The sizes of good and bad advice are the ones that the published curves were drawn with, as far as is known; a copy of
the code that pays -1 and 0 for bad advice exists as well.

## Starting state
x, w, th and q uniform over [-0.05, 0.05], from the copy's own stream.

## Episode end
Terminated when |x| > 2.4 or |th| > 12 degrees, truncated after `max_steps`. An episode is a success if it is truncated
and not terminated.

## Theory
At most 1 is paid, or `max_steps` with `every_step`, or 0 with `fall_costs`: a proven bound. The reference is the
controller (4). `optimum` plays it out from the given state, and where its pole stands at the horizon, as it does from
all of 20,000 random starts at the default, its return is therefore the best. The number of steps that `optimum` gives
is exact while the pole stands in it: payment comes at the horizon, or on the next step with `every_step`, or never with
`fall_costs`.

## Parameters
`every_step` False; `fall_costs` False, not together with `every_step`; `aux` "good", "bad", "lean", "lean_inverted",
"lean_half" or "lean_random"; `max_steps` 500.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.game import Each, Episode, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_word
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.numbers import SETTINGS, Observe, numbers, show_clock

__all__ = ["SETTINGS", "V0", "Observe", "SparseCartPoleParams"]

AUX = words("good", "bad", "lean", "lean_inverted", "lean_half", "lean_random")
PUSH = words("left", "right")
EVENT = events(
    began="the episode began",
    agreed="pushed as the controller would",
    disagreed="pushed against the controller",
    fell="the pole fell",
    left="the cart left the track",
    stood="the pole stood to the end",
)
GRAVITY, TOTAL_MASS, POLE_MASS, HALF_LENGTH = 9.8, 1.1, 0.1, 0.5
POLE_MOMENT = POLE_MASS * HALF_LENGTH
FORCE, TIME_STEP = 10.0, 0.02
X_LIMIT, TH_LIMIT = 2.4, 12 * 2 * math.pi / 360
START = 0.05
LEAN_PAYS = 0.1
# The coin of each push in each part of x, th and q, a bit each: written down, since numpy may change what a seed draws.
COINS = 0xE07FF66E5007677EBC36CE9314CABAABBB2F10DCC51F1F97
TOSSED = np.array([int(coin) for coin in f"{COINS:0192b}"]).reshape(4, 6, 4, 2)
P_GAIN, D_GAIN = 0.1, 0.5

# A step within the limits spans at most their width: |w| <= 2 * 2.4 / 0.02 and |q| <= 2 * 0.21 / 0.02 before it. One
# step adds at most 0.6 to either, and there are two more steps: one to where that was, and one beyond the limits.
W_MOST, Q_MOST = 250.0, 25.0
X_MOST, TH_MOST = X_LIMIT + TIME_STEP * W_MOST, TH_LIMIT + TIME_STEP * Q_MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseCartPoleParams(Params):
    """Keywords of SparseCartPole-v0."""

    every_step: bool = False  # pay 1 for each step instead of once at the horizon
    fall_costs: bool = False  # pay -1 for a fall and nothing else
    aux: Literal["good", "bad", "lean", "lean_inverted", "lean_half", "lean_random"] = "good"  # auxiliary reward
    max_steps: int = 500  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_flag("every_step", self.every_step)
        check_flag("fall_costs", self.fall_costs)
        if self.every_step and self.fall_costs:
            raise ValueError("fall_costs must be False where every_step is True: they are two ways to pay")
        check_word("aux", self.aux, AUX._fields)
        check_integer("max_steps", self.max_steps, 1)


class Pole(Copy):
    """State of one cart with its pole."""

    x: float = real(-X_MOST, X_MOST)
    w: float = real(-W_MOST, W_MOST)
    th: float = real(-TH_MOST, TH_MOST)
    q: float = real(-Q_MOST, Q_MOST)
    before: float = real(-TH_MOST, TH_MOST)  # th a step earlier
    aux: float = real(-5.0, 5.0)  # auxiliary reward of the last step
    event: float = whole(0, EVENT)


@jit
def start(p: SparseCartPoleParams, s: Pole) -> None:
    """Near the upright pole."""
    s.x = START * (2.0 * rng.uniform(s) - 1.0)
    s.w = START * (2.0 * rng.uniform(s) - 1.0)
    s.th = START * (2.0 * rng.uniform(s) - 1.0)
    s.q = START * (2.0 * rng.uniform(s) - 1.0)


@jit
def step(p: SparseCartPoleParams, s: Pole, action: Array, payoff: Array) -> bool:
    """One step; a pole that falls or a cart that leaves the track ends the episode."""
    chosen = int(action[0])
    agrees, hint = chosen == advice(s), leaning(p, s, chosen)
    swing(s, chosen)
    over, last = lost(s), s.clock + 1.0 >= p.max_steps
    if p.fall_costs != 0:
        payoff[0] = -1.0 if over else 0.0
    else:
        payoff[0] = 1.0 if p.every_step != 0 or (last and not over) else 0.0
    if over:
        s.event = EVENT.fell if fallen(s) else EVENT.left
    elif last:
        s.event = EVENT.stood
    else:
        s.event = EVENT.agreed if agrees else EVENT.disagreed
    if over or last:
        s.aux = 0.0
    elif p.aux == AUX.good:
        s.aux = 5.0 if agrees else -1.0
    elif p.aux == AUX.bad:
        s.aux = -5.0 if agrees else 1.0
    else:
        s.aux = hint
    return over


@jit
def leaning(p: SparseCartPoleParams, s: Pole, action: int) -> float:
    """Auxiliary reward of a push, by where the pole leans."""
    if p.aux == AUX.lean_random:
        x, th = part(s.x, X_LIMIT, 4), part(s.th, TH_LIMIT, 6)
        return LEAN_PAYS if TOSSED[x, th, part(s.q, 2.0, 4), action] == 1 else -LEAN_PAYS
    with_it = (action == PUSH.right) == (s.th > 0.0)
    inverted = p.aux == AUX.lean_inverted or (p.aux == AUX.lean_half and s.x > 0.0)
    return LEAN_PAYS if with_it != inverted else -LEAN_PAYS


@jit
def part(v: float, most: float, parts: int) -> int:
    """Which of equal parts of [-most, most] a number is in, or is nearest to."""
    return int(max(0.0, min(parts - 1.0, math.floor((v / most + 1.0) / 2.0 * parts))))


@jit
def swing(s: Pole, action: int) -> None:
    """Equations (1) to (3)."""
    w, th, q = s.w, s.th, s.q
    cos, sin = math.cos(th), math.sin(th)
    force = FORCE if action == PUSH.right else -FORCE
    push = (force + POLE_MOMENT * (q * q) * sin) / TOTAL_MASS  # 1
    q_rate = (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS))  # 2
    w_rate = push - POLE_MOMENT * q_rate * cos / TOTAL_MASS
    s.before = th
    s.x += TIME_STEP * w  # 3
    s.w += TIME_STEP * w_rate
    s.th += TIME_STEP * q
    s.q += TIME_STEP * q_rate


@jit
def fallen(s: Pole) -> bool:
    """Whether the pole has."""
    return abs(s.th) > TH_LIMIT


@jit
def lost(s: Pole) -> bool:
    """Whether the pole has fallen or the cart has left the track."""
    return fallen(s) or abs(s.x) > X_LIMIT


@jit
def look(p: SparseCartPoleParams, s: Pole, view: Any, seen: Array) -> None:
    """Cart and pole."""
    seen[0] = 0.5 + 0.25 * max(-2.0, min(2.0, s.x / X_LIMIT))
    seen[1] = squash(s.w)
    seen[2] = 0.5 + 0.25 * max(-2.0, min(2.0, s.th / TH_LIMIT))
    seen[3] = squash(s.q)
    show_clock(s, view, seen)


@jit
def squash(v: float) -> float:
    """A velocity as a number in (0, 1)."""
    return 0.5 + 0.5 * v / (1.0 + abs(v))


@jit
def advice(s: Pole) -> int:
    """Equation (4): action of the controller."""
    return PUSH.right if P_GAIN * s.th + D_GAIN * (s.th - s.before) > 0.0 else PUSH.left


@jit
def standing(s: Pole, most: int) -> int:
    """Steps, of at most ``most``, after which the pole of the controller still stands; the state is used up."""
    for step in range(most):
        swing(s, advice(s))
        if lost(s):
            return step
    return most


def optimum(params: SparseCartPoleParams, s: Pole) -> tuple[float, int]:
    """Return of the reference, and the steps to its first payment; horizon + 1 where there is none."""
    left = params.max_steps - int(s.clock)
    if s.over != 0.0 or left <= 0:
        return 0.0, params.max_steps + 1
    stands = int(standing(copy(s), left))
    if params.fall_costs:
        return (0.0 if stands == left else -1.0), params.max_steps + 1
    if params.every_step:
        return float(min(stands + 1, left)), 1
    return (1.0, left) if stands == left else (0.0, params.max_steps + 1)


def policy(params: SparseCartPoleParams, s: Pole) -> int:
    """Action of the reference."""
    return int(advice(s))


def most(params: SparseCartPoleParams) -> float:
    """No return is above it."""
    if params.fall_costs:
        return 0.0
    return float(params.max_steps) if params.every_step else 1.0


def stood(params: SparseCartPoleParams, episode: Episode, s: Pole) -> bool:
    """Whether the pole stood to the horizon."""
    return not episode.terminated


SKY, TRACK, CART, POLE = (250, 250, 247), (205, 205, 200), (0, 114, 178), (213, 94, 0)


def draw(params: SparseCartPoleParams, s: Pole) -> Array:
    """Track from -2.4 to 2.4, cart and pole from the side."""
    height, width, floor, metre = 160, 360, 130, 70
    down, right = np.mgrid[:height, :width] + 0.5
    picture = np.full((height, width, 3), SKY, dtype=np.uint8)
    picture[(abs(down - floor - 10) < 1.5) & (abs(right - width / 2) < X_LIMIT * metre)] = TRACK
    across, up = right - (width / 2 + s.x * metre), floor - down  # from the pivot
    picture[(abs(across) < 20) & (abs(up + 2) < 8)] = CART
    along = across * math.sin(s.th) + up * math.cos(s.th)
    aside = across * math.cos(s.th) - up * math.sin(s.th)
    picture[(along > 0) & (along < 2 * HALF_LENGTH * metre) & (abs(aside) < 3)] = POLE
    return picture


V0 = Game(
    "payoff/SparseCartPole-v0",
    "A pole that must still stand at the horizon; advice from a controller, good or bad.",
    tags=("sparse", "continuous"),
    rules=Rules(
        params=SparseCartPoleParams,
        state=Pole,
        start=start,
        step=step,
        actions=lambda p: len(PUSH),
    ),
    sight=numbers(look, ("position", "velocity", "angle", "angular velocity")),
    info={"aux": Each("aux"), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        bound=most,
        success=stood,
        levels={"easy": {"max_steps": 50}, "medium": {"max_steps": 100}, "hard": {"max_steps": 500}},
    ),
)
