"""Reward layers in the loop: from the payoffs of one copy to the rewards of its seats.

=========  ==============================================================================================
kind       reward of seat i (pi: payoff, W: weights)
=========  ==============================================================================================
own        pi_i: linear with W_i the i-th unit vector, in O(1)
linear     sum_j W_ij pi_j
like       that of an earlier seat: one sum, or one call, for all seats that are told the same
rule       what the compiled function at an address says (:mod:`payoff.envs.core.rule`): it is called once
           for all seats of its layer
ruled      what an earlier seat's call has said
=========  ==============================================================================================

:mod:`payoff.envs.rewards` says which layer is what. A rule is called through its address, so that a game is compiled
once and not once for each layer: a layer of another package is called as ours are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.memory import address_of, call
from payoff.envs.core.words import words

__all__ = ["KIND", "LAYER", "apply"]

KIND = words("own", "linear", "like", "rule", "ruled")

LAYER = np.dtype(
    [
        ("kind", np.int64),
        ("first", np.int64),  # like: that seat
        ("rule", np.int64),  # rule: address of the function
        ("me", np.int64),  # rule, ruled: address of the layer's numbers
    ],
    align=True,
)


@jit
def _linear(links: Any, i: int, base: Any) -> float:
    total = 0.0
    for j in range(base.shape[0]):
        total += links[i, j].weight * base[j]
    return total


@inlined
def apply(frame: Any, seats: Any, bounds: Any, links: Any, row: Any, base: Any, out: Any) -> None:
    """Write the rewards of one copy.

    Args:
        frame: see :mod:`payoff.envs.core.loop`, as for the next five.
        seats: ``(N,)``.
        bounds: ``(N, A)``.
        links: ``(N, N)``.
        row: the copy.
        base: ``(N,)`` payoffs pi before a published game's multipliers.
        out: what the step reports; its second N numbers are the rewards.
    """
    n = base.shape[0]
    for i in range(n):
        layer = seats[i].layer
        if layer.kind == KIND.own:
            out[n + i] = base[i]
        elif layer.kind == KIND.linear:
            out[n + i] = _linear(links, i, base)
        elif layer.kind == KIND.like:
            out[n + i] = out[n + layer.first]
        elif layer.kind == KIND.rule:
            where = (address_of(frame), address_of(seats), address_of(bounds), address_of(links))
            call(layer.rule, (layer.me, i, *where, address_of(row), address_of(out)))
