"""Interdependence: from the dependencies of an i* model to the matrix D, and what D says of its actors.

Actor i, the depender, has dependums d (goals, tasks, resources, softgoals) of importance w_d, and relies for some of
them on an actor j, the dependee, with criticality c_ijd: 1 where j is the only provider, about 1 / n where n equal ones
exist, 0.1 to 0.3 where j is replaced freely.

(1) D_ij = sum over d in G_ij of w_d c_ijd / sum over d in G_i of w_d,  D_ii = 0
(2) power_i         = (sum_j D_ji) / (1 + sum_j D_ij)
(3) vulnerability_i = (sum_j D_ij) / (1 + sum_j D_ji)
(4) asymmetry_ij    = D_ij - D_ji

G_i holds every dependum of i, those that i reaches alone included; G_ij those for which i relies on j. So D_ij is the
share of what i cares for that rests on j. The published code divides by the weights of G_ij only: a goal that i
reaches without j then changes nothing, and one critical resource makes i as good as wholly dependent.
``denominator="published"`` computes that.

Source: (1) is equation 1 of TR-1 (arXiv 2510.18802, full text unverified); (2) to (4) and the stock matrices are those
of the published code. Its documentation also prints a power without the "1 +", a vulnerability that is the bare row
sum and a hub matrix with 0.10 between spokes; the code has none of them.

Matrices are ``(N, N)`` float64 with entries in [0, 1] and a zero diagonal; row i is what actor i depends on. D of the
historical cases: :mod:`payoff.envs.coopetition.cases`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = [
    "Denominator",
    "Dependency",
    "Kind",
    "asymmetric",
    "asymmetry",
    "dependence_matrix",
    "hub_and_spoke",
    "power",
    "symmetric",
    "vulnerability",
]

Kind = Literal["goal", "task", "resource", "softgoal"]
Denominator = Literal["all", "published"]


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependum of one actor, and on whom that actor relies for it.

    Attributes:
        depender: actor who wants the dependum.
        dependee: actor relied on; None for a dependum that the depender reaches alone, or gets from somebody outside
            the game. Its importance counts in (1), its criticality does not.
        dependum: name; a dependum that several actors can provide is one dependency for each of them.
        kind: element of i*; it does not enter the arithmetic.
        importance: w_d, in [0, 1], the same in every dependency of the depender on this dependum.
        criticality: c_ijd, in [0, 1].

    Raises:
        ValueError: an empty name, an unknown kind, a number out of its range, or an actor who depends on itself.
    """

    depender: str
    dependee: str | None
    dependum: str
    kind: Kind
    importance: float = 1.0
    criticality: float = 1.0

    def __post_init__(self) -> None:
        """Check names and ranges (ValueError)."""
        _check_name("depender", self.depender)
        if self.dependee is not None:
            _check_name("dependee", self.dependee)
        _check_name("dependum", self.dependum)
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        check_number("importance", self.importance, 0.0, 1.0)
        check_number("criticality", self.criticality, 0.0, 1.0)
        if self.depender == self.dependee:
            raise ValueError(f"{self.depender!r} cannot depend on itself for {self.dependum!r}: use dependee=None")


def dependence_matrix(
    dependencies: Iterable[Dependency], actors: Sequence[str], *, denominator: Denominator = "all"
) -> Array:
    """Matrix D of equation (1).

    Sums are correctly rounded, so the order of the dependencies does not matter, to the last bit.

    Args:
        dependencies: in any order; an actor without any, or with none that has weight, gets a row of zeros.
        actors: names in seat order.
        denominator: "all" divides by the weights of all dependums of i, "published" by those of i's dependencies on j.

    Returns:
        ``(N, N)``, row i is the dependence of actor i on each other.

    Raises:
        ValueError: no actors, or one named twice; a depender or dependee who is not among them; a dependency stated
            twice; a dependum with two importances or two kinds for the same depender; an unknown ``denominator``.
    """
    if denominator not in get_args(Denominator):
        raise ValueError(f"denominator must be one of {', '.join(get_args(Denominator))}, got {denominator!r}")
    seats = _seats(actors)
    weights: list[dict[str, float]] = [{} for _ in seats]  # of each depender: dependum -> importance
    relied: dict[tuple[int, int], list[Dependency]] = {}
    for dependency in _consistent(dependencies, seats):
        i = seats[dependency.depender]
        weights[i][dependency.dependum] = float(dependency.importance)
        if dependency.dependee is not None:
            relied.setdefault((i, seats[dependency.dependee]), []).append(dependency)

    matrix = np.zeros((len(seats), len(seats)))
    for (i, j), terms in relied.items():
        whole = weights[i].values() if denominator == "all" else [float(t.importance) for t in terms]
        total = math.fsum(whole)
        if total > 0.0:
            matrix[i, j] = math.fsum(float(t.importance) * float(t.criticality) for t in terms) / total
    return matrix


def power(dependence: ArrayLike) -> Array:
    """How much the others depend on each actor, against how much it depends on them: equation (2).

    Args:
        dependence: D, ``(N, N)``.

    Returns:
        ``(N,)``, in [0, N - 1].

    Raises:
        ValueError: D is not square, not finite, out of [0, 1], or its diagonal is not zero.
    """
    d = _checked(dependence)
    power_of: Array = d.sum(axis=0) / (1.0 + d.sum(axis=1))
    return power_of


def vulnerability(dependence: ArrayLike) -> Array:
    """How much each actor depends on the others, against how much they depend on it: equation (3).

    Args:
        dependence: D, ``(N, N)``.

    Returns:
        ``(N,)``, in [0, N - 1].

    Raises:
        ValueError: as :func:`power`.
    """
    d = _checked(dependence)
    exposure: Array = d.sum(axis=1) / (1.0 + d.sum(axis=0))
    return exposure


def asymmetry(dependence: ArrayLike) -> Array:
    """By how much i depends more on j than j on i: equation (4).

    Args:
        dependence: D, ``(N, N)``.

    Returns:
        ``(N, N)`` antisymmetric, in [-1, 1]; positive where the row actor is the more dependent one.

    Raises:
        ValueError: as :func:`power`.
    """
    d = _checked(dependence)
    return d - d.T


def symmetric(n: int, dependence: float = 0.5) -> Array:
    """Everybody depends alike on everybody else.

    Args:
        n: actors, at least 1.
        dependence: entry off the diagonal, in [0, 1].

    Returns:
        ``(n, n)``.

    Raises:
        ValueError: an argument out of its range.
    """
    check_integer("n", n, 1)
    check_number("dependence", dependence, 0.0, 1.0)
    return np.where(np.eye(n, dtype=bool), 0.0, float(dependence))


def hub_and_spoke(n: int, hub: float = 0.3, spoke: float = 0.8) -> Array:
    """One hub, seat 0, and spokes that depend on it but not on each other.

    Args:
        n: actors, the hub included, at least 2.
        hub: dependence of the hub on each spoke, in [0, 1].
        spoke: dependence of each spoke on the hub, in [0, 1].

    Returns:
        ``(n, n)``.

    Raises:
        ValueError: an argument out of its range.
    """
    check_integer("n", n, 2)
    check_number("hub", hub, 0.0, 1.0)
    check_number("spoke", spoke, 0.0, 1.0)
    matrix = np.zeros((n, n))
    matrix[0, 1:] = hub
    matrix[1:, 0] = spoke
    return matrix


def asymmetric(strong: float = 0.35, weak: float = 0.85) -> Array:
    """A strong actor, seat 0, and a weak one.

    Args:
        strong: dependence of the strong actor on the weak one, in [0, 1].
        weak: dependence of the weak actor on the strong one, in [0, 1].

    Returns:
        ``(2, 2)``.

    Raises:
        ValueError: an argument out of its range.
    """
    check_number("strong", strong, 0.0, 1.0)
    check_number("weak", weak, 0.0, 1.0)
    return np.array([[0.0, strong], [weak, 0.0]], dtype=np.float64)


def _check_name(argument: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{argument} must be a name, got {value!r}")


def _seats(actors: Sequence[str]) -> dict[str, int]:
    """Seat of each actor, once the names are checked."""
    if isinstance(actors, str) or not actors:  # a str is a sequence of one-letter actors, never meant
        raise ValueError(f"actors must be a sequence of at least one name, got {actors!r}")
    seats: dict[str, int] = {}
    for name in actors:
        _check_name("actors", name)
        if name in seats:
            raise ValueError(f"actors must be different, but {name!r} is there twice")
        seats[name] = len(seats)
    return seats


def _consistent(dependencies: Iterable[Dependency], seats: dict[str, int]) -> list[Dependency]:
    """The dependencies, once it is sure that they belong to these actors and do not contradict each other."""
    known: dict[tuple[str, str], Dependency] = {}  # first statement about a dependum of a depender
    stated: set[tuple[str, str | None, str]] = set()
    checked: list[Dependency] = []
    for dependency in dependencies:
        i, j, d = dependency.depender, dependency.dependee, dependency.dependum
        for role, name in (("depender", i), ("dependee", j)):
            if name is not None and name not in seats:
                raise ValueError(f"{role} {name!r} of {d!r} is not among the actors {', '.join(seats)}")
        if (i, j, d) in stated:
            raise ValueError(f"the dependency of {i!r} on {j!r} for {d!r} is there twice")
        stated.add((i, j, d))
        first = known.setdefault((i, d), dependency)
        for field in ("importance", "kind"):
            one, other = getattr(first, field), getattr(dependency, field)
            if one != other:
                raise ValueError(f"{d!r} of {i!r} has two values of {field}: {one!r} and {other!r}")
        checked.append(dependency)
    return checked


def _checked(dependence: ArrayLike) -> Array:
    """D as ``(N, N)`` float64, once it is one."""
    d = np.asarray(dependence, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or d.shape[0] == 0:
        raise ValueError(f"dependence must be square, (N, N) with N >= 1, got shape {d.shape}")
    outside = np.argwhere(~((d >= 0.0) & (d <= 1.0)))  # nan and infinity are outside as well
    if len(outside):
        i, j = outside[0]
        raise ValueError(f"dependence must be finite and in [0, 1], got {d[i, j]} at [{i}, {j}]")
    on_diagonal = np.flatnonzero(d.diagonal())
    if len(on_diagonal):
        i = on_diagonal[0]
        raise ValueError(f"dependence must have a zero diagonal, got {d[i, i]} at [{i}, {i}]")
    return d
