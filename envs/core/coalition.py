"""Coalition membership by loyalty, as the published system codes it (TR-3 environments, arXiv 2601.16237).

Both lists are ordered: a seat's ``rank`` is its place among the members, or among the excluded. One update:

(1) members in order: whoever's loyalty is below the exit threshold goes to the end of the excluded with
    timer = cooldown, as long as the coalition is larger than its minimum;
(2) excluded in order, those of (1) included: timer - 1; at 0, and with loyalty of at least 0.4, back to the end of the
    members.

So the cooldown is one step shorter than it says, the first in the list are excluded first, and once the coalition has
shrunk to its minimum nobody is excluded any more. Loyalty and thresholds are compared in float32, as published: an
exact tie at the threshold is decided by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["EXCLUDED_FACTOR", "MEMBER_FACTOR", "update"]

# fixed in the published code
EXCLUDED_FACTOR = 0.5
MEMBER_FACTOR = 1.1
_RETURN = np.float32(0.4)


@jit
def _find(seats: Any, inside: bool, place: int) -> int:
    """Seat of this side (members, or the excluded) at this place of its list; the last seat where there is none."""
    for i in range(seats.shape[0]):
        if (seats[i].member > 0.0) == inside and seats[i].rank == place:
            return i
    return seats.shape[0] - 1


@jit
def _move(seats: Any, i: int, inside: bool, count: int) -> None:
    """Move seat i (a member when ``inside``) to the end of the other list, which holds ``count`` seats."""
    for j in range(seats.shape[0]):
        if (seats[j].member > 0.0) == inside and seats[j].rank > seats[i].rank:
            seats[j].rank -= 1.0
    seats[i].member = 0.0 if inside else 1.0
    seats[i].rank = count


@jit
def update(p: Any, seats: Any) -> int:
    """Equations (1) and (2), in place.

    Args:
        p: record with ``exit_threshold``, ``minimum``, ``cooldown``.
        seats: ``(N,)`` records with ``loyalty`` (theta after this round's update), and, modified, ``member`` (1 in the
            coalition, 0 excluded), ``timer`` (steps until an excluded seat may return, 0 for members) and ``rank``
            (place in its list).

    Returns:
        Members after the update.
    """
    n, inside, leaving = seats.shape[0], 0, False
    for i in range(n):
        if seats[i].member > 0.0:
            inside += 1
            if np.float32(seats[i].loyalty) < np.float32(p.exit_threshold):
                leaving = True
    place = 0 if leaving else inside  # the list need not be looked through where nobody leaves
    while place < inside:  # (1)
        i = _find(seats, True, place)
        if np.float32(seats[i].loyalty) < np.float32(p.exit_threshold) and inside > p.minimum:
            _move(seats, i, True, n - inside)
            seats[i].timer = p.cooldown
            inside -= 1
        else:
            place += 1
    place = 0
    while place < n - inside:  # (2)
        i = _find(seats, False, place)
        seats[i].timer = max(0.0, seats[i].timer - 1.0)
        if seats[i].timer == 0.0 and np.float32(seats[i].loyalty) >= _RETURN:
            _move(seats, i, False, inside)
            inside += 1
        else:
            place += 1
    return inside
