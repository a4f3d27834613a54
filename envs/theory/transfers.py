"""How much of its payoff a player may keep so that it cooperates: self-interest levels and least transfers.

Each player cooperates or defects. For player i and what the others do, let d be the change of all payoffs if i
cooperates instead of defecting. Then cooperating is at least as good as defecting for i

(1) under ``self_interest:s`` if s d_i + (1 - s) / (n - 1) sum_{j != i} d_j >= 0;
(2) under a transfer T, of which row j says how player j shares its payoff out, if sum_j T_ji d_j >= 0.

s_dom is the largest s in [1/n, 1] for which (1) holds whatever the others do, s_eq that for which it holds where all
others cooperate. g is the largest, over all T >= 0 whose rows sum to 1, of the smallest share T_ii that a player keeps
while (2) holds whatever the others do: a linear programme. s_dom, g and T are those of Willis, Du, Leibo and Luck,
"Resolving social dilemmas with minimal reward transfer" (arXiv 2310.12928); s_eq is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from payoff.envs.core.state import Array
from payoff.envs.rewards.linear import own_and_others
from payoff.envs.theory.stage_game import StageGame

__all__ = ["Thresholds", "thresholds"]

_MOST = 10  # players who are not alike: 2^(n - 1) profiles of the others for each


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Levels at which cooperating begins to pay; None where it does at none.

    Attributes:
        s_dom: largest s at which cooperating is dominant.
        s_eq: largest s at which all cooperating is an equilibrium.
        kept: g, largest share that all can keep under a transfer that makes cooperating dominant; None: no T does.
        transfer: ``(N, N)`` T that attains it: entry (j, i) is the share of j's payoff that i gets; None likewise.
    """

    s_dom: float | None
    s_eq: float | None
    kept: float | None
    transfer: Array | None


def thresholds(game: StageGame, defect: Any, cooperate: Any) -> Thresholds:
    """Levels between two actions of each player.

    Args:
        game: the game; of players who are alike, both actions must be the same for all, and any number may play.
        defect: ``(N,)``.
        cooperate: ``(N,)``.

    Raises:
        ValueError: more than 10 players who are not alike, or players who are alike with different actions.
        ArithmeticError: the linear programme was not solved.
    """
    n = game.n_players
    low, high = np.asarray(defect, dtype=np.float64), np.asarray(cooperate, dtype=np.float64)
    if game.symmetric and np.ptp(low) == np.ptp(high) == 0.0:
        change = _changes(game, 0, np.tri(n, n - 1, -1, dtype=bool), low, high)
        s_dom = _largest([change])
        # T may be averaged over all orders of the players: one share is kept, the rest divided equally, as in (1), but
        # the share may be below 1/n
        kept = _largest([change], least=0.0)
        transfer = None if kept is None else own_and_others(np.zeros((1, n, n)), kept, 1.0 - kept)[0]
        return Thresholds(s_dom, _largest([change[-1:]]), kept, transfer)
    if n > _MOST:
        raise ValueError(f"game must have at most {_MOST} players, or players who are alike, got {n}")
    others = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1) & 1).astype(bool)
    changes = [_changes(game, i, others, low, high) for i in range(n)]
    kept, transfer = _least_transfer(changes)
    return Thresholds(_largest(changes), _largest([change[-1:] for change in changes]), kept, transfer)


def _changes(game: StageGame, i: int, others: Array, low: Array, high: Array) -> Array:
    """What all are paid more if i cooperates: ``(B, N)`` for which of the others cooperate ``(B, N - 1)``."""
    profiles = np.repeat(low[None], len(others), axis=0)
    rest = np.arange(len(low)) != i
    profiles[:, rest] = np.where(others, high[rest], low[rest])
    defecting = game.payoffs(profiles)
    profiles[:, i] = high[i]
    change: Array = game.payoffs(profiles) - defecting
    return change


def _largest(changes: list[Array], least: float | None = None) -> float | None:
    """Largest s, from ``least`` (None: 1/n) to 1, with (1), for each player i and every row of its ``changes[i]``."""
    n = changes[0].shape[1]
    own = np.concatenate([change[:, i] for i, change in enumerate(changes)])
    mean = (np.concatenate([change.sum(axis=1) for change in changes]) - own) / (n - 1)
    slack = 1e-12 * max(float(np.abs(change).max()) for change in changes)
    low, high = 1.0 / n if least is None else least, 1.0
    for slope, start in zip((own - mean).tolist(), (mean + slack).tolist(), strict=True):  # slope s + start >= 0
        if slope < 0.0:
            high = min(high, start / -slope)
        elif slope > 0.0:
            low = max(low, -start / slope)
        elif start < 0.0:
            return None
    return high if high >= low - 1e-12 else None


def _least_transfer(changes: list[Array]) -> tuple[float | None, Array | None]:
    """The linear programme: g and T; variables T (row by row), then g."""
    n = len(changes)
    at_most = []
    for i, change in enumerate(changes):
        for d in np.unique(change, axis=0):
            row = np.zeros((n, n))
            row[:, i] = -d  # (2)
            at_most.append([*row.ravel(), 0.0])
        keeps = np.zeros((n, n))
        keeps[i, i] = -1.0
        at_most.append([*keeps.ravel(), 1.0])  # g <= T_ii
    rows = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.zeros((n, 1))], axis=1)
    solved = linprog(
        [*np.zeros(n * n), -1.0],
        A_ub=np.array(at_most),
        b_ub=np.zeros(len(at_most)),
        A_eq=rows,
        b_eq=np.ones(n),
        bounds=(0.0, 1.0),
        method="highs",
    )
    if solved.status == 2:  # infeasible
        return None, None
    if solved.status != 0:
        raise ArithmeticError(f"the linear programme of least transfers was not solved: {solved.message}")
    return float(-solved.fun), solved.x[:-1].reshape(n, n)
