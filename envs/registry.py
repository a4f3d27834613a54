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
        "payoff/PartnerHoldUp-v0",
        f"{_COOPETITION}.partner_hold_up:V0",
        ("coopetition", "published", "interdependence"),
        "A strong firm and a weak one that needs it and leaves when its trust is gone.",
    ),
    Entry(
        "payoff/PlatformEcosystem-v0",
        f"{_COOPETITION}.platform_ecosystem:V0",
        ("coopetition", "published", "interdependence"),
        "One platform and the developers who leave it together when they stop trusting it.",
    ),
    Entry(
        "payoff/DynamicPartnerSelection-v0",
        f"{_COOPETITION}.dynamic_partner_selection:V0",
        ("coopetition", "published", "interdependence"),
        "Six equal firms with a public score that everybody sees and nothing reads.",
    ),
    Entry(
        "payoff/RecoveryRace-v0",
        f"{_COOPETITION}.recovery_race:V0",
        ("coopetition", "published", "trust"),
        "Two equal firms after a breakdown try to win trust back before time runs out.",
    ),
    Entry(
        "payoff/SynergySearch-v0",
        f"{_COOPETITION}.synergy_search:V0",
        ("coopetition", "published", "interdependence"),
        "Two equal firms that do not know how much their joint work is worth.",
    ),
    Entry(
        "payoff/SLCD-v0",
        f"{_COOPETITION}.slcd:V0",
        ("coopetition", "published", "interdependence"),
        "Samsung and Sony in their joint venture for LCD panels.",
    ),
    Entry(
        "payoff/RenaultNissan-v0",
        f"{_COOPETITION}.renault_nissan:V0",
        ("coopetition", "published", "trust"),
        "The alliance of Nissan and Renault in one of four phases of its history.",
    ),
    Entry(
        "payoff/CooperativeNegotiation-v0",
        f"{_COOPETITION}.cooperative_negotiation:V0",
        ("coopetition", "published", "trust"),
        "Two equal firms whose actions are offers, agreements and breaches at once.",
    ),
    Entry(
        "payoff/ReputationMarket-v0",
        f"{_COOPETITION}.reputation_market:V0",
        ("coopetition", "published", "trust"),
        "Five equal firms whose payoffs are multiplied by the tier of a public score.",
    ),
    Entry(
        "payoff/TeamProduction-v0",
        f"{_COOPETITION}.team_production:V0",
        ("coopetition", "published", "collective_action"),
        "A team of four in which those who do hardly anything lose a tenth.",
    ),
    Entry(
        "payoff/LoyaltyTeam-v0",
        f"{_COOPETITION}.loyalty_team:V0",
        ("coopetition", "published", "collective_action"),
        "A team of four whose effort pays off when everybody keeps it up.",
    ),
    Entry(
        "payoff/CoalitionFormation-v0",
        f"{_COOPETITION}.coalition_formation:V0",
        ("coopetition", "published", "collective_action"),
        "A team of six that excludes the disloyal for a while.",
    ),
    Entry(
        "payoff/ApacheProject-v0",
        f"{_COOPETITION}.apache_project:V0",
        ("coopetition", "published", "collective_action"),
        "The Apache HTTP Server project in one of four phases: a loyal team of 8 to 40.",
    ),
    Entry(
        "payoff/PublicGoods-v0",
        f"{_COOPETITION}.public_goods:V0",
        ("coopetition", "published", "collective_action"),
        "Five contributors to a public good, in name; paid like LoyaltyTeam.",
    ),
    Entry(
        "payoff/ReciprocalDilemma-v0",
        f"{_COOPETITION}.reciprocal_dilemma:V0",
        ("coopetition", "published", "reciprocity"),
        "Two equal firms that answer each other's changes of course.",
    ),
    Entry(
        "payoff/GiftExchange-v0",
        f"{_COOPETITION}.gift_exchange:V0",
        ("coopetition", "published", "reciprocity"),
        "An employer and a worker that answer each other's changes of course.",
    ),
    Entry(
        "payoff/IndirectReciprocity-v0",
        f"{_COOPETITION}.indirect_reciprocity:V0",
        ("coopetition", "published", "reciprocity"),
        "Four equal firms that answer each other's changes of course.",
    ),
    Entry(
        "payoff/GraduatedSanction-v0",
        f"{_COOPETITION}.graduated_sanction:V0",
        ("coopetition", "published", "reciprocity"),
        "Six equal firms that answer each other's changes of course, with a long memory.",
    ),
    Entry(
        "payoff/AppleAppStore-v0",
        f"{_COOPETITION}.apple_app_store:V0",
        ("coopetition", "published", "reciprocity"),
        "A platform owner and two kinds of developers who depend on it far more than it on them.",
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
