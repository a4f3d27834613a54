"""What the published system reports in ``info`` beside rewards, batch first: the entries of ``info="published"``.

Entries that were lists, dictionaries keyed "i->j" or None are arrays here: ``(B,)`` one number a copy, ``(B, N)`` one a
seat, ``(B, N, N)`` one a pair (row: observer). What was None is nan. Names are the published ones, except
``free_riders`` (mask for ``free_rider_indices``) and ``reputation_rank`` (place of each seat, for
``reputation_ranking``, the list of seats).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from payoff.envs.coopetition.rules import Terms, pack
from payoff.envs.core.state import CLOCK, Array, Layout

__all__ = ["Facts", "common", "rank"]


class Facts:
    """State of B copies of a published game, by name.

    Args:
        rows: numbers of each copy, or one for all.
        layout: columns of a state row.
        state: ``(B, S)`` state rows.
    """

    def __init__(self, rows: Sequence[Terms], layout: Layout, state: Array) -> None:
        self.terms = rows[0]
        self._layout, self._state = layout, state
        self._numbers, roles, links = pack(rows)
        self.endowment, self.baseline, self.depend = roles["endowment"], roles["baseline"], links["depend"]

    def view(self, name: str) -> Array:
        """Field of the state, ``(B, ...)``."""
        return self._layout.view(self._state, name)

    def number(self, name: str) -> Array:
        """A number of the game, ``(P, 1)``, P is 1 or B."""
        found: Array = self._numbers[name][:, None]
        return found

    @property
    def clock(self) -> Array:
        """Steps taken, ``(B,)``."""
        return self._state[:, CLOCK].copy()

    @property
    def n(self) -> int:
        """Number of seats N."""
        return int(self.endowment.shape[1])

    @cached_property
    def action(self) -> Array:
        """Last actions ``(B, N)``, native units, clipped."""
        return self.view("action").copy()

    @cached_property
    def rate(self) -> Array:
        """Last actions as shares of the endowment ``(B, N)``."""
        rate: Array = self.action / self.endowment
        return rate

    @cached_property
    def trust(self) -> Array:
        """T ``(B, N, N)``."""
        trust: Array = self.view("trust").copy()
        return trust

    def mean_off_diagonal(self, matrix: Array) -> Array:
        """Mean over i != j of ``(B, N, N)``: ``(B,)``."""
        # in C order, so that numpy adds up in the same order for any number of copies
        mean: Array = np.ascontiguousarray(matrix[:, ~np.eye(self.n, dtype=bool)]).mean(axis=1)
        return mean


def rank(score: Array) -> Array:
    """Place of each seat by its score, 0 the highest, ``(B, N)`` integers; ties in seat order."""
    best_first = np.argsort(-score, axis=1, kind="stable")
    return np.argsort(best_first, axis=1, kind="stable")


def common(f: Facts) -> dict[str, Array]:
    """Entries of every published game, and of its mechanisms."""
    found = {
        "step": f.clock,
        "actions": f.action,
        "mean_trust": f.mean_off_diagonal(f.trust),
        "mean_reputation_damage": f.mean_off_diagonal(f.view("damage")),
        "mean_cooperation": f.action.mean(axis=1),
        "cooperation_rate": f.rate.mean(axis=1),
    }
    if f.terms.loyalty:
        found |= _team(f)
    if f.terms.reciprocity:
        found |= _reciprocity(f)
    if f.terms.coalition:
        found |= _coalition(f)
    if f.terms.negotiation:
        found |= _negotiation(f)
    if f.terms.counts_defections:
        defections = f.view("defections").copy()
        cooperations = f.clock[:, None] - defections
        rates = cooperations / np.maximum(1.0, f.clock)[:, None]
        found |= {"defection_counts": defections, "cooperation_counts": cooperations, "cooperation_rates": rates}
    return found


def _levels(f: Facts) -> tuple[Array, Array]:
    """Free-riding level and welfare optimum per seat of the TR-3 theory ``(P, 1)``, not capped at the endowment."""
    omega, beta, c = (f.number(name) for name in ("productivity", "returns", "effort_cost"))
    n, most = f.n, f.endowment.max(axis=1, keepdims=True)
    linear = np.abs(beta - 1.0) < 1e-9
    power = 1.0 / np.where(linear, 1.0, 1.0 - beta)
    nash = np.where(linear, np.where(omega / n < c, 0.0, most), (omega * beta / (c * n ** (2.0 - beta))) ** power)
    best = np.where(linear, np.where(omega > c, most, 0.0), (omega * beta / c) ** power / n)
    return nash, best


def _team(f: Facts) -> dict[str, Array]:
    copies = np.ones(len(f.action))
    loyalty = f.view("loyalty").copy()
    nash, best = _levels(f)
    weight = f.depend.mean(axis=2)
    total = weight.sum(axis=1)
    cohesion = (weight * loyalty).sum(axis=1) / np.where(total < 1e-8, 1.0, total)
    free_riders = f.rate < 0.3
    mean = f.action.mean(axis=1)
    return {
        "team_output": (f.number("productivity") * f.action.sum(axis=1, keepdims=True) ** f.number("returns"))[:, 0],
        "nash_equilibrium": nash[:, 0] * copies,
        "social_optimum": best[:, 0] * copies,
        "mean_loyalty": loyalty.mean(axis=1),
        "loyalty_scores": loyalty,
        "team_cohesion": np.where(total < 1e-8, 0.5, cohesion),
        "free_rider_count": free_riders.sum(axis=1),
        "free_riders": free_riders,
        "efficiency_ratio": np.divide(mean, best[:, 0], out=np.zeros_like(mean), where=best[:, 0] > 0.0),
    }


def _reciprocity(f: Facts) -> dict[str, Array]:
    memory = f.view("memory").copy()
    signal = np.where(f.clock[:, None] > 0.0, f.action - memory, 0.0)
    answer = np.tanh(f.number("response") * signal)[:, None, :]
    p = {name: f.number(name)[..., None] for name in ("reciprocity", "elasticity", "weight", "dependency_weight")}
    sensitivity = p["reciprocity"] * f.depend ** p["elasticity"]
    effect = p["weight"] * f.trust * (1.0 + p["dependency_weight"] * f.depend) * sensitivity * answer
    effect[:, range(f.n), range(f.n)] = 0.0
    return {
        "cooperation_signals": signal,
        "reciprocity_effects": effect,
        "memory_averages": memory,
        "tr4_memory_window": f.number("memory")[:, 0] * np.ones(len(f.action)),
    }


def _coalition(f: Facts) -> dict[str, Array]:
    member = f.view("member") > 0.0
    return {
        "coalition_size": member.sum(axis=1),
        "coalition_members": member,
        "excluded_agents": ~member,
        "coalition_stability": member.mean(axis=1),
    }


def _negotiation(f: Facts) -> dict[str, Array]:
    stands = f.view("standing") > 0.0
    return {
        "current_agreement": np.where(stands[:, None], f.view("agreement"), np.nan),
        "agreement_reached": f.view("reached") > 0.0,
        "breach_occurred": f.view("breached") > 0.0,
        "total_agreements": f.view("agreements").copy(),
        "total_breaches": f.view("breaches").copy(),
        "proposal_convergence": 1.0 - np.abs(f.action[:, 0] - f.action[:, 1]) / 100.0,
    }
