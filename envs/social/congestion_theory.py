"""Congestion: best and equilibrium splits, exactly, and what the others would make without one seat.

A split is how many seats are in each section, x_1 .. x_k with sum n. Seats of one section are alike, so a round is its
split, and equations (1) and (2) of :mod:`payoff.envs.social.congestion` say the rest. The optimum is found by dynamic
programming over sections,

(1) V_s(m) = max over x of g(x) + V_{s-1}(m - x), with g(x) = x exp(-x / capacity) and V_0(0) = 0,

in O(k n^2). A split is an equilibrium if nobody gains by moving alone; that is checked for every pair of sections.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from payoff.envs.certificate import Certificate, Equilibrium
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.state import Array

__all__ = ["best_split", "certify", "deviation_gain", "nash_split", "others_welfare", "split", "welfare"]


def split(actions: Any, sections: int, present: Any = None) -> Array:
    """Seats in each section.

    Args:
        actions: ``(..., N)`` sections 0 .. k - 1.
        sections: k.
        present: ``(..., N)`` bool, seats that count; None: all.

    Returns:
        ``(..., k)`` float64.
    """
    chosen = np.asarray(actions)[..., None] == np.arange(sections)
    if present is not None:
        chosen &= np.asarray(present)[..., None]
    counts: Array = chosen.sum(axis=-2, dtype=np.float64)
    return counts


def welfare(counts: Any, capacity: float) -> Array:
    """G = sum over sections of x exp(-x / capacity): ``(..., k)`` to ``(...)``."""
    x = np.asarray(counts, dtype=np.float64)
    total: Array = (x * np.exp(-x / capacity)).sum(axis=-1)
    return total


def others_welfare(actions: Any, sections: int, capacity: float, present: Any = None) -> Array:
    """G of the others if a seat were not there, for each seat: the counterfactual of its difference reward.

    Args:
        actions: ``(..., N)`` sections 0 .. k - 1.
        sections: k.
        capacity: psi.
        present: as in :func:`split`; for a seat that does not count, G as it is.

    Returns:
        ``(..., N)``, in O(N + k) a round.

    Raises:
        ValueError: an action outside 0 .. k - 1.
    """
    at = np.asarray(actions).astype(np.int64)
    if at.size and not 0 <= at.min() <= at.max() < sections:
        raise ValueError(f"actions must be in 0 .. {sections - 1}, got {at.min()} .. {at.max()}")
    x = split(at, sections, present)
    less = np.maximum(x - 1.0, 0.0)
    saved = x * np.exp(-x / capacity) - less * np.exp(-less / capacity)  # (..., k): what one seat fewer changes
    own = np.take_along_axis(saved, at, axis=-1)
    if present is not None:
        own = np.where(present, own, 0.0)
    without: Array = welfare(x, capacity)[..., None] - own
    return without


def _check(n_agents: Any, sections: Any) -> None:
    check_integer("n_agents", n_agents, 1, 1000)
    check_integer("sections", sections, 1, 100)


def best_split(n_agents: int, sections: int, capacity: float) -> tuple[Array, float]:
    """Split of the largest G, and that G, by equation (1).

    Returns:
        ``(k,)`` whole numbers in falling order, and the sum of payoffs of a round.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check(n_agents, sections)
    check_number("capacity", capacity, 0.0, open_low=True)
    x = np.arange(n_agents + 1, dtype=np.float64)
    g = x * np.exp(-x / capacity)
    value = np.full(n_agents + 1, -np.inf)
    value[0] = 0.0
    choice = np.zeros((sections, n_agents + 1), dtype=np.int64)
    for s in range(sections):
        new = np.empty_like(value)
        for m in range(n_agents + 1):
            options = g[: m + 1] + value[m::-1]
            choice[s, m] = options.argmax()
            new[m] = options[choice[s, m]]
        value = new
    left, counts = n_agents, []
    for s in reversed(range(sections)):
        counts.append(choice[s, left])
        left -= choice[s, left]
    return np.sort(np.array(counts))[::-1], float(value[n_agents])


def nash_split(n_agents: int, sections: int) -> Array:
    """Split of every pure equilibrium of the private reward: as even as whole numbers allow.

    A seat in a section of x gains by moving into one of y exactly if exp(-(y + 1) / capacity) > exp(-x / capacity),
    that is y + 1 < x, whatever the capacity.

    Returns:
        ``(k,)`` whole numbers in falling order.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check(n_agents, sections)
    each, rest = divmod(n_agents, sections)
    return np.array([each + 1] * rest + [each] * (sections - rest))


def deviation_gain(counts: Any, capacity: float, reward: Literal["private", "cooperative"] = "private") -> float:
    """Largest gain of a seat that alone moves to another section; at most 0 in an equilibrium.

    Args:
        counts: ``(k,)`` split.
        capacity: psi.
        reward: ``"private"``: the seat's payoff; ``"cooperative"``: the mean of all payoffs.

    Raises:
        ValueError: an unknown reward.
    """
    check_word("reward", reward, ("private", "cooperative"))
    x = np.asarray(counts, dtype=np.float64)
    gains = []
    for a, b in np.ndindex(len(x), len(x)):
        if a == b or x[a] == 0.0:
            continue
        if reward == "private":
            gains.append(np.exp(-(x[b] + 1.0) / capacity) - np.exp(-x[a] / capacity))
        else:
            moved = x.copy()
            moved[a], moved[b] = x[a] - 1.0, x[b] + 1.0
            gains.append((welfare(moved, capacity) - welfare(x, capacity)) / x.sum())
    return float(max(gains, default=0.0))


def certify(env_id: str, n_agents: int, sections: int, capacity: float) -> Certificate:
    """Certificate of one round: its optimum and the equilibria under both rewards."""
    best, value = best_split(n_agents, sections, capacity)
    points = []
    for name, counts, reward in (
        ("private Nash", nash_split(n_agents, sections), "private"),
        ("cooperative Nash, the optimum", best, "cooperative"),
    ):
        actions = np.repeat(np.arange(sections), counts)
        payoffs = np.exp(-counts / capacity)[actions]
        gain = max(0.0, deviation_gain(counts, capacity, reward))  # type: ignore[arg-type]
        points.append(Equilibrium(name, actions.astype(float).tolist(), payoffs.tolist(), gain))
    return Certificate(
        id=env_id,
        players=n_agents,
        optimum=value,
        optimum_kind="exact",
        method=(
            f"One round of {n_agents} seats, {sections} sections of capacity {capacity:g}: the optimum by dynamic "
            "programming over whole splits; equilibria by checking every move of one seat. Seats and sections can be "
            "exchanged; so can the rounds of an episode."
        ),
        equilibria=tuple(points),
        dilemma="congestion",
    )
