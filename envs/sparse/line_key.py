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
One seat, 2 + `keys` actions: 0 left, 1 right, 2 + k pick key k. `action_mask` leaves out the picks where they take
nothing: outside the key zone, and once a key is held. Left and right may slip, and are never left out.

## Observations
- `full`, `private`: the place one-hot, the key that is held one-hot (no key first), and whether x is in either zone.
- `minimal`: the same, place and key as numbers.

Nothing shows which key is right: it is the same one in every episode, for every seed.

## Rewards
Payoffs as above. `aux` names an auxiliary reward, `info["aux"]`, which is no part of the payoff: `dense` pays what the
step adds to `progress` (0 with a wrong key, 0.25 with the right one in the key zone, 1 with it in the goal zone);
`misleading` pays 0.01 for choosing right in the goal zone without the right key.

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

from dataclasses import dataclass
from typing import Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance, rng
from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import FLOOR, GOAL, KEY, WALL, board

__all__ = ["SETTINGS", "V0", "LineKeyParams", "Observe"]

AUX = words("none", "dense", "misleading")
MOVE = words("left", "right", "pick")  # pick + k: key k
ZONE = words("middle", "key", "goal")
CRUMB = 0.01  # what the misleading auxiliary reward pays
EVENT = events(
    began="the episode began",
    left="walked left",
    right="walked right",
    slipped="slipped",
    picked="picked up a key",
    found_nothing="found nothing to pick up",
    not_paid="was not paid: the key is wrong or missing",
    paid="was paid in the goal zone",
)


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
        check_word("aux", self.aux, AUX._fields)
        check_integer("max_steps", self.max_steps, 1)


class LineKey(Copy):
    """State of one line."""

    place: float = whole(0, lambda p: p.length)
    held: float = whole(0, lambda p: p.keys)  # 0 for no key, else 1 + the key that is held
    place_zone: float = whole(0, ZONE)
    event: float = whole(0, EVENT)
    aux: float = real(-1.0, 1.0)  # auxiliary reward of the last step
    forced: float = whole(0, 2)  # 0: the next step draws; k + 1: it must have outcome k


@jit
def start(p: LineKeyParams, s: LineKey) -> None:
    """A place of the key zone."""
    s.place = rng.below(s, p.zone + 1)
    s.place_zone = ZONE.key


@jit
def step(p: LineKeyParams, s: LineKey, action: Array, payoff: Array) -> bool:
    """One step, which never ends an episode."""
    place, key, chosen = int(s.place), int(s.held), int(action[0])
    slipped = chance.intended(s, p.slip, 1, 1) == 0  # 1 is what was meant, 0 the only thing that may replace it
    counts = chosen == MOVE.right and s.place_zone == ZONE.goal
    paid = counts and key == p.right_key + 1  # 1
    payoff[0] = 1.0 if paid else 0.0
    after = place
    if chosen < MOVE.pick:  # 2
        to_right = (chosen == MOVE.right) != slipped
        after = min(place + p.stride, p.length) if to_right else max(place - p.stride, 0)
        s.place = after
        s.place_zone = ZONE.key if after <= p.zone else ZONE.goal if after >= p.length - p.zone else ZONE.middle
        s.event = EVENT.slipped if slipped else EVENT.right if to_right else EVENT.left
    elif can_pick(s):  # 3
        s.held = chosen - MOVE.pick + 1
        s.event = EVENT.picked
    else:
        s.event = EVENT.found_nothing
    if counts:
        s.event = EVENT.paid if paid else EVENT.not_paid
    s.aux = CRUMB if p.aux == AUX.misleading and counts and not paid else 0.0
    if p.aux == AUX.dense:
        s.aux = near(p, after, int(s.held)) - near(p, place, key)
    return False


@jit
def can_pick(s: LineKey) -> bool:
    """Whether a key can be taken."""
    return s.place_zone == ZONE.key and s.held == 0.0


@jit
def acts(p: LineKeyParams, s: LineKey, k: int) -> bool:
    """Whether action k moves, or takes a key."""
    return k < MOVE.pick or can_pick(s)


@jit
def near(p: LineKeyParams, place: int, key: int) -> float:
    """0 without the right key, 0.25 with it in the key zone, rising to 1 in the goal zone."""
    if key != p.right_key + 1:
        return 0.0
    return 0.25 + 0.75 * min(1.0, max(0.0, (place - p.zone) / (p.length - 2 * p.zone)))


@jit
def progress(p: LineKeyParams, s: LineKey) -> float:
    """How near the goal is with the right key."""
    return near(p, int(s.place), int(s.held))


def draw(params: LineKeyParams, s: LineKey) -> Array:
    """The line, key zone gold and goal zone green; below it the keys, the one that is held gold."""
    n, held = params.length + 1, int(s.held)
    colours = np.full((3, max(n, params.keys), 3), FLOOR, dtype=np.uint8)
    colours[0, n:] = WALL
    colours[0, : params.zone + 1], colours[0, n - 1 - params.zone : n] = KEY, GOAL
    colours[1] = colours[2, params.keys :] = WALL
    if held > 0:
        colours[2, held - 1] = KEY
    return board(colours, (0, int(s.place)), marked=held > 0)


V0 = Game(
    "payoff/LineKey-v0",
    "Pick the one right key among look-alikes, then walk to the other end of the line.",
    tags=("sparse", "tabular", "stochastic"),
    rules=Rules(
        params=LineKeyParams,
        state=LineKey,
        start=start,
        step=step,
        actions=lambda p: MOVE.pick + p.keys,
        mask=acts,
        alike=("keys",),
        chance=lambda p: np.array([1.0 - p.slip, p.slip]),
        tabular=True,
    ),
    sight=symbols(
        lambda p: (
            Symbol("place", p.length + 1),
            Symbol("key", p.keys + 1, field="held"),
            Symbol("zone", len(ZONE), field="place_zone"),
        )
    ),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        planner=planning,
        starts=lambda p: p.zone + 1,
        levels={"easy": {"length": 16, "keys": 2}, "medium": {"length": 24, "keys": 4}, "hard": {}},
    ),
)
