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

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["EXCLUDED_FACTOR", "MEMBER_FACTOR", "update"]

# fixed in the published code
EXCLUDED_FACTOR = 0.5
MEMBER_FACTOR = 1.1
_RETURN = np.float32(0.4)


@jit
def _find(inside, member, rank, place):
    """Seat of this side (members, or the excluded) at this place of its list."""
    for i in range(member.shape[0]):
        if (member[i] > 0.0) == inside and rank[i] == place:
            return i
    return -1


@jit
def _move(i, count, inside, member, rank):
    """Move seat i (a member when ``inside``) to the end of the other list, which holds ``count`` seats."""
    for j in range(member.shape[0]):
        if (member[j] > 0.0) == inside and rank[j] > rank[i]:
            rank[j] -= 1.0
    member[i] = 0.0 if inside else 1.0
    rank[i] = count


@jit
def update(p, loyalty, member, timer, rank):
    """Equations (1) and (2), in place.

    Args:
        p: record with ``exit_threshold``, ``minimum``, ``cooldown``.
        loyalty: ``(N,)`` theta after this round's update.
        member: ``(N,)`` 1 in the coalition, 0 excluded.
        timer: ``(N,)`` steps until an excluded seat may return, 0 for members.
        rank: ``(N,)`` place in its list.

    Returns:
        Members after the update.
    """
    n = member.shape[0]
    inside = 0
    for i in range(n):
        if member[i] > 0.0:
            inside += 1
    place = 0
    while place < inside:  # (1)
        i = _find(True, member, rank, place)
        if np.float32(loyalty[i]) < np.float32(p.exit_threshold) and inside > p.minimum:
            _move(i, n - inside, True, member, rank)
            timer[i] = p.cooldown
            inside -= 1
        else:
            place += 1
    place = 0
    while place < n - inside:  # (2)
        i = _find(False, member, rank, place)
        timer[i] = max(0.0, timer[i] - 1.0)
        if timer[i] == 0.0 and np.float32(loyalty[i]) >= _RETURN:
            _move(i, inside, False, member, rank)
            inside += 1
        else:
            place += 1
    return inside
