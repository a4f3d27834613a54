"""Names of rewards to compare, and what they are worth on given transitions.

A name is a sum of terms with optional factors, such as ``payoff``, ``payoff+aux`` or ``payoff-0.5*aux``. Terms are

- ``payoff``: what really happened;
- ``aux``: the auxiliary reward that some games report beside it;
- ``shaping:KEY``: gamma Phi(s') - Phi(s) with Phi = ``info[KEY]``, and 0 in terminal states;
- ``shaped:KEY``: payoff + shaping:KEY;
- ``clipped:L``: the payoff, cut to [-L, L] (1 when left out);
- a reward layer as ``reward=`` takes it: ``private``, ``integrated``, ``svo:0.4`` ..., or ``package.module:Name``.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from payoff.envs.core.params import check_number
from payoff.envs.core.specification import near
from payoff.envs.core.state import Array
from payoff.envs.rewards import LAYERS, resolve

__all__ = ["Layer", "Terms", "evaluate", "parse"]

_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?"
_NUMBERS = rf"-?(?:{_NUMBER})(?:,-?(?:{_NUMBER}))*"
_ARGUMENT = rf"[A-Za-z_]\w*(?::{_NUMBERS})?|{_NUMBERS}"
_TERM = re.compile(
    rf"\s*(?P<sign>[+-])?\s*(?:(?P<factor>{_NUMBER})\*)?(?P<name>[A-Za-z_]\w*(?:\.\w+)*)(?::(?P<of>{_ARGUMENT}))?\s*"
)
_OWN = ("payoff", "aux", "shaping", "shaped", "clipped")


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of transitions: arrays of one shape, ``(S, A, K)`` of a model or ``(n,)`` of a sample.

    Attributes:
        owner: id of the game, for messages.
        payoff: payoffs.
        rewards: reward layer -> rewards.
        aux: auxiliary rewards; None where the game reports none.
        before: entry of ``info`` -> its value in s.
        after: the same in s'.
        ended: bool, whether s' is terminal.
    """

    owner: str
    payoff: Array
    rewards: Mapping[str, Array]
    aux: Array | None
    before: Mapping[str, Array]
    after: Mapping[str, Array]
    ended: Array


@dataclass(frozen=True, slots=True)
class Layer:
    """A parsed name.

    Attributes:
        name: as it was given.
        terms: (factor, term, argument or None) each.
    """

    name: str
    terms: tuple[tuple[float, str, str | None], ...] = field(default=())

    @property
    def keys(self) -> tuple[str, ...]:
        """Entries of ``info`` that are potentials."""
        return tuple(str(of) for _, kind, of in self.terms if kind in ("shaping", "shaped"))

    @property
    def rewards(self) -> tuple[str, ...]:
        """Reward layers."""
        return tuple(_full(kind, of) for _, kind, of in self.terms if kind not in _OWN)


def _full(kind: str, of: str | None) -> str:
    return kind if of is None else f"{kind}:{of}"


def parse(name: str) -> Layer:
    """A reward from its name.

    Raises:
        ValueError: not a sum of terms, an unknown term, or one that lacks its argument or has a wrong one. Numbers of
            reward layers are checked where these are made.
    """
    terms: list[tuple[float, str, str | None]] = []
    at = 0
    while at < len(name) or not terms:
        match = _TERM.match(name, at)
        if match is None or match.end() == at or (at > 0 and match["sign"] is None):
            raise ValueError(f"layer must be a sum of terms such as payoff+0.5*aux, got {name!r}")
        factor = float(match["factor"] or 1.0) * (-1.0 if match["sign"] == "-" else 1.0)
        check_number(f"a factor of layer {name!r}", factor, -math.inf)
        terms.append((factor, *_checked(name, match["name"], match["of"])))
        at = match.end()
    return Layer(name, tuple(terms))


def _checked(name: str, kind: str, of: str | None) -> tuple[str, str | None]:
    known = (*_OWN, *LAYERS)
    if kind not in known and of is not None and ("." in kind or importlib.util.find_spec(kind) is not None):
        resolve(_full(kind, of))
    elif kind not in known:
        raise ValueError(
            f"layer {name!r} has the unknown term {kind!r}{near(kind, known)}; "
            f"terms are {', '.join(known)}, package.module:Name"
        )
    if kind in ("payoff", "aux") and of is not None:
        raise ValueError(f"{kind} takes nothing after a colon, got {name!r}")
    if kind in ("shaping", "shaped") and (of is None or not of.isidentifier()):
        raise ValueError(f"{kind} names an entry of info that is the potential, such as {kind}:progress; got {name!r}")
    if kind == "clipped":
        try:
            limit = float(of or 1.0)
        except ValueError:
            limit = math.nan
        check_number("the limit of clipped", limit, 0.0, open_low=True)
    return kind, of


def evaluate(layer: Layer, terms: Terms, gamma: float) -> Array:
    """Rewards of a layer, in the shape of ``terms.payoff``.

    Raises:
        ValueError: the game reports no auxiliary reward.
    """
    total = np.zeros(terms.payoff.shape)
    for factor, kind, of in layer.terms:
        total = total + factor * _term(kind, of, terms, gamma)
    return total


def _term(kind: str, of: str | None, terms: Terms, gamma: float) -> Array:
    if kind == "payoff":
        return terms.payoff
    if kind == "aux":
        if terms.aux is None:
            raise ValueError(f"{terms.owner} reports no auxiliary reward: layer must not name aux")
        return terms.aux
    if kind == "clipped":
        limit = float(of or 1.0)
        return np.clip(terms.payoff, -limit, limit)
    if kind in ("shaping", "shaped"):
        key = str(of)
        shaping = gamma * np.where(terms.ended, 0.0, terms.after[key]) - terms.before[key]
        return terms.payoff + shaping if kind == "shaped" else shaping
    return terms.rewards[_full(kind, of)]
