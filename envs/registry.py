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
_SOCIAL = "payoff.envs.social"

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
    Entry(
        "payoff/MultiRoom-v0",
        f"{_SPARSE}.multi_room:V0",
        ("sparse", "grid", "tabular"),
        "A row of rooms with doors to find and lava around; what contexts share is a keyword.",
    ),
    Entry(
        "payoff/Chain-v0",
        f"{_SPARSE}.chain:V0",
        ("sparse", "tabular", "stochastic"),
        "A long slippery walk to the end that pays, with a crumb the other way.",
    ),
    Entry(
        "payoff/CorridorStar-v0",
        f"{_SPARSE}.corridor_star:V0",
        ("sparse", "tabular"),
        "Five corridors from a hub, a goal at the end of one, and time for one of them only.",
    ),
    Entry(
        "payoff/FourRooms-v0",
        f"{_SPARSE}.four_rooms:V0",
        ("sparse", "grid", "tabular", "stochastic"),
        "A slippery walk through two gates to the far corner, which pays.",
    ),
    Entry(
        "payoff/LineKey-v0",
        f"{_SPARSE}.line_key:V0",
        ("sparse", "tabular", "stochastic"),
        "Pick the one right key among look-alikes, then walk to the other end of the line.",
    ),
    Entry(
        "payoff/GridNav-v0",
        f"{_SPARSE}.grid_nav:V0",
        ("delayed", "grid", "tabular", "stochastic", "continuous"),
        "A walk across the unit square, with an auxiliary reward that helps or misleads.",
    ),
    Entry(
        "payoff/SparseMountainCar-v0",
        f"{_SPARSE}.mountain_car:V0",
        ("sparse", "continuous"),
        "An engine too weak for the hill: 1 at the top, and auxiliary rewards for pumping.",
    ),
    Entry(
        "payoff/WatchRepair-v0",
        f"{_SPARSE}.watch_repair:V0",
        ("delayed", "tabular", "stochastic"),
        "Repair a watch or send it away; what that was worth is settled a long and noisy way later.",
    ),
    Entry(
        "payoff/CoinLine-v0",
        f"{_SPARSE}.coin_line:V0",
        ("delayed", "tabular"),
        "Walk back and forth over a coin; the visits are paid at the end of the episode.",
    ),
    Entry(
        "payoff/HyperGrid-v0",
        f"{_SPARSE}.hyper_grid:V0",
        ("sparse", "grid", "tabular"),
        "Move up along the axes of a grid and stop: a few far cells are worth most.",
    ),
    Entry(
        "payoff/AdditiveSet-v0",
        f"{_SPARSE}.additive_set:V0",
        ("sparse", "tabular"),
        "Choose some of many elements for the least sum of energies; the set is paid when complete.",
    ),
    Entry(
        "payoff/Minesweeper-v0",
        f"{_SPARSE}.minesweeper:V0",
        ("reasoning", "sparse", "grid"),
        "Open every free cell by what the numbers say; each opening can be graded exactly.",
    ),
    Entry(
        "payoff/DeepSea-v0",
        f"{_SPARSE}.deep_sea:V0",
        ("sparse", "grid", "tabular", "stochastic"),
        "Right on every single step, whatever right means there, opens the chest at the ground.",
    ),
    Entry(
        "payoff/CliffWalk-v0",
        f"{_SPARSE}.cliff_walk:V0",
        ("sparse", "grid", "tabular", "stochastic"),
        "Along the edge of a cliff to the goal, at a cost or for a single payment.",
    ),
    Entry(
        "payoff/SparseCartPole-v0",
        f"{_SPARSE}.cart_pole:V0",
        ("sparse", "continuous"),
        "A pole that must still stand at the horizon; advice from a controller, good or bad.",
    ),
    Entry(
        "payoff/Bifurcation-v0",
        f"{_SPARSE}.bifurcation:V0",
        ("delayed", "tabular", "stochastic"),
        "One fork of a long corridor decides what is paid at its end; other forks look alike.",
    ),
    Entry(
        "payoff/FillerSteps-v0",
        f"{_SPARSE}.filler_steps:V0",
        ("sparse", "reasoning", "tabular"),
        "A few necessary steps and then stop, while a judge of single steps likes fillers as well.",
    ),
    Entry(
        "payoff/Sudoku-v0",
        f"{_SPARSE}.sudoku:V0",
        ("reasoning", "sparse", "grid"),
        "Fill the grid with the one solution that its clues leave; each digit is right or wrong.",
    ),
    Entry(
        "payoff/TwentyQuestions-v0",
        f"{_SPARSE}.twenty_questions:V0",
        ("reasoning",),
        "Find a hidden hypothesis by yes-no questions that cost something; the belief is exact.",
    ),
    Entry(
        "payoff/NoisyTesting-v0",
        f"{_SPARSE}.noisy_testing:V0",
        ("reasoning", "stochastic"),
        "Find a hidden hypothesis with tests that err and cost; the belief is exact.",
    ),
    Entry(
        "payoff/RedundantArm-v0",
        f"{_SPARSE}.redundant_arm:V0",
        ("sparse", "continuous"),
        "An arm of twenty joints, paid at the last step for where its hand is then.",
    ),
    Entry(
        "payoff/HardMaze-v0",
        f"{_SPARSE}.hard_maze:V0",
        ("sparse", "continuous"),
        "A robot with short sight and goals behind walls: paid at the last step, for where it stands.",
    ),
    Entry(
        "payoff/Delivery-v0",
        f"{_SPARSE}.delivery:V0",
        ("delayed", "grid", "tabular", "stochastic"),
        "Drive to the goal past sheep, coins and roadblocks, at a price for every step.",
    ),
    Entry(
        "payoff/RepeatBandit-v0",
        f"{_SPARSE}.repeat_bandit:V0",
        ("reasoning", "stochastic"),
        "A bandit that comes back with some probability, so that what was learnt of it may pay again.",
    ),
    Entry(
        "payoff/RepeatMaze-v0",
        f"{_SPARSE}.repeat_maze:V0",
        ("reasoning", "grid", "stochastic"),
        "A hidden goal that stays with some probability: search once, then walk straight to it.",
    ),
    Entry(
        "payoff/Tamper-v0",
        f"{_SPARSE}.tamper:V0",
        ("sparse", "grid", "tabular"),
        "Honest work, and five ever more blatant ways to fool the grader; the payoff is the work.",
    ),
    Entry(
        "payoff/Curling-v0",
        f"{_SPARSE}.curling:V0",
        ("sparse", "continuous"),
        "An arm that must reach around a ball to push it: paid at the last step, for where the ball is.",
    ),
    Entry(
        "payoff/RouteDrive-v0",
        f"{_SPARSE}.route_drive:V0",
        ("sparse", "continuous"),
        "A winding route with lights and traffic; what is paid is the part of it that was driven well.",
    ),
    Entry(
        "payoff/CarBall-v0",
        f"{_SPARSE}.car_ball:V0",
        ("team", "continuous", "multi_agent"),
        "Cars push a ball about a box, one or two a side: 1 for a goal, and nothing on the way to it.",
    ),
    Entry(
        "payoff/Congestion-v0",
        f"{_SOCIAL}.congestion:V0",
        ("social", "multi_agent"),
        "A hundred seats choose among six sections that hold six each; what is best for each ruins all.",
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
