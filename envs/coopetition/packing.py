"""Rules as arrays: the columns of a published game's state, and the records that its kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from payoff.envs.coopetition.rules import (
    CoalitionParams,
    LoyaltyParams,
    NegotiationParams,
    ReciprocityParams,
    ReputationParams,
    Rules,
)
from payoff.envs.core.state import Array, Layout

__all__ = ["NUMBERS", "SEAT", "layout", "pack"]

SEAT = np.dtype([("endowment", np.float64), ("baseline", np.float64), ("share", np.float64)])


def layout(rules: Rules) -> Layout:
    """Columns of a state row; a game has only the fields that its rules need.

    ===========  ========================================================================================
    field        content
    ===========  ========================================================================================
    action       (N,) last actions, native units
    trust        (N, N) T
    damage       (N, N) R
    loyalty      (N,) theta
    window       (N,) q, mean rate of the last ten rounds
    memory       (N,) memory average, native units
    synergy      (1,) gamma of this episode
    score        (N,) public score q
    seen         (N,) what everybody sees of it, in [0, 1]
    shown        (N,) what the published observation shows of it: one step late
    member       (N,) 1 in the coalition, 0 excluded
    timer        (N,) steps until an excluded seat may return
    rank         (N,) place in the list of members or of excluded seats, from 0
    agreement    (N,) standing agreement, native units, 0 without one
    standing     (1,) 1 while an agreement stands
    reached      (2,) whether this step reached an agreement; how many steps of the episode did
    breached     (2,) whether this step breached one; how many did
    shown_deal   (N + 1,) agreement and standing before this step, for the published observation
    defections   (N,) steps below the baseline
    peak         (1,) highest mean trust of the episode
    history      (slots, N) ring of past actions
    ===========  ========================================================================================
    """
    n = len(rules.endowment)
    fields: dict[str, tuple[int, ...]] = {"action": (n,), "trust": (n, n), "damage": (n, n)}
    if rules.loyalty:
        fields |= {"loyalty": (n,), "window": (n,)}
    if rules.reciprocity:
        fields |= {"memory": (n,)}
    if rules.hidden_synergy:
        fields |= {"synergy": (1,)}
    if rules.public:
        fields |= {"score": (n,), "seen": (n,), "shown": (n,)}
    if rules.coalition:
        fields |= {"member": (n,), "timer": (n,), "rank": (n,)}
    if rules.negotiation:
        fields |= {"agreement": (n,), "standing": (1,), "reached": (2,), "breached": (2,), "shown_deal": (n + 1,)}
    if rules.counts_defections:
        fields |= {"defections": (n,)}
    if np.isfinite(rules.recovery):
        fields |= {"peak": (1,)}
    if rules.slots:
        fields |= {"history": (rules.slots, n)}
    return Layout(**fields)


_FIELDS = (
    "action trust damage loyalty window memory synergy score seen shown member timer rank agreement standing reached "
    "breached shown_deal defections peak history"
).split()


def _numbers(rules: Rules) -> dict[str, float]:
    columns = layout(rules)
    low, high = rules.hidden_synergy or (0.0, 0.0)
    return {
        **{f"at_{name}": columns.at(name) for name in _FIELDS},
        "slots": rules.slots,
        "collapse": rules.collapse,
        "recovery": rules.recovery,
        "synergy_low": low,
        "synergy_high": high,
        **asdict(rules.value),
        **asdict(rules.trust),
        **asdict(rules.loyalty or LoyaltyParams()),
        **asdict(rules.reciprocity or ReciprocityParams()),
        **asdict(rules.coalition or CoalitionParams()),
        **asdict(rules.negotiation or NegotiationParams()),
        **asdict(rules.public or ReputationParams()),
    }


# One object for all games: numba looks a dtype up by identity first, and comparing eighty fields costs microseconds.
NUMBERS = np.dtype(
    [
        (name, np.int64 if name.startswith("at_") or name == "slots" else np.float64)
        for name in _numbers(
            Rules(endowment=(1.0,), baseline=(0.0,), share=(1.0,), depend=np.zeros((1, 1)), max_steps=1)
        )
    ]
)


def _watch(rules: Rules) -> Array:
    """Mask ``(N, N)`` of the pairs whose mean trust may end the episode."""
    n = len(rules.endowment)
    mask = 1.0 - np.eye(n) if rules.watched is None else np.zeros((n, n))
    for i, j in rules.watched or ():
        mask[i, j] = 1.0
    return mask


def pack(rows: Sequence[Rules]) -> tuple[Array, Array, Array, Array]:
    """Arrays for the kernels, P = ``len(rows)``.

    Returns:
        Numbers ``(P,)`` (one record of dtype NUMBERS a row), seats ``(P, N)`` of dtype SEAT, dependence ``(P, N, N)``,
        watched pairs ``(P, N, N)``.

    Raises:
        ValueError: the rows differ in what their state rows hold: number of seats, rounds of history, or a field.
    """
    if len({tuple(layout(r).shapes.items()) for r in rows}) > 1:
        raise ValueError(
            "copies of one batch must have the same number of agents, the same memory length and the same mechanisms"
        )
    numbers = np.array([tuple(_numbers(r).values()) for r in rows], dtype=NUMBERS)
    seats = np.array([list(zip(r.endowment, r.baseline, r.share, strict=True)) for r in rows], dtype=SEAT)
    depend = np.stack([np.asarray(r.depend, dtype=np.float64) for r in rows])
    return numbers, seats, depend, np.stack([_watch(r) for r in rows])
