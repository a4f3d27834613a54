"""The only list of environments: ids, where their game lives, and what they are."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from payoff.envs.core.game import Game

__all__ = ["ENTRIES", "Entry", "entry", "ids", "load", "register_all"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One environment.

    Attributes:
        id: ``payoff/Name-vN``.
        game: ``module:attribute`` of its Game record, imported on first use.
        tags: kind of problem, for lists and tests.
        summary: one line.
    """

    id: str
    game: str
    tags: tuple[str, ...]
    summary: str


_COOPETITION = "payoff.envs.coopetition"
_SPARSE = "payoff.envs.sparse"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "payoff/TrustDilemma-v0",
        f"{_COOPETITION}.trust_dilemma:V0",
        ("coopetition", "published", "trust"),
        "Two equal firms; trust follows what they contribute, and its collapse ends the episode.",
    ),
    Entry(
        "payoff/LoyaltyTeam-v0",
        f"{_COOPETITION}.loyalty_team:V0",
        ("coopetition", "published", "collective_action"),
        "A team of four whose effort pays off when everybody keeps it up.",
    ),
    Entry(
        "payoff/ReciprocalDilemma-v0",
        f"{_COOPETITION}.reciprocal_dilemma:V0",
        ("coopetition", "published", "reciprocity"),
        "Two equal firms that answer each other's changes of course.",
    ),
    Entry(
        "payoff/KeyRoom-v0",
        f"{_SPARSE}.key_room:V0",
        ("sparse", "grid", "tabular"),
        "Fetch the key, unlock the door, reach the goal: reward 1 at the goal only.",
    ),
)


def ids() -> list[str]:
    """All environment ids, in the order of the list."""
    return [e.id for e in ENTRIES]


def entry(env_id: str) -> Entry:
    """Entry of an id; the namespace ``payoff/`` may be left out.

    Raises:
        ValueError: an unknown id, with the nearest known one.
    """
    full = env_id if "/" in env_id else f"payoff/{env_id}"
    for e in ENTRIES:
        if e.id == full:
            return e
    near = difflib.get_close_matches(full, ids(), n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown environment {env_id!r}{hint}; known: {', '.join(ids())}")


def load(env_id: str) -> Game[Any]:
    """Game record of an id; the first call imports its module, and with it numba.

    Raises:
        ValueError: an unknown id.
    """
    module, _, attribute = entry(env_id).game.partition(":")
    game: Game[Any] = getattr(importlib.import_module(module), attribute)
    return game


def register_all() -> None:
    """Register every id with Gymnasium; running it again changes nothing."""
    for e in ENTRIES:
        if e.id not in gym.registry:
            gym.register(
                id=e.id,
                entry_point="payoff.envs.views.env:GameEnv",
                vector_entry_point="payoff.envs.views.vector:GameVectorEnv",
                kwargs={"game": e.id},
            )
