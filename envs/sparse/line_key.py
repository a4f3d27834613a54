"""LineKey: pick the one right key among look-alikes at the left end of a line, then walk to the right end.

## Model
A line of `length` + 1 places, 0 .. length, each `stride` places apart for the walker; the key zone is the places up to
`zone`, the goal zone those from length - zone on. The seat holds no key at first, and keeps the first one it picks for
good. A step from place x:

1. payoff: 1 for choosing right in the goal zone with the right key;
2. right and left lead `stride` places on, at most to the ends; with probability `slip` they lead the other way;
3. pick k takes key k in the key zone, if no key is held. It never slips, and elsewhere changes nothing.

The goal can be paid on every step. This is the LineK problem of the exploration-guided reward shaping study (Devidze,
Kamalaruban, Singla, NeurIPS 2022; numbers of its public code, the paper was not read), made exact. There x is a real
number in [0, 1], a step is drawn from [0.074, 0.076], and start and zones are 0.1 wide. Here a place is 0.025 of that
line: a step is 0.075, and the start is one of five places. There one action picks the right key and another one a
random wrong one, here each key has its own; its rules are else the same, the slip the other way included.

## Players and actions
One seat, 2 + `keys` actions: 0 left, 1 right, 2 + k pick key k.

## Observations
- `full`, `private`: the place one-hot, the key that is held one-hot (no key first), and whether x is in either zone.
- `minimal`: the same, place and key as numbers.

Nothing shows which key is right: it is the same one in every episode, for every seed.

## Rewards
Payoffs as above. `aux` adds a reward that is no part of the payoff, in `reward_terms`: `dense` pays what the step adds
to `progress` (0 with a wrong key, 0.25 with the right one in the key zone, 1 with it in the goal zone); `misleading`
pays 0.01 for choosing right in the goal zone without the right key.

## Starting state
A place of the key zone, uniformly drawn from the copy's own stream; no key.

## Episode end
Truncated after `max_steps`; nothing ends it before.

## Theory
The best return comes from dynamic programming over all states and steps left. Without slips, from place x and with
time for it, it is max_steps - 1 - d with d = ceil((length - zone - x) / stride) steps to walk and one to pick.

A wrong key is a mistake that no later step repairs. Uniformly random play picks the right one first with probability 1
/ keys, and then crosses the line by steps to the left and to the right that are equally likely and rare among picks.

## Parameters
`length` 40, places; `stride` 3, places; `zone` 4, places, below length / 2; `keys` 10; `right_key` 0; `slip` 0.05;
`aux` "none", or "dense", "misleading"; `max_steps` 60.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance, loop, rng
from payoff.envs.core.game import Game, Kernels, Readout, Shape, paid
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import SETTINGS, Observe, Symbol

__all__ = ["SETTINGS", "V0", "LineKeyParams", "Observe"]

AUX = ("none", "dense", "misleading")
CRUMB = 0.01  # what the misleading auxiliary reward pays


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKeyParams(Params):
    """Keywords of LineKey-v0."""

    length: int = 40  # places from end to end
    stride: int = 3  # places a step
    zone: int = 4  # places from the end to the edge of the key zone and of the goal zone
    keys: int = 10  # number of keys
    right_key: int = 0  # the one that counts
    slip: float = 0.05  # probability that a step leads the other way
    aux: Literal["none", "dense", "misleading"] = "none"  # auxiliary reward
    max_steps: int = 60  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("length", self.length, 3, 1000)
        check_integer("stride", self.stride, 1, self.length)
        check_integer("zone", self.zone, 0, (self.length - 1) // 2)
        check_integer("keys", self.keys, 1, 1000)
        check_integer("right_key", self.right_key, 0, self.keys - 1)
        check_number("slip", self.slip, 0.0, 1.0)
        check_word("aux", self.aux, AUX)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.max_steps


# `key` is 0 for none, else 1 + the key; `place_zone` is 0 in the middle, 1 in the key zone, 2 in the goal zone
LAYOUT = Layout(place=(), key=(), place_zone=(), **discrete.REPORTS)
PLACE, HELD, ZONE, EVENT, AT_AUX, FORCED = (
    LAYOUT.at(name) for name in ("place", "key", "place_zone", "event", "aux", chance.FORCED)
)
LEFT, RIGHT, PICK = range(3)
NO_AUX, DENSE, MISLEADING = range(3)
MIDDLE, KEY_ZONE, GOAL_ZONE = range(3)
CAPTIONS = (
    "the episode began",
    "walked left",
    "walked right",
    "slipped",
    "picked up a key",
    "found nothing to pick up",
    "was not paid: the key is wrong or missing",
    "was paid in the goal zone",
)
BEGAN, WALKED_LEFT, WALKED_RIGHT, SLIPPED, PICKED, NOT_PICKED, NOT_PAID, PAID = range(8)
NUMBERS = np.dtype([(name, np.int64) for name in ("length", "stride", "zone", "right_key", "aux")])


@jit
def _zone(p, place):
    return KEY_ZONE if place <= p.zone else GOAL_ZONE if place >= p.length - p.zone else MIDDLE


@jit
def progress(p, place, key):
    """0 without the right key, 0.25 with it in the key zone, rising to 1 in the goal zone."""
    if key != p.right_key + 1:
        return 0.0
    return 0.25 + 0.75 * min(1.0, max(0.0, (place - p.zone) / (p.length - 2 * p.zone)))


@jit
def step_row(params, b, row, action, work):
    """One step of one copy, which never ends an episode. ``params``: NUMBERS ``(P,)``, outcomes ``(P, 2)``."""
    at = loop.pick(b, params[0].shape[0])
    p = params[0][at]
    place, key = int(row[PLACE]), int(row[HELD])
    before = progress(p, place, key)
    chosen = int(action[0, 0])
    slipped = chance.outcome(row, FORCED, params[1][at]) == 1
    counts = chosen == RIGHT and row[ZONE] == GOAL_ZONE
    paid_now = counts and key == p.right_key + 1  # 1
    work[loop.BASE, 0] = 1.0 if paid_now else 0.0
    row[AT_AUX] = CRUMB if p.aux == MISLEADING and counts and not paid_now else 0.0
    if chosen < PICK:  # 2
        to_right = (chosen == RIGHT) != slipped
        place = min(place + p.stride, p.length) if to_right else max(place - p.stride, 0)
        row[PLACE] = place
        row[ZONE] = _zone(p, place)
        row[EVENT] = SLIPPED if slipped else WALKED_RIGHT if to_right else WALKED_LEFT
    else:  # 3
        picked = row[ZONE] == KEY_ZONE and key == 0
        if picked:
            key = chosen - PICK + 1
            row[HELD] = key
        row[EVENT] = PICKED if picked else NOT_PICKED
    if counts:
        row[EVENT] = PAID if paid_now else NOT_PAID
    if p.aux == DENSE:
        row[AT_AUX] = progress(p, place, key) - before
    return False


@jit
def reset_row(params, b, row):
    """Start an episode at a place of the key zone."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    row[PLACE], row[HELD], row[ZONE] = rng.below(row, p.zone + 1), 0.0, KEY_ZONE
    row[EVENT], row[AT_AUX], row[FORCED] = BEGAN, 0.0, 0.0


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
        discrete.observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: auxiliary reward, progress, caption."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = state[b, AT_AUX]
        out[b, 1] = progress(p, int(state[b, PLACE]), int(state[b, HELD]))
        out[b, 2] = state[b, EVENT]


def outcomes(params: LineKeyParams) -> Array:
    """Probabilities that a step leads where it should, and the other way."""
    return np.array([1.0 - params.slip, params.slip])


def pack(rows: Sequence[LineKeyParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of a batch with different numbers of keys, which are actions.
    """
    if len({p.keys for p in rows}) > 1:
        raise ValueError(f"keys must be the same in all copies of a batch, got {sorted({p.keys for p in rows})}")
    numbers = [(p.length, p.stride, p.zone, p.right_key, AUX.index(p.aux)) for p in rows]
    return np.array(numbers, dtype=NUMBERS), np.array([outcomes(p) for p in rows])


def symbols(params: LineKeyParams) -> tuple[Symbol, ...]:
    """Place, key and zone."""
    return (
        Symbol("place", PLACE, params.length + 1, limit=params.length + 1),
        Symbol("key", HELD, params.keys + 1, limit=params.keys + 1),
        Symbol("zone", ZONE, 3, limit=3),
    )


def frame(params: LineKeyParams, row: Array, shape: Shape) -> Array:
    """The line, key zone gold and goal zone green; below it the keys, the one that is held gold.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = params.length + 1
    width = max(n, params.keys)
    colours = np.full((3, width, 3), discrete.FLOOR, dtype=np.uint8)
    colours[0, n:] = discrete.WALL
    colours[0, : params.zone + 1], colours[0, n - 1 - params.zone : n] = discrete.KEY, discrete.GOAL
    colours[1] = colours[2, params.keys :] = discrete.WALL
    held = int(row[HELD])
    if held > 0:
        colours[2, held - 1] = discrete.KEY
    return discrete.board(colours, (0, int(row[PLACE])), marked=held > 0)


V0: Game[LineKeyParams] = discrete.game(
    "payoff/LineKey-v0",
    LineKeyParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: 2 + p.keys,
    symbols=symbols,
    pack=pack,
    frame=frame,
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    chance=outcomes,
    optimum=lambda p, row: planning.optimum(V0, p, row),
    optimum_kind="exact",
    policy=lambda p, row: planning.action(V0, p, row),
    success=paid,
    levels={"easy": {"length": 16, "keys": 2}, "medium": {"length": 24, "keys": 4}, "hard": {}},
)
