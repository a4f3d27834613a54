"""Prefix trees: in a group of episodes from one start, credit is where the group parts ways.

(1) V(node) = mean return of the group's episodes through the node; the root is the start
(2) r'_t = V(node_{t+1}) - V(node_t)
(3) sum_t r'_t = V(leaf) - V(root), the return of the episode against the mean of its group, where its end is its own
(4) branch advantage:  A_t = (G - mean G) / std G + V(node_{t+1}) - V(node_t)

Between two branch points the same episodes pass, so (2) is zero there: no network, no bootstrapping, and all credit at
the decisions that made a difference within the group. Where the game is random nearly every prefix is unique after a
step or two, and (2) says no more than that the episode was better or worse than its group.

Source: TEMPO, prefix-tree values for groups of rollouts of language agents. unverified: the weighting and the
normalisation of (4), which are from memory; (2) and its sum (3) follow from (1).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from payoff.envs.core.params import check_word
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array

__all__ = ["PrefixTreeValues", "branch_advantages", "node_values"]

Node = Literal["steps", "actions", "states"]


class PrefixTreeValues(RewardTransform):
    """Pays (2) instead of the rewards.

    Groups are those of the batch (a trainer's ``group_size``), or else the episodes with equal first observations. In
    undiscounted Monte-Carlo learning the sum of (2) from a step on is the advantage of the leaf over the node, so no
    further baseline is needed. Discounting breaks the telescoping; use ``gamma=1``.

    Args:
        node: what makes two prefixes the same: ``"steps"``, all actions and observations so far; ``"actions"``, all
            actions so far, for games without chance; ``"states"``, the observation that was reached, whatever the way:
            then the tree is a graph and (1) a mean over the episodes that were there at all.

    Raises:
        ValueError: ``node`` is none of these.
    """

    def __init__(self, node: Node = "steps") -> None:
        check_word("node", node, ("steps", "actions", "states"))
        self.node: Node = node

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Equation (2), ``(T, B)``."""
        return np.where(batch.valid, np.diff(node_values(batch, self.node), axis=0), 0.0)


def node_values(batch: EpisodeBatch, node: Node = "steps") -> Array:
    """V of the nodes that episodes pass, ``(T + 1, B)``, the root first; after an episode's end the value of its end.

    Only finished episodes have a return to average. A node that none of them passed has the value of the node before.
    """
    ids = _nodes(batch, node)
    values = np.zeros(ids.shape)
    total: dict[int, float] = {}
    count: dict[int, int] = {}
    returns, lengths = batch.returns, batch.lengths
    for b in np.flatnonzero(batch.finished).tolist():
        for i in set(ids[: lengths[b] + 1, b].tolist()):  # once an episode, also where a state comes again
            total[i] = total.get(i, 0.0) + float(returns[b])
            count[i] = count.get(i, 0) + 1
    for b in range(ids.shape[1]):
        value = 0.0
        for t, i in enumerate(ids[: lengths[b] + 1, b].tolist()):
            value = total[i] / count[i] if i in count else value
            values[t, b] = value
        values[lengths[b] :, b] = value
    return values


def branch_advantages(batch: EpisodeBatch, node: Node = "steps") -> Array:
    """Advantages (4), ``(T, B)``, 0 where not valid, for policy gradients that need no critic.

    A group whose episodes all returned the same has no first term. An episode that is not finished has the second only.
    """
    roots, finished, returns = _nodes(batch, node)[0], batch.finished, batch.returns
    outcome = np.zeros(len(roots))
    for root in np.unique(roots):
        members = (roots == root) & finished
        # sums in another order may differ in their last bits, which a division would make large
        if members.any() and np.ptp(returns[members]) > 1e-9 * np.abs(returns[members]).max():
            outcome[members] = (returns[members] - returns[members].mean()) / returns[members].std()
    steps = np.diff(node_values(batch, node), axis=0)
    return np.where(batch.valid, outcome + steps, 0.0)


def _nodes(batch: EpisodeBatch, node: Node) -> Array:
    """Number of the node after each step, ``(T + 1, B)``, the root first; -1 after an episode's end."""
    steps, columns = batch.rewards.shape
    obs, actions = (np.ascontiguousarray(x.reshape(*x.shape[:2], -1)) for x in (batch.obs, batch.actions))
    group = None if batch.group is None else batch.group.tolist()
    numbers: dict[tuple[object, ...], int] = {}
    ids = np.full((steps + 1, columns), -1, dtype=np.int64)
    for b in range(columns):
        # seats of a copy see and do different things: each has a tree of its own
        start = (b % batch.seats, obs[0, b].tobytes() if group is None else group[b])
        before = ids[0, b] = numbers.setdefault(start, len(numbers))
        root = int(before)
        if node == "states":  # whoever comes back to the start is at the root again
            numbers.setdefault((root, None, obs[0, b].tobytes()), root)
        for t in range(batch.lengths[b]):
            did, saw = actions[t, b].tobytes(), obs[t + 1, b].tobytes()
            keys: dict[Node, tuple[object, ...]] = {
                "steps": (int(before), did, saw),
                "actions": (int(before), did, None),
                "states": (root, None, saw),
            }
            before = ids[t + 1, b] = numbers.setdefault(keys[node], len(numbers))
    return ids
